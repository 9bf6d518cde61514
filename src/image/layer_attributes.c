/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners, modes, xattrs, ACLs and times. Order matters: chown clears setuid and capabilities, chmod
 * would change an ACL's mask, so owner, mode, xattrs, ACLs. Attributes that the file system cannot
 * hold are counted, except capabilities, without which a program would silently not work.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/layer_internal.h"

#define XATTR_LIST_MAX 65536
#define XATTR_VALUE_MAX 65536
#define ACL_VERSION 2u
#define ACL_NO_ID 0xffffffffu

/* One entry of the kernel's system.posix_acl_* value (linux/posix_acl_xattr.h). */
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

static int fail(struct err *err, const char *path, const char *what)
{
	return err_sys(err, "%.200s: %s", path, what);
}

/* overlayfs reads these; from a tar they could hide or redirect what is in the image. */
static bool is_overlay_private(const char *name)
{
	return str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay.");
}

static int set_xattr(const struct placed *p, const char *name, const void *value, size_t size)
{
	if (p->fd >= 0)
		return fsetxattr(p->fd, name, value, size, 0);
	/* Neither a symlink nor a device can be opened to be changed, and there is no setxattrat(2)
	 * before Linux 6.13: by name, from within the directory. lsetxattr does not follow the leaf. */
	if (fchdir(p->parent) < 0)
		return -1;
	return lsetxattr(p->leaf, name, value, size, 0);
}

static int apply_xattrs(struct layer *l, struct archive_entry *e, const struct placed *p,
			const char *path, struct err *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || is_overlay_private(name))
			continue;
		if (set_xattr(p, name, value, size) == 0)
			continue;
		if (errno != EOPNOTSUPP || str_eq(name, "security.capability"))
			return err_sys(err, "%.200s: set attribute %.100s", path, name);
		l->out->skipped_attributes++;
	}
	return 0;
}

static uint16_t acl_tag(int tag)
{
	static const struct {
		int tag;
		uint16_t kernel;
	} tags[] = {
		{ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01},  {ARCHIVE_ENTRY_ACL_USER, 0x02},
		{ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04}, {ARCHIVE_ENTRY_ACL_GROUP, 0x08},
		{ARCHIVE_ENTRY_ACL_MASK, 0x10},      {ARCHIVE_ENTRY_ACL_OTHER, 0x20},
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].tag == tag)
			return tags[i].kernel;
	return 0;
}

static int by_tag(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Reads the ACL of one type into out[n]. Returns how many, 0 for none, -1 for what has no number. */
static int collect_acl(struct archive_entry *e, int type, struct acl_entry *out, int max)
{
	int got_type, permset, tag, qualifier, n = 0;
	const char *name;

	if (archive_entry_acl_reset(e, type) == 0)
		return 0;
	while (archive_entry_acl_next(e, type, &got_type, &permset, &tag, &qualifier, &name) ==
	       ARCHIVE_OK) {
		bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;

		if (n == max || acl_tag(tag) == 0 || (named && qualifier < 0))
			return -1;
		out[n++] = (struct acl_entry){
			.tag = acl_tag(tag),
			.perm = (uint16_t)(permset & 7),
			.id = named ? (uint32_t)qualifier : ACL_NO_ID,
		};
	}
	return n;
}

static int apply_acl(struct layer *l, struct archive_entry *e, const struct placed *p, int type,
		     const char *xattr, const char *path, struct err *err)
{
	struct acl_entry entries[256];
	unsigned char value[4 + 8 * 256];
	uint32_t version = htole32(ACL_VERSION);
	int n = collect_acl(e, type, entries, 256);

	if (n < 0)
		l->out->skipped_attributes++;
	if (n <= 0)
		return 0;
	qsort(entries, (size_t)n, sizeof(entries[0]), by_tag);
	memcpy(value, &version, 4);
	for (int i = 0; i < n; i++) {
		struct acl_entry le = {htole16(entries[i].tag), htole16(entries[i].perm),
				       htole32(entries[i].id)};

		memcpy(value + 4 + 8 * i, &le, 8);
	}
	if (set_xattr(p, xattr, value, 4 + 8 * (size_t)n) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return fail(err, path, "set its access control list");
	l->out->skipped_attributes++;
	return 0;
}

static int apply_owner_and_mode(struct archive_entry *e, const struct placed *p, const char *path,
				struct err *err)
{
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	mode_t mode = archive_entry_perm(e) & 07777;
	int rc;

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(err, ERR_INVALID, EINVAL, "%.200s: owner %lld:%lld is out of range",
			       path, (long long)uid, (long long)gid);
	if (p->fd >= 0)
		rc = fchown(p->fd, (uid_t)uid, (gid_t)gid);
	else
		rc = fchownat(p->parent, p->leaf, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW);
	if (rc < 0)
		return fail(err, path, "set its owner");
	if (p->symlink)
		return 0;
	/* the leaf was made by us a moment ago and is no symlink */
	rc = p->fd >= 0 ? fchmod(p->fd, mode) : fchmodat(p->parent, p->leaf, mode, 0);
	return rc < 0 ? fail(err, path, "set its mode") : 0;
}

int attributes_apply(struct layer *l, struct archive_entry *e, const struct placed *p,
		     const char *path, struct err *err)
{
	int rc = apply_owner_and_mode(e, p, path, err);

	if (rc == 0)
		rc = apply_xattrs(l, e, p, path, err);
	if (rc == 0 && !p->symlink)
		rc = apply_acl(l, e, p, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access",
			       path, err);
	if (rc == 0 && !p->symlink)
		rc = apply_acl(l, e, p, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default",
			       path, err);
	return rc;
}

static struct timespec to_timespec(time_t seconds, long ns)
{
	if (ns < 0 || ns > 999999999)
		ns = 0;
	return (struct timespec){.tv_sec = seconds, .tv_nsec = ns};
}

void attributes_times(struct archive_entry *e, struct timespec out[2])
{
	out[1] = to_timespec(archive_entry_mtime(e), archive_entry_mtime_nsec(e));
	out[0] = archive_entry_atime_is_set(e)
			 ? to_timespec(archive_entry_atime(e), archive_entry_atime_nsec(e))
			 : out[1];
}

int attributes_copy_xattrs(int from, int to)
{
	auto_free char *list = malloc(XATTR_LIST_MAX);
	auto_free char *value = malloc(XATTR_VALUE_MAX);
	ssize_t n;

	if (!list || !value)
		return -ENOMEM;
	n = flistxattr(from, list, XATTR_LIST_MAX);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1) {
		ssize_t size;

		if (is_overlay_private(list + i))
			continue;
		size = fgetxattr(from, list + i, value, XATTR_VALUE_MAX);
		if (size < 0 ||
		    (fsetxattr(to, list + i, value, (size_t)size, 0) < 0 && errno != EOPNOTSUPP))
			return -errno;
	}
	return 0;
}

int attributes_copy(int from, int to, const struct stat *st)
{
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	return attributes_copy_xattrs(from, to);
}
