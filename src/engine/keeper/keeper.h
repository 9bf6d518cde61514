/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper's files share. */
#ifndef CLOCHE_ENGINE_KEEPER_KEEPER_H
#define CLOCHE_ENGINE_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/id.h"
#include "base/program_log.h"
#include "engine/keeper/loop.h"
#include "network/endpoint.h"

/* How a helper (--heal ID) ends. */
enum keeper_helper_status {
	KEEPER_HELPER_DONE,    /* nothing was to be started (any more) */
	KEEPER_HELPER_FAILED,  /* could not be started */
	KEEPER_HELPER_STARTED, /* and its monitor is about to connect */
};

struct keeper_options {
	const char *root, *run_root; /* NULL: the engine's own choice */
	const char *heal;            /* an id, or KEEPER_HEAL_ALL; NULL: no helper */
	bool restore;                /* a helper, for the rules of networks */
	bool boot;
};

struct watched;
struct names;
struct names_client;
struct table_watch;

struct keeper {
	const struct keeper_options *options;
	int run_fd, lock_fd;
	struct program_log log;
	struct loop loop;
	struct source listener, signals;
	/* Pauses, and how long to wait for what is expected. */
	struct timer_queue pauses;
	struct timer idle; /* ends us if nothing is watched by then */
	struct watched *watched;
	size_t watched_count, network_count; /* those with networks */
	pid_t scan;                          /* looks for all that was lost before; 0: none */
	struct names *names;
	struct table_watch *table_watch;
};

/* The keeper itself: returns the exit code once it is not needed any more, at once when the run root
 * has one. */
int keeper_serve(const struct keeper_options *o);

/* ---- monitors (watch.c) ---- */

/* This program with these words behind --root and --run-root; 0 when it could not be started. */
pid_t keeper_spawn(const struct keeper *k, const char *option, const char *value);
void watch_accept(struct source *listener, uint32_t events);
void watch_helper_ended(struct keeper *k, pid_t pid, int status);
/* Whether somebody holds the lock of the container with this run directory: mostly its monitor. */
bool keeper_has_monitor(int run_dir);
/* Lets go of all of them. */
void watch_close(struct keeper *k);
/* Ends us some time after the last one has gone. */
void watch_when_idle(struct keeper *k, uint64_t after_ns);

/* ---- names (names.c) ---- */

/* Not before the monitors of all that runs have said so, or a while has passed, is anything answered. */
int must_check names_open(struct keeper *k);
void names_close(struct keeper *k);
/* A container with these networks; NULL when memory is gone. */
struct names_client *names_join(struct keeper *k, const char *id, const struct sandbox *s);
/* What it is in and called has changed. */
void names_change(struct names_client *c, const struct sandbox *s);
/* A socket bound to port 53 inside it, ours from then on. */
void names_add_socket(struct names_client *c, int fd);
void names_leave(struct names_client *c);
/* This one has connected. */
void names_arrived(struct keeper *k, const char *id);

/* ---- the packet filter (table_watch.c) ---- */

int must_check table_watch_open(struct keeper *k);
void table_watch_close(struct keeper *k);
/* Watches while there are containers with networks. */
void table_watch_adjust(struct keeper *k);
/* Whether pid was our helper. */
bool table_watch_helper_ended(struct keeper *k, pid_t pid, int status);

#endif
