/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry by entry with the hands that place a layer's entries (layer_place.c); what differs is what
 * may be replaced and what of an entry is kept.
 */
#include "image/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "image/image_archive.h"
#include "image/layer_internal.h"

#define SET_ID_BITS 06000u

struct extraction {
	struct layer layer; /* first: callbacks get its address */
	const struct extract_options *o;
	struct extract_result *result;
};

static bool is_device(struct archive_entry *e)
{
	return !archive_entry_hardlink(e) &&
	       (archive_entry_filetype(e) == AE_IFCHR || archive_entry_filetype(e) == AE_IFBLK);
}

/* Takes away what must not come along. */
static void adjust(const struct extract_options *o, struct archive_entry *e)
{
	if (!o->keep_owner) {
		archive_entry_set_uid(e, o->uid);
		archive_entry_set_gid(e, o->gid);
	}
	if (o->foreign) {
		archive_entry_set_perm(e, archive_entry_perm(e) & ~SET_ID_BITS);
		archive_entry_xattr_clear(e);
		archive_entry_acl_clear(e);
	}
}

/* Clears the place for e, or says why not. */
static int clear_place(struct extraction *x, struct archive_entry *e, const char *leaf,
		       const char *name, struct err *err)
{
	bool directory = archive_entry_filetype(e) == AE_IFDIR && !archive_entry_hardlink(e);
	const char *shown = x->o->shown;
	struct stat st;
	int rc;

	if (fstatat(x->layer.parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%.200s", name);
	if (S_ISDIR(st.st_mode) && directory)
		return 0;
	if (!x->o->replace_directories && (directory || S_ISDIR(st.st_mode)))
		return err_set(err, ERR_CONFLICT, directory ? ENOTDIR : EISDIR,
			       "cannot overwrite %sdirectory \"%.150s%s%.150s\" with "
			       "%sdirectory \"%.150s\"",
			       directory ? "non-" : "", shown, str_ends(shown, "/") ? "" : "/",
			       name, directory ? "" : "non-", shown);
	/* by way of a symlink this may be the very directory that is remembered */
	x->layer.parent_path[0] = '\0';
	rc = remove_tree_at(x->layer.parent, leaf);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "%.200s: replace: %s", name,
				err_errno_text(-rc))
		      : 0;
}

/* The place of an entry below the root. */
static int target_path(const struct extraction *x, const char *name, char out[static PATH_MAX],
		       struct err *err)
{
	const char *directory = x->o->directory;
	bool top = !*directory || str_eq(directory, "/") || str_eq(directory, ".");

	if (str_format(out, PATH_MAX, "%s%s%s", top ? "" : directory,
		       top || str_ends(directory, "/") ? "" : "/", name) < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "%.100s...: name too long", name);
	return 0;
}

static int prefix_hard_link(const struct extraction *x, struct archive_entry *e, struct err *err)
{
	const char *target = archive_entry_hardlink(e);
	char clean[PATH_MAX], whole[PATH_MAX];
	int rc;

	if (!target)
		return 0;
	if (archive_clean_name(target, clean) < 0 || str_eq(clean, "."))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid hardlink \"%.200s\" -> \"%.200s\"",
			       archive_entry_pathname(e), target);
	rc = target_path(x, clean, whole, err);
	if (rc == 0)
		archive_entry_set_hardlink(e, whole);
	return rc;
}

static int extract_entry(struct layer *l, struct archive_entry *e, struct err *err)
{
	struct extraction *x = (struct extraction *)l;
	const char *raw = archive_entry_pathname(e), *leaf;
	char name[PATH_MAX], path[PATH_MAX];
	int rc;

	if (!raw || !raw[0])
		return err_set(err, ERR_INVALID, EINVAL, "an entry without a name");
	rc = archive_clean_name(raw, name);
	if (rc == -ENAMETOOLONG)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "%.100s...: name too long", raw);
	if (rc < 0)
		return err_set(err, ERR_INVALID, EINVAL, "\"%.200s\" is outside of \"%.200s\"", raw,
			       x->o->shown);
	/* the directory itself stays as it is */
	if (str_eq(name, "."))
		return 0;
	if (x->o->foreign && is_device(e)) {
		x->result->devices_left_out++;
		return 0;
	}
	rc = target_path(x, name, path, err);
	if (rc == 0)
		rc = prefix_hard_link(x, e, err);
	if (rc == 0)
		rc = layer_parent(l, path, &leaf, err);
	if (rc == 0)
		rc = clear_place(x, e, leaf, name, err);
	if (rc < 0)
		return rc;
	adjust(x->o, e);
	return layer_make(l, e, leaf, path, err);
}

int extract_tar(struct stream *tar, int root, const struct extract_options *options,
		struct extract_result *out, struct err *err)
{
	static const struct merged nothing;
	struct layer_result unused = {.size_bytes = 0};
	struct extraction x = {
		.layer = {.root = root, .lower = &nothing, .out = &unused, .parent = -1},
		.o = options,
		.result = out,
	};
	int rc;

	*out = (struct extract_result){.devices_left_out = 0};
	rc = layer_read(&x.layer, tar, extract_entry, err);
	if (rc == 0)
		rc = layer_finish(&x.layer, err);
	layer_free(&x.layer);
	return rc;
}
