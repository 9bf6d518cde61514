/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line: "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue". Blanks in
 * fields are octal escapes, so a blank always ends a field.
 */
#include "observe/probe/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

#define MOUNTINFO_MAX ((size_t)16 << 20)
#define FIELDS_BEFORE 6 /* id, parent, device, root, target, options */
#define FIELDS_AFTER 3  /* type, source, super options */

static bool is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

static char *unescape(const char *from)
{
	char *out = xstrdup(from), *to = out;

	while (*from) {
		if (*from == '\\' && is_octal(from + 1)) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return out;
}

/* Takes `count` fields off *rest; false when there are fewer. */
static bool take_fields(char **rest, char **fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fields[i] = strsep(rest, " ");
		if (!fields[i])
			return false;
	}
	return true;
}

static bool take_numbers(char *const *fields, struct mount_entry *m)
{
	auto_free char *device = xstrdup(fields[2]);
	char *minor = device;
	const char *major = strsep(&minor, ":");
	uint64_t a, b;

	if (str_to_u64(fields[0], &m->id) || str_to_u64(fields[1], &m->parent) || !minor ||
	    str_to_u64(major, &a) || str_to_u64(minor, &b))
		return false;
	m->major = (unsigned)a;
	m->minor = (unsigned)b;
	return true;
}

static bool take_line(char *line, struct mount_entry *m)
{
	char *before[FIELDS_BEFORE], *after[FIELDS_AFTER], *rest = line;
	const char *word;

	*m = (struct mount_entry){0};
	if (!take_fields(&rest, before, FIELDS_BEFORE) || !take_numbers(before, m))
		return false;
	/* Optional fields, ended by a single dash. */
	while ((word = strsep(&rest, " ")) && !str_eq(word, "-")) {
		m->shared |= str_starts(word, "shared:");
		m->slave |= str_starts(word, "master:");
	}
	if (!word || !take_fields(&rest, after, FIELDS_AFTER))
		return false;
	m->root = unescape(before[3]);
	m->target = unescape(before[4]);
	m->options = xstrdup(before[5]);
	m->type = unescape(after[0]);
	m->source = unescape(after[1]);
	m->super = unescape(after[2]);
	return true;
}

void mounts_parse(const char *mountinfo, struct mount_list *out)
{
	auto_free char *copy = xstrdup(mountinfo);
	char *rest = copy, *line;

	*out = (struct mount_list){0};
	while ((line = strsep(&rest, "\n"))) {
		struct mount_entry m;

		if (!take_line(line, &m))
			continue;
		if (out->count == out->room) {
			out->room = out->room ? 2 * out->room : 64;
			out->entries = xrealloc(out->entries, out->room * sizeof(*out->entries));
		}
		out->entries[out->count++] = m;
	}
}

int mounts_read(pid_t pid, struct mount_list *out, struct err *err)
{
	auto_free char *text = NULL;
	char path[48];
	int rc;

	*out = (struct mount_list){0};
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/mountinfo");
	rc = file_read_at(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL);
	if (rc == -ENOENT || rc == -EINVAL || rc == -ESRCH)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "process %d has no mounts: it has ended",
			       (int)pid);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read %s: %s", path, err_errno_text(-rc));
	mounts_parse(text, out);
	return 0;
}

void mounts_free(struct mount_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->entries[i].root);
		free(l->entries[i].target);
		free(l->entries[i].options);
		free(l->entries[i].type);
		free(l->entries[i].source);
		free(l->entries[i].super);
	}
	free(l->entries);
	*l = (struct mount_list){0};
}

const struct mount_entry *mounts_at(const struct mount_list *l, const char *target)
{
	for (size_t i = l->count; i-- > 0;)
		if (str_eq(l->entries[i].target, target))
			return &l->entries[i];
	return NULL;
}

/* Whether path is `above` or lies below it. */
static bool below(const char *path, const char *above)
{
	size_t n = strlen(above);

	if (n && above[n - 1] == '/')
		n--;
	return strncmp(path, above, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

const struct mount_entry *mounts_holding(const struct mount_list *l, const char *path)
{
	const struct mount_entry *best = NULL;

	/* Of two on one target the later hides the earlier. */
	for (size_t i = 0; i < l->count; i++)
		if (below(path, l->entries[i].target) &&
		    (!best || strlen(l->entries[i].target) >= strlen(best->target)))
			best = &l->entries[i];
	return best;
}

bool mounts_has_option(const char *options, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

bool mounts_read_only(const struct mount_entry *m)
{
	return mounts_has_option(m->options, "ro") || mounts_has_option(m->super, "ro");
}

char *mounts_host_path(const struct mount_list *host, const struct mount_entry *m)
{
	const struct mount_entry *best = NULL;
	const char *rest;

	for (size_t i = 0; i < host->count; i++) {
		const struct mount_entry *h = &host->entries[i];

		if (h->major != m->major || h->minor != m->minor || !below(m->root, h->root))
			continue;
		if (!best || strlen(h->root) < strlen(best->root))
			best = h;
	}
	if (!best)
		return NULL;
	rest = m->root + (str_eq(best->root, "/") ? 0 : strlen(best->root));
	if (str_eq(rest, "/"))
		rest = "";
	if (str_eq(best->target, "/"))
		return xstrdup(*rest ? rest : "/");
	return xasprintf("%s%s", best->target, rest);
}
