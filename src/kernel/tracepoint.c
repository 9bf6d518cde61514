/* SPDX-License-Identifier: Apache-2.0 */
/* Strict about what it needs: an id, and fields with name, offset and size; the rest is skipped. */
#include "kernel/tracepoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/mount.h"

#define FORMAT_MAX (64 << 10)

int tracefs_open(int *fd, struct err *err)
{
	static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	auto_close int found = -1;
	struct statfs s;

	for (size_t i = 0; i < 2; i++) {
		found = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (found >= 0 && fstatfs(found, &s) == 0 && s.f_type == TRACEFS_MAGIC) {
			*fd = take_fd(&found);
			return 0;
		}
		cleanup_close(&found);
		found = -1;
	}
	found = mount_new("tracefs", "tracefs", "", 0);
	if (found == -ENODEV)
		return err_set(err, ERR_UNSUPPORTED, ENODEV,
			       "this kernel has no tracepoints: it was built without tracefs");
	if (found < 0)
		return err_set(err, found == -EPERM ? ERR_UNSUPPORTED : ERR_SYSTEM, -found,
			       "open tracefs: %s%s", err_errno_text(-found),
			       found == -EPERM ? " (only root may: try sudo)" : "");
	*fd = take_fd(&found);
	return 0;
}

/* "\tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;": the name is the last word before the
 * first semicolon, without what makes it an array. */
static int parse_field(const char *line, struct tracepoint_field *out)
{
	const char *end = strchr(line, ';'), *start, *offset;
	size_t len;

	if (!end)
		return -EINVAL;
	for (start = end; start > line && start[-1] != ' ' && start[-1] != ':'; start--)
		;
	len = strcspn(start, "[;");
	if (len == 0 || len >= sizeof(out->name))
		return -EINVAL;
	memcpy(out->name, start, len);
	out->name[len] = '\0';
	offset = strstr(end, "offset:");
	if (!offset || sscanf(offset, "offset:%d;%*[ \t]size:%d;", &out->offset, &out->size) != 2)
		return -EINVAL;
	return out->offset < 0 || out->size < 0 || out->offset > 4096 ? -EINVAL : 0;
}

int tracepoint_parse(const char *format, struct tracepoint *out)
{
	out->count = 0;
	for (const char *p = strstr(format, "field:"); p; p = strstr(p + 1, "field:")) {
		int rc;

		if (out->count == TRACEPOINT_FIELDS_MAX)
			return -E2BIG;
		rc = parse_field(p, &out->fields[out->count]);
		if (rc < 0)
			return rc;
		out->count++;
	}
	return out->count ? 0 : -EINVAL;
}

int tracepoint_read(int tracefs, const char *name, struct tracepoint *out, struct err *err)
{
	auto_free char *format = NULL;
	char path[128], number[32];
	size_t len;
	int rc;

	*out = (struct tracepoint){.count = 0};
	if (str_format(out->name, sizeof(out->name), "%s", name) < 0 ||
	    str_format(path, sizeof(path), "events/%s/format", name) < 0)
		return err_set(err, ERR_INVALID, 0, "name of a tracepoint is too long: %s", name);
	rc = file_read_at(tracefs, path, FORMAT_MAX, &format, &len);
	if (rc == -ENOENT)
		return err_set(err, ERR_UNSUPPORTED, ENOENT, "this kernel has no tracepoint %s",
			       name);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read tracefs %s: %s", path,
			       err_errno_text(-rc));
	if (tracepoint_parse(format, out) < 0)
		return err_set(err, ERR_CORRUPT, 0, "read tracefs %s: fields not understood", path);
	snprintf(path, sizeof(path), "events/%s/id", name);
	rc = (int)file_read_small_at(tracefs, path, number, sizeof(number));
	if (rc > 0)
		number[strcspn(number, "\n")] = '\0';
	if (rc <= 0 || str_to_u64(number, &out->id) < 0)
		return err_set(err, ERR_SYSTEM, rc < 0 ? -rc : EINVAL, "read tracefs %s", path);
	return 0;
}

int tracepoint_offset(const struct tracepoint *t, const char *field, struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		if (str_eq(t->fields[i].name, field))
			return t->fields[i].offset;
	}
	return err_set(err, ERR_UNSUPPORTED, ENOENT, "tracepoint %s has no field %s in this kernel",
		       t->name, field);
}
