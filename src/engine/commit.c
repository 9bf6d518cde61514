/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the configuration of the image to be, as Docker's members in Docker's order, and hands it
 * with the layer's tar to cloche-image, which alone knows the layer's digest.
 */
#include "engine/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/diff.h"
#include "engine/event.h"
#include "engine/image_change.h"
#include "engine/image_events.h"
#include "engine/image_program.h"
#include "engine/inspect.h"
#include "image/tar_write.h"

/* ---- configurations ---- */

static struct json_object *history_step(const struct image_description *d, const char *created,
					const char *created_by, const char *comment)
{
	struct json_object *step = json_object_new_object();

	json_add_string(step, "created", created);
	if (d->author && *d->author)
		json_add_string(step, "author", d->author);
	if (created_by && *created_by)
		json_add_string(step, "created_by", created_by);
	if (comment && *comment)
		json_add_string(step, "comment", comment);
	return step;
}

/* Checks the name before anything is done. */
static int check_name(const char *name, struct err *err)
{
	struct reference r;

	if (!name)
		return 0;
	if (reference_parse(name, &r, err) < 0)
		return err_code(err);
	return reference_check_tag(&r, err);
}

/* What docker shows as the command that made the layer: the container's Cmd. */
static char *joined_command(struct json_object *config)
{
	auto_strv struct strv cmd = {0};
	struct strbuf text = {0};

	if (json_get_strv(config, "Cmd", &cmd) < 0)
		return xstrdup("");
	for (size_t i = 0; i < cmd.count; i++)
		strbuf_printf(&text, "%s%s", i ? " " : "", cmd.items[i]);
	return strbuf_take(&text);
}

/* The members of the parent's document that the child keeps. */
static void copy_members(struct json_object *from, struct json_object *to, const char *const *keys)
{
	for (; *keys; keys++) {
		struct json_object *value;

		if (json_object_object_get_ex(from, *keys, &value) && value)
			json_object_object_add(to, *keys, json_object_get(value));
	}
}

static int find_parent(struct engine *e, const struct container *c, struct image *out,
		       struct err *err)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	int rc;

	if (!c->image_id)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s runs in a plain folder (--rootfs) and has no image to build on",
			       c->name);
	rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);
	return rc < 0 ? rc : image_resolve(&store, c->image_id, out, err);
}

static int container_config_of(struct engine *e, struct container *c, struct json_object **out,
			       struct err *err)
{
	auto_json struct json_object *whole = NULL;
	struct json_object *config;
	int rc = container_inspect(e, c, NULL, &whole, err);

	if (rc < 0)
		return rc;
	rc = json_get_object(whole, "Config", &config);
	if (rc < 0)
		return err_set(err, ERR_CORRUPT, -rc, "no Config");
	*out = json_object_get(config);
	return 0;
}

static void add_parent_layers(struct json_object *o, const struct image *parent)
{
	struct json_object *rootfs = json_object_new_object();

	json_add_string(rootfs, "type", "layers");
	json_object_object_add(rootfs, "diff_ids", json_object_new_array());
	for (size_t i = 0; parent && i < parent->config.diff_ids.count; i++) {
		struct json_object *ids;

		if (json_get_array(rootfs, "diff_ids", &ids) == 0)
			json_object_array_add(
				ids, json_object_new_string(parent->config.diff_ids.items[i]));
	}
	json_object_object_add(o, "rootfs", rootfs);
}

static int commit_config(struct engine *e, struct container *c, const struct image_description *d,
			 struct json_object **out, struct err *err)
{
	static const char *const first[] = {"architecture", NULL};
	static const char *const last[] = {"os", "os.features", "os.version", NULL};
	static const char *const variant[] = {"variant", NULL};
	auto_json struct json_object *config = NULL, *o = json_object_new_object();
	auto_image struct image parent = {0};
	auto_free char *by = NULL;
	struct json_object *history = json_object_new_array(), *steps;
	char created[CLOCK_RFC3339_MAX];
	int rc = find_parent(e, c, &parent, err);

	if (rc == 0)
		rc = container_config_of(e, c, &config, err);
	if (rc < 0) {
		json_object_put(history);
		return rc;
	}
	clock_format_rfc3339(clock_wall_ns(), created);
	by = joined_command(config);
	if (json_get_array(parent.config.document, "history", &steps) == 0)
		for (size_t i = 0; i < json_object_array_length(steps); i++)
			json_object_array_add(history,
					      json_object_get(json_object_array_get_idx(steps, i)));
	json_object_array_add(history, history_step(d, created, by, d->message));
	rc = image_changes_apply(config, d->changes, err);
	copy_members(parent.config.document, o, first);
	if (d->author && *d->author)
		json_add_string(o, "author", d->author);
	if (d->message && *d->message)
		json_add_string(o, "comment", d->message);
	json_object_object_add(o, "config", json_object_get(config));
	json_add_string(o, "container", c->id);
	json_add_string(o, "created", created);
	json_object_object_add(o, "history", history);
	copy_members(parent.config.document, o, last);
	add_parent_layers(o, &parent);
	copy_members(parent.config.document, o, variant);
	if (rc == 0)
		*out = json_object_get(o);
	return rc;
}

