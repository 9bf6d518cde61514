/* SPDX-License-Identifier: Apache-2.0 */
/* layers: the overlay that its root is, the directories behind it, what it changed and what stays. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/human.h"
#include "kernel/path.h"
#include "observe/explain/topics.h"
#include "observe/probe/layers.h"

#define SHOWN_MAX 6
#define MOUNTINFO_MAX (4u << 20)

static unsigned long long show(uint64_t value)
{
	return value;
}

/* The engine's data root: what stands before the store's name in the path of the upper directory. */
static char *data_root(const struct explain *x)
{
	static const char *const stores[] = {"/overlay2/", "/overlay/"};
	const char *upper = x->target->upper;

	for (size_t i = 0; i < 2; i++) {
		const char *at = strstr(upper, stores[i]);

		if (at)
			return xstrndup(upper, (size_t)(at - upper));
	}
	return NULL;
}

static void claim_stack(struct explain *x, const struct layers_mount *m)
{
	struct report_claim *c =
		explain_claim(x, "layers.stack", m->overlay ? REPORT_HOLDS : REPORT_BROKEN,
			      "the root of %s is an overlay of directories", x->name);

	report_evidence(c, "/proc/%d/mountinfo: / is %s, %s", x->target->pid, m->fs_type,
			m->read_only ? "read-only" : "writable");
	if (!m->overlay) {
		report_evidence(c, "/proc/%d/mountinfo: source %s, root %s", x->target->pid,
				m->source, m->root);
		report_consequence(
			c, "there are no layers: what it writes to / is written where it lies");
		return;
	}
	for (size_t i = 0; i < m->lower.count && i < SHOWN_MAX; i++)
		report_evidence(c, "lower %zu: %s", i + 1, m->lower.items[i]);
	if (m->lower.count > SHOWN_MAX)
		report_evidence(c, "and %zu more lower directories", m->lower.count - SHOWN_MAX);
	report_evidence(c, "upper: %s", m->upper ? m->upper : "none, so nothing can be written");
	if (m->work)
		report_evidence(c, "work: %s", m->work);
	if (*x->target->merged)
		report_evidence(c, "merged: /proc/%d/root; the engine's name for it is %s",
				x->target->pid, x->target->merged);
	report_evidence(
		c, "options in force: index %s, metacopy %s, redirect_dir %s, xino %s, volatile %s",
		m->features.index ? "on" : "off", m->features.metacopy ? "on" : "off",
		m->features.redirect_dir ? "on" : "off", m->features.xino,
		m->features.is_volatile ? "on" : "off");
	report_consequence(
		c, "a name is looked for in the upper directory first, then in the lower ones "
		   "from the first to the last; reads go straight to the file found");
}

static void claim_recorded(struct explain *x, const struct layers_mount *m)
{
	struct report_claim *c;
	char mounted[PATH_MAX], recorded[PATH_MAX];

	if (!m->upper || !*x->target->upper)
		return;
	if (!realpath(m->upper, mounted))
		snprintf(mounted, sizeof(mounted), "%s", m->upper);
	if (!realpath(x->target->upper, recorded))
		snprintf(recorded, sizeof(recorded), "%s", x->target->upper);
	c = explain_claim(x, "layers.recorded",
			  str_eq(mounted, recorded) ? REPORT_HOLDS : REPORT_BROKEN,
			  "the directory that %s names for its changes is the one mounted",
			  target_engine_name(x->target->engine));
	report_evidence(c, "UpperDir in its inspect: %s", x->target->upper);
	report_evidence(c, "upperdir in mountinfo: %s", m->upper);
}

static const struct layers_directory *upper_of(const struct layers_stack *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->directories[i].upper)
			return &s->directories[i];
	}
	return NULL;
}

/* Whether the engine put it into the upper directory so that something could be mounted there: an empty
 * file, or a directory that no layer has. */
