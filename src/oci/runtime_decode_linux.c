/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the linux section without its resources. Source: runtime-spec config-linux.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/runtime_decode.h"

struct namespace_json {
	char *type, *path;
};

static int set_namespace(struct decode *d, const struct namespace_json *j, struct oci_config *c)
{
	for (size_t i = 0; i < OCI_NS_COUNT; i++) {
		enum oci_namespace_type type = (enum oci_namespace_type)i;

		if (!j->type || !str_eq(oci_namespace_name(type), j->type))
			continue;
		if (c->namespaces[type].present)
			return decode_refuse(d, ERR_INVALID, "namespace %s is given twice",
					     j->type);
		if (j->path && j->path[0] != '/')
			return decode_refuse(d, ERR_INVALID, "the path must be absolute");
		oci_config_add_namespace(c, type, j->path);
		return 0;
	}
	return decode_refuse(d, ERR_INVALID, "unknown namespace \"%.40s\"", j->type ? j->type : "");
}

static int add_namespace(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("type", DECODE_STRING, struct namespace_json, type),
		DECODE_PLAIN("path", DECODE_STRING, struct namespace_json, path),
	};
	struct namespace_json j = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0)
		r = set_namespace(d, &j, out);
	free(j.type);
	free(j.path);
	return r;
}

static int decode_time_offset(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_PLAIN("secs", DECODE_I64, struct oci_time_offset, seconds),
		DECODE_PLAIN("nanosecs", DECODE_U32, struct oci_time_offset, nanoseconds),
	};
	struct oci_time_offset *offset = out;
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), offset);

	if (r == 0 && offset->nanoseconds > 999999999)
		return decode_refuse(d, ERR_INVALID, "nanosecs must be below a second");
	offset->present = true;
	return r;
}

static int decode_time_offsets(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		{.name = "monotonic",
		 .type = DECODE_OBJECT,
		 .offset = offsetof(struct oci_config, monotonic_offset),
		 .has_offset = DECODE_NO_FLAG,
		 .fn = decode_time_offset},
		{.name = "boottime",
		 .type = DECODE_OBJECT,
		 .offset = offsetof(struct oci_config, boottime_offset),
		 .has_offset = DECODE_NO_FLAG,
		 .fn = decode_time_offset},
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

struct device_json {
	char *type, *path;
	int64_t major, minor;
	bool has_mode;
	uint32_t mode, uid, gid;
};

static int check_device(struct decode *d, const struct device_json *j)
{
	if (!j->type || strlen(j->type) != 1 || !strchr("bcup", j->type[0]))
		return decode_refuse(d, ERR_INVALID, "type must be b, c, u or p");
	if (!j->path || j->path[0] != '/')
		return decode_refuse(d, ERR_INVALID, "the path must be absolute");
	if (j->type[0] != 'p' &&
	    (j->major < 0 || j->minor < 0 || j->major > UINT32_MAX || j->minor > UINT32_MAX))
		return decode_refuse(d, ERR_INVALID, "major and minor must be device numbers");
	return 0;
}

static int add_device(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("type", DECODE_STRING, struct device_json, type),
		DECODE_NEEDED("path", DECODE_STRING, struct device_json, path),
		DECODE_PLAIN("major", DECODE_I64, struct device_json, major),
		DECODE_PLAIN("minor", DECODE_I64, struct device_json, minor),
		DECODE_FLAGGED("fileMode", DECODE_U32, struct device_json, mode, has_mode),
		DECODE_PLAIN("uid", DECODE_U32, struct device_json, uid),
		DECODE_PLAIN("gid", DECODE_U32, struct device_json, gid),
	};
	struct device_json j = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0)
		r = check_device(d, &j);
	if (r == 0)
		oci_config_add_device(out, j.path, j.type[0], (uint32_t)j.major, (uint32_t)j.minor,
				      j.has_mode ? j.mode & 07777 : 0666, j.uid, j.gid);
	free(j.type);
	free(j.path);
	return r;
}

