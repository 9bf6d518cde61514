/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user typed to an image ready to run. On the hot path: reads repositories.json, one
 * configuration and three small files, scans no directory unless an id prefix was typed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "base/subprocess.h"
#include "image/layout.h"

/* Overlay's lower option is one page; 500 layers of 29 bytes are more, but not much. */
#define LOWER_MAX (64u << 10)
#define ACCOUNTS_MAX (1u << 20)

static int not_found(const char *text, const struct reference *r, struct err *err)
{
	char name[REFERENCE_TEXT_MAX];

	if (!r)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such image: %.200s", text);
	reference_format(r, name);
	return err_set(err, ERR_NOT_FOUND, ENOENT, "No such image: %s", name);
}

static bool config_exists(struct image_store *s, const char *id)
{
	char path[sizeof(LAYOUT_CONFIGS) + DIGEST_HEX_LEN + 1];

	snprintf(path, sizeof(path), "%s/%s", LAYOUT_CONFIGS, id_hex(id));
	return s->image_fd >= 0 && faccessat(s->image_fd, path, F_OK, 0) == 0;
}

/* Looks for the one configuration whose id starts with prefix. -ENOENT for none or several. */
static int find_prefix(struct image_store *s, const char *prefix, char id[static IMAGE_ID_SIZE])
{
	auto_closedir DIR *dir = NULL;
	size_t n = strlen(prefix);
	struct dirent *e;
	int found = 0, fd;

	if (s->image_fd < 0 || n == 0 || strspn(prefix, "0123456789abcdef") != n)
		return -ENOENT;
	fd = openat(s->image_fd, LAYOUT_CONFIGS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, prefix, n) != 0 || strlen(e->d_name) != DIGEST_HEX_LEN ||
		    !id_is_hex(e->d_name, DIGEST_HEX_LEN))
			continue;
		if (++found > 1)
			return -ENOENT;
		snprintf(id, IMAGE_ID_SIZE, DIGEST_PREFIX "%.64s", e->d_name);
	}
	return found ? 0 : -ENOENT;
}

int resolve_id(struct image_store *s, struct json_object *names, const char *text,
	       char id[static IMAGE_ID_SIZE], struct reference *found, bool *by_id, struct err *err)
{
	const char *hex = str_starts(text, DIGEST_PREFIX) ? id_hex(text) : text;
	struct reference r;
	const char *named;
	int rc;

	*by_id = strlen(hex) == DIGEST_HEX_LEN && id_is_hex(hex, DIGEST_HEX_LEN);
	if (*by_id) {
		snprintf(id, IMAGE_ID_SIZE, DIGEST_PREFIX "%s", hex);
		return config_exists(s, id) ? 0 : not_found(text, NULL, err);
	}
	rc = reference_parse(text, &r, err);
	if (rc < 0)
		return rc;
	reference_default_tag(&r);
	named = names_get(names, &r);
	if (named) {
		snprintf(id, IMAGE_ID_SIZE, "%s", named);
		*found = r;
		return 0;
	}
	*by_id = true;
	return find_prefix(s, hex, id) < 0 ? not_found(text, &r, err) : 0;
}

static int read_metadata(struct image_store *s, const char *id, const char *name, size_t max,
			 char **out, struct err *err)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/%s/%s", LAYOUT_METADATA, id_hex(id), name);
	rc = file_read_at(s->image_fd, path, max, out, NULL);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "image %s: read its %s: %s", id, name,
			       err_errno_text(-rc));
	return rc;
}

