/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container uses at one moment, as Docker's API has it in its stats object (processor, memory,
 * block I/O, processes, networks), and the figures that Docker's client makes of two of them. Reads
 * few small files of the kernel per container; starts no program.
 */
#ifndef CLOCHE_ENGINE_STATS_H
#define CLOCHE_ENGINE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define STATS_DEVICES_MAX 16
#define STATS_INTERFACES_MAX 8

struct stats_cpu {
	uint64_t usage_ns, user_ns, system_ns; /* of the container */
	uint64_t host_ns; /* of all processors of the host, idle time included */
	uint64_t periods, throttled_periods, throttled_ns;
};

struct stats_device {
	unsigned major, minor;
	uint64_t read_bytes, written_bytes;
};

struct stats_interface {
	char name[16];
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/* Zeros all through for a container that does not run. */
struct container_stats {
	uint64_t read_ns;             /* wall clock of the second look; 0: does not run */
	struct stats_cpu cpu, before; /* before: of the look before, zeros at first */
	unsigned online_cpus;
	uint64_t memory_usage_bytes; /* page cache included */
	uint64_t memory_peak_bytes, memory_inactive_file_bytes;
	uint64_t memory_limit_bytes; /* the host's memory when there is no limit */
	uint64_t pids, pids_limit;   /* limit UINT64_MAX: none */
	struct stats_device devices[STATS_DEVICES_MAX];
	size_t device_count;
	bool has_networks; /* false with the host's or another container's network */
	struct stats_interface interfaces[STATS_INTERFACES_MAX];
	size_t interface_count;
};

/* What is the same for all containers of one look. */
struct stats_host {
	uint64_t memory_bytes;
	uint64_t cpu_ns; /* that all processors together have had */
	unsigned online_cpus;
};
int must_check stats_host_read(struct stats_host *out, struct err *err);

/*
 * One look at c is two calls after one stats_host_read(); for many containers the first call for all,
 * then the second for all, so that the processor's figures of a container and of the host belong
 * together. Two looks make a figure of percents: what *s held as cpu becomes before. Of c the id, the
 * state and the configuration are used; one that does not run, or has just ended, gives zeros. 0 or
 * -errno.
 */
int must_check container_stats_cpu(struct engine *e, const struct container *c,
				   const struct stats_host *host, struct container_stats *s,
				   struct err *err);
int must_check container_stats_rest(struct engine *e, const struct container *c,
				    const struct stats_host *host, struct container_stats *s,
				    struct err *err);

/* The arithmetic of Docker's client. */
double stats_cpu_percent(const struct container_stats *s); /* 100 is one processor */
uint64_t stats_memory_used(const struct container_stats *s);
double stats_memory_percent(const struct container_stats *s);

/* Parts, for tests: texts of the kernel. */
uint64_t stats_parse_host_cpu(const char *proc_stat, unsigned *online_cpus);
void stats_parse_blkio(const char *text, struct container_stats *s);   /* v1 */
void stats_parse_io_stat(const char *text, struct container_stats *s); /* v2 */
void stats_parse_net_dev(const char *text, struct container_stats *s);

#endif
