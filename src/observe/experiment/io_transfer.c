/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing one file, in blocks of 1 MiB one after another and of 4 KiB in random order,
 * through the page cache (writes end with fsync, reads begin with an empty cache) and past it (O_DIRECT).
 * All places take turns in an order that is drawn anew in each round, and before each sample the disk is
 * flushed. The size is chosen once for all from what the slowest place does.
 */
#include <errno.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/io.h"

#define SHARE_S 18.0   /* of the time of one subject */
#define LEAST_ROUNDS 4 /* also when time is over; of three no difference can be shown (p >= 0.1) */
#define WARM_UPS 1
#define CALIBRATION_BYTES (4u << 20)
#define CALIBRATION_COUNT 32
#define SAMPLE_S 0.025 /* how long a sample should take */
#define SMALL_BLOCK 4096u
#define LEAST_MIB 8u
#define MOST_MIB 32u
#define LEAST_COUNT 64u
#define MOST_COUNT 1024u

const struct io_operation io_operations[] = {
	{"write", "write, fsync", "MiB/s", "write", false, false},
	{"read", "read", "MiB/s", "read", false, false},
	{"write_direct", "write, O_DIRECT", "MiB/s", "write", false, true},
	{"read_direct", "read, O_DIRECT", "MiB/s", "read", false, true},
	{"random_write", "4 KiB random write, fsync", "1/s", "write", true, false},
	{"random_read", "4 KiB random read", "1/s", "read", true, false},
	{"random_write_direct", "4 KiB random write, O_DIRECT", "1/s", "write", true, true},
	{"random_read_direct", "4 KiB random read, O_DIRECT", "1/s", "read", true, true},
};
const size_t io_operation_count = sizeof(io_operations) / sizeof(io_operations[0]);

struct size {
	unsigned long long bytes; /* of the file */
	unsigned long long count; /* random blocks */
};

struct report_figure *io_figure(const struct io_run *r, const struct io_place *p,
				const struct io_operation *o)
{
	auto_free char *key = xasprintf("io.%s.%s", p->key, o->key);
	auto_free char *label = xasprintf("%s: %s", p->label, o->label);

	struct report_figure *f =
		report_figure(r->x->test, p->subject->name, key, label, o->unit, REPORT_HIGHER);

	f->detail = true; /* the table has the medians side by side */
	return f;
}

/* Seconds that one transfer took. */
static int transfer(const struct io_place *p, const struct io_operation *o, const struct size *size,
		    double *seconds, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(p->session, IO_ASK_MS, &lines, err,
			     "io-transfer path=%s/file op=%s bytes=%llu block=%u random=%d "
			     "direct=%d count=%llu",
			     p->path, o->op, size->bytes, o->random ? SMALL_BLOCK : 1u << 20,
			     o->random, o->direct, o->random ? size->count : size->bytes >> 20);

	if (rc < 0)
		return rc;
	*seconds = lines.count > 0 ? session_number(lines.items[0], "ns", 0) / 1e9 : 0;
	return *seconds > 0 ? 0 : err_set(err, ERR_CORRUPT, EBADMSG, "the helper timed nothing");
}

/* How much of one operation fits into a sample on the slowest disk; `fallback` when nothing could be
 * measured. */
static int calibrate(struct io_run *r, const struct io_operation *o, const struct size *size,
		     double amount, double *out, struct err *err)
{
	double slowest = 0;

	for (size_t i = 0; i < r->place_count; i++) {
		const struct io_place *p = &r->places[i];
		double seconds;
		int rc = experiment_go_on(err);

		if (rc < 0)
			return rc;
		if (p->disk && transfer(p, o, size, &seconds, err) == 0 && seconds > slowest)
			slowest = seconds;
	}
	*out = slowest > 0 ? amount * SAMPLE_S / slowest : amount;
	return 0;
}

static unsigned clamp(double value, unsigned least, unsigned most)
{
	return value < least ? least : value > most ? most : (unsigned)value;
}

