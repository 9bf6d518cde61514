/* SPDX-License-Identifier: Apache-2.0 */
/* Options by table: --name VALUE, --name=VALUE, -n VALUE, -n=VALUE and, as Go's flags, -name. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "runtime/cli/command.h"

static int find(const struct option_row *rows, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if ((strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) ||
		    (len == 1 && rows[i].letter == name[0]))
			return (int)i;
	return -1;
}

/* One option at argv[at]. Returns the words used. */
static int take_option(const struct option_row *rows, size_t count, int argc, char *const argv[],
		       int at, struct arguments *out, struct err *err)
{
	const char *name = argv[at] + (argv[at][1] == '-' ? 2 : 1);
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	int i = find(rows, count, name, len);
	const char *value = equals ? equals + 1 : NULL;
	int used = 1;

	if (i < 0)
		return err_set(err, ERR_INVALID, EINVAL, "flag provided but not defined: -%.*s",
			       (int)len, name);
	if (rows[i].value && !value) {
		if (at + 1 >= argc)
			return err_set(err, ERR_INVALID, EINVAL, "flag needs an argument: -%s",
				       rows[i].name);
		value = argv[at + 1];
		used = 2;
	} else if (!rows[i].value) {
		bool on = true;

		if (value && str_to_bool(value, &on))
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid boolean value \"%s\" for -%s", value, rows[i].name);
		value = on ? "true" : NULL;
	}
	if (value && rows[i].refused)
		return err_set(err, ERR_UNSUPPORTED, 0, "--%s is not supported: %s", rows[i].name,
			       rows[i].refused);
	out->values[i] = value;
	return used;
}

int arguments_parse(const struct option_row *rows, size_t row_count, int argc, char *const argv[],
		    bool stop_early, struct arguments *out, struct err *err)
{
	bool only_positional = false;
	int at = 0;

	memset(out, 0, sizeof(*out));
	while (at < argc) {
		int used = 1;

		if (!only_positional && str_eq(argv[at], "--")) {
			only_positional = true;
		} else if (!only_positional && argv[at][0] == '-' && argv[at][1]) {
			used = take_option(rows, row_count, argc, argv, at, out, err);
			if (used < 0)
				return used;
		} else if (stop_early) {
			return at;
		} else {
			if (out->count == COMMAND_POSITIONAL_MAX)
				return err_set(err, ERR_INVALID, EINVAL, "too many arguments");
			out->positional[out->count++] = argv[at];
		}
		at += used;
	}
	return at;
}
