/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCI runtime's command line on bundles. All runtimes get the configuration that ours proposes, with
 * what the description asks for put in, so that they make the same container. The rootfs is one overlay
 * over the image's layers, mounted in a mount namespace that only this observer holds: it is gone with
 * it, however that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "observe/subject/bundle.h"
#include "observe/subject/private_mounts.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000
#define GRAPH "{{.GraphDriver.Data.UpperDir}}{{with .GraphDriver.Data.LowerDir}}:{{.}}{{end}}"

static int probe(struct subject *s, struct err *err)
{
	auto_free char *text = NULL;
	int rc = subject_call(s, CALL_TIMEOUT_MS, &text, err, SUBJECT_WORDS("--version"));

	if (rc < 0)
		return rc;
	s->version = xstrndup(text, strcspn(text, "\n"));
	s->runtime = xstrdup(s->version);
	s->data_root = xstrdup(s->scratch);
	return 0;
}

/* ---- the rootfs ---- */

static int mount_rootfs(const struct subject *s, const void *lower)
{
	auto_free char *options = xasprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work",
					    (const char *)lower, s->scratch, s->scratch);
	auto_free char *target = xasprintf("%s/rootfs", s->scratch);

	if (mount("overlay", target, "overlay", 0, options) < 0)
		return -errno;
	return str_starts(s->version, "crun") ? private_mounts_hide_hybrid() : 0;
}

/* The image's layers, as the engine of this installation has them. */
static int find_layers(const struct subject *s, char **lower, struct err *err)
{
	auto_free char *prefix = xasprintf("%sx", s->prefix);
	struct subject *cloche;
	int rc = subject_open("cloche", prefix, s->scratch, s->image, &cloche, err);

	if (rc < 0)
		return rc;
	rc = subject_call(cloche, CALL_TIMEOUT_MS, lower, err,
			  SUBJECT_WORDS("image", "inspect", "--format", GRAPH, cloche->image));
	subject_free(cloche);
	return rc;
}

static int load(struct subject *s, const char *archive, struct err *err)
{
	static const char *const directories[] = {"rootfs", "upper",   "work",
						  "state",  "bundles", "volumes"};
	auto_free char *lower = NULL;
	auto_free char *scratch = xasprintf("%s/%s", s->scratch, s->name);
	int rc;

	(void)archive;
	free(s->scratch);
	s->scratch = take_ptr(&scratch);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		auto_free char *path = xasprintf("%s/%s", s->scratch, directories[i]);

		rc = file_mkdir_all_at(AT_FDCWD, path, 0755);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "make %s: %s", path,
				       err_errno_text(-rc));
	}
	rc = find_layers(s, &lower, err);
	return rc < 0 ? rc : private_mounts_make(s, mount_rootfs, lower, err);
}

/* ---- commands ---- */

static void begin(const struct subject *s, struct strv *out, const char *verb)
{
	strv_add(out, s->program);
	strv_add(out, "--root");
	strv_add_taken(out, xasprintf("%s/state", s->scratch));
	strv_add_all(out, &s->extra_flags);
	strv_add(out, verb);
}

static int run_command(struct subject *s, const struct container_spec *spec, struct strv *out,
		       struct err *err)
{
	auto_free char *name = spec->name ? xasprintf("%s%s", s->prefix, spec->name)
					  : xasprintf("%s%d", s->prefix, ++s->sequence);
	auto_free char *bundle = xasprintf("%s/bundles/%s", s->scratch, name);
	int rc = bundle_write(s, spec, name, bundle, err);

	if (rc < 0)
		return err_wrap(err, "bundle for %s", s->name);
	begin(s, out, "run");
	strv_add(out, "--bundle");
	strv_add(out, bundle);
	strv_add(out, name);
	return 0;
}

static int exec_command(struct subject *s, const char *name, const char *const *argv,
			struct strv *out, struct err *err)
{
	(void)err;
	begin(s, out, "exec");
	strv_add_taken(out, xasprintf("%s%s", s->prefix, name));
	for (; *argv; argv++)
		strv_add(out, *argv);
	return 0;
}

static int sweep(struct subject *s, struct err *err)
{
	auto_free char *state = xasprintf("%s/state", s->scratch);
	auto_closedir DIR *d = opendir(state);
	struct dirent *e;
	int rc = 0;

	while (d && (e = readdir(d))) {
		auto_command_run struct command_run run = {0};
		auto_strv struct strv argv = {0};
		int gone;

		if (!str_starts(e->d_name, s->prefix))
			continue;
		begin(s, &argv, "delete");
		strv_add(&argv, "--force");
		strv_add(&argv, e->d_name);
		gone = command_execute(s, &argv, CALL_TIMEOUT_MS, &run, err);
		rc = gone < 0 ? gone : rc;
	}
	return rc;
}

const struct subject_ops subject_runtime = {
	.kind = SUBJECT_RUNTIME,
	.probe = probe,
	.load = load,
	.run_command = run_command,
	.exec_command = exec_command,
	.sweep = sweep,
	.prepare_child = private_mounts_enter,
};
