/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp: both ways, and as a tar on the standard streams. One of our programs writes the tar, reading
 * through descriptors; another, confined to the directory it goes to, unpacks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/cp_paths.h"
#include "cli/engine_door.h"
#include "engine/archive.h"
#include "engine/image_program.h"

#define PROGRESS_NS 500000000ull

struct cp_options {
	bool archive, follow, quiet;
};

static const struct option rows[] = {
	{"archive", 'a', &option_bool, offsetof(struct cp_options, archive),
	 "Archive mode (copy all uid/gid information)", NULL},
	{"follow-link", 'L', &option_bool, offsetof(struct cp_options, follow),
	 "Always follow symbol link in SRC_PATH", NULL},
	{"quiet", 'q', &option_bool, offsetof(struct cp_options, quiet),
	 "Suppress progress output during copy. Progress output is automatically suppressed if no "
	 "terminal is attached",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

/* The tar on its way, counted for who watches. */
struct progress {
	int fd;
	const char *header; /* NULL: nobody watches */
	uint64_t bytes, shown_ns;
};

static void show_progress(struct progress *p)
{
	uint64_t now = clock_now_ns();
	char size[HUMAN_MAX];

	if (!p->header || now - p->shown_ns < PROGRESS_NS)
		return;
	p->shown_ns = now;
	human_size(p->bytes, 3, size);
	fprintf(stderr, "\r\033[K%s%s", p->header, size);
	fflush(stderr);
}

static int count_and_write(void *context, const void *bytes, size_t n)
{
	struct progress *p = context;

	p->bytes += n;
	show_progress(p);
	return tar_sink_fd(&p->fd, bytes, n);
}

static void say_success(const struct cp_options *o, const struct progress *p, const char *container,
			const char *path)
{
	char size[HUMAN_MAX];

	if (o->quiet)
		return;
	human_size(p->bytes, 3, size);
	cli_note("%sSuccessfully copied %s to %s%s%s", p->header ? "\r\033[K" : "", size,
		 container ? container : "", container ? ":" : "", path);
}

/* Both ends of a copy through a pipe: what unpacks knows best why it stopped reading. */
static int end_copy(int rc, struct progress *p, const struct archive *into,
		    struct image_program *program, struct err *err)
{
	struct err theirs = ERR_INIT;
	int ended;

	close(p->fd);
	p->fd = -1;
	ended = into ? archive_write_wait(into, program, &theirs)
		     : image_program_wait(program, &theirs);
	if (ended < 0 && (rc == 0 || rc == -EPIPE))
		*err = theirs;
	return rc < 0 && rc != -EPIPE ? rc : ended;
}

static int open_pipe(int *read_end, struct progress *p, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	*read_end = ends[0];
	p->fd = ends[1];
	return 0;
}

/* ---- out of a container ---- */

static int copy_to_directory(struct archive *a, const struct cp_options *o, const char *source,
			     const char *directory, const char *name, struct progress *p,
			     struct err *err)
{
	const struct archive_write_options options = {.keep_owner = o->archive};
	auto_close int target = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int input = -1;
	auto_tar_writer struct tar_writer w = {0};
	struct image_program program;
	int rc;

	if (target < 0)
		return cp_path_error(err, "open", directory, errno);
	rc = open_pipe(&input, p, err);
	if (rc == 0)
		rc = archive_write_host_start(target, directory, input, &options, &program, err);
	if (rc < 0)
		return rc;
	close(take_fd(&input));
	tar_writer_init(&w, count_and_write, p);
	rc = archive_read(a, source, name, o->archive, &w, err);
	if (rc == 0)
		rc = tar_writer_finish(&w, err);
	return end_copy(rc, p, NULL, &program, err);
}

static int copy_to_stdout(struct archive *a, const struct cp_options *o, const char *source,
			  struct err *err)
{
	int fd = STDOUT_FILENO;
	auto_tar_writer struct tar_writer w = {0};
	int rc;

	tar_writer_init(&w, tar_sink_fd, &fd);
	rc = archive_read(a, source, NULL, o->archive, &w, err);
	return rc < 0 ? rc : tar_writer_finish(&w, err);
}

static int copy_from(struct archive *a, const struct cp_options *o, const char *source,
		     const char *destination, struct progress *p, struct err *err)
{
	char path[PATH_MAX], directory[PATH_MAX], name[PATH_MAX], linked[PATH_MAX];
	auto_free struct archive_stat *st = xcalloc(1, sizeof(*st));
	auto_free struct cp_side *to = xcalloc(1, sizeof(*to));
	int rc;

	/* An unset variable must not mean the whole container. */
	if (!*source)
		return err_set(err, ERR_USAGE, 0, "bad parameter: path cannot be empty");
	strcpy(path, "-");
	rc = str_eq(destination, "-") ? 0 : cp_absolute(destination, path, err);
	if (rc == 0 && !str_eq(destination, "-"))
		rc = cp_check_output(path, err);
	if (rc == 0)
		rc = archive_stat(a, source, st, err);
	if (rc < 0)
		return rc;
	strcpy(name, st->name);
	if (o->follow && S_ISLNK(st->st.st_mode)) {
		strcpy(linked, st->link_target);
		source = linked;
		rc = archive_stat(a, source, st, err);
		if (rc < 0)
			return rc;
	}
	if (str_eq(destination, "-"))
		return copy_to_stdout(a, o, source, err);
	rc = cp_host_destination(path, to, err);
	if (rc == 0)
		rc = cp_place(to, S_ISDIR(st->st.st_mode), name, directory, name, err);
	if (rc == 0)
		rc = copy_to_directory(a, o, source, directory, name, p, err);
	if (rc == 0)
		say_success(o, p, NULL, path);
	return rc;
}

/* ---- into a container ---- */

static int copy_stdin(struct archive *a, const struct cp_options *o, const struct cp_side *to,
		      const char *asked, struct err *err)
{
	const struct archive_write_options options = {.keep_owner = o->archive};
	auto_free struct archive_target *target = xcalloc(1, sizeof(*target));
	struct image_program program;
	int rc;

	if (!to->is_directory)
		return err_set(err, ERR_USAGE, ENOTDIR, "destination \"%s:%s\" must be a directory",
			       a->named, asked);
	rc = archive_target_find(a, to->path, target, err);
	if (rc == 0)
		rc = archive_write_start(a, target, STDIN_FILENO, &options, &program, err);
	return rc < 0 ? rc : archive_write_wait(a, &program, err);
}

static int send_tree(struct archive *a, const struct cp_options *o, int dir, const char *leaf,
		     const char *directory, const char *name, struct progress *p, struct err *err)
{
	const struct archive_write_options options = {.keep_owner = o->archive};
	const struct tar_tree_options tree = {.nanoseconds = o->archive};
	auto_free struct archive_target *target = xcalloc(1, sizeof(*target));
	auto_tar_writer struct tar_writer w = {0};
	auto_close int input = -1;
	struct image_program program;
	int rc = archive_target_find(a, directory, target, err);

	if (rc == 0)
		rc = open_pipe(&input, p, err);
	if (rc == 0)
		rc = archive_write_start(a, target, input, &options, &program, err);
	if (rc < 0)
		return rc;
	close(take_fd(&input));
	tar_writer_init(&w, count_and_write, p);
	rc = tar_write_tree(&w, dir, leaf, name, &tree, err);
	if (rc == 0)
		rc = tar_writer_finish(&w, err);
	return end_copy(rc, p, a, &program, err);
}

/* What is at the destination; a symlink there is followed, in the container. */
static int look_at_destination(struct archive *a, const char *path, struct cp_side *to,
			       struct err *err)
{
	auto_free struct archive_stat *st = xcalloc(1, sizeof(*st));
	struct err missing = ERR_INIT;
	int rc = archive_stat(a, path, st, &missing);

	snprintf(to->path, sizeof(to->path), "%s", path);
	if (rc == 0 && S_ISLNK(st->st.st_mode)) {
		snprintf(to->path, sizeof(to->path), "%s", st->link_target);
		rc = archive_stat(a, to->path, st, &missing);
	}
	if (rc == 0 && (S_ISCHR(st->st.st_mode) || S_ISBLK(st->st.st_mode)))
		return err_set(err, ERR_USAGE, ENODEV,
			       "destination \"%s:%s\" must be a directory or a regular file: got a "
			       "device",
			       a->named, path);
	to->exists = rc == 0;
	to->is_directory = rc == 0 && S_ISDIR(st->st.st_mode);
	return 0;
}

static int copy_into(struct archive *a, const struct cp_options *o, const char *source,
		     const char *destination, struct progress *p, struct err *err)
{
	char path[PATH_MAX], leaf[PATH_MAX], base[PATH_MAX], directory[PATH_MAX], name[PATH_MAX];
	auto_free struct cp_side *to = xcalloc(1, sizeof(*to));
	auto_close int dir = -1;
	struct stat st;
	int rc = 0;

	if (!*destination)
		return err_set(err, ERR_USAGE, 0, "no such directory");
	if (!str_eq(source, "-"))
		rc = cp_absolute(source, path, err);
	if (rc == 0)
		rc = look_at_destination(a, destination, to, err);
	if (rc < 0)
		return rc;
	if (str_eq(source, "-"))
		return copy_stdin(a, o, to, destination, err);
	rc = cp_host_source(path, o->follow, &dir, leaf, base, err);
	if (rc < 0)
		return rc;
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cp_path_error(err, "lstat", path, errno);
	rc = cp_place(to, S_ISDIR(st.st_mode), base, directory, name, err);
	if (rc == 0)
		rc = send_tree(a, o, dir, leaf, directory, name, p, err);
	if (rc == 0)
		say_success(o, p, a->named, to->path);
	return rc;
}

/* ---- the command ---- */

static int copy(struct cli_context *ctx, struct cp_options *o, const struct strv *args,
		const char *container, const char *path, bool from, struct err *err)
{
	struct progress p = {.fd = -1, .shown_ns = clock_now_ns()};
	struct archive a = {.root = CONTAINER_ROOT_NONE};
	auto_container struct container c;
	struct engine *e;
	int rc = cli_engine(ctx, &e, err);

	container_init(&c);
	if (isatty(STDERR_FILENO) && !o->quiet)
		p.header = from ? "Copying from container - " : "Copying to container - ";
	if (rc == 0)
		rc = container_find(e, container, &c, err);
	if (rc == 0)
		rc = archive_open(e, &c, container, &a, err);
	if (rc == 0)
		rc = from ? copy_from(&a, o, path, args->items[1], &p, err)
			  : copy_into(&a, o, args->items[0], path, &p, err);
	if (p.fd >= 0)
		close(p.fd);
	archive_close(&a);
	return rc;
}

static int cmd_cp(struct cli_context *ctx, int argc, char **argv)
{
	struct cp_options o = {.quiet = !isatty(STDOUT_FILENO)};
	char source[PATH_MAX], destination[PATH_MAX];
	const char *source_path, *destination_path;
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	bool from, into;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	for (size_t i = 0; i < 2; i++) {
		if (args.items[i][0])
			continue;
		err_set(&err, ERR_USAGE, 0, "%s can not be empty",
			i == 0 ? "source" : "destination");
		return cli_fail(&err);
	}
	from = cp_split(args.items[0], source, &source_path);
	into = cp_split(args.items[1], destination, &destination_path);
	if (from == into) {
		err_set(&err, ERR_USAGE, 0, "%s",
			from ? "copying between containers is not supported"
			     : "must specify at least one container source");
		return cli_fail(&err);
	}
	/* a reader that went away is an error to report, not an end */
	signal(SIGPIPE, SIG_IGN);
	rc = copy(ctx, &o, &args, from ? source : destination,
		  from ? source_path : destination_path, from, &err);
	return rc < 0 ? cli_fail(&err) : 0;
}

const struct command command_cp = {
	.paths = {"container cp", "cp"},
	.arguments = "CONTAINER:SRC_PATH DEST_PATH|-\n\tcloche cp [OPTIONS] SRC_PATH|- "
		     "CONTAINER:DEST_PATH",
	.summary = "Copy files/folders between a container and the local filesystem",
	.run = cmd_cp,
	.options = &table,
	.min_args = 2,
	.max_args = 2,
};
