/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes what the engine has prepared. Part of the monitor: no allocation, no parsing of text. The
 * script is the engine's own, but every length and offset in it is checked before it is used: a file
 * that was cut must not make a privileged process read beyond it.
 */
#include "network/script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/conntrack.h"
#include "kernel/netlink.h"

#define NAMES_BACKLOG 128
#define ALIGN 8u

/* ---- walking through it ---- */

struct step {
	uint32_t type;
	unsigned char *payload;
	size_t bytes;
};

static int check_header(const void *bytes, size_t n)
{
	struct script_header h;

	if (n < sizeof(h) || n > SCRIPT_BYTES_MAX)
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	return h.version == SCRIPT_VERSION && h.bytes == n ? 0 : -EBADMSG;
}

/* 1 and the entry at *at, which moves on; 0 at the end; -EBADMSG. */
static int next_step(unsigned char *bytes, size_t n, size_t *at, struct step *out)
{
	struct script_entry e;
	size_t padded;

	if (*at == n)
		return 0;
	if (n - *at < sizeof(e))
		return -EBADMSG;
	memcpy(&e, bytes + *at, sizeof(e));
	padded = ((size_t)e.bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (padded > n - *at - sizeof(e))
		return -EBADMSG;
	*out = (struct step){.type = e.type, .payload = bytes + *at + sizeof(e), .bytes = e.bytes};
	*at += sizeof(e) + padded;
	return 1;
}

/* The text at the payload's offset *at, which moves behind it; NULL when it does not end. */
static const char *next_text(const struct step *s, size_t *at)
{
	const char *text = (const char *)s->payload + *at;
	size_t len = *at < s->bytes ? strnlen(text, s->bytes - *at) : 0;

	if (*at >= s->bytes || len == s->bytes - *at)
		return NULL;
	*at += len + 1;
	return text;
}

/* ---- doing it ---- */

struct runner {
	pid_t pid;
	int pidfd;
	uint32_t run;
	struct script_names *names;
	struct script_times *times;
	struct err *err;
	int route, filter, back; /* sockets of the host's namespace, and that namespace; -1 */
};

static int explain(struct runner *r, int rc, const char *what, const char *device,
		   const struct netlink_refusal *refusal)
{
	const char *hint = "";

	if (rc == -EXFULL)
		hint = " (the kernel allows no more than 1023 ports on a bridge: connect the "
		       "container to another network)";
	else if (rc == -EEXIST && !device)
		hint = " (something is left of another container: cloche system check --repair)";
	return err_set(r->err, ERR_SYSTEM, -rc, "%s%s%s: %s%s%s%s", what, device ? " " : "",
		       device ? device : "", err_errno_text(-rc),
		       refusal && refusal->text[0] ? ": " : "", refusal ? refusal->text : "", hint);
}

static int open_socket(struct runner *r, int *fd, int protocol)
{
	if (*fd < 0)
		*fd = netlink_open(protocol);
	return *fd < 0 ? explain(r, *fd, "open a netlink socket", NULL, NULL) : 0;
}

/* The number of the run in the name at an offset of the messages. */
static int patch_name(unsigned char *messages, size_t n, uint32_t at, uint32_t run)
{
	static const char digits[] = "0123456789abcdef";
	char *name = (char *)messages + at;
	size_t len;

	if (at == 0)
		return 0;
	if (at > n || n - at < IFNAMSIZ)
		return -EBADMSG;
	len = strnlen(name, IFNAMSIZ);
	if (len <= SCRIPT_RUN_LETTERS || len == IFNAMSIZ)
		return -EBADMSG;
	name[len - 2] = digits[run >> 4 & 15];
	name[len - 1] = digits[run & 15];
	return 0;
}

static int do_link(struct runner *r, struct step *s)
{
	struct netlink_refusal refusal = {.index = 0};
	unsigned char *messages = s->payload + sizeof(struct script_link);
	struct script_link l;
	int32_t pid = r->pid;
	size_t n;
	int rc;

	if (s->bytes < sizeof(l))
		return -EBADMSG;
	memcpy(&l, s->payload, sizeof(l));
	n = s->bytes - sizeof(l);
	if (l.pid_at > n || n - l.pid_at < sizeof(pid) || !l.name_at ||
	    patch_name(messages, n, l.name_at, r->run) < 0 ||
	    patch_name(messages, n, l.port_name_at, r->run) < 0 ||
	    patch_name(messages, n, l.isolated_name_at, r->run) < 0)
		return -EBADMSG;
	memcpy(messages + l.pid_at, &pid, sizeof(pid));
	rc = open_socket(r, &r->route, NETLINK_ROUTE);
	if (rc < 0)
		return rc;
	rc = netlink_transact(r->route, messages, n, &refusal);
	return rc < 0 ? explain(r, rc, refusal.index ? "connect device" : "make device",
				(const char *)messages + l.name_at, &refusal)
		      : 0;
}

static int do_rules(struct runner *r, struct step *s)
{
	struct netlink_refusal refusal = {.index = 0};
	int rc = open_socket(r, &r->filter, NETLINK_NETFILTER);

	if (rc == 0)
		rc = netlink_transact(r->filter, s->payload, s->bytes, &refusal);
	else
		return rc;
	return rc < 0 ? explain(r, rc, "publish ports", NULL, &refusal) : 0;
}

/* Sends the payload in the container's namespace. */
static int transact_inside(struct runner *r, struct step *s, int protocol, const char *what)
{
	auto_close int fd = netlink_open(protocol);
	struct netlink_refusal refusal = {.index = 0};
	int rc;

	if (fd < 0)
		return explain(r, fd, "open a netlink socket in the container's namespace", NULL,
			       NULL);
	rc = netlink_transact(fd, s->payload, s->bytes, &refusal);
	return rc < 0 ? explain(r, rc, what, NULL, &refusal) : 0;
}

static int do_inside(struct runner *r, struct step *s)
{
	return transact_inside(r, s, NETLINK_ROUTE,
			       "set up addresses and routes in the container's namespace");
}

static int do_sysctl(struct runner *r, struct step *s)
{
	char path[PATH_MAX];
	size_t at = 0;
	const char *name = next_text(s, &at), *value = next_text(s, &at);
	int rc;

	if (!name || !value || str_format(path, sizeof(path), "/proc/sys/%s", name) < 0)
		return -EBADMSG;
	rc = file_write_kernel_at(AT_FDCWD, path, value);
	return rc < 0 ? explain(r, rc, "write sysctl", name, NULL) : 0;
}

static int bind_names(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(SCRIPT_NAMES_PORT),
				.sin_addr = {htonl(SCRIPT_NAMES_ADDRESS)}};
	auto_close int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, NAMES_BACKLOG) < 0))
		return -errno;
	return take_fd(&fd);
}