static int read_image(struct image_store *s, struct image *i, struct err *err)
{
	static const char *const accounts[] = {"passwd", "group"};
	char **const out[] = {&i->passwd, &i->group};
	int rc = store_read_config(s, i->id, &i->config, err);

	if (rc < 0)
		return rc;
	rc = read_metadata(s, i->id, "lower", LOWER_MAX, &i->lower, err);
	if (rc == -ENOENT)
		return err_set(err, ERR_CORRUPT, EBADMSG,
			       "image %s: its layers are not recorded (try cloche system check)",
			       i->id);
	for (size_t n = 0; rc == 0 && n < 2; n++) {
		rc = read_metadata(s, i->id, accounts[n], ACCOUNTS_MAX, out[n], err);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

int image_resolve(struct image_store *s, const char *reference, struct image *out, struct err *err)
{
	auto_json struct json_object *names = NULL;
	char name[REFERENCE_TEXT_MAX];
	struct reference r;
	bool by_id;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = names_read(s, &names, err);
	if (rc == 0)
		rc = resolve_id(s, names, reference, out->id, &r, &by_id, err);
	if (rc < 0)
		return rc;
	if (!by_id) {
		reference_format(&r, name);
		out->name = xstrdup(name);
	}
	rc = read_image(s, out, err);
	if (rc < 0)
		image_free(out);
	return rc;
}

void image_free(struct image *i)
{
	free(i->name);
	free(i->lower);
	free(i->passwd);
	free(i->group);
	oci_image_config_free(&i->config);
	memset(i, 0, sizeof(*i));
}

/* True when text can mean nothing but the image that comes with Cloche. */
static bool means_builtin(const char *text)
{
	struct err ignored = ERR_INIT;
	struct reference r;

	if (reference_parse(text, &r, &ignored) < 0 || r.digest[0])
		return false;
	return str_eq(r.name, IMAGE_BUILTIN) && (!r.tag[0] || str_eq(r.tag, "latest"));
}

/* Has the program that links the parsers load the image that comes with Cloche. */
static int load_builtin(struct image_store *s, struct err *err)
{
	char program[PATH_MAX];
	char *const argv[] = {program,
			      (char *)"--root",
			      s->root,
			      (char *)"load",
			      (char *)"--builtin",
			      (char *)"--quiet",
			      NULL};
	char *const envp[] = {NULL};
	int rc = subprocess_own_program("cloche-image", program, sizeof(program), err);

	if (rc == 0)
		rc = subprocess_run(argv, envp, err);
	if (rc > 0)
		return err_set(err, ERR_NOT_FOUND, ENOENT,
			       "the built-in image %s could not be loaded", IMAGE_BUILTIN);
	if (rc == 0 && s->image_fd < 0) {
		int root_fd = s->root_fd;
		auto_free char *root = xstrdup(s->root);

		rc = image_store_open(s, root_fd, root, IMAGE_STORE_READ, err);
	}
	return rc;
}

static int lock_and_resolve(struct image_store *s, const char *reference, struct image *out,
			    int *lock_fd, struct err *err)
{
	auto_close int lock = -1;
	int rc = image_store_lock(s, IMAGE_LOCK_SHARED, &lock, err);

	if (rc == 0)
		rc = image_resolve(s, reference, out, err);
	if (rc == 0)
		*lock_fd = take_fd(&lock);
	return rc;
}

int image_acquire(struct image_store *s, const char *reference, struct image *out, int *lock_fd,
		  struct err *err)
{
	int rc = lock_and_resolve(s, reference, out, lock_fd, err);

	if (rc == 0 || err->kind != ERR_NOT_FOUND || !means_builtin(reference))
		return rc;
	*err = ERR_INIT;
	rc = load_builtin(s, err);
	return rc < 0 ? rc : lock_and_resolve(s, reference, out, lock_fd, err);
}

/* ---- platforms: Go's names for what uname(2) says ---- */

static const char *host_architecture(const struct utsname *u)
{
	static const struct {
		const char *machine, *name;
	} names[] = {
		{"x86_64", "amd64"},
		{"aarch64", "arm64"},
		{"armv7l", "arm"},
		{"armv6l", "arm"},
		{"i686", "386"},
		{"i386", "386"},
		{"ppc64le", "ppc64le"},
		{"s390x", "s390x"},
		{"riscv64", "riscv64"},
		{"mips64", "mips64le"},
		{"loongarch64", "loong64"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(u->machine, names[i].machine))
			return names[i].name;
	return u->machine;
}

void image_platform(const struct oci_image_config *c, char *out, size_t size)
{
	bool variant = c->variant && c->variant[0];

	snprintf(out, size, "%s/%s%s%s", c->os, c->architecture, variant ? "/" : "",
		 variant ? c->variant : "");
}

void image_host_platform(char *out, size_t size)
{
	struct utsname u;

	uname(&u);
	snprintf(out, size, "linux/%s", host_architecture(&u));
}

bool image_platform_matches(const struct oci_image_config *c)
{
	struct utsname u;

	uname(&u);
	return str_eq(c->os, "linux") && str_eq(c->architecture, host_architecture(&u));
}