static int add_sysctl(struct decode *d, const char *key, const char *value, void *out)
{
	(void)d;
	oci_config_add_sysctl(out, key, value);
	return 0;
}

static int decode_seccomp(struct decode *d, struct json_object *v, void *out)
{
	struct oci_config *c = out;

	c->has_seccomp = true;
	return seccomp_profile_decode(v, d->what, 0, &c->seccomp, d->err);
}

struct personality_json {
	char *domain;
	struct strv flags;
};

static int decode_personality(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("domain", DECODE_STRING, struct personality_json, domain),
		DECODE_PLAIN("flags", DECODE_STRV, struct personality_json, flags),
	};
	struct oci_config *c = out;
	struct personality_json j = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0 && j.flags.count)
		r = decode_refuse(d, ERR_UNSUPPORTED, "flags are not supported");
	if (r == 0) {
		c->has_personality = true;
		if (j.domain && str_eq(j.domain, "LINUX"))
			c->personality = PER_LINUX;
		else if (j.domain && str_eq(j.domain, "LINUX32"))
			c->personality = PER_LINUX32;
		else
			r = decode_refuse(d, ERR_INVALID, "unknown domain");
	}
	free(j.domain);
	strv_free(&j.flags);
	return r;
}

struct propagation_json {
	char *name;
};

static int decode_propagation(struct decode *d, struct json_object *v, struct oci_config *c)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} table[] = {
		{"shared", MS_SHARED | MS_REC},         {"rshared", MS_SHARED | MS_REC},
		{"slave", MS_SLAVE | MS_REC},           {"rslave", MS_SLAVE | MS_REC},
		{"private", MS_PRIVATE | MS_REC},       {"rprivate", MS_PRIVATE | MS_REC},
		{"unbindable", MS_UNBINDABLE | MS_REC}, {"runbindable", MS_UNBINDABLE | MS_REC},
	};
	static const struct decode_field fields[] = {
		DECODE_PLAIN("rootfsPropagation", DECODE_STRING, struct propagation_json, name),
	};
	struct propagation_json j = {0};
	auto_free char *name = NULL;
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	name = j.name;
	if (r || !name)
		return r;
	for (size_t i = 0; i < DECODE_COUNT(table); i++) {
		if (str_eq(table[i].name, name)) {
			c->rootfs_propagation = table[i].flags;
			return 0;
		}
	}
	return decode_refuse(d, ERR_INVALID, "unknown rootfsPropagation \"%.40s\"", name);
}

int oci_decode_linux(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_WITH("namespaces", DECODE_ARRAY, add_namespace),
		DECODE_WITH("uidMappings", DECODE_ARRAY, oci_decode_uid_map),
		DECODE_WITH("gidMappings", DECODE_ARRAY, oci_decode_gid_map),
		DECODE_WITH("timeOffsets", DECODE_OBJECT, decode_time_offsets),
		DECODE_WITH("devices", DECODE_ARRAY, add_device),
		DECODE_PLAIN("cgroupsPath", DECODE_STRING, struct oci_config, cgroups_path),
		{.name = "resources",
		 .type = DECODE_OBJECT,
		 .offset = offsetof(struct oci_config, resources),
		 .has_offset = DECODE_NO_FLAG,
		 .fn = oci_decode_resources},
		DECODE_WITH("seccomp", DECODE_OBJECT, decode_seccomp),
		DECODE_PAIRS("sysctl", add_sysctl),
		DECODE_PLAIN("maskedPaths", DECODE_STRV, struct oci_config, masked_paths),
		DECODE_PLAIN("readonlyPaths", DECODE_STRV, struct oci_config, readonly_paths),
		DECODE_PLAIN("mountLabel", DECODE_STRING, struct oci_config, mount_label),
		DECODE_WITH("personality", DECODE_OBJECT, decode_personality),
		DECODE_REFUSED("intelRdt"),
		DECODE_REFUSED("netDevices"),
		DECODE_REFUSED("memoryPolicy"),
	};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), out);

	return r ? r : decode_propagation(d, v, out);
}
