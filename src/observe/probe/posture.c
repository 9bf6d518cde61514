/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc/PID, field by field (proc(5)). */
#include "observe/probe/posture.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "observe/probe/posture_internal.h"

#define STATUS_MAX ((size_t)1 << 16)
#define MAP_MAX ((size_t)1 << 20)
/* Columns of /proc/PID/limits: name, soft, hard; the kernel prints them by these widths. */
#define LIMIT_NAME_WIDTH 26
#define LIMIT_VALUE_WIDTH 21

/* ---- status ---- */

/* The text after "NAME:\t", or NULL. */
static const char *field(const char *status, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = status; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (strncmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, "\t ");
	return NULL;
}

static uint64_t mask_field(const char *status, const char *name)
{
	const char *p = field(status, name);

	return p ? strtoull(p, NULL, 16) : 0;
}

static int number_field(const char *status, const char *name, int fallback)
{
	const char *p = field(status, name);

	return p ? (int)strtol(p, NULL, 10) : fallback;
}

/* The second of real, effective, saved, file system id. */
static uint32_t effective_id(const char *status, const char *name)
{
	const char *p = field(status, name);
	char *end;

	if (!p)
		return UINT32_MAX;
	(void)strtoul(p, &end, 10);
	return (uint32_t)strtoul(end, NULL, 10);
}

void posture_take_status(struct posture *p, const char *status)
{
	p->capabilities = (struct capability_sets){
		.bounding = mask_field(status, "CapBnd"),
		.effective = mask_field(status, "CapEff"),
		.permitted = mask_field(status, "CapPrm"),
		.inheritable = mask_field(status, "CapInh"),
		.ambient = mask_field(status, "CapAmb"),
	};
	p->seccomp_mode = number_field(status, "Seccomp", -1);
	p->seccomp_filters = number_field(status, "Seccomp_filters", -1);
	p->no_new_privileges = number_field(status, "NoNewPrivs", 0) == 1;
	p->uid = effective_id(status, "Uid");
	p->gid = effective_id(status, "Gid");
}

/* ---- maps, limits ---- */

size_t posture_parse_map(const char *text, struct posture_map **out)
{
	size_t count = 0;

	*out = NULL;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		unsigned long values[3];
		char *end = (char *)p;

		for (size_t i = 0; i < 3; i++)
			values[i] = strtoul(end, &end, 10);
		if (!values[2])
			continue;
		*out = xrealloc(*out, (count + 1) * sizeof(**out));
		(*out)[count++] = (struct posture_map){.inside = (uint32_t)values[0],
						       .outside = (uint32_t)values[1],
						       .length = (uint32_t)values[2]};
	}
	return count;
}

static uint32_t inside_id(const struct posture_map *map, size_t count, uint32_t outside)
{
	for (size_t i = 0; i < count; i++)
		if (outside >= map[i].outside && outside - map[i].outside < map[i].length)
			return map[i].inside + (outside - map[i].outside);
	return UINT32_MAX;
}

/* Copies a column without the blanks behind it. */
static void column(const char *line, size_t len, size_t from, size_t width, char *out, size_t size)
{
	size_t n;

	*out = '\0';
	if (from >= len)
		return;
	n = len - from < width ? len - from : width;
	while (n && isspace((unsigned char)line[from + n - 1]))
		n--;
	snprintf(out, size, "%.*s", (int)n, line + from);
}

void posture_take_limits(struct posture *p, const char *limits)
{
	/* The first line is the heading. */
	for (const char *line = strchr(limits, '\n'); line && *++line; line = strchr(line, '\n')) {
		struct posture_limit l;
		size_t len = strcspn(line, "\n");

		column(line, len, 0, LIMIT_NAME_WIDTH, l.name, sizeof(l.name));
		column(line, len, LIMIT_NAME_WIDTH, LIMIT_VALUE_WIDTH, l.soft, sizeof(l.soft));
		column(line, len, LIMIT_NAME_WIDTH + LIMIT_VALUE_WIDTH, LIMIT_VALUE_WIDTH, l.hard,
		       sizeof(l.hard));
		p->limits = xrealloc(p->limits, (p->limit_count + 1) * sizeof(*p->limits));
		p->limits[p->limit_count++] = l;
	}
}

/* ---- reading it all ---- */

/* A small file of /proc/PID; "" when it cannot be read. Heap. */
static char *read_text(pid_t pid, const char *name, size_t max)
{
	char path[64];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read_at(AT_FDCWD, path, max, &text, NULL) == 0 ? text : xstrdup("");
}

