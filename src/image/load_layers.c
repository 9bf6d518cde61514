/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks the layers that the store lacks, each into <tmp>/<cache-id>/diff with its small files
 * beside it. In one pass over a blob: its digest, decompression, its diff id, and the files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/id.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/layer.h"
#include "image/load_internal.h"
#include "image/tar_record.h"

/* Docker's limit for the number of layers. */
#define DEPTH_MAX 125
#define ACCOUNTS_MAX (1u << 20)

struct load_layer *load_new_layer(struct load *l)
{
	struct load_layer *layer;

	l->layers = xrealloc(l->layers, (l->layer_count + 1) * sizeof(*l->layers));
	layer = &l->layers[l->layer_count++];
	memset(layer, 0, sizeof(*layer));
	layer->fd = -1;
	return layer;
}

/* Docker's link names: 26 of A-Z and 0-9. */
static int generate_link(char out[static LINK_ID_LEN + 1])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char bytes[LINK_ID_LEN];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < LINK_ID_LEN; i++)
		out[i] = letters[bytes[i] % 32];
	out[LINK_ID_LEN] = '\0';
	return 0;
}

/* Looks for a chain among those of this load and in the store. 1 found, 0 not. */
int load_find_layer(struct load *l, const char *chain, size_t *index, struct err *err)
{
	struct err missing = ERR_INIT;
	struct image_layer stored;
	struct load_layer *layer;
	char path[128], parent[IMAGE_ID_SIZE];
	int rc;

	for (size_t i = 0; i < l->layer_count; i++) {
		if (str_eq(l->layers[i].chain_id, chain)) {
			*index = i;
			return 1;
		}
	}
	rc = store_read_layer(l->store, chain, &stored, parent, &missing);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0) {
		*err = missing;
		return rc;
	}
	*index = l->layer_count;
	layer = load_new_layer(l);
	memcpy(layer->chain_id, stored.chain_id, IMAGE_ID_SIZE);
	memcpy(layer->diff_id, stored.diff_id, IMAGE_ID_SIZE);
	memcpy(layer->cache_id, stored.cache_id, sizeof(layer->cache_id));
	layer->size_bytes = stored.size_bytes;
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/link", layer->cache_id);
	rc = store_read_line(l->store->root_fd, path, layer->link, sizeof(layer->link), err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/diff", layer->cache_id);
	layer->fd = openat(l->store->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return layer->fd < 0 ? err_sys(err, "open %s/%s", l->store->root, path) : 1;
}

static int write_line(int dir, const char *name, const char *text, struct err *err)
{
	int rc = file_replace_at(dir, name, text, strlen(text), 0644, FILE_VOLATILE);

	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", name, err_errno_text(-rc))
		      : 0;
}

int load_make_layer(struct load *l, struct load_layer *layer, struct err *err)
{
	auto_close int dir = -1;
	int rc;

	if (id_generate(layer->cache_id) < 0 || generate_link(layer->link) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "no random numbers");
	if (mkdirat(l->tmp_fd, layer->cache_id, 0710) < 0)
		return err_sys(err, "create %s/%s", l->tmp_name, layer->cache_id);
	dir = openat(l->tmp_fd, layer->cache_id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, "diff", 0755) < 0)
		return err_sys(err, "create %s/%s/diff", l->tmp_name, layer->cache_id);
	rc = write_line(dir, "link", layer->link, err);
	if (rc < 0)
		return rc;
	layer->fd = openat(dir, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return layer->fd < 0 ? err_sys(err, "open %s/%s/diff", l->tmp_name, layer->cache_id) : 0;
}

/* The fds of the layers below position n of image i, topmost first; the caller frees. */
int *load_lower_fds(struct load *l, const struct load_image *i, size_t n)
{
	int *fds = xcalloc(n + 1, sizeof(*fds));

	for (size_t k = 0; k < n; k++)
		fds[k] = l->layers[i->layers[n - 1 - k]].fd;
	return fds;
}

static int check_digests(const struct load_image *i, size_t n, const char *blob_digest,
			 const struct layer_result *result, struct err *err)
{
	const char *expected = i->blob_digests.items[n];

	if (expected[0] && !str_eq(expected, blob_digest))
		return err_set(err, ERR_INVALID, EBADMSG,
			       "layer %s: content does not match, its digest is %s", expected,
			       blob_digest);
	if (!str_eq(result->diff_id, i->config.diff_ids.items[n]))
		return err_set(err, ERR_INVALID, EBADMSG,
			       "layer %.100s: diff id is %s, the image configuration says %s",
			       i->blobs.items[n], result->diff_id, i->config.diff_ids.items[n]);
	return 0;
}

int load_apply(struct load *l, struct load_layer *layer, struct stream *tar,
	       const struct merged *lower, struct layer_result *result, struct err *err)
{
	auto_stream struct stream *tap = NULL;
	struct tar_recorder *recorder;
	auto_close int record = -1;
	char name[64];
	int rc;

	load_record_name(l, layer, name, sizeof(name));
	record = openat(l->tmp_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (record < 0)
		return err_sys(err, "create %s/%s", l->tmp_name, name);
	tap = tar_record_tap(tar, record, &recorder);
	rc = layer_apply(tap, layer->fd, lower, result, err);
	return rc < 0 ? rc : tar_record_finish(recorder, err);
}

static int unpack(struct load *l, struct load_image *i, size_t n, struct load_layer *layer,
		  struct err *err)
{
	auto_free int *fds = load_lower_fds(l, i, n);
	const struct merged lower = {.layers = fds, .count = n};
	auto_hash struct hash blob_hash = {0};
	auto_stream struct stream *raw = NULL, *plain = NULL;
	char blob_digest[IMAGE_ID_SIZE] = "";
	struct layer_result result;
	const char *blob = i->blobs.items[n];
	uint64_t size;
	int rc = image_archive_stream(&l->archive, blob, &raw, &size, err);

	if (rc == 0)
		rc = hash_start(&blob_hash, err);
	if (rc < 0)
		return rc;
	plain = stream_decompress(stream_tap_borrowed(raw, &blob_hash, NULL), &l->budget, "");
	rc = load_apply(l, layer, plain, &lower, &result, err);
	if (rc < 0)
		return err_wrap(err, "layer %.100s", blob);
	rc = hash_finish(&blob_hash, blob_digest, err);
	if (rc == 0)
		rc = check_digests(i, n, blob_digest, &result, err);
	layer->size_bytes = result.size_bytes;
	if (rc == 0 && result.skipped_attributes) {
		auto_free char *line = xasprintf(
			"layer %s: the file system of %s cannot hold %llu of its extended attributes",
			i->config.diff_ids.items[n], l->store->root,
			(unsigned long long)result.skipped_attributes);

		l->options->warn(l->options->context, line);
	}
	return rc;
}

static int add_layer(struct load *l, struct load_image *i, size_t n, const char *parent,
		     const char *chain, struct err *err)
{
	struct load_layer *layer = load_new_layer(l);
	int rc = load_make_layer(l, layer, err);

	if (rc < 0)
		return rc;
	layer->fresh = true;
	memcpy(layer->chain_id, chain, IMAGE_ID_SIZE);
	memcpy(layer->parent, parent, strlen(parent) + 1);
	snprintf(layer->diff_id, IMAGE_ID_SIZE, "%s", i->config.diff_ids.items[n]);
	return unpack(l, i, n, layer, err);
}

static int load_image_layers(struct load *l, struct load_image *i, struct err *err)
{
	char chain[IMAGE_ID_SIZE] = "", parent[IMAGE_ID_SIZE] = "";
	size_t count = i->config.diff_ids.count;

	if (count > DEPTH_MAX)
		return err_set(err, ERR_INVALID, EMLINK, "image %s: max depth exceeded", i->id);
	i->layers = xcalloc(count + 1, sizeof(*i->layers));
	for (size_t n = 0; n < count; n++) {
		const char *diff_id = i->config.diff_ids.items[n];
		int rc;

		if (!digest_valid(diff_id))
			return err_set(err, ERR_INVALID, EINVAL,
				       "image %s: unsupported diff id \"%.100s\"", i->id, diff_id);
		rc = hash_chain(parent, diff_id, chain, err);
		if (rc == 0)
			rc = load_find_layer(l, chain, &i->layers[n], err);
		if (rc == 0) {
			i->layers[n] = l->layer_count;
			rc = add_layer(l, i, n, parent, chain, err);
		}
		if (rc < 0)
			return rc;
		memcpy(parent, chain, sizeof(parent));
	}
	return 0;
}

/* The image's own account files, for resolving users without mounting anything. */
int load_read_accounts(struct load *l, struct load_image *i, struct err *err)
{
	static const char *const paths[] = {"etc/passwd", "etc/group"};
	char **const out[] = {&i->passwd, &i->group};
	auto_free int *fds = load_lower_fds(l, i, i->config.diff_ids.count);
	const struct merged all = {.layers = fds, .count = i->config.diff_ids.count};

	for (size_t n = 0; n < 2; n++) {
		size_t len;
		int rc = merged_read(&all, paths[n], ACCOUNTS_MAX, out[n], &len);

		/* whatever else is there instead of a file is none */
		if (rc == -EFBIG)
			return err_set(err, ERR_INVALID, EFBIG,
				       "image %s: /%s is larger than %u bytes", i->id, paths[n],
				       ACCOUNTS_MAX);
		if (rc == -ENOMEM || rc == -EIO || rc == -EMFILE)
			return err_set(err, ERR_SYSTEM, -rc, "image %s: read /%s: %s", i->id,
				       paths[n], err_errno_text(-rc));
	}
	return 0;
}

/* True when the store has the image whole. */
bool load_is_present(struct load *l, const struct load_image *i)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 16];

	snprintf(path, sizeof(path), "%s/%s/lower", LAYOUT_METADATA, id_hex(i->id));
	if (faccessat(l->store->image_fd, path, F_OK, 0) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/%s/" LAYOUT_LOADING, LAYOUT_METADATA, id_hex(i->id));
	if (faccessat(l->store->image_fd, path, F_OK, 0) == 0)
		return false;
	snprintf(path, sizeof(path), "%s/%s", LAYOUT_CONFIGS, id_hex(i->id));
	return faccessat(l->store->image_fd, path, F_OK, 0) == 0;
}

int load_layers(struct load *l, struct err *err)
{
	for (size_t n = 0; n < l->image_count; n++) {
		struct load_image *i = &l->images[n];
		int rc;

		if (i->blobs.count != i->config.diff_ids.count)
			return err_set(
				err, ERR_INVALID, EINVAL,
				"image %s: %zu layers in the manifest, %zu in its configuration",
				i->id, i->blobs.count, i->config.diff_ids.count);
		i->present = load_is_present(l, i);
		if (i->present)
			continue;
		rc = load_image_layers(l, i, err);
		if (rc == 0)
			rc = load_read_accounts(l, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