static int do_names(struct runner *r, struct step *s)
{
	r->names->udp = bind_names(SOCK_DGRAM);
	if (r->names->udp >= 0)
		r->names->tcp = bind_names(SOCK_STREAM);
	if (r->names->udp >= 0 && r->names->tcp >= 0)
		return transact_inside(r, s, NETLINK_NETFILTER,
				       "lead port 53 to the name service in the container's "
				       "namespace");
	return explain(r, r->names->udp < 0 ? r->names->udp : r->names->tcp,
		       "bind a port of 127.0.0.11 in the container's namespace", NULL, NULL);
}

static void forget(const struct step *s)
{
	const struct conntrack_port *ports = (const void *)s->payload;

	if (conntrack_forget(ports, s->bytes / sizeof(*ports)) < 0)
		return; /* as in the header */
}

static int do_forget(struct runner *r, struct step *s)
{
	(void)r;
	forget(s);
	return 0;
}

/* In the order in which they come. */
enum part {
	PART_FIRST,  /* in the container's namespace, while it has no devices */
	PART_HOST,   /* in the host's */
	PART_INSIDE, /* in the container's */
};

static const struct {
	int (*fn)(struct runner *r, struct step *s); /* NULL: nothing to do */
	enum part part;
} actions[] = {
	[SCRIPT_LINK] = {do_link, PART_HOST},       [SCRIPT_INSIDE] = {do_inside, PART_INSIDE},
	[SCRIPT_SYSCTL] = {do_sysctl, PART_INSIDE}, [SCRIPT_RULES_ADD] = {do_rules, PART_HOST},
	[SCRIPT_RULES_REMOVE] = {NULL, PART_HOST},  [SCRIPT_UNLINK] = {NULL, PART_HOST},
	[SCRIPT_NAMES] = {do_names, PART_INSIDE},   [SCRIPT_FORGET] = {do_forget, PART_HOST},
	[SCRIPT_FORWARD] = {NULL, PART_HOST},       [SCRIPT_SYSCTL_FIRST] = {do_sysctl, PART_FIRST},
};
#define ACTION_COUNT (sizeof(actions) / sizeof(actions[0]))

