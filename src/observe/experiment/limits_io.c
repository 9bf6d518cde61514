/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 8, the rate of a block device: a loop device made for the run, so that no disk of the host
 * is written to or slowed down. It is set to vanish with its last user, so nothing is left of it however
 * this program ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/limits.h"

#define RATE (4ULL << 20)
#define BYTES (8ULL << 20)
#define BRIEF_BYTES (2ULL << 20)
#define DISK_BYTES (16ULL << 20)
#define RATE_BOUND 0.10
/* The kernel lets through what fits a whole slice (blk-throttle.c: DFL_THROTL_SLICE), so the first comes at
 * once. */
#define SLICE_S 0.1
#define TRIES 8

static const char claim[] = "4 MiB a second to a block device are 4 MiB a second";

struct loop {
	int fd; /* of the device; it is cleared when the last one is closed */
	char path[32];
};

static void loop_close(struct loop *l)
{
	cleanup_close(&l->fd);
	l->fd = -1;
}
#define auto_loop __attribute__((cleanup(loop_close)))

/* An unlinked file of the run's directory as backing. */
static int backing_file(const char *scratch)
{
	int fd = open(scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)DISK_BYTES) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

/* Somebody else may take the free device first; then another one is asked for. */
static int loop_make(const char *scratch, struct loop *out, struct err *err)
{
	auto_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int why = control < 0 ? errno : 0;
	auto_close int backing = backing_file(scratch);

	if (why)
		return err_set(err, ERR_UNSUPPORTED, why,
			       "no device to write to: open /dev/loop-control: %s%s",
			       err_errno_text(why), why == ENOENT ? " (modprobe loop)" : "");
	if (backing < 0)
		return err_set(err, ERR_SYSTEM, -backing, "make a file in %s: %s", scratch,
			       err_errno_text(-backing));
	for (int i = 0; i < TRIES; i++) {
		struct loop_config config = {.fd = (unsigned)backing,
					     .info.lo_flags = LO_FLAGS_AUTOCLEAR};
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		auto_close int fd = -1;

		if (number < 0)
			return err_sys(err, "find a free loop device");
		snprintf(out->path, sizeof(out->path), "/dev/loop%d", number);
		fd = open(out->path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			out->fd = take_fd(&fd);
			return 0;
		}
		if (errno != EBUSY && errno != ENXIO)
			return err_sys(err, "make loop device %s", out->path);
	}
	return err_set(err, ERR_SYSTEM, EBUSY, "no loop device could be had");
}

/* The same write without a container. */
static double host_rate(struct experiment_context *x, const struct loop *loop, uint64_t bytes,
			struct err *err)
{
	const struct container_spec spec = {.helper = true};
	auto_session struct session *session = NULL;
	auto_strv struct strv lines = {0};
	double took;

	if (session_open(x->host, &spec, &session, err) < 0 ||
	    session_ask(session, LIMITS_ANSWER_MS, &lines, err, "pour path=%s bytes=%llu",
			loop->path, (unsigned long long)bytes) < 0)
		return NAN;
	took = limits_number(&lines, "took_ns");
	return took > 0 ? (double)bytes / took * 1e9 : NAN;
}

/* Whether the group has the rate that was asked for. */
static bool is_in_force(const struct group_view *g)
{
	for (size_t i = 0; i < g->io_count; i++) {
		if (g->io[i].per_second == RATE)
			return true;
	}
	return false;
}

/* Faster than the limit breaks it. Slower may be the doing of whoever else wants the disk or the
 * processors, and proves nothing. */
static enum report_verdict judge(const struct group_view *g, uint64_t bytes, double took_s)
{
	double due_s = (double)bytes / (double)RATE;

	if (!is_in_force(g) || took_s < (due_s - SLICE_S) * (1 - RATE_BOUND))
		return REPORT_BROKEN;
	return took_s > (due_s + SLICE_S) * (1 + RATE_BOUND) ? REPORT_UNKNOWN : REPORT_HOLDS;
}

static void verdict(struct experiment_context *x, const struct subject *s,
		    const struct limits_subject *l, const struct strv *lines, uint64_t bytes,
		    double free_rate)
{
	double took_s = limits_number(lines, "took_ns") / 1e9, rate = (double)bytes / took_s;
	enum report_verdict v = judge(l->groups, bytes, took_s);
	char file[LIMITS_PATH_MAX];
	struct report_figure *f;
	struct report_claim *c = report_claim(x->test, s->name, "limits.io", v, "%s", claim);

	report_evidence(c,
			"%llu MiB were written in %.2f s: %.2f MiB/s (%.2f s are due; 10 %% and a "
			"slice of %.0f ms are allowed)",
			(unsigned long long)bytes >> 20, took_s, rate / 1048576,
			(double)bytes / (double)RATE, SLICE_S * 1000);
	if (isfinite(free_rate))
		report_evidence(c, "the same write without a container: %.0f MiB/s",
				free_rate / 1048576);
	for (size_t i = 0; i < l->groups->io_count; i++)
		report_evidence(c, "%s: %u:%u %s %llu",
				group_short_path(l->groups->io[i].file, file, sizeof(file)),
				l->groups->io[i].major, l->groups->io[i].minor,
				group_io_name(l->groups->io[i].kind),
				(unsigned long long)l->groups->io[i].per_second);
	if (v == REPORT_UNKNOWN)
		report_evidence(c, "slower than the limit: others had the disk or the processors");
	report_consequence(c,
			   "The rate is of this one device; writes that only reach the page cache "
			   "are held back on version 2, and not at all on version 1.");
	f = report_figure(x->test, s->name, "limits.io_rate", "written under a limit of 4 MiB/s",
			  "MiB/s", REPORT_NEITHER);
	report_sample(f, rate / 1048576);
}

int limits_io(struct experiment_context *x, struct subject *s, struct err *err)
{
	auto_loop struct loop loop = {.fd = -1};
	auto_limits_subject struct limits_subject l = {0};
	auto_free char *limit = NULL;
	auto_strv struct strv lines = {0};
	const char *const devices[] = {loop.path, NULL};
	struct container_spec spec = {.devices = devices};
	const uint64_t bytes = x->brief ? BRIEF_BYTES : BYTES;
	double free_rate = NAN;
	int rc = loop_make(x->scratch, &loop, err);

	if (rc == 0) {
		free_rate = host_rate(x, &loop, bytes, err);
		limit = xasprintf("%s:%llu", loop.path, RATE);
		spec.device_write_bps = limit;
		rc = limits_open(s, &spec, &l, err);
	}
	if (rc == 0)
		rc = session_ask(l.session, LIMITS_ANSWER_MS, &lines, err,
				 "pour path=%s bytes=%llu", loop.path, (unsigned long long)bytes);
	if (rc < 0)
		return limits_unknown(x, s, "limits.io", claim, err);
	verdict(x, s, &l, &lines, bytes, free_rate);
	return 0;
}
