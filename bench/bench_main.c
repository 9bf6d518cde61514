/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-bench: measures the subjects of a file, with pauses and back to back. script/bench writes
 * the file and prepares what it names. Results are never a pass or a fail.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "bench.h"

#define RUNS_MAX 100000

struct settings {
	const char *subjects_path, *json_path, *baseline, *data_directory;
	uint64_t runs, quick_runs, warm_ups, pause_ms;
	struct strv notes;
};

static volatile int interrupted; /* set by the signal handler alone */

static void on_signal(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static int usage(void)
{
	fputs("usage: cloche-bench [OPTION...] SUBJECTS\n"
	      "  -n RUNS      with pauses, per subject (30; 0 skips the mode)\n"
	      "  -q RUNS      back to back, per subject (30; 0 skips the mode)\n"
	      "  -w RUNS      warm-ups per subject and mode, dropped (3)\n"
	      "  -p MS        pause before each run (300)\n"
	      "  -b SUBJECT   baseline of the second ratio (crun)\n"
	      "  -d DIR       whose file system is named in the environment (.)\n"
	      "  -j FILE      also write JSON\n"
	      "  -N KEY=TEXT  put into the environment; may be repeated\n",
	      stderr);
	return 2;
}

static int parse(int argc, char **argv, struct settings *s)
{
	int option, rc = 0;

	while (rc == 0 && (option = getopt(argc, argv, "n:q:w:p:b:d:j:N:")) != -1) {
		switch (option) {
		case 'n':
			rc = str_to_u64(optarg, &s->runs);
			break;
		case 'q':
			rc = str_to_u64(optarg, &s->quick_runs);
			break;
		case 'w':
			rc = str_to_u64(optarg, &s->warm_ups);
			break;
		case 'p':
			rc = str_to_u64(optarg, &s->pause_ms);
			break;
		case 'b':
			s->baseline = optarg;
			break;
		case 'd':
			s->data_directory = optarg;
			break;
		case 'j':
			s->json_path = optarg;
			break;
		case 'N':
			strv_add(&s->notes, optarg);
			break;
		default:
			return -1;
		}
	}
	if (rc < 0 || optind != argc - 1 || s->runs > RUNS_MAX || s->quick_runs > RUNS_MAX ||
	    s->warm_ups > RUNS_MAX)
		return -1;
	s->subjects_path = argv[optind];
	return 0;
}

static int measure_mode(struct bench_subjects *subjects, const struct bench_mode *mode,
			const struct settings *s, struct json_object *modes, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	int rc;

	if (!mode->runs)
		return 0;
	rc = bench_measure(subjects, mode, &interrupted, err);
	if (rc < 0)
		return rc;
	bench_text(subjects, mode, s->baseline, &text);
	fputs(strbuf_str(&text), stdout);
	fflush(stdout);
	json_object_array_add(modes, bench_json(subjects, mode, s->baseline));
	return 0;
}

static int run(const struct settings *s, struct err *err)
{
	const struct bench_mode modes[] = {{"with pauses", s->pause_ms, s->runs, s->warm_ups},
					   {"back to back", 0, s->quick_runs, s->warm_ups}};
	auto_json struct json_object *out = json_object_new_object();
	struct json_object *measured = json_object_new_array();
	auto_strbuf struct strbuf text = {0};
	struct bench_subjects subjects;
	int rc = bench_subjects_read(s->subjects_path, &subjects, err);

	json_add_u64(out, "SchemaVersion", BENCH_SCHEMA_VERSION);
	json_object_object_add(out, "Environment", bench_environment(s->data_directory, &s->notes));
	json_object_object_add(out, "Modes", measured);
	bench_environment_text(json_object_object_get(out, "Environment"), &text);
	fputs(strbuf_str(&text), stdout);
	for (size_t i = 0; rc == 0 && i < 2; i++)
		rc = measure_mode(&subjects, &modes[i], s, measured, err);
	if (rc == 0) {
		auto_json struct json_object *after =
			bench_environment(s->data_directory, &s->notes);
		const char *load;

		if (json_get_string(after, "LoadAverage", &load) == 0) {
			json_add_string(out, "LoadAverageAfter", load);
			printf("\nload average afterwards: %s\n", load);
		}
	}
	if (rc == 0 && s->json_path) {
		auto_free char *json = json_text_indented(out);

		rc = file_replace_at(AT_FDCWD, s->json_path, json, strlen(json), 0644,
				     FILE_VOLATILE);
		if (rc < 0)
			err_set(err, ERR_SYSTEM, -rc, "write %s: %s", s->json_path,
				err_errno_text(-rc));
	}
	bench_subjects_free(&subjects);
	return rc;
}

int main(int argc, char **argv)
{
	struct settings s = {.baseline = "crun",
			     .data_directory = ".",
			     .runs = 30,
			     .quick_runs = 30,
			     .warm_ups = 3,
			     .pause_ms = 300};
	struct sigaction action = {.sa_handler = on_signal};
	struct err err = ERR_INIT;
	int rc;

	if (parse(argc, argv, &s) < 0)
		return usage();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	rc = run(&s, &err);
	strv_free(&s.notes);
	if (rc < 0)
		fprintf(stderr, "cloche-bench: %s\n", err.msg);
	return rc < 0 ? 1 : 0;
}