/* ---- handing over ---- */

static int config_file(struct json_object *config, struct err *err)
{
	const char *text = json_text(config);
	auto_close int fd = memfd_create("image-config", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_sys(err, "make a memory file");
	rc = fd_write_all(fd, text, strlen(text));
	if (rc < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "write the image configuration");
	return take_fd(&fd);
}

/* Starts `cloche-image add`; its answer, the id, can be read from *answer. */
static int start_add(struct engine *e, struct json_object *config, const char *name, int input,
		     int *answer, struct image_program *out, struct err *err)
{
	auto_close int file = config_file(config, err), write_end = -1;
	auto_strv struct strv arguments = {0};
	int ends[2], rc;

	if (file < 0)
		return file;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	*answer = ends[0];
	write_end = ends[1];
	strv_add(&arguments, "add");
	strv_add(&arguments, e->root);
	strv_add(&arguments, name ? name : "");
	rc = image_program_start_with(&arguments, input, write_end, e->root_fd, file, out, err);
	return rc;
}

static int end_add(struct image_program *p, int answer, char id[static IMAGE_ID_SIZE],
		   struct err *err)
{
	ssize_t n = fd_read_full(answer, id, IMAGE_ID_SIZE - 1);
	int rc = image_program_wait(p, err);

	if (rc == 0 && n != IMAGE_ID_SIZE - 1)
		rc = err_set(err, ERR_SYSTEM, EPROTO, "cloche-image gave no image id");
	id[n > 0 ? n : 0] = '\0';
	return rc;
}

/* ---- the layer ---- */

struct selection {
	const struct container_change *changes;
	size_t count;
};

static bool is_changed(const struct selection *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (str_eq(s->changes[i].path + 1, name))
			return true;
	}
	return false;
}

/* What the engine put there so that something could be mounted is no part of the image. */
static bool skip_mount_point(void *context, const char *name, const struct stat *st)
{
	return container_is_mount_point(name, st) && !is_changed(context, name);
}

static int write_upper(struct engine *e, struct container *c, int fd, struct err *err)
{
	auto_free char *path = xasprintf("overlay2/%s/diff", c->id);
	auto_close int upper = openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_tar_writer struct tar_writer w = {0};
	struct container_change *changes = NULL;
	struct selection selection = {0};
	const struct tar_tree_options options = {.contents_only = true,
						 .overlay_upper = true,
						 .skip = skip_mount_point,
						 .context = &selection};
	int rc = container_diff(e, c, &changes, &selection.count, err);

	selection.changes = changes;
	if (rc == 0 && upper < 0 && errno != ENOENT)
		rc = err_sys(err, "open %s", path);
	tar_writer_init(&w, tar_sink_fd, &fd);
	if (rc == 0 && upper >= 0)
		rc = tar_write_tree(&w, upper, ".", "", &options, err);
	if (rc == 0)
		rc = tar_writer_finish(&w, err);
	container_changes_free(changes, selection.count);
	return rc;
}

/* A program that ends early is told by its own error, not by a signal. */
static void ignore_broken_pipes(struct sigaction *before)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, before);
}

static int commit_layer(struct engine *e, struct container *c, struct json_object *config,
			const char *name, char id[static IMAGE_ID_SIZE], struct err *err)
{
	auto_close int answer = -1;
	struct image_program program;
	struct err theirs = ERR_INIT;
	struct sigaction before;
	int ends[2], rc, ended;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	rc = start_add(e, config, name, ends[0], &answer, &program, err);
	close(ends[0]);
	if (rc < 0) {
		close(ends[1]);
		return rc;
	}
	ignore_broken_pipes(&before);
	rc = write_upper(e, c, ends[1], err);
	sigaction(SIGPIPE, &before, NULL);
	/* what was cut short may look like a whole tar: nothing may come of it */
	if (rc < 0 && rc != -EPIPE)
		kill(program.pid, SIGKILL);
	close(ends[1]);
	ended = end_add(&program, answer, id, &theirs);
	if (rc < 0 && rc != -EPIPE)
		return rc;
	if (ended < 0)
		*err = theirs;
	return ended;
}