static void read_ids(struct posture *p)
{
	auto_free char *uids = read_text(p->pid, "uid_map", MAP_MAX);
	auto_free char *gids = read_text(p->pid, "gid_map", MAP_MAX);

	p->uid_map_count = posture_parse_map(uids, &p->uid_map);
	p->gid_map_count = posture_parse_map(gids, &p->gid_map);
	p->inside_uid = inside_id(p->uid_map, p->uid_map_count, p->uid);
	p->inside_gid = inside_id(p->gid_map, p->gid_map_count, p->gid);
}

static void read_rest(struct posture *p)
{
	auto_free char *limits = read_text(p->pid, "limits", STATUS_MAX);
	auto_free char *score = read_text(p->pid, "oom_score_adj", 64);
	auto_free char *host = read_text(1, "status", STATUS_MAX);

	p->label = read_text(p->pid, "attr/current", 4096);
	p->label[strcspn(p->label, "\n")] = '\0';
	p->oom_score_adj = (int)strtol(score, NULL, 10);
	p->host_bounding = mask_field(host, "CapBnd");
	posture_take_limits(p, limits);
}

static int read_root(struct posture *p, struct err *err)
{
	auto_mounts struct mount_list own = {0}, here = {0}, host = {0};
	const struct mount_list *const hosts[] = {&here, &host, NULL};
	struct err ignored = ERR_INIT;
	auto_close int rootfd = -1;
	char path[48];
	int rc = mounts_read(p->pid, &own, err);

	if (rc < 0)
		return rc;
	if (mounts_read(0, &here, err) < 0)
		return err_code(err);
	/* What we do not see ourselves, where we may look. */
	(void)!mounts_read(1, &host, &ignored);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)p->pid);
	rootfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	posture_take_mounts(p, &own, hosts, rootfd);
	posture_take_devices(p, rootfd);
	return 0;
}

int posture_read(pid_t pid, struct posture *out, struct err *err)
{
	auto_free char *status = NULL;
	int rc;

	*out = (struct posture){.pid = pid};
	rc = namespaces_read(pid, &out->namespaces, err);
	if (rc == 0)
		rc = namespaces_read_host(&out->host, err);
	if (rc < 0)
		return rc;
	status = read_text(pid, "status", STATUS_MAX);
	posture_take_status(out, status);
	read_ids(out);
	read_rest(out);
	rc = read_root(out, err);
	if (rc < 0)
		posture_free(out);
	return rc;
}

void posture_free(struct posture *p)
{
	for (size_t i = 0; i < p->mount_count; i++) {
		free(p->mounts[i].target);
		free(p->mounts[i].host_path);
		free(p->mounts[i].type);
	}
	for (size_t i = 0; i < p->node_count; i++)
		free(p->nodes[i].path);
	free(p->mounts);
	free(p->nodes);
	free(p->uid_map);
	free(p->gid_map);
	free(p->limits);
	free(p->label);
	free(p->root_type);
	strv_free(&p->masked);
	strv_free(&p->read_only);
	strv_free(&p->device_rules);
	*p = (struct posture){0};
}

/* ---- what is asked of it ---- */

void posture_capability_names(uint64_t mask, struct strbuf *out)
{
	bool first = true;

	if (!mask)
		strbuf_puts(out, "none");
	for (unsigned i = 0; i < 64; i++) {
		const char *name = capability_name(i);

		if (!(mask & CAPABILITY_BIT(i)))
			continue;
		strbuf_puts(out, first ? "" : ", ");
		first = false;
		if (!name)
			strbuf_printf(out, "%u", i);
		for (name = name ? name + strlen("CAP_") : ""; *name; name++)
			strbuf_putc(out, (char)tolower((unsigned char)*name));
	}
}

bool posture_has_user_namespace(const struct posture *p)
{
	return namespaces_relate(&p->namespaces, &p->host, NAMESPACE_USER) == NAMESPACE_APART;
}

bool posture_is_host_root(const struct posture *p)
{
	return p->uid == 0;
}

bool posture_is_privileged(const struct posture *p)
{
	return p->capabilities.effective && p->host_bounding &&
	       (p->capabilities.effective & p->host_bounding) == p->host_bounding &&
	       p->seccomp_mode == 0 && !posture_has_user_namespace(p);
}

const struct posture_limit *posture_limit_of(const struct posture *p, const char *name)
{
	for (size_t i = 0; i < p->limit_count; i++)
		if (str_eq(p->limits[i].name, name))
			return &p->limits[i];
	return NULL;
}