static bool is_place(const struct layers_mount *m, int upper, const char *target)
{
	auto_close int fd = path_open_nosymlink(upper, target, O_PATH | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (S_ISREG(st.st_mode))
		return st.st_size == 0;
	for (size_t i = 0; i < m->lower.count; i++) {
		auto_close int root = open(m->lower.items[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		auto_close int below =
			root < 0 ? -1 : path_open_nosymlink(root, target, O_PATH | O_CLOEXEC, 0);

		if (below >= 0)
			return false;
	}
	return S_ISDIR(st.st_mode);
}

/* Podman puts a link there, so that programs which look for mounts in /etc find those of /proc. */
static bool is_mount_table(int upper)
{
	char target[32];
	auto_close int fd = path_open_nosymlink(upper, "/etc", O_PATH | O_DIRECTORY, 0);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "mtab", target, sizeof(target));

	return n == (ssize_t)strlen("/proc/mounts") && !strncmp(target, "/proc/mounts", (size_t)n);
}

/* How many of the added things are the engine's: places where something is mounted. */
static uint64_t count_places(const struct explain *x, const struct layers_mount *m)
{
	auto_free char *path = xasprintf("/proc/%d/mountinfo", x->target->pid);
	auto_close int upper = open(m->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *text = NULL;
	uint64_t n = 0;

	if (upper < 0 || file_read_at(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL) < 0)
		return 0;
	for (char *line = text; *line;) {
		char *next = line + strcspn(line, "\n"), target[PATH_MAX];
		bool more = *next != '\0';

		*next = '\0';
		/* proc_pid_mountinfo(5): the mount point is the fifth field */
		if (sscanf(line, "%*s %*s %*s %*s %4095s", target) == 1 && !str_eq(target, "/"))
			n += is_place(m, upper, target);
		line = next + more;
	}
	return n + is_mount_table(upper);
}

static void claim_changes(struct explain *x, const struct layers_mount *m,
			  const struct layers_stack *s)
{
	const struct layers_directory *d = upper_of(s);
	char bytes[HUMAN_MAX], copied[HUMAN_MAX];
	struct report_claim *c;
	uint64_t all, places;

	if (!d)
		return;
	places = count_places(x, m);
	all = d->added + d->changed + d->removed;
	human_bytes(d->disk_bytes, bytes);
	human_bytes(d->copied_up_bytes, copied);
	c = explain_claim(x, "layers.changes", all > places ? REPORT_HOLDS : REPORT_BROKEN,
			  "%s has changed its file system", x->name);
	report_evidence(
		c, "upper directory walked: %llu added, %llu changed, %llu removed, %s on disk",
		show(d->added), show(d->changed), show(d->removed), bytes);
	for (size_t i = 0; i < d->change_examples.count; i++)
		report_evidence(c, "%s", d->change_examples.items[i]);
	if (places)
		report_evidence(
			c, "%llu of the added are the engine's: places where it mounts something%s",
			show(places), x->target->engine == TARGET_PODMAN ? ", /etc/mtab" : "");
	report_evidence(c, "copied up from a lower directory, files: %llu, %s", show(d->copied_up),
			copied);
	report_evidence(c, "marks that hide what is below: whiteouts %llu, opaque directories %llu",
			show(d->whiteouts), show(d->opaque));
	report_consequence(
		c, "an added file lies in the upper directory alone; a changed one was copied "
		   "there whole at the first write; a removed one is still in its layer, hidden");
}

static void claim_shared(struct explain *x, const struct layers_mount *m, const char *root)
{
	struct report_claim *c;
	size_t most = 0;

	if (!m->overlay)
		return;
	c = explain_claim(x, "layers.shared", REPORT_BROKEN,
			  "other running containers use the lower directories of %s", x->name);
	for (size_t i = 0; i < m->lower.count && i < SHOWN_MAX; i++) {
		size_t users = layers_users(m->lower.items[i], root);

		most = users > most ? users : most;
		report_evidence(c,
				"lower %zu: in %zu of the overlays mounted as a root on this host",
				i + 1, users);
	}
	if (most > 1)
		c->verdict = REPORT_HOLDS;
	report_consequence(
		c, most > 1 ? "one copy on disk, and in the page cache, serves all of them"
			    : "the next container of this image would use the same directories: "
			      "none of it is copied");
}

static void claim_survives(struct explain *x, const struct layers_mount *m)
{
	const char *removal = target_setting(x->target, "HostConfig.AutoRemove");
	bool removed = str_eq(removal, "true");
	struct report_claim *c;
	struct statfs fs;

	if (!m->upper || x->target->engine == TARGET_PROCESS)
		return;
	c = explain_claim(x, "layers.survives", REPORT_UNKNOWN,
			  "what %s wrote is still there after a stop", x->name);
	if (statfs(m->upper, &fs) < 0) {
		report_evidence(c, "%s: %s", m->upper, err_errno_text(errno));
		return;
	}
	report_evidence(c, "its upper directory is on %s, %llu MiB free there",
			fs.f_type == TMPFS_MAGIC ? "a tmpfs (in memory)" : "a disk's file system",
			(unsigned long long)fs.f_bavail * (unsigned long long)fs.f_bsize >> 20);
	report_evidence(c, "AutoRemove in its inspect: %s", *removal ? removal : "not said");
	c->verdict = removed ? REPORT_BROKEN : REPORT_HOLDS;
	report_consequence(
		c,
		removed ? "--rm: the upper directory goes when the container ends, and only volumes "
			  "and binds stay; without it `stop` and `start` would keep it"
			: "`stop` and `start` keep the upper directory, `rm` deletes it; the "
			  "lower ones belong to the image and stay until that is removed");
}

static void add_table(struct explain *x, const struct layers_stack *s, const char *root)
{
	static const char *const columns[] = {"directory", ">files",          ">bytes",
					      ">hidden",   ">roots using it", NULL};
	auto_free char *title = xasprintf("directories of %s, topmost first", x->name);
	struct report_table *t = report_table(x->test, "layers.directories", title, columns);

	for (size_t i = 0; i < s->count; i++) {
		const struct layers_directory *d = &s->directories[i];
		char files[24], bytes[24], hidden[24], users[24];
		const char *const cells[] = {d->path, files, bytes, hidden, users};

		snprintf(files, sizeof(files), "%llu", show(d->files));
		snprintf(bytes, sizeof(bytes), "%llu", show(d->bytes));
		snprintf(hidden, sizeof(hidden), "%llu", show(d->hidden_files));
		snprintf(users, sizeof(users), "%zu", d->upper ? 1 : layers_users(d->path, root));
		report_row(t, cells);
	}
}

int explain_layers(struct explain *x, struct err *err)
{
	auto_layers_mount struct layers_mount m = {.overlay = false};
	auto_layers_stack struct layers_stack s = {.count = 0};
	auto_free char *root = data_root(x);
	struct err walk = ERR_INIT;
	int rc = layers_read(x->target->pid, root, &m, err);

	if (rc < 0)
		return rc;
	claim_stack(x, &m);
	claim_recorded(x, &m);
	if (m.overlay && layers_walk(&m, &s, &walk) < 0) {
		report_note(x->test, "not read: what lies in the directories of %s: %s", x->name,
			    walk.msg);
		report_status(x->test, REPORT_PARTIAL, "%s", walk.msg);
	}
	claim_changes(x, &m, &s);
	claim_shared(x, &m, root);
	claim_survives(x, &m);
	if (s.count)
		add_table(x, &s, root);
	return 0;
}