static int choose_size(struct io_run *r, struct size *out, struct err *err)
{
	const struct size small = {CALIBRATION_BYTES, CALIBRATION_COUNT};
	double mib, count;
	int rc = calibrate(r, &io_operations[0], &small, CALIBRATION_BYTES / IO_MIB, &mib, err);

	/* The first found the disk asleep, or made the file system larger. */
	if (rc == 0)
		rc = calibrate(r, &io_operations[0], &small, CALIBRATION_BYTES / IO_MIB, &mib, err);
	if (rc == 0)
		rc = calibrate(r, &io_operations[7], &small, CALIBRATION_COUNT, &count, err);
	if (rc < 0)
		return rc;
	out->bytes = (unsigned long long)clamp(mib, LEAST_MIB, MOST_MIB) << 20;
	out->count = clamp(count, LEAST_COUNT, MOST_COUNT);
	report_note(r->x->test,
		    "files of %llu MiB, %llu random blocks of 4 KiB: what the slowest disk does in "
		    "%.0f ms, the same everywhere",
		    out->bytes >> 20, out->count, SAMPLE_S * 1e3);
	return 0;
}

static void take_sample(struct io_run *r, const struct io_place *p, const struct io_operation *o,
			const struct size *size, bool warm_up, double seconds)
{
	struct report_figure *f = io_figure(r, p, o);

	if (warm_up) {
		f->warm_ups++;
		return;
	}
	report_sample(f, o->random ? (double)size->count / seconds
				   : (double)size->bytes / IO_MIB / seconds);
}

/* A file system that has no O_DIRECT says so once. */
static void note_failure(struct io_run *r, struct io_place *p, size_t operation,
			 const struct err *err)
{
	const struct io_operation *o = &io_operations[operation];

	if (o->direct && err->sys_errno == EINVAL) {
		p->refused |= 1u << operation;
		report_note(r->x->test, "%s, %s: its file system has no O_DIRECT", p->subject->name,
			    p->label);
		return;
	}
	io_figure(r, p, o)->failed++;
	report_status(r->x->test, REPORT_PARTIAL, "%s, %s: %s: %s", p->subject->name, p->label,
		      o->label, err->msg);
}

static int measure_place(struct io_run *r, struct io_place *p, const struct size *size,
			 bool warm_up, struct err *err)
{
	for (size_t i = 0; i < io_operation_count; i++) {
		double seconds;
		int rc;

		if (p->refused & (1u << i))
			continue;
		rc = io_flush(r, err);
		if (rc < 0)
			return rc;
		rc = transfer(p, &io_operations[i], size, &seconds, err);
		if (rc == -EINTR)
			return rc;
		if (rc < 0)
			note_failure(r, p, i, err);
		else
			take_sample(r, p, &io_operations[i], size, warm_up, seconds);
	}
	return 0;
}

static void set_floors(struct io_run *r)
{
	for (size_t i = 0; i < r->place_count; i++) {
		const struct io_place *p = &r->places[i];

		for (size_t o = 0; o < io_operation_count && p->disk; o++) {
			auto_free char *key = xasprintf("io.host.%s", io_operations[o].key);
			double floor = report_median(
				report_find_figure(r->x->test, r->x->host->name, key));

			if (!str_eq(p->key, "host") && !isnan(floor) && !(p->refused & (1u << o)))
				report_floor(io_figure(r, p, &io_operations[o]), floor,
					     "the host's file system");
		}
	}
}

int io_transfers(struct io_run *r, struct err *err)
{
	double end = io_now_s(r) + io_budget_s(r, SHARE_S);
	size_t rounds = r->x->runs + WARM_UPS, done = 0;
	struct size size;
	int rc = choose_size(r, &size, err);

	for (; rc == 0 && done < rounds; done++) {
		auto_free size_t *order = io_shuffled(r);

		if (done >= LEAST_ROUNDS + WARM_UPS && io_now_s(r) > end)
			break;
		experiment_progress(r->x, "read and write", done, rounds);
		rc = experiment_pause(r->x, err);
		for (size_t i = 0; i < r->place_count && rc == 0; i++)
			rc = measure_place(r, &r->places[order[i]], &size, done < WARM_UPS, err);
	}
	if (rc < 0)
		return rc;
	if (done < rounds)
		report_note(r->x->test, "reading and writing: %zu of %zu runs in its share of time",
			    done - WARM_UPS, r->x->runs);
	set_floors(r);
	return 0;
}
