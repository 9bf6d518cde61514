/* SPDX-License-Identifier: Apache-2.0 */
/* hostname, hosts and resolv.conf: the files of a run that are bound over the image's. */
#ifndef CLOCHE_ENGINE_HOST_FILES_H
#define CLOCHE_ENGINE_HOST_FILES_H

#include "engine/container.h"

/* Whether one of its networks has names: a user's. */
bool sandbox_has_names(const struct sandbox *s);

struct host_files {
	const struct container *c;
	const struct sandbox *sandbox;         /* what it is connected to, NULL: nothing */
	const struct strv *links;              /* lines of linked containers, NULL: none */
	const struct ip_address *host_gateway; /* what "host-gateway" stands for, NULL: nothing */
};

/* Writes all three into run_dir. They are the container's to change while it runs. */
int must_check host_files_write(const struct host_files *f, int run_dir, struct err *err);
/* resolv.conf alone, in place: the first network with names came, or the last one went. */
int must_check host_files_write_resolv_conf(const struct host_files *f, int run_dir,
					    struct err *err);
/* Adds the lines of an endpoint to hosts, or takes them away, in place: the container has it mounted. */
int must_check host_files_edit(const struct container *c, const struct endpoint *endpoint, bool add,
			       int run_dir, struct err *err);

#endif