static void stamp(struct runner *r, uint32_t type)
{
	uint64_t now = clock_now_ns();

	if (type == SCRIPT_LINK)
		r->times->links = now;
	else if (type == SCRIPT_RULES_ADD || type == SCRIPT_FORGET)
		r->times->rules = now;
	else
		r->times->inside = now;
}

static bool has_part(unsigned char *bytes, size_t n, enum part part)
{
	size_t at = sizeof(struct script_header);
	struct step s;

	while (next_step(bytes, n, &at, &s) > 0)
		if (s.type < ACTION_COUNT && actions[s.type].fn && actions[s.type].part == part)
			return true;
	return false;
}

/* All entries of one part, in order. */
static int do_part(struct runner *r, unsigned char *bytes, size_t n, enum part part)
{
	size_t at = sizeof(struct script_header);
	struct step s;
	int rc;

	while ((rc = next_step(bytes, n, &at, &s)) > 0) {
		if (s.type == 0 || s.type >= ACTION_COUNT)
			return -EBADMSG;
		if (!actions[s.type].fn || actions[s.type].part != part)
			continue;
		rc = actions[s.type].fn(r, &s);
		if (rc < 0)
			return rc;
		stamp(r, s.type);
	}
	return rc;
}

static int enter(struct runner *r)
{
	auto_close int there = -1;
	char path[64];

	if (r->back < 0)
		r->back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r->back < 0)
		return explain(r, -errno, "open /proc/thread-self/ns/net", NULL, NULL);
	if (r->pidfd >= 0 && setns(r->pidfd, CLONE_NEWNET) == 0)
		return 0;
	/* Linux before 5.8. The process is our child, or its pidfd is held: the number is its own. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)r->pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0)
		return explain(r, -errno, "enter the container's network namespace", NULL, NULL);
	return 0;
}

static int run_inside(struct runner *r, unsigned char *bytes, size_t n, enum part part)
{
	int rc = enter(r);

	if (rc < 0)
		return rc;
	rc = do_part(r, bytes, n, part);
	if (setns(r->back, CLONE_NEWNET) < 0)
		return explain(r, -errno, "return from the container's network namespace", NULL,
			       NULL);
	return rc;
}

int script_run(void *bytes, size_t n, pid_t pid, int pidfd, uint32_t run,
	       struct script_names *names, struct script_times *times, struct err *err)
{
	struct script_times unwanted;
	struct runner r = {.pid = pid,
			   .pidfd = pidfd,
			   .run = run,
			   .names = names,
			   .times = times ? times : &unwanted,
			   .err = err,
			   .route = -1,
			   .filter = -1,
			   .back = -1};
	int rc = check_header(bytes, n);

	*names = (struct script_names){-1, -1};
	*r.times = (struct script_times){0};
	if (rc == 0 && has_part(bytes, n, PART_FIRST))
		rc = run_inside(&r, bytes, n, PART_FIRST);
	if (rc == 0)
		rc = do_part(&r, bytes, n, PART_HOST);
	if (rc == 0)
		rc = run_inside(&r, bytes, n, PART_INSIDE);
	cleanup_close(&r.route);
	cleanup_close(&r.filter);
	cleanup_close(&r.back);
	if (rc == -EBADMSG)
		return err_set(err, ERR_CORRUPT, EBADMSG, "%s is damaged", SCRIPT_FILE);
	return rc;
}

/* ---- undoing it ---- */

static int remove_rules(int *filter, struct step *s)
{
	int rc;

	if (*filter < 0)
		*filter = netlink_open(NETLINK_NETFILTER);
	if (*filter < 0)
		return *filter;
	rc = netlink_transact(*filter, s->payload, s->bytes, NULL);
	return rc == -ENOENT ? 0 : rc;
}

