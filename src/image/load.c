/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load from start to end: a private directory that is locked while its owner lives, the archive
 * read into it, everything named at once, the directory removed whatever happened.
 */
#include "image/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/id.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/load_internal.h"

/* Left free on the file system whatever an archive contains. */
#define RESERVE_BYTES (64ull << 20)

int load_add_image(struct load *l, char *text, size_t len, struct load_image **out, struct err *err)
{
	struct load_image *i;
	char id[IMAGE_ID_SIZE];
	char what[IMAGE_ID_SIZE + 32];
	int rc;

	l->images = xrealloc(l->images, (l->image_count + 1) * sizeof(*l->images));
	i = &l->images[l->image_count++];
	memset(i, 0, sizeof(*i));
	i->config_text = text;
	i->config_len = len;
	rc = hash_bytes(text, len, id, err);
	if (rc < 0)
		return rc;
	memcpy(i->id, id, IMAGE_ID_SIZE);
	snprintf(what, sizeof(what), "image configuration %s", id);
	*out = i;
	return oci_image_config_decode(text, len, what, &i->config, err);
}

int load_add_name(struct load_image *i, const char *name, struct err *err)
{
	char text[REFERENCE_TEXT_MAX];
	struct reference r;
	int rc = reference_parse(name, &r, err);

	if (rc < 0)
		return err_wrap(err, "image name \"%.200s\"", name);
	/* what a digest would say of the manifest is checked where digests are; names are tags here */
	r.digest[0] = '\0';
	reference_default_tag(&r);
	reference_format(&r, text);
	if (!strv_contains(&i->names, text))
		strv_add(&i->names, text);
	return 0;
}

static int read_archive(struct load *l, struct err *err)
{
	if (image_archive_has(&l->archive, "manifest.json"))
		return load_docker_archive(l, err);
	if (image_archive_has(&l->archive, "index.json"))
		return load_oci_layout(l, err);
	if (image_archive_has(&l->archive, "repositories"))
		return load_legacy_archive(l, err);
	return err_set(err, ERR_INVALID, EINVAL,
		       "the archive is no image: it has neither manifest.json nor index.json");
}

/* What may be unpacked: what is free now, less a reserve. */
static int set_budget(struct load *l, struct err *err)
{
	struct statvfs v;
	uint64_t available;

	if (fstatvfs(l->store->root_fd, &v) < 0)
		return err_sys(err, "statfs %s", l->store->root);
	available = (uint64_t)v.f_bavail * v.f_frsize;
	/* on a small file system the reserve must not be all there is */
	l->budget.max_bytes =
		available - (available / 16 < RESERVE_BYTES ? available / 16 : RESERVE_BYTES);
	l->budget.where = l->store->root;
	return 0;
}

static int make_tmp(struct load *l, struct err *err)
{
	char id[ID_LEN + 1];

	if (id_generate(id) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "no random numbers");
	snprintf(l->tmp_name, sizeof(l->tmp_name), LAYOUT_OVERLAY "/" LAYOUT_TMP "%.16s", id);
	if (mkdirat(l->store->root_fd, l->tmp_name, 0700) < 0)
		return err_sys(err, "create %s/%s", l->store->root, l->tmp_name);
	l->tmp_fd = openat(l->store->root_fd, l->tmp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->tmp_fd < 0)
		return err_sys(err, "open %s/%s", l->store->root, l->tmp_name);
	/* tells `system check` that its owner lives */
	return flock(l->tmp_fd, LOCK_EX | LOCK_NB) < 0 ? err_sys(err, "lock %s", l->tmp_name) : 0;
}

static void free_load(struct load *l)
{
	for (size_t n = 0; n < l->image_count; n++) {
		struct load_image *i = &l->images[n];

		oci_image_config_free(&i->config);
		strv_free(&i->names);
		strv_free(&i->blobs);
		strv_free(&i->blob_digests);
		free(i->config_text);
		free(i->manifest_text);
		free(i->layers);
		free(i->passwd);
		free(i->group);
	}
	free(l->images);
	for (size_t n = 0; n < l->layer_count; n++)
		if (l->layers[n].fd >= 0)
			close(l->layers[n].fd);
	free(l->layers);
	if (l->archive.fd >= 0)
		image_archive_close(&l->archive);
}

int load_begin(struct load *l, struct err *err)
{
	int rc = set_budget(l, err);

	return rc < 0 ? rc : make_tmp(l, err);
}

int load_end(struct load *l, int rc, struct err *err)
{
	int removed = 0;

	free_load(l);
	if (l->tmp_fd >= 0) {
		removed = remove_tree_at(l->store->root_fd, l->tmp_name);
		close(l->tmp_fd);
	}
	if (rc == 0 && removed < 0)
		rc = err_set(err, ERR_SYSTEM, -removed, "remove %s/%s: %s", l->store->root,
			     l->tmp_name, err_errno_text(-removed));
	return rc;
}

static int run_load(struct load *l, int input, struct err *err)
{
	int rc = load_begin(l, err);

	if (rc == 0)
		rc = image_archive_open(input, l->tmp_fd, &l->budget, &l->archive, err);
	if (rc == 0)
		rc = read_archive(l, err);
	if (rc == 0)
		rc = load_layers(l, err);
	if (rc == 0)
		rc = load_commit(l, err);
	return rc;
}

int image_load(struct image_store *s, int input, const struct image_load_options *options,
	       struct err *err)
{
	struct load l = {.store = s, .options = options, .tmp_fd = -1, .archive.fd = -1};
	auto_close int load_lock = -1;
	int rc = store_load_lock(s, IMAGE_LOCK_SHARED, &load_lock, err);

	if (rc == 0)
		rc = run_load(&l, input, err);
	return load_end(&l, rc, err);
}
