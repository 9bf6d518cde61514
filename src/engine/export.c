/* SPDX-License-Identifier: Apache-2.0 */
/* The tree below a bare root; names without a leading slash, the root itself not among them. */
#include "engine/export.h"

#include "engine/event.h"
#include "engine/root.h"
#include "image/tar_write.h"

int container_export(struct engine *e, struct container *c, int fd, struct err *err)
{
	const struct tar_tree_options options = {.contents_only = true};
	auto_container_root struct container_root root = CONTAINER_ROOT_NONE;
	auto_tar_writer struct tar_writer w = {0};
	int rc = container_root_open(e, c, CONTAINER_ROOT_BARE, &root, err);

	if (rc < 0)
		return rc;
	tar_writer_init(&w, tar_sink_fd, &fd);
	rc = tar_write_tree(&w, root.fd, ".", "", &options, err);
	if (rc == 0)
		rc = tar_writer_finish(&w, err);
	if (rc == 0)
		event_container(e, c, "export", NULL, NULL);
	return rc;
}
