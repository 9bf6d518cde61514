/* SPDX-License-Identifier: Apache-2.0 */
/* The nine, each in the file of its name. */
#ifndef CLOCHE_OBSERVE_EXPLAIN_TOPICS_H
#define CLOCHE_OBSERVE_EXPLAIN_TOPICS_H

#include "observe/explain/explain.h"

int explain_kernel(struct explain *x, struct err *err);
int explain_pids(struct explain *x, struct err *err);
int explain_namespaces(struct explain *x, struct err *err);
int explain_creation(struct explain *x, struct err *err);
int explain_cgroup(struct explain *x, struct err *err);
int explain_load(struct explain *x, struct err *err);
int explain_layers(struct explain *x, struct err *err);
int explain_ancestry(struct explain *x, struct err *err);
int explain_sharing(struct explain *x, struct err *err);

/* The process whose namespaces count as the host's. */
pid_t explain_host_pid(const struct explain *x);

/* A claim about the container at hand. */
#define explain_claim(x, key, verdict, ...) \
	report_claim((x)->test, (x)->name, key, verdict, __VA_ARGS__)

#endif
