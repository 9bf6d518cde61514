/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Birth and end of the structs of container.h. Every heap-owned member is listed here once; a
 * member added there without a line here leaks, which the sanitizer build of the unit tests shows.
 */
#include "engine/container.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define DEFAULT_SHM_BYTES (64LL << 20)

void container_config_init(struct container_config *c)
{
	*c = (struct container_config){
		.stop_timeout = -1,
		.memory_swappiness = -1,
		.shm_size_bytes = DEFAULT_SHM_BYTES,
	};
}

static void free_rates(struct rate_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].path);
	free(l->items);
}

void mount_request_clear(struct mount_request *m)
{
	free(m->source);
	free(m->target);
	free(m->mode);
	free(m->propagation);
	free(m->tmpfs_options);
	*m = (struct mount_request){.tmpfs_mode = -1};
}

static void free_requests(struct container_config *c)
{
	for (size_t i = 0; i < c->mount_count; i++)
		mount_request_clear(&c->mounts[i]);
	free(c->mounts);
	for (size_t i = 0; i < c->ulimit_count; i++)
		free(c->ulimits[i].name);
	free(c->ulimits);
	for (size_t i = 0; i < c->device_count; i++) {
		free(c->devices[i].host_path);
		free(c->devices[i].container_path);
		free(c->devices[i].permissions);
	}
	free(c->devices);
	for (size_t i = 0; i < c->endpoint_count; i++)
		endpoint_request_clear(&c->endpoints[i]);
	free(c->endpoints);
	free_rates(&c->read_bps);
	free_rates(&c->write_bps);
	free_rates(&c->read_iops);
	free_rates(&c->write_iops);
	free_rates(&c->device_weights);
}

void container_config_free(struct container_config *c)
{
	char *strings[] = {c->image,       c->rootfs,        c->hostname,    c->domainname,
			   c->user,        c->working_dir,   c->stop_signal, c->network_mode,
			   c->pid_mode,    c->ipc_mode,      c->uts_mode,    c->cgroupns_mode,
			   c->userns_mode, c->cgroup_parent, c->runtime,     c->restart_policy,
			   c->cpuset_cpus, c->cpuset_mems,   c->log_driver,  c->container_id_file,
			   c->platform,    c->volume_driver, c->mac_address};
	struct strv *lists[] = {&c->env,
				&c->cmd,
				&c->entrypoint,
				&c->labels,
				&c->exposed_ports,
				&c->cap_add,
				&c->cap_drop,
				&c->group_add,
				&c->security_opt,
				&c->sysctls,
				&c->dns,
				&c->dns_search,
				&c->dns_options,
				&c->extra_hosts,
				&c->links,
				&c->volumes_from,
				&c->device_cgroup_rules,
				&c->annotations,
				&c->publish,
				&c->log_options,
				&c->storage_opts,
				&c->health.test};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_free(lists[i]);
	free_requests(c);
	container_config_init(c);
}

struct mount_request *container_config_add_mount(struct container_config *c)
{
	struct mount_request *m;

	c->mounts = xrealloc(c->mounts, (c->mount_count + 1) * sizeof(*c->mounts));
	m = &c->mounts[c->mount_count++];
	*m = (struct mount_request){.tmpfs_mode = -1};
	return m;
}

struct endpoint_request *container_config_add_endpoint(struct container_config *c)
{
	struct endpoint_request *r;

	c->endpoints = xrealloc(c->endpoints, (c->endpoint_count + 1) * sizeof(*c->endpoints));
	r = &c->endpoints[c->endpoint_count++];
	*r = (struct endpoint_request){0};
	return r;
}

void container_init(struct container *c)
{
	memset(c, 0, sizeof(*c));
	container_config_init(&c->config);
}

void container_free(struct container *c)
{
	container_config_free(&c->config);
	free(c->name);
	free(c->image_id);
	strv_free(&c->argv);
	strv_free(&c->env);
	free(c->user);
	free(c->working_dir);
	free(c->stop_signal);
	free(c->lower);
	strv_free(&c->volume_paths);
	free(c->state.error);
	container_init(c);
}
