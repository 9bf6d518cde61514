/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory of one container, <root>/<id>/:
 *	state.json   pid with start time, bundle, cgroup (oci/runtime_state)
 *	config.json  as it was at create, for the hooks of later commands
 *	gate         a fifo; init holds a lock on it until its program runs, and reads one byte from it
 *	             before it goes on: `start` writes that byte and waits for the lock
 */
#ifndef CLOCHE_RUNTIME_CLI_STORE_H
#define CLOCHE_RUNTIME_CLI_STORE_H

#include "oci/runtime_state.h"
#include "runtime/cli/command.h"

#define STORE_GATE "gate"

/* Whether id may be a container's name and a directory's. */
int must_check store_check_id(const char *id, struct err *err);
/* Makes <root>/<id>; ERR_CONFLICT when it exists. *dirfd belongs to the caller. */
int must_check store_make(const struct runtime *rt, const char *id, int *dirfd, struct err *err);
/* Opens it; ERR_NOT_FOUND when there is none. */
int must_check store_open(const struct runtime *rt, const char *id, int *dirfd, struct err *err);
int must_check store_remove(const struct runtime *rt, const char *id, struct err *err);

int must_check store_write_state(int dirfd, const struct oci_state *s, struct err *err);
/* Reads the state and brings its status up to date with the kernel. */
int must_check store_read_state(int dirfd, const char *id, struct oci_state *out, struct err *err);
/* store_open and store_read_state. */
int must_check store_load(const struct runtime *rt, const char *id, int *dirfd,
			  struct oci_state *out, struct err *err);
/* Whether init waits at the gate. */
bool store_waits_at_gate(int dirfd);

#endif