int container_commit(struct engine *e, struct container *c, const struct image_description *d,
		     bool pause, char id[static IMAGE_ID_SIZE], struct err *err)
{
	auto_json struct json_object *config = NULL;
	struct err ignored = ERR_INIT;
	bool paused = false;
	int rc = check_name(d->name, err);

	if (rc == 0)
		rc = container_state_read(e, c, err);
	if (rc == 0)
		rc = commit_config(e, c, d, &config, err);
	if (rc < 0)
		return rc;
	if (pause && c->state.status == CONTAINER_RUNNING) {
		rc = container_pause(e, c, err);
		/* it may have ended just now */
		if (rc < 0 && container_state_read(e, c, &ignored) == 0 &&
		    c->state.status == CONTAINER_RUNNING)
			return rc;
		paused = rc == 0;
	}
	rc = commit_layer(e, c, config, d->name, id, err);
	if (paused && container_unpause(e, c, &ignored) < 0 && rc == 0) {
		*err = ignored;
		rc = err_code(err);
	}
	if (rc == 0)
		event_container_with(
			e, c, "commit",
			(struct event_attribute[]){{"comment", d->message ? d->message : ""},
						   {"imageID", id},
						   {"imageRef", d->name ? d->name : ""}},
			3);
	return rc;
}

/* ---- import ---- */

/* "linux/arm64/v8" -> members of the document. */
static int add_platform(struct json_object *o, const char *platform, const char *member,
			struct err *err)
{
	char host[64], part[64] = "";
	const char *text = platform && *platform ? platform : host;
	static const char *const names[] = {"os", "architecture", "variant"};

	image_host_platform(host, sizeof(host));
	for (size_t i = 0; i < 3; i++) {
		size_t n = strcspn(text, "/");

		if (n >= sizeof(part) || (n == 0 && i == 0))
			return err_set(err, ERR_INVALID, 0, "\"%s\" is an invalid platform",
				       platform);
		if (i == 0 && (n != strlen("linux") || memcmp(text, "linux", n) != 0))
			return err_set(err, ERR_INVALID, 0, "operating system is not supported");
		if (n)
			snprintf(part, sizeof(part), "%.*s", (int)n, text);
		else
			part[0] = '\0';
		/* an architecture that was not named is the host's */
		if (!n && i == 1)
			snprintf(part, sizeof(part), "%s", strchr(host, '/') + 1);
		if (str_eq(names[i], member) && *part)
			json_add_string(o, member, part);
		text += n + (text[n] == '/');
	}
	return *text ? err_set(err, ERR_INVALID, 0, "\"%s\" is an invalid platform", platform) : 0;
}

static int import_config(const struct image_description *d, const char *platform,
			 struct json_object **out, struct err *err)
{
	const char *comment = d->message && *d->message ? d->message : "Imported from -";
	auto_json struct json_object *o = json_object_new_object();
	struct json_object *config = json_object_new_object(), *history = json_object_new_array();
	char created[CLOCK_RFC3339_MAX];
	int rc;

	clock_format_rfc3339(clock_wall_ns(), created);
	json_object_array_add(history, history_step(d, created, NULL, comment));
	rc = image_changes_apply(config, d->changes, err);
	if (rc == 0)
		rc = add_platform(o, platform, "architecture", err);
	json_add_string(o, "comment", comment);
	json_object_object_add(o, "config", config);
	json_add_string(o, "created", created);
	json_object_object_add(o, "history", history);
	if (rc == 0)
		rc = add_platform(o, platform, "os", err);
	add_parent_layers(o, NULL);
	if (rc == 0)
		rc = add_platform(o, platform, "variant", err);
	if (rc == 0)
		*out = json_object_get(o);
	return rc;
}

int image_import(struct engine *e, int input, const char *platform,
		 const struct image_description *d, char id[static IMAGE_ID_SIZE], struct err *err)
{
	auto_json struct json_object *config = NULL;
	struct image_program program;
	auto_close int answer = -1;
	int rc = check_name(d->name, err);

	if (rc == 0)
		rc = import_config(d, platform, &config, err);
	if (rc == 0)
		rc = start_add(e, config, d->name, input, &answer, &program, err);
	if (rc == 0)
		rc = end_add(&program, answer, id, err);
	if (rc == 0) {
		const struct event_attribute name = {"name", d->name ? d->name : id};

		event_emit(e, "image", "import", id, &name, 1);
	}
	return rc;
}

/* ---- save ---- */

int images_save(struct engine *e, const struct strv *references, int fd, struct err *err)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_strv struct strv arguments = {0};
	struct image_program program;
	struct err ignored = ERR_INIT;
	int rc;

	strv_add(&arguments, "save");
	strv_add(&arguments, e->root);
	strv_add_all(&arguments, references);
	rc = image_program_start(&arguments, -1, fd, e->root_fd, &program, err);
	if (rc == 0)
		rc = image_program_wait(&program, err);
	if (rc < 0 || image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, &ignored) < 0)
		return rc;
	for (size_t i = 0; i < references->count; i++)
		event_image(e, &store, references->items[i], "save", NULL);
	return 0;
}
