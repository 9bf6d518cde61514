/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the root mount. In mountinfo every field has blanks, commas, equal signs and backslashes as
 * octal escapes, so a line is cut first and decoded afterwards; overlayfs's own escapes ("\:") are
 * taken out last. A stack's directories stand there as whoever mounted it wrote them: relative ones
 * count from a working directory that nobody recorded.
 */
#include "observe/probe/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define MOUNTINFO_MAX (16u << 20)
#define MODULE_PARAMETERS "/sys/module/overlay/parameters/"

/* Takes \ooo out, in place. */
static void decode_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static char *decoded(const char *text)
{
	char *out = xstrdup(text);

	decode_octal(out);
	return out;
}

/* Adds one directory, its backslashes taken out. */
static void add_lower(struct layers_mount *m, const char *text, size_t len)
{
	char *path = xstrndup(text, len), *out = path;

	for (const char *s = path; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		*out++ = *s;
	}
	*out = '\0';
	strv_add(&m->given, path);
	strv_add_taken(&m->lower, path);
}

/* "a:b\:c::data": an empty name only separates what has data alone. */
static void add_lower_list(struct layers_mount *m, const char *list)
{
	const char *begin = list;

	for (const char *s = list;; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			continue;
		}
		if (*s && *s != ':')
			continue;
		if (s > begin)
			add_lower(m, begin, (size_t)(s - begin));
		if (!*s)
			return;
		begin = s + 1;
	}
}

static bool on(const char *value)
{
	return str_eq(value, "on") || str_eq(value, "follow");
}

static void take_option(struct layers_mount *m, const char *key, const char *value)
{
	struct layers_features *f = &m->features;

	if (str_eq(key, "lowerdir"))
		add_lower_list(m, value);
	else if (str_eq(key, "lowerdir+") || str_eq(key, "datadir+"))
		add_lower(m, value, strlen(value));
	else if (str_eq(key, "upperdir") && !m->upper)
		m->upper = xstrdup(value);
	else if (str_eq(key, "workdir") && !m->work)
		m->work = xstrdup(value);
	else if (str_eq(key, "index"))
		f->index = on(value);
	else if (str_eq(key, "metacopy"))
		f->metacopy = on(value);
	else if (str_eq(key, "redirect_dir"))
		f->redirect_dir = on(value);
	else if (str_eq(key, "nfs_export"))
		f->nfs_export = on(value);
	else if (str_eq(key, "volatile") || (str_eq(key, "fsync") && str_eq(value, "volatile")))
		f->is_volatile = true;
	else if (str_eq(key, "userxattr"))
		f->userxattr = true;
	else if (str_eq(key, "xino"))
		snprintf(f->xino, sizeof(f->xino), "%s", value);
}

static void take_options(struct layers_mount *m, const char *options)
{
	auto_free char *copy = xstrdup(options);
	char *rest = copy, *one;

	while ((one = strsep(&rest, ",")) != NULL) {
		char *value = strchr(one, '=');

		if (value)
			*value++ = '\0';
		decode_octal(one);
		if (value)
			decode_octal(value);
		take_option(m, one, value ? value : "");
	}
}

static bool parameter(const char *name)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), MODULE_PARAMETERS "%s", name);
	return file_read_small_at(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       (text[0] == 'Y' || text[0] == '1');
}

