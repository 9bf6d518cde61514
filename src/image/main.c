/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-image: the program that links the parsers of archives, so that the command line does not.
 * Started by `cloche load` and, for the built-in image, by the engine:
 *
 *   cloche-image --root DIR load [-i FILE|-] [-q]
 *   cloche-image --root DIR load --builtin [-q]
 *
 * and by the engine with commands of program.h.
 *
 * Results go to standard output, errors to standard error; exit 0 or 1 (125 for wrong usage). Before
 * a byte of the archive is read the process gives up what it does not need (confine.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "image/confine.h"
#include "image/load.h"
#include "image/program.h"

#define EXIT_USAGE 125
#define BUILTIN_ARCHIVE "busybox.tar"

struct arguments {
	const char *root;
	const char *input; /* NULL: standard input */
	bool builtin, quiet;
};

static int usage(const char *problem, const char *what)
{
	fprintf(stderr,
		"cloche-image: %s%s\nUsage: cloche-image --root DIR load [-i FILE|-] [-q] | "
		"load --builtin [-q]\n",
		problem, what);
	return EXIT_USAGE;
}

/* The value of an option: "--x=v" or the next argument. NULL when arg is another option. */
static const char *option_value(char **argv, int *i, const char *name)
{
	size_t n = strlen(name);

	if (str_starts(argv[*i], name) && argv[*i][n] == '=')
		return argv[*i] + n + 1;
	if (str_eq(argv[*i], name) && argv[*i + 1])
		return argv[++*i];
	return NULL;
}

static int parse(char **argv, struct arguments *a)
{
	bool load = false;

	for (int i = 1; argv[i]; i++) {
		const char *value;

		if (!load && (value = option_value(argv, &i, "--root")))
			a->root = value;
		else if (!load && str_eq(argv[i], "load"))
			load = true;
		else if (load && ((value = option_value(argv, &i, "-i")) ||
				  (value = option_value(argv, &i, "--input"))))
			a->input = str_eq(value, "-") ? NULL : value;
		else if (load && str_eq(argv[i], "--builtin"))
			a->builtin = true;
		else if (load && (str_eq(argv[i], "-q") || str_eq(argv[i], "--quiet")))
			a->quiet = true;
		else
			return usage("unknown argument: ", argv[i]);
	}
	if (!load || !a->root || a->root[0] != '/')
		return usage("an absolute --root and the command load are needed", "");
	return 0;
}

/* The built-in image's archive lies beside the programs: installed, or in the build directory. */
static int open_builtin(struct err *err)
{
	static const char *const places[] = {
		"../share/cloche/images/" BUILTIN_ARCHIVE,
		"../../share/cloche/images/" BUILTIN_ARCHIVE,
		"../../images/" BUILTIN_ARCHIVE,
		"../images/" BUILTIN_ARCHIVE,
		BUILTIN_ARCHIVE,
	};
	char self[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_sys(err, "read /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd;

		if (str_format(path, sizeof(path), "%s/%s", self, places[i]) < 0)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return fd >= 0 ? fd : err_sys(err, "open %s", path);
	}
	return err_set(err, ERR_NOT_FOUND, ENOENT, "the built-in image is not installed (%s/%s)",
		       self, places[0]);
}

static int open_input(const struct arguments *a, struct err *err)
{
	int fd;

	if (a->builtin)
		return open_builtin(err);
	if (!a->input) {
		if (isatty(STDIN_FILENO))
			return err_set(err, ERR_INVALID, EINVAL,
				       "requested load from stdin, but stdin is empty");
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd >= 0 ? fd : err_sys(err, "read standard input");
	}
	fd = open(a->input, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : err_set(err, ERR_SYSTEM, errno, "open %s: %s", a->input, strerror(errno));
}

static void report(void *context, const char *line)
{
	const struct arguments *a = context;

	/* as docker: -q hides progress, not results; the built-in image loads without a word */
	if (!a->builtin)
		printf("%s\n", line);
}

static void warn(void *context, const char *line)
{
	(void)context;
	log_message(LOG_LEVEL_WARN, "%s", line);
}

/* Names in an archive are anybody's: they must neither steer the terminal that a message is shown on nor
 * begin a line of their own. */
static void make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (*p < 0x20 || *p == 0x7f || c1)
			*p = '?';
		if (c1)
			*++p = '?';
	}
}

/* A layer stack is an fd per layer, twice. */
static void raise_fd_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			return;
	}
}

int program_prepare(struct err *err)
{
	iconv_t names;

	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(err, ERR_SYSTEM, ENOMEM, "start OpenSSL");
	/* libarchive converts names; the C library reads its list of converters once, so from the
	 * host and never from what it is confined to */
	names = iconv_open("UTF-8", "ANSI_X3.4-1968");
	if (names != (iconv_t)-1)
		iconv_close(names);
	return 0;
}

static int load(struct arguments *a, struct err *err)
{
	const struct image_load_options options = {.report = report, .warn = warn, .context = a};
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_close int root = -1;
	auto_close int input = open_input(a, err);
	int rc;

	if (input < 0)
		return input;
	if (mkdir(a->root, 0711) < 0 && errno != EEXIST)
		return err_sys(err, "create %s", a->root);
	root = open(a->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open %s", a->root);
	rc = program_prepare(err);
	if (rc == 0)
		rc = confine(root, err);
	if (rc == 0)
		rc = image_store_open(&store, root, a->root, IMAGE_STORE_WRITE, err);
	return rc < 0 ? rc : image_load(&store, input, &options, err);
}

/* Commands of the engine, which hands descriptors over and gets its answer through one. */
static const struct {
	const char *name;
	int (*run)(char **arguments, struct err *err);
} engine_commands[] = {
	{"extract", program_extract},
	{"add", program_add},
	{"save", program_save},
};

static int run_for_engine(int (*run)(char **arguments, struct err *err), char **arguments)
{
	struct err err = ERR_INIT;
	int rc = run(arguments, &err);

	if (rc == 0)
		err.kind = ERR_NONE;
	make_printable(err.msg);
	if (fd_write_all(IMAGE_PROGRAM_ERROR_FD, &err, sizeof(err)) < 0)
		return EXIT_USAGE;
	return rc < 0;
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	struct err err = ERR_INIT;
	int rc;

	umask(0);
	raise_fd_limit();
	/* a reader that went away must not end a load half-way */
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(engine_commands) / sizeof(engine_commands[0]);
	     i++)
		if (str_eq(argv[1], engine_commands[i].name))
			return run_for_engine(engine_commands[i].run, argv + 2);
	rc = parse(argv, &a);
	if (rc)
		return rc;
	rc = load(&a, &err);
	if (rc < 0) {
		make_printable(err.msg);
		/* it stands in for the command line, whose user knows no other name */
		log_message(LOG_LEVEL_ERROR, "cloche: %s", err.msg);
		return 1;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
