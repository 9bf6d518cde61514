/* SPDX-License-Identifier: Apache-2.0 */
/* Typed members of JSON documents from strangers: absent is fine, another type never is. */
#include "oci/member.h"

#include <errno.h>

#include "base/json.h"
#include "base/str.h"

int member_refuse(struct err *err, const char *what, const char *key)
{
	return err_set(err, ERR_INVALID, EINVAL, "%s: \"%s\" has the wrong type", what, key);
}

int member_string(struct json_object *o, const char *key, char **out, const char *what,
		  struct err *err)
{
	const char *s;
	int rc = json_get_string(o, key, &s);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, key);
	*out = xstrdup(s);
	return 0;
}

int member_strings(struct json_object *o, const char *key, struct strv *out, bool *set,
		   const char *what, struct err *err)
{
	int rc = json_get_strv(o, key, out);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, key);
	if (set)
		*set = true;
	return 0;
}

int member_bool(struct json_object *o, const char *key, bool *out, const char *what,
		struct err *err)
{
	int rc = json_get_bool(o, key, out);

	return rc < 0 && rc != -ENOENT ? member_refuse(err, what, key) : 0;
}

int member_number(struct json_object *o, const char *key, int64_t *out, const char *what,
		  struct err *err)
{
	int rc = json_get_i64(o, key, out);

	return rc < 0 && rc != -ENOENT ? member_refuse(err, what, key) : 0;
}
