/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of experiments; each is defined in the file of its experiment. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_EXPERIMENTS_H
#define CLOCHE_OBSERVE_EXPERIMENT_EXPERIMENTS_H

struct experiment;

extern const struct experiment experiment_layers, experiment_io;
extern const struct experiment experiment_startup;
extern const struct experiment experiment_hierarchy;  /* 2 */
extern const struct experiment experiment_network;    /* 5 */
extern const struct experiment experiment_security;   /* 7 */
extern const struct experiment experiment_namespaces; /* 9 */
extern const struct experiment experiment_syscalls;
extern const struct experiment experiment_limits;
extern const struct experiment experiment_memory;

#endif
