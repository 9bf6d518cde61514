/* SPDX-License-Identifier: Apache-2.0 */
/* What `info` and `version` tell of this engine and its host. */
#ifndef CLOCHE_ENGINE_INFO_H
#define CLOCHE_ENGINE_INFO_H

#include "engine/engine.h"
#include "base/json_writer.h"

struct engine_info {
	size_t containers, running, paused, stopped, images;
	char backing_filesystem[32]; /* "extfs", "xfs", ... as Docker names them */
	bool supports_d_type;
	char cgroup_driver[16]; /* "cgroupfs", "systemd" */
	char cgroup_version[4]; /* "1" or "2"; hybrid counts as "1", as Docker has it */
	char cgroup_mode[8];    /* "v1", "hybrid", "v2" */
	char kernel_version[128];
	char operating_system[128]; /* PRETTY_NAME of /etc/os-release */
	char os_type[16];           /* "linux" */
	char architecture[32];      /* "x86_64", as uname has it */
	char go_architecture[16];   /* "amd64", as `version` shows it */
	char host_name[256];
	long cpus;
	uint64_t memory_bytes;
	/* the kernel's controllers, for the warnings of `info` */
	bool memory_limit, swap_limit, cpu_quota, cpu_shares, cpuset, pids_limit;
	bool oom_kill_disable;
	bool ipv4_forwarding;
	char os_version[32]; /* VERSION_ID of /etc/os-release */
	char id[40];         /* of this data root, made at the first `info`; "" in host info */
};

/* The API that a server of ours would speak. */
#define ENGINE_API_VERSION "1.41"
#define ENGINE_API_VERSION_MIN "1.12"

/* Only what can be known without the containers and images (`version`). */
int must_check engine_host_info(struct engine *e, struct engine_info *out, struct err *err);
/* Everything. */
int must_check engine_info(struct engine *e, struct engine_info *out, struct err *err);

/* Docker's GET /info in its order, then what only we have. */
void engine_info_write(const struct engine *e, const struct engine_info *i, struct json_writer *w);
/* Docker's GET /version. key NULL: an element. */
void engine_version_write(const struct engine_info *i, const char *key, struct json_writer *w);
/* Calls fn for each sentence about what this kernel lacks: "No swap limit support". */
void engine_info_warnings(const struct engine_info *i, void (*fn)(const char *text, void *arg),
			  void *arg);

#endif