static void take_defaults(struct layers_features *f)
{
	f->index = parameter("index");
	f->metacopy = parameter("metacopy");
	f->redirect_dir = parameter("redirect_dir");
	f->nfs_export = parameter("nfs_export");
	snprintf(f->xino, sizeof(f->xino), "%s", parameter("xino_auto") ? "auto" : "off");
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER. -EINVAL: no such line. */
static int split_line(char *line, char *fields[6], char *after[3])
{
	char *tail = strstr(line, " - ");

	if (!tail)
		return -EINVAL;
	*tail = '\0';
	tail += 3;
	for (int i = 0; i < 6; i++) {
		fields[i] = strsep(&line, " ");
		if (!fields[i])
			return -EINVAL;
	}
	for (int i = 0; i < 3; i++) {
		after[i] = strsep(&tail, " ");
		if (!after[i])
			return -EINVAL;
	}
	return 0;
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	return strncmp(list, word, n) == 0 && (list[n] == ',' || list[n] == '\0');
}

int layers_parse(const char *mountinfo, struct layers_mount *out, struct err *err)
{
	auto_free char *copy = xstrdup(mountinfo);
	char *rest = copy, *line, *fields[6], *after[3];
	bool found = false;

	*out = (struct layers_mount){0};
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *now[6], *now_after[3];

		if (split_line(line, now, now_after) < 0 || !str_eq(now[4], "/"))
			continue;
		/* The last one at a place lies on top. */
		memcpy(fields, now, sizeof(now));
		memcpy(after, now_after, sizeof(now_after));
		found = true;
	}
	if (!found)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "no mount at / in mountinfo");
	out->root = decoded(fields[3]);
	out->mount_options = decoded(fields[5]);
	out->fs_type = decoded(after[0]);
	out->source = decoded(after[1]);
	out->super_options = decoded(after[2]);
	out->read_only = has_word(fields[5], "ro") || has_word(after[2], "ro");
	out->overlay = str_eq(out->fs_type, "overlay");
	if (out->overlay) {
		take_defaults(&out->features);
		take_options(out, after[2]);
	}
	return 0;
}

/* ---- where they are ---- */

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory of an engine that relative names count from: the first in which this one exists. */
static char *find_base(const char *data_root, const char *relative)
{
	static const char *const below[] = {"overlay2", "overlay", "."};
	const char *const roots[] = {data_root, "/var/lib/cloche", "/var/lib/docker",
				     "/var/lib/containers/storage"};

	for (size_t r = 0; r < sizeof(roots) / sizeof(roots[0]); r++) {
		for (size_t b = 0; roots[r] && b < sizeof(below) / sizeof(below[0]); b++) {
			auto_free char *base = xasprintf("%s/%s", roots[r], below[b]);
			auto_free char *path = xasprintf("%s/%s", base, relative);

			if (is_directory(path))
				return take_ptr(&base);
		}
	}
	return NULL;
}

/* The real path of what is given; as it is when it cannot be found. */
static void resolve(char **path, const char *base)
{
	auto_free char *whole = NULL;
	char *real;

	if (!*path || (**path != '/' && !base))
		return;
	whole = **path == '/' ? xstrdup(*path) : xasprintf("%s/%s", base, *path);
	real = realpath(whole, NULL);
	if (!real)
		return;
	free(*path);
	*path = real;
}

static void resolve_all(struct layers_mount *m, const char *data_root)
{
	const char *probe = m->upper && m->upper[0] != '/' ? m->upper : NULL;
	auto_free char *base = NULL;

	for (size_t i = 0; i < m->lower.count && !probe; i++)
		probe = m->lower.items[i][0] != '/' ? m->lower.items[i] : NULL;
	if (probe)
		base = find_base(data_root, probe);
	resolve(&m->upper, base);
	resolve(&m->work, base);
	for (size_t i = 0; i < m->lower.count; i++)
		resolve(&m->lower.items[i], base);
}

int layers_read(pid_t pid, const char *data_root, struct layers_mount *out, struct err *err)
{
	char path[64];
	auto_free char *text = NULL;
	size_t len;
	int rc;

	*out = (struct layers_mount){0};
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	rc = file_read_at(AT_FDCWD, path, MOUNTINFO_MAX, &text, &len);
	if (rc < 0)
		return err_set(err, rc == -ENOENT || rc == -ESRCH ? ERR_NOT_FOUND : ERR_SYSTEM, -rc,
			       "read %s: %s", path, err_errno_text(-rc));
	rc = layers_parse(text, out, err);
	if (rc < 0)
		return err_wrap(err, "process %d", pid);
	resolve_all(out, data_root);
	return 0;
}

void layers_mount_free(struct layers_mount *m)
{
	free(m->fs_type);
	free(m->source);
	free(m->root);
	free(m->mount_options);
	free(m->super_options);
	free(m->upper);
	free(m->work);
	strv_free(&m->lower);
	strv_free(&m->given);
	*m = (struct layers_mount){0};
}
