/* SPDX-License-Identifier: Apache-2.0 */
/* The marker files. Nothing here reads one: the monitor and state.c do. */
#include "engine/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "engine/internal.h"

static int touch(int dir, const char *marker)
{
	auto_close int fd = openat(dir, marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

/* Only what a user wants ended is remembered beyond the next boot. */
static int open_record(const struct engine *e, const struct container *c, const char *marker)
{
	bool persistent;

	return c->persistent && (str_eq(marker, MARKER_STOPPED) || str_eq(marker, MARKER_SIGNALLED))
		       ? container_record_dir(e, c->id, &persistent)
		       : -ENOENT;
}

int marker_set(const struct engine *e, const struct container *c, const char *marker,
	       struct err *err)
{
	auto_close int run = container_run_dir(e, c->id);
	auto_close int record = open_record(e, c, marker);
	int rc = run < 0 ? run : touch(run, marker);

	/* No run directory: it has not run since the boot, and there is nobody to tell. */
	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && record >= 0)
		rc = touch(record, marker);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "mark container %.12s as %s: %s", c->id,
				marker, err_errno_text(-rc))
		      : 0;
}

void marker_clear(const struct engine *e, const struct container *c, const char *marker)
{
	auto_close int run = container_run_dir(e, c->id);
	auto_close int record = open_record(e, c, marker);

	if (run >= 0)
		unlinkat(run, marker, 0);
	if (record >= 0)
		unlinkat(record, marker, 0);
}
