/* SPDX-License-Identifier: Apache-2.0 */
/* From single floor runs to medians per step and phase. */
#include "observe/timeline/floor_bill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

static const enum plan_phase step_phases[FLOOR_STEP_COUNT] = {
	[FLOOR_DIRECTORIES] = PHASE_RECORD,  [FLOOR_CGROUP_MAKE] = PHASE_CGROUP,
	[FLOOR_CLONE] = PHASE_NAMESPACES,    [FLOOR_CGROUP_JOIN] = PHASE_CGROUP,
	[FLOOR_ROOTFS] = PHASE_MOUNT,        [FLOOR_PROC] = PHASE_MOUNT,
	[FLOOR_DEV] = PHASE_MOUNT,           [FLOOR_DEVPTS] = PHASE_MOUNT,
	[FLOOR_SHM] = PHASE_MOUNT,           [FLOOR_MQUEUE] = PHASE_MOUNT,
	[FLOOR_SYSFS] = PHASE_MOUNT,         [FLOOR_CGROUP_MOUNT] = PHASE_MOUNT,
	[FLOOR_HOSTS] = PHASE_MOUNT,         [FLOOR_PIVOT] = PHASE_MOUNT,
	[FLOOR_MASK] = PHASE_SECURITY,       [FLOOR_NETWORK] = PHASE_NETWORK,
	[FLOOR_HOSTNAME] = PHASE_NAMESPACES, [FLOOR_SECCOMP] = PHASE_SECURITY,
	[FLOOR_SECURITY] = PHASE_SECURITY,   [FLOOR_EXEC] = PHASE_RUN,
	[FLOOR_CLEANUP] = PHASE_CLEANUP,
};

enum plan_phase floor_step_phase(enum floor_step step)
{
	return step_phases[step];
}

