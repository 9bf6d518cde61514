/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and locking the image store, and its small records. Reading makes nothing on disk, so that
 * `cloche images` works for who may only read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "image/layout.h"

static int make_directories(int root_fd, struct err *err)
{
	static const struct {
		const char *path;
		mode_t mode;
	} directories[] = {
		{LAYOUT_OVERLAY, 0710},
		{LAYOUT_LINKS, 0700},
		{LAYOUT_IMAGE, 0700},
		{LAYOUT_IMAGE "/" LAYOUT_CONFIGS, 0700},
		{LAYOUT_IMAGE "/" LAYOUT_METADATA, 0700},
		{LAYOUT_IMAGE "/" LAYOUT_LAYERS, 0700},
		{LAYOUT_IMAGE "/" LAYOUT_MANIFESTS, 0700},
	};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		int rc = file_mkdir_all_at(root_fd, directories[i].path, directories[i].mode);

		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "create %s: %s", directories[i].path,
				       err_errno_text(-rc));
	}
	return 0;
}

int image_store_open(struct image_store *s, int root_fd, const char *root,
		     enum image_store_mode mode, struct err *err)
{
	int rc;

	s->root_fd = root_fd;
	s->image_fd = -1;
	if (str_format(s->root, sizeof(s->root), "%s", root) < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "data root: path too long");
	if (mode == IMAGE_STORE_WRITE) {
		rc = make_directories(root_fd, err);
		if (rc < 0)
			return rc;
	}
	s->image_fd = openat(root_fd, LAYOUT_IMAGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->image_fd < 0 && errno != ENOENT)
		return err_sys(err, "open %s/%s", root, LAYOUT_IMAGE);
	return 0;
}

void image_store_close(struct image_store *s)
{
	if (s->image_fd >= 0)
		close(s->image_fd);
	s->image_fd = -1;
}

static int take_lock(struct image_store *s, const char *name, enum image_lock kind, int *fd,
		     struct err *err)
{
	auto_close int lock = -1;
	int rc;

	*fd = -1;
	if (s->image_fd < 0)
		return 0;
	lock = openat(s->image_fd, name, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return err_sys(err, "open %s/%s", LAYOUT_IMAGE, name);
	do
		rc = flock(lock, kind == IMAGE_LOCK_SHARED ? LOCK_SH : LOCK_EX);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_sys(err, "lock %s/%s", LAYOUT_IMAGE, name);
	*fd = take_fd(&lock);
	return 0;
}

int image_store_lock(struct image_store *s, enum image_lock kind, int *fd, struct err *err)
{
	return take_lock(s, LAYOUT_LOCK, kind, fd, err);
}

int store_load_lock(struct image_store *s, enum image_lock kind, int *fd, struct err *err)
{
	return take_lock(s, LAYOUT_LOAD_LOCK, kind, fd, err);
}

int store_read_line(int dirfd, const char *path, char *out, size_t size, struct err *err)
{
	ssize_t n = file_read_small_at(dirfd, path, out, size);

	if (n == -EFBIG)
		return err_set(err, ERR_CORRUPT, EBADMSG,
			       "image store: %s is longer than it can be", path);
	if (n < 0)
		return err_set(err, n == -ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, (int)-n,
			       "image store: read %s: %s", path, err_errno_text((int)-n));
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
		out[--n] = '\0';
	return 0;
}

int store_read_config(struct image_store *s, const char *id, struct oci_image_config *out,
		      struct err *err)
{
	char path[sizeof(LAYOUT_CONFIGS) + DIGEST_HEX_LEN + 1];
	auto_free char *text = NULL;
	size_t len = 0;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", LAYOUT_CONFIGS, id_hex(id));
	rc = file_read_at(s->image_fd, path, IMAGE_CONFIG_MAX, &text, &len);
	if (rc < 0)
		return err_set(err, rc == -ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, -rc,
			       "image %s: read its configuration: %s", id, err_errno_text(-rc));
	return oci_image_config_decode(text, len, id, out, err);
}

int store_top_chain(struct image_store *s, const char *id, char out[static IMAGE_ID_SIZE],
		    struct err *err)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/%s/chain", LAYOUT_METADATA, id_hex(id));
	rc = store_read_line(s->image_fd, path, out, IMAGE_ID_SIZE, err);
	if (rc == 0 && out[0] && !digest_valid(out))
		rc = err_set(err, ERR_CORRUPT, EBADMSG, "image store: %s holds no digest", path);
	return rc;
}

/* A member of a layer record that holds a digest. */
static int read_digest(int dir, const char *name, char out[static IMAGE_ID_SIZE], struct err *err)
{
	int rc = store_read_line(dir, name, out, IMAGE_ID_SIZE + 1, err);

	if (rc == 0 && !digest_valid(out))
		rc = err_set(err, ERR_CORRUPT, EBADMSG, "image store: layer's %s is no digest",
			     name);
	return rc;
}

int store_read_layer(struct image_store *s, const char *chain_id, struct image_layer *out,
		     char parent[static IMAGE_ID_SIZE], struct err *err)
{
	char path[sizeof(LAYOUT_LAYERS) + DIGEST_HEX_LEN + 1];
	char line[IMAGE_ID_SIZE + 1];
	auto_close int dir = -1;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", LAYOUT_LAYERS, id_hex(chain_id));
	dir = openat(s->image_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, "image store: layer %s", chain_id);
	memcpy(out->chain_id, chain_id, IMAGE_ID_SIZE);
	rc = read_digest(dir, "diff", line, err);
	if (rc < 0)
		return rc;
	memcpy(out->diff_id, line, IMAGE_ID_SIZE);
	rc = store_read_line(dir, "cache-id", line, sizeof(line), err);
	if (rc < 0)
		return rc;
	if (strlen(line) != DIGEST_HEX_LEN || strspn(line, "0123456789abcdef") != DIGEST_HEX_LEN)
		return err_set(err, ERR_CORRUPT, EBADMSG,
			       "image store: layer %s has a bad cache-id", chain_id);
	memcpy(out->cache_id, line, DIGEST_HEX_LEN + 1);
	rc = store_read_line(dir, "size", line, sizeof(line), err);
	if (rc < 0)
		return rc;
	if (str_to_u64(line, &out->size_bytes) < 0)
		return err_set(err, ERR_CORRUPT, EBADMSG, "image store: layer %s has a bad size",
			       chain_id);
	parent[0] = '\0';
	rc = read_digest(dir, "parent", line, err);
	if (rc == 0)
		memcpy(parent, line, IMAGE_ID_SIZE);
	return rc == -ENOENT ? 0 : rc;
}

void store_touch_tag_time(struct image_store *s, const char *id)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 32];
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_wall_ns(), now);
	snprintf(path, sizeof(path), "%s/%s/lastUpdated", LAYOUT_METADATA, id_hex(id));
	if (file_replace_at(s->image_fd, path, now, strlen(now), 0600, FILE_VOLATILE) < 0)
		return;
}