static int remove_link(const struct step *s)
{
	size_t at = 0, len;
	const char *path = next_text(s, &at), *owner = next_text(s, &at);
	char text[NAME_MAX];
	ssize_t n;

	if (!path || !owner)
		return -EBADMSG;
	len = strlen(owner);
	n = readlink(path, text, sizeof(text));
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Another's by now. */
	if ((size_t)n < len || memcmp(text, owner, len) != 0)
		return 0;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int undo_step(int *filter, struct step *s)
{
	if (s->type == SCRIPT_UNLINK)
		return remove_link(s);
	if (s->type == SCRIPT_RULES_REMOVE)
		return remove_rules(filter, s);
	forget(s);
	return 0;
}

static int undo(void *bytes, size_t n, int *filter)
{
	static const uint32_t order[] = {SCRIPT_RULES_REMOVE, SCRIPT_FORGET, SCRIPT_UNLINK};
	int first = check_header(bytes, n);

	for (size_t i = 0; first != -EBADMSG && i < sizeof(order) / sizeof(order[0]); i++) {
		size_t at = sizeof(struct script_header);
		struct step s;
		int rc;

		while ((rc = next_step(bytes, n, &at, &s)) > 0) {
			if (s.type != order[i])
				continue;
			rc = undo_step(filter, &s);
			if (rc < 0 && first == 0)
				first = rc;
		}
		if (rc < 0 && first == 0)
			first = rc;
	}
	return first;
}

/* Writable, but nothing of it goes to the file. 0, -EBADMSG for what is no script, or -errno. */
static int map_file(int run_dir, const char *name, void **bytes, size_t *n)
{
	auto_close int fd = openat(run_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(struct script_header) || st.st_size > SCRIPT_BYTES_MAX)
		return -EBADMSG;
	*n = (size_t)st.st_size;
	*bytes = mmap(NULL, *n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	return *bytes == MAP_FAILED ? -errno : 0;
}

static int undo_file(int run_dir, const char *name, int *filter)
{
	void *bytes;
	size_t n;
	int rc = map_file(run_dir, name, &bytes, &n);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0 && rc != -EBADMSG)
		return rc;
	if (rc == 0) {
		rc = undo(bytes, n, filter);
		munmap(bytes, n);
	}
	if (unlinkat(run_dir, name, 0) < 0 && errno != ENOENT && rc == 0)
		rc = -errno;
	return rc;
}

int script_undo_file(int run_dir)
{
	auto_close int filter = -1;

	return script_undo_file_by(run_dir, &filter);
}

int script_undo_file_by(int run_dir, int *filter)
{
	/* One whose undoing was cut. */
	int rc = undo_file(run_dir, SCRIPT_UNDONE_FILE, filter), again;

	if (renameat(run_dir, SCRIPT_FILE, run_dir, SCRIPT_UNDONE_FILE) < 0)
		return errno == ENOENT || rc < 0 ? rc : -errno;
	again = undo_file(run_dir, SCRIPT_UNDONE_FILE, filter);
	return rc < 0 ? rc : again;
}

/* ---- where ports lead ---- */

/* In order, so that the last of thousands costs what the first does. */
static int find_in(const struct step *s, const struct script_port *port, struct script_forward *out)
{
	size_t low = 0, high = s->bytes / sizeof(*out);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order;

		memcpy(out, s->payload + middle * sizeof(*out), sizeof(*out));
		order = memcmp(port, &out->from, sizeof(*port));
		if (order == 0)
			return 0;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

int script_forward_find(int run_dir, const struct script_port *port, struct script_forward *out)
{
	size_t n, at = sizeof(struct script_header);
	struct step s = {.type = 0};
	void *bytes;
	int rc = map_file(run_dir, SCRIPT_FILE, &bytes, &n);

	if (rc < 0)
		return rc;
	rc = check_header(bytes, n) < 0 ? -EBADMSG : 1;
	while (rc > 0 && s.type != SCRIPT_FORWARD)
		rc = next_step(bytes, n, &at, &s);
	if (rc >= 0)
		rc = rc > 0 ? find_in(&s, port, out) : -ENOENT;
	munmap(bytes, n);
	return rc;
}