double floor_bill_phase_ms(const struct floor_bill *b, enum plan_phase phase)
{
	double sum = 0;

	for (int i = 0; i < FLOOR_STEP_COUNT; i++) {
		if (step_phases[i] == phase)
			sum += b->step_ms[i];
	}
	return sum;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void summarize(const struct floor_run *runs, size_t n, struct floor_bill *out)
{
	auto_free double *values = xcalloc(n, sizeof(*values));
	struct summary step;

	for (int s = 0; s < FLOOR_STEP_COUNT; s++) {
		for (size_t i = 0; i < n; i++)
			values[i] = ms(runs[i].step_ns[s]);
		statistics_summarize(values, n, &step);
		out->step_ms[s] = step.median;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = ms(runs[i].total_ns);
	statistics_summarize(values, n, &out->total_ms);
	for (size_t i = 0; i < n; i++)
		values[i] = ms(runs[i].total_ns - runs[i].step_ns[FLOOR_EXEC]);
	statistics_summarize(values, n, &out->to_exec_ms);
}

/* Images need not hold the places where things are mounted; a lowest layer of our own has them all. */
static int make_mount_points(const char *scratch, struct err *err)
{
	static const char *const directories[] = {
		"", "/points", "/points/dev", "/points/etc", "/points/proc", "/points/sys"};
	static const char *const files[] = {"hosts", "hostname", "resolv.conf"};
	char path[FLOOR_PATH_MAX];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", scratch, directories[i]);
		if (mkdir(path, 0755) < 0)
			return err_sys(err, "make %s", path);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		auto_close int fd = -1;

		snprintf(path, sizeof(path), "%s/points/etc/%s", scratch, files[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_sys(err, "make %s", path);
	}
	return 0;
}

/* Which `true` the image has: tried, since only a run follows its symlinks as the kernel does. */
static int find_program(const char *base, const char *lower, const char *tag, const char *scratch,
			struct floor *f, const char *const **argv, struct err *err)
{
	static const char *const places[][2] = {{"/bin/true", NULL}, {"/usr/bin/true", NULL}};
	struct floor_run run;
	int rc = -ENOENT;

	for (size_t i = 0; i < 2; i++) {
		rc = floor_open(f, FLOOR_IMAGE, tag, scratch, base, lower, places[i], err);
		if (rc == 0)
			rc = floor_prepare(f, err);
		if (rc < 0)
			return rc;
		rc = floor_measure(f, &run, 1, err);
		*argv = places[i];
		if (rc == 0 && run.exit_code == 0)
			return 0;
		floor_finish(f);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return err_set(
		err, ERR_NOT_FOUND, ENOENT,
		"the floor cannot be measured: neither /bin/true nor /usr/bin/true runs in the "
		"image");
}

static int measure(const struct floor *f, size_t n, struct floor_bill *out, struct err *err)
{
	auto_free struct floor_run *runs = xcalloc(n + FLOOR_WARM_UPS, sizeof(*runs));
	int rc = floor_measure(f, runs, n + FLOOR_WARM_UPS, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n + FLOOR_WARM_UPS; i++) {
		if (runs[i].exit_code)
			return err_set(err, ERR_CONFLICT, EIO, "floor: %s ended with %d",
				       f->argv[0], runs[i].exit_code);
	}
	summarize(runs + FLOOR_WARM_UPS, n, out);
	return 0;
}

static int measure_in(const char *base, const char *lower, const char *tag, const char *scratch,
		      size_t n, struct floor_bill *out, struct err *err)
{
	auto_free char *layers = xasprintf("%s:%s/points", lower, scratch);
	const char *const *argv = NULL;
	struct floor f;
	int rc = make_mount_points(scratch, err);

	if (rc == 0)
		rc = find_program(base, layers, tag, scratch, &f, &argv, err);
	if (rc < 0)
		return rc;
	out->program = argv[0];
	rc = measure(&f, n, out, err);
	floor_finish(&f);
	return rc;
}

int floor_bill_measure(const char *base, const char *lower, const char *scratch_parent, size_t n,
		       struct floor_bill *out, struct err *err)
{
	char scratch[FLOOR_PATH_MAX], tag[16];
	int rc;

	snprintf(tag, sizeof(tag), "%d", getpid());
	/* Room for the names below it. */
	if (str_format(scratch, sizeof(scratch) - 64, "%s/floor-%s", scratch_parent, tag) < 0)
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "floor: %s: path too long",
			       scratch_parent);
	rc = measure_in(base, lower, tag, scratch, n, out, err);
	if (remove_tree_at(AT_FDCWD, scratch) < 0 && rc == 0)
		rc = err_sys(err, "remove %s", scratch);
	return rc;
}

/* As floor_measure(), but directories stay. */
static int add_runs(const struct floor *f, size_t warm_ups, size_t n, struct floor_samples *out,
		    struct err *err)
{
	out->runs = xrealloc(out->runs, (out->count + n) * sizeof(*out->runs));
	for (size_t i = 0; i < n + warm_ups; i++) {
		struct floor_run run;
		char name[32];
		int rc;

		snprintf(name, sizeof(name), "%d-%zu", getpid(), i);
		rc = floor_start(f, name, &run, err);
		floor_remove_groups(f, name);
		if (rc == 0 && run.exit_code)
			rc = err_set(err, ERR_CONFLICT, EIO, "floor: %s ended with %d", f->argv[0],
				     run.exit_code);
		if (rc < 0)
			return rc;
		if (i >= warm_ups)
			out->runs[out->count++] = run;
	}
	return 0;
}

int floor_bill_sample(const char *base, const char *lower, const char *scratch_parent,
		      size_t warm_ups, size_t n, struct floor_samples *out, struct err *err)
{
	auto_free char *scratch = xasprintf("%s/floor-%zu", scratch_parent, out->count);
	auto_free char *layers = xasprintf("%s:%s/points", lower, scratch);
	char tag[16];
	struct floor f;
	int rc = make_mount_points(scratch, err);

	snprintf(tag, sizeof(tag), "%d", getpid());
	if (rc == 0 && !out->argv) {
		rc = find_program(base, layers, tag, scratch, &f, &out->argv, err);
	} else if (rc == 0) {
		rc = floor_open(&f, FLOOR_IMAGE, tag, scratch, base, layers, out->argv, err);
		if (rc == 0)
			rc = floor_prepare(&f, err);
	}
	if (rc < 0)
		return rc;
	rc = add_runs(&f, warm_ups, n, out, err);
	floor_finish(&f);
	return rc;
}

void floor_bill_of(const struct floor_samples *s, struct floor_bill *out)
{
	out->program = s->argv[0];
	summarize(s->runs, s->count, out);
}

void floor_samples_free(struct floor_samples *s)
{
	free(s->runs);
	*s = (struct floor_samples){0};
}

struct json_object *floor_bill_json(const struct floor_bill *b)
{
	struct json_object *o = json_object_new_object();
	struct json_object *steps = json_object_new_object();

	json_add_u64(o, "Runs", b->total_ms.n);
	json_add_u64(o, "WarmUpsDropped", FLOOR_WARM_UPS);
	json_add_string(o, "Program", b->program);
	json_object_object_add(o, "MedianMs", json_object_new_double(b->total_ms.median));
	json_object_object_add(o, "MedianLowMs", json_object_new_double(b->total_ms.median_low));
	json_object_object_add(o, "MedianHighMs", json_object_new_double(b->total_ms.median_high));
	json_object_object_add(o, "MinMs", json_object_new_double(b->total_ms.min));
	json_object_object_add(o, "MaxMs", json_object_new_double(b->total_ms.max));
	json_object_object_add(o, "ToExecMedianMs", json_object_new_double(b->to_exec_ms.median));
	for (int i = 0; i < FLOOR_STEP_COUNT; i++)
		json_object_object_add(steps, floor_step_name((enum floor_step)i),
				       json_object_new_double(b->step_ms[i]));
	json_object_object_add(o, "StepMedianMs", steps);
	return o;
}
