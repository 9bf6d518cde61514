/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options of the OCI configuration, sorted by one table into flags, propagation, recursive
 * attributes and file system data.
 * Source: runtime-spec config.md "Linux mount options", mount(2), mount_setattr(2).
 */
#include <stdlib.h>
#include <string.h>
#include <linux/mount.h>

#include "base/str.h"
#include "oci/runtime_config.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#define ATTR_ATIME 0x00000070 /* MOUNT_ATTR__ATIME */

enum option_kind {
	SET,
	CLEAR,
	PROPAGATION,
	RECURSIVE_SET,
	RECURSIVE_CLEAR,
	RECURSIVE_ATIME,
	FIELD
};
enum option_field { BIND, RBIND, COPY_UP, IDMAP, RIDMAP, NOTHING };

static const struct {
	const char *name;
	enum option_kind kind;
	uint64_t value;
} options[] = {
	{"ro", SET, MS_RDONLY},
	{"rw", CLEAR, MS_RDONLY},
	{"nosuid", SET, MS_NOSUID},
	{"suid", CLEAR, MS_NOSUID},
	{"nodev", SET, MS_NODEV},
	{"dev", CLEAR, MS_NODEV},
	{"noexec", SET, MS_NOEXEC},
	{"exec", CLEAR, MS_NOEXEC},
	{"sync", SET, MS_SYNCHRONOUS},
	{"async", CLEAR, MS_SYNCHRONOUS},
	{"dirsync", SET, MS_DIRSYNC},
	{"remount", SET, MS_REMOUNT},
	{"mand", SET, MS_MANDLOCK},
	{"nomand", CLEAR, MS_MANDLOCK},
	{"noatime", SET, MS_NOATIME},
	{"atime", CLEAR, MS_NOATIME},
	{"nodiratime", SET, MS_NODIRATIME},
	{"diratime", CLEAR, MS_NODIRATIME},
	{"relatime", SET, MS_RELATIME},
	{"norelatime", CLEAR, MS_RELATIME},
	{"strictatime", SET, MS_STRICTATIME},
	{"nostrictatime", CLEAR, MS_STRICTATIME},
	{"lazytime", SET, MS_LAZYTIME},
	{"nolazytime", CLEAR, MS_LAZYTIME},
	{"iversion", SET, MS_I_VERSION},
	{"noiversion", CLEAR, MS_I_VERSION},
	{"silent", SET, MS_SILENT},
	{"loud", CLEAR, MS_SILENT},
	{"nosymfollow", SET, MS_NOSYMFOLLOW},
	{"symfollow", CLEAR, MS_NOSYMFOLLOW},
	{"shared", PROPAGATION, MS_SHARED},
	{"rshared", PROPAGATION, MS_SHARED | MS_REC},
	{"slave", PROPAGATION, MS_SLAVE},
	{"rslave", PROPAGATION, MS_SLAVE | MS_REC},
	{"private", PROPAGATION, MS_PRIVATE},
	{"rprivate", PROPAGATION, MS_PRIVATE | MS_REC},
	{"unbindable", PROPAGATION, MS_UNBINDABLE},
	{"runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC},
	{"rro", RECURSIVE_SET, MOUNT_ATTR_RDONLY},
	{"rrw", RECURSIVE_CLEAR, MOUNT_ATTR_RDONLY},
	{"rnosuid", RECURSIVE_SET, MOUNT_ATTR_NOSUID},
	{"rsuid", RECURSIVE_CLEAR, MOUNT_ATTR_NOSUID},
	{"rnodev", RECURSIVE_SET, MOUNT_ATTR_NODEV},
	{"rdev", RECURSIVE_CLEAR, MOUNT_ATTR_NODEV},
	{"rnoexec", RECURSIVE_SET, MOUNT_ATTR_NOEXEC},
	{"rexec", RECURSIVE_CLEAR, MOUNT_ATTR_NOEXEC},
	{"rnodiratime", RECURSIVE_SET, MOUNT_ATTR_NODIRATIME},
	{"rdiratime", RECURSIVE_CLEAR, MOUNT_ATTR_NODIRATIME},
	{"rnosymfollow", RECURSIVE_SET, MOUNT_ATTR_NOSYMFOLLOW},
	{"rsymfollow", RECURSIVE_CLEAR, MOUNT_ATTR_NOSYMFOLLOW},
	{"rrelatime", RECURSIVE_ATIME, MOUNT_ATTR_RELATIME},
	{"rnorelatime", RECURSIVE_ATIME, MOUNT_ATTR_STRICTATIME},
	{"rnoatime", RECURSIVE_ATIME, MOUNT_ATTR_NOATIME},
	{"ratime", RECURSIVE_ATIME, MOUNT_ATTR_RELATIME},
	{"rstrictatime", RECURSIVE_ATIME, MOUNT_ATTR_STRICTATIME},
	{"rnostrictatime", RECURSIVE_ATIME, MOUNT_ATTR_RELATIME},
	{"bind", FIELD, BIND},
	{"rbind", FIELD, RBIND},
	{"tmpcopyup", FIELD, COPY_UP},
	{"idmap", FIELD, IDMAP},
	{"ridmap", FIELD, RIDMAP},
	{"defaults", FIELD, NOTHING},
};

static void set_field(struct oci_mount *m, uint64_t field)
{
	switch (field) {
	case RBIND:
		m->recursive_bind = true;
		m->bind = true;
		break;
	case BIND:
		m->bind = true;
		break;
	case COPY_UP:
		m->copy_up = true;
		break;
	case RIDMAP:
		m->idmap_recursive = true;
		m->idmap = true;
		break;
	case IDMAP:
		m->idmap = true;
		break;
	default:
		break;
	}
}

static void set_recursive(struct oci_mount *m, uint64_t set, uint64_t clear)
{
	m->attr_recursive_set = (m->attr_recursive_set & ~clear) | set;
	m->attr_recursive_clear = (m->attr_recursive_clear & ~set) | clear;
}

static void add_data(struct oci_mount *m, const char *option)
{
	char *joined = m->data ? xasprintf("%s,%s", m->data, option) : xstrdup(option);

	free(m->data);
	m->data = joined;
}

void oci_mount_add_option(struct oci_mount *m, const char *option)
{
	strv_add(&m->options, option);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		uint64_t value = options[i].value;

		if (!str_eq(options[i].name, option))
			continue;
		switch (options[i].kind) {
		case SET:
			m->flags_set |= value;
			m->flags_clear &= ~value;
			break;
		case CLEAR:
			m->flags_clear |= value;
			m->flags_set &= ~value;
			break;
		case PROPAGATION:
			m->propagation = value;
			break;
		case RECURSIVE_SET:
			set_recursive(m, value, 0);
			break;
		case RECURSIVE_CLEAR:
			set_recursive(m, 0, value);
			break;
		case RECURSIVE_ATIME:
			/* The kernel wants the whole field cleared before one value is set. */
			m->attr_recursive_set &= ~(uint64_t)ATTR_ATIME;
			m->attr_recursive_set |= value;
			m->attr_recursive_clear |= ATTR_ATIME;
			break;
		case FIELD:
			set_field(m, value);
			break;
		}
		return;
	}
	add_data(m, option);
}

size_t oci_mount_option_count(void)
{
	return sizeof(options) / sizeof(options[0]);
}

const char *oci_mount_option_name(size_t i)
{
	return options[i].name;
}
