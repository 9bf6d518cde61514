/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor as a program, so that the bench can time it from outside exactly as it times engines:
 * program start included, removal left to `floor clean`, as engines that answer first do it.
 *
 *   floor prepare|finish KIND TAG SCRATCH LOWER
 *   floor run            KIND TAG SCRATCH LOWER PROGRAM      one start, named after this process
 *   floor clean          KIND TAG SCRATCH LOWER NAME         its groups; directories are the caller's
 *   floor measure        KIND TAG SCRATCH LOWER PROGRAM N    N starts, median of every step
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "observe/timeline/floor.h"

#define MEASURE_MAX 10000

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median_of(const struct floor_run *runs, size_t n, int step, uint64_t *values)
{
	for (size_t i = 0; i < n; i++)
		values[i] = step < 0 ? runs[i].total_ns : runs[i].step_ns[step];
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static int measure(const struct floor *f, uint64_t n, struct err *err)
{
	auto_free struct floor_run *runs = xcalloc(n, sizeof(*runs));
	auto_free uint64_t *values = xcalloc(n, sizeof(*values));
	int rc = floor_measure(f, runs, n, err);

	if (rc < 0)
		return rc;
	for (int s = 0; s < FLOOR_STEP_COUNT; s++)
		printf("%-14s %8.1f us\n", floor_step_name((enum floor_step)s),
		       (double)median_of(runs, n, s, values) / 1000);
	printf("%-14s %8.1f us (median of %llu, cleanup not included)\n", "total",
	       (double)median_of(runs, n, -1, values) / 1000, (unsigned long long)n);
	return 0;
}

static int act(const char *action, const struct floor *f, char **args, int *exit_code,
	       struct err *err)
{
	struct floor_run run;
	char name[32];
	uint64_t n;
	int rc = 0;

	if (str_eq(action, "prepare"))
		return floor_prepare(f, err);
	if (str_eq(action, "finish"))
		floor_finish(f);
	else if (str_eq(action, "clean") && args[0])
		floor_remove_groups(f, args[0]);
	else if (str_eq(action, "run") && args[0]) {
		snprintf(name, sizeof(name), "%d", getpid());
		rc = floor_start(f, name, &run, err);
		*exit_code = run.exit_code;
	} else if (str_eq(action, "measure") && args[0] && args[1]) {
		if (str_to_u64(args[1], &n) < 0 || n < 1 || n > MEASURE_MAX)
			return err_set(err, ERR_INVALID, 0, "N must be 1 to %d", MEASURE_MAX);
		rc = measure(f, n, err);
	} else
		return err_set(err, ERR_INVALID, 0, "unknown action or missing argument: %s",
			       action);
	return rc;
}

int main(int argc, char **argv)
{
	const char *program[2] = {argc > 6 ? argv[6] : NULL, NULL};
	struct err err = ERR_INIT;
	struct floor f;
	int exit_code = 0, rc;

	if (argc < 6 || (!str_eq(argv[2], "image") && !str_eq(argv[2], "bundle"))) {
		fprintf(stderr,
			"usage: floor ACTION image|bundle TAG SCRATCH LOWER [ARGUMENT...]\n");
		return 2;
	}
	rc = floor_open(&f, str_eq(argv[2], "image") ? FLOOR_IMAGE : FLOOR_BUNDLE, argv[3], argv[4],
			NULL, argv[5], program, &err);
	if (rc == 0)
		rc = act(argv[1], &f, argv + 6, &exit_code, &err);
	if (rc < 0) {
		fprintf(stderr, "floor: %s\n", err.msg);
		return 125;
	}
	return exit_code;
}
