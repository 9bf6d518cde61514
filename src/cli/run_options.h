/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flags of run and create, and how they become one struct container_config. Everything that
 * Docker's client checks is checked here, with its words; what only the engine can know (does the
 * image exist, how many processors are there) is left to it.
 */
#ifndef CLOCHE_CLI_RUN_OPTIONS_H
#define CLOCHE_CLI_RUN_OPTIONS_H

#include "cli/options.h"
#include "engine/container.h"

struct run_options {
	struct container_config config;
	const char *name;
	const char *detach_keys;
	const char *entrypoint; /* "" resets the image's */
	struct strv attach, env_files, label_files;
	bool interactive, sig_proxy;
	bool detach, quiet, no_healthcheck;
	bool content_trust; /* of an old flag, without meaning */
	const char *restart, *health_cmd, *pull;
	bool timeline;
	bool floor;
	const char *ip, *ip6, *mac; /* of the first network */
	struct strv network_aliases, link_local;
	struct strv env, labels; /* moved into config by run_options_finish() */
};

extern const struct option_table run_option_table;
extern const struct option_table create_option_table;

void run_options_init(struct run_options *o);
void run_options_free(struct run_options *o);
#define auto_run_options __attribute__((cleanup(run_options_free)))

/* --env-file and -e as one list of KEY=VALUE; a bare KEY is taken from the caller's environment. */
int must_check run_environment(const struct strv *files, const struct strv *flags, struct strv *out,
			       struct err *err);

/* The part of run_options_finish() that is about networks. */
int must_check run_finish_network(struct run_options *o, struct err *err);

/* Completes o->config from the flags and the positional arguments: files are read, streams chosen,
 * contradictions refused. 0 or -errno with a sentence of Docker's where it has one. */
int must_check run_options_finish(struct run_options *o, const struct strv *args, struct err *err);

#endif
