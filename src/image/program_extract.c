/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-image extract: the tar of `cp` into a container's root or into a directory of the host. The
 * process is confined to that root first; standard input is all that it reads.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "image/confine.h"
#include "image/extract.h"
#include "image/program.h"

static int parse_owner(const char *text, struct extract_options *o, struct err *err)
{
	const char *colon = strchr(text, ':');
	auto_free char *uid = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	uint64_t u, g;

	o->keep_owner = str_eq(text, "keep");
	if (o->keep_owner)
		return 0;
	if (!uid || str_to_u64(uid, &u) < 0 || str_to_u64(colon + 1, &g) < 0 || u >= UINT32_MAX ||
	    g >= UINT32_MAX)
		return err_set(err, ERR_INVALID, 0, "no owner: %s", text);
	o->uid = (uid_t)u;
	o->gid = (gid_t)g;
	return 0;
}

static int run(const struct extract_options *o, struct err *err)
{
	struct stream_budget budget = {.max_bytes = UINT64_MAX, .where = o->shown};
	auto_stream struct stream *tar = NULL;
	struct extract_result result;
	int rc;

	tar = stream_decompress(stream_from_fd(STDIN_FILENO, &budget.input_bytes), &budget, "");
	rc = extract_tar(tar, IMAGE_PROGRAM_ROOT_FD, o, &result, err);
	if (rc == 0 && result.devices_left_out)
		log_message(LOG_LEVEL_WARN, "%llu device files were left out (-a copies them too)",
			    (unsigned long long)result.devices_left_out);
	return rc;
}

int program_extract(char **arguments, struct err *err)
{
	struct extract_options o = {.directory = arguments[0]};
	int rc;

	for (int i = 0; i < 5; i++) {
		if (!arguments[i])
			return err_set(err, ERR_INVALID, 0, "extract: an argument is missing");
	}
	o.shown = arguments[1];
	o.foreign = str_eq(arguments[3], "foreign");
	o.replace_directories = str_eq(arguments[4], "replace");
	rc = parse_owner(arguments[2], &o, err);
	if (rc == 0)
		rc = program_prepare(err);
	if (rc == 0)
		rc = confine(IMAGE_PROGRAM_ROOT_FD, err);
	return rc < 0 ? rc : run(&o, err);
}
