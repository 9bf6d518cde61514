/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-image add and save: the image store's own work for the engine's commit, import and save.
 * Descriptor 3 is the data root, to which the process is confined.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "image/add_layer.h"
#include "image/confine.h"
#include "image/program.h"
#include "image/save.h"

static void say_nothing(void *context, const char *line)
{
	(void)context, (void)line;
}

static void warn(void *context, const char *line)
{
	(void)context;
	log_message(LOG_LEVEL_WARN, "%s", line);
}

static int begin(struct image_store *store, const char *root, enum image_store_mode mode,
		 struct err *err)
{
	int rc = program_prepare(err);

	if (rc == 0)
		rc = confine(IMAGE_PROGRAM_ROOT_FD, err);
	return rc < 0 ? rc : image_store_open(store, IMAGE_PROGRAM_ROOT_FD, root, mode, err);
}

static int read_config(char **text, size_t *n, struct err *err)
{
	ssize_t got;

	*text = xrealloc(NULL, IMAGE_CONFIG_MAX + 1);
	got = fd_read_full(IMAGE_PROGRAM_CONFIG_FD, *text, IMAGE_CONFIG_MAX + 1);
	if (got < 0)
		return err_set(err, ERR_SYSTEM, (int)-got, "read the image configuration: %s",
			       err_errno_text((int)-got));
	*n = (size_t)got;
	return *n > IMAGE_CONFIG_MAX
		       ? err_set(err, ERR_INVALID, 0, "the image configuration is too large")
		       : 0;
}

int program_add(char **arguments, struct err *err)
{
	const struct image_load_options options = {.report = say_nothing, .warn = warn};
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_free char *config = NULL;
	struct image_add_request r = {.input = STDIN_FILENO};
	char id[IMAGE_ID_SIZE + 1] = "";
	int rc;

	if (!arguments[0] || !arguments[1])
		return err_set(err, ERR_INVALID, 0, "add: an argument is missing");
	r.name = arguments[1][0] ? arguments[1] : NULL;
	rc = read_config(&config, &r.config_len, err);
	r.config = config;
	if (rc == 0)
		rc = begin(&store, arguments[0], IMAGE_STORE_WRITE, err);
	if (rc == 0)
		rc = image_add_layer(&store, &r, &options, id, err);
	if (rc == 0)
		rc = fd_write_all(STDOUT_FILENO, id, strlen(id));
	return rc;
}

int program_save(char **arguments, struct err *err)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_strv struct strv references = {0};
	int rc;

	if (!arguments[0])
		return err_set(err, ERR_INVALID, 0, "save: an argument is missing");
	for (char **a = arguments + 1; *a; a++)
		strv_add(&references, *a);
	rc = begin(&store, arguments[0], IMAGE_STORE_READ, err);
	return rc < 0 ? rc : image_save(&store, &references, STDOUT_FILENO, err);
}
