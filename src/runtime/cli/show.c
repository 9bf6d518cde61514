/* SPDX-License-Identifier: Apache-2.0 */
/* state, list, ps, spec and features: looking, and the bundle to start from. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "oci/runtime_features.h"
#include "runtime/cli/store.h"

static const struct option_row list_options[] = {
	{"quiet", 'q', NULL, "print ids alone", NULL},
	{"format", 'f', "table|json", "form of the list", NULL},
};
static const struct option_row ps_options[] = {
	{"format", 'f', "table|json", "form of the list", NULL},
};
static const struct option_row spec_options[] = {
	{"bundle", 'b', "DIR", "where to write config.json (default: working directory)", NULL},
	{"rootless", 0, NULL, "for a user without privilege", "user namespaces are not there yet"},
};

int command_state(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	auto_free char *text = NULL;
	int r = store_load(rt, args->positional[0], &dirfd, &s, err);

	if (r)
		return r;
	text = oci_state_encode(&s, OCI_STATE_FOR_USER);
	puts(text);
	return 0;
}

struct listing {
	struct oci_state *states;
	size_t count;
};

static void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		oci_state_free(&l->states[i]);
	free(l->states);
}

static int by_id(const void *a, const void *b)
{
	const struct oci_state *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static int read_listing(const struct runtime *rt, struct listing *out, struct err *err)
{
	auto_closedir DIR *dir = opendir(rt->root);
	struct dirent *e;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "open %s", rt->root);
	while ((e = readdir(dir))) {
		struct oci_state s = {0};
		struct err ignored = ERR_INIT;
		auto_close int dirfd = -1;

		/* One that vanishes or is half made while we look is not listed. */
		if (e->d_name[0] == '.' || store_load(rt, e->d_name, &dirfd, &s, &ignored))
			continue;
		out->states = xrealloc(out->states, (out->count + 1) * sizeof(*out->states));
		out->states[out->count++] = s;
	}
	if (out->count)
		qsort(out->states, out->count, sizeof(*out->states), by_id);
	return 0;
}

static void print_table(const struct listing *l)
{
	size_t id = 2, bundle = 6;

	for (size_t i = 0; i < l->count; i++) {
		if (strlen(l->states[i].id) > id)
			id = strlen(l->states[i].id);
		if (strlen(l->states[i].bundle) > bundle)
			bundle = strlen(l->states[i].bundle);
	}
	id = id < 9 ? 12 : id + 3;
	bundle = bundle < 9 ? 12 : bundle + 3;
	printf("%-*s%-12s%-12s%-*s%-31sOWNER\n", (int)id, "ID", "PID", "STATUS", (int)bundle,
	       "BUNDLE", "CREATED");
	for (size_t i = 0; i < l->count; i++) {
		const struct oci_state *s = &l->states[i];

		printf("%-*s%-12d%-12s%-*s%-31s%s\n", (int)id, s->id,
		       s->status == OCI_STATUS_STOPPED ? 0 : s->pid, oci_status_name(s->status),
		       (int)bundle, s->bundle, s->created, s->owner ? s->owner : "");
	}
}

static void print_json(const struct listing *l)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->count; i++) {
		auto_free char *text = oci_state_encode(&l->states[i], OCI_STATE_FOR_USER);

		json_object_array_add(list, json_tokener_parse(text));
	}
	puts(l->count ? json_text(list) : "null");
	json_object_put(list);
}

int command_list(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	__attribute__((cleanup(listing_free))) struct listing l = {0};
	const char *format = args->values[1] ? args->values[1] : "table";
	int r = read_listing(rt, &l, err);

	if (r)
		return r;
	if (args->values[0]) {
		for (size_t i = 0; i < l.count; i++)
			puts(l.states[i].id);
	} else if (str_eq(format, "table")) {
		print_table(&l);
	} else if (str_eq(format, "json")) {
		print_json(&l);
	} else {
		return err_set(err, ERR_INVALID, EINVAL, "invalid format option");
	}
	return 0;
}

static int add_pid(int pid, void *arg)
{
	json_object_array_add(arg, json_object_new_int(pid));
	return 0;
}

int command_ps(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	auto_json struct json_object *pids = json_object_new_array();
	const char *format = args->values[0] ? args->values[0] : "table";
	struct cgroup_layout layout;
	struct cgroup_dirs dirs;
	int r = store_load(rt, args->positional[0], &dirfd, &s, err);

	if (r == 0)
		r = cgroup_detect(&layout, err);
	if (r == 0)
		r = cgroup_dirs_of(&layout, s.cgroup_path, &dirs, err);
	if (r)
		return r;
	r = cgroup_for_each_pid(dirs.dirs, dirs.count, add_pid, pids);
	if (r && r != -ENOENT)
		return err_set(err, ERR_SYSTEM, -r, "read processes of %s: %s", s.id,
			       err_errno_text(-r));
	if (str_eq(format, "json")) {
		puts(json_text(pids));
		return 0;
	}
	if (!str_eq(format, "table"))
		return err_set(err, ERR_INVALID, EINVAL, "invalid format option");
	puts("PID");
	for (size_t i = 0; i < json_object_array_length(pids); i++)
		printf("%d\n", json_object_get_int(json_object_array_get_idx(pids, i)));
	return 0;
}

int command_spec(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	const char *dir = args->values[0] ? args->values[0] : ".";
	auto_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_oci_config struct oci_config c = {0};
	auto_strbuf struct strbuf text = {0};
	auto_free char *encoded = NULL;
	int r;

	(void)rt;
	if (dirfd < 0)
		return err_sys(err, "open %s", dir);
	if (faccessat(dirfd, "config.json", F_OK, 0) == 0)
		return err_set(err, ERR_CONFLICT, EEXIST,
			       "file config.json exists. Remove it first");
	oci_config_default(&c);
	encoded = oci_config_encode(&c);
	strbuf_printf(&text, "%s\n", encoded);
	r = file_replace_at(dirfd, "config.json", text.data, text.len, 0666, FILE_VOLATILE);
	return r ? err_set(err, ERR_SYSTEM, -r, "write config.json: %s", err_errno_text(-r)) : 0;
}

int command_features(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_free char *text = oci_features_encode();

	(void)rt;
	(void)args;
	(void)err;
	puts(text);
	return 0;
}

const struct command command_state_row = {
	"state", "CONTAINER", "print the container's state", NULL, 0, 1, 1, command_state};
const struct command command_list_row = {"list", "", "list containers", list_options, 2,
					 0,      0,  command_list};
const struct command command_ps_row = {
	"ps", "CONTAINER", "list the container's processes", ps_options, 1, 1, 1, command_ps};
const struct command command_spec_row = {
	"spec", "", "write a config.json to start from", spec_options, 2, 0, 0, command_spec};
const struct command command_features_row = {
	"features", "", "print what this runtime can do", NULL, 0, 0, 0, command_features};
