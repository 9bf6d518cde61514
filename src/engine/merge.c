/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging the image's configuration with the user's, after moby's daemon/commit.go (merge) and
 * daemon/container.go (verification). Pure: reads no file and keeps nothing of the image.
 */
#include "engine/merge.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/internal.h"

/* A bare KEY in the environment takes that variable away. */
static bool has_key(const struct strv *env, const char *pair)
{
	size_t n = strcspn(pair, "=");

	for (size_t i = 0; i < env->count; i++) {
		if (strcspn(env->items[i], "=") == n && strncmp(env->items[i], pair, n) == 0)
			return true;
	}
	return false;
}

static void add_missing(struct strv *pairs, const struct strv *more)
{
	for (size_t i = 0; i < more->count; i++) {
		if (!has_key(pairs, more->items[i]))
			strv_add(pairs, more->items[i]);
	}
}

/* Later values of one key win, at the place of the first. */
static void unique_keys(struct strv *pairs)
{
	struct strv out = {0};

	for (size_t i = 0; i < pairs->count; i++) {
		if (strchr(pairs->items[i], '='))
			strv_set_env(&out, pairs->items[i]);
		else if (!has_key(&out, pairs->items[i]))
			strv_add(&out, pairs->items[i]);
	}
	strv_free(pairs);
	*pairs = out;
}

void container_complete_env(struct container *c)
{
	strv_free(&c->env);
	if (!has_key(&c->config.env, "PATH"))
		strv_add(&c->env, "PATH=" CONTAINER_DEFAULT_PATH);
	for (size_t i = 0; i < c->config.env.count; i++) {
		if (strchr(c->config.env.items[i], '='))
			strv_set_env(&c->env, c->config.env.items[i]);
	}
}

static void merge_command(struct container_config *config, const struct oci_image_config *image)
{
	if (config->entrypoint.count)
		return;
	if (!config->cmd.count)
		if (!config->entrypoint_set)
			strv_add_all(&config->cmd, &image->cmd);
	if (!config->entrypoint_set)
		strv_add_all(&config->entrypoint, &image->entrypoint);
}

static bool mounts_cover(const struct container_config *config, const char *target)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		if (str_eq(config->mounts[i].target, target))
			return true;
	}
	return false;
}

/* "/data/" and "//data" are "/data"; a path that climbs is refused. */
static char *clean_volume_path(const char *path)
{
	auto_strbuf struct strbuf out = {0};

	if (*path != '/')
		return NULL;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && strncmp(path, "..", 2) == 0)
			return NULL;
		if (n && !(n == 1 && *path == '.')) {
			strbuf_putc(&out, '/');
			strbuf_add(&out, path, n);
		}
		path += n + (path[n] == '/');
	}
	return out.len ? strbuf_take(&out) : NULL;
}

static int merge_volumes(struct container_config *config, const struct oci_image_config *image,
			 struct err *err)
{
	for (size_t i = 0; i < image->volumes.count; i++) {
		auto_free char *target = clean_volume_path(image->volumes.items[i]);
		struct mount_request *m;

		if (!target)
			return err_set(err, ERR_INVALID, EINVAL,
				       "the image declares a bad volume: %s",
				       image->volumes.items[i]);
		if (mounts_cover(config, target))
			continue;
		m = container_config_add_mount(config);
		m->kind = MOUNT_KIND_VOLUME;
		m->target = take_ptr(&target);
		m->from_image = true;
	}
	return 0;
}

static void set_default(char **slot, const char *value)
{
	if (!*slot || !**slot) {
		free(*slot);
		*slot = xstrdup(value);
	}
}

/* Docker shows the host's name for containers that share it, else the short id. */
static void set_hostname(struct container *c)
{
	struct container_config *config = &c->config;
	char host[256] = "";

	if (config->hostname && *config->hostname)
		return;
	if (str_eq(config->uts_mode, "host") || str_eq(config->network_mode, "host")) {
		if (gethostname(host, sizeof(host) - 1) == 0) {
			set_default(&config->hostname, host);
			return;
		}
	}
	free(config->hostname);
	config->hostname = xstrndup(c->id, ID_SHORT_LEN);
}

/* "net_admin" is CAP_NET_ADMIN, as Docker shows it; ALL stays. */
static void spell_capabilities(struct strv *list)
{
	for (size_t i = 0; i < list->count; i++) {
		bool whole = strncasecmp(list->items[i], "CAP_", 4) == 0 ||
			     strcasecmp(list->items[i], "ALL") == 0;
		char *text = xasprintf("%s%s", whole ? "" : "CAP_", list->items[i]);

		for (char *p = text; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		free(list->items[i]);
		list->items[i] = text;
	}
}

static void set_defaults(struct container *c)
{
	struct container_config *config = &c->config;

	set_default(&config->network_mode, "default");
	set_default(&config->ipc_mode, "private");
	set_default(&config->cgroupns_mode, config->privileged ? "host" : "private");
	set_default(&config->restart_policy, "no");
	set_default(&config->log_driver, "json-file");
	/* As much swap as memory. */
	if (config->memory_bytes > 0 && !config->memory_swap_bytes)
		config->memory_swap_bytes = 2 * config->memory_bytes;
	set_default(&config->runtime, RUNTIME_OWN);
	if (!config->uts_mode)
		config->uts_mode = xstrdup("");
	if (!config->pid_mode)
		config->pid_mode = xstrdup("");
	if (config->memory_bytes > 0 && !config->memory_swap_bytes)
		config->memory_swap_bytes = 2 * config->memory_bytes;
	spell_capabilities(&config->cap_add);
	spell_capabilities(&config->cap_drop);
	set_hostname(c);
}

static void take_time(int64_t *slot, int64_t from)
{
	if (!*slot)
		*slot = from;
}

/* A given test replaces the image's whole; given times replace its times one by one. */
static void merge_health(struct health_request *h, const struct oci_healthcheck *from)
{
	if (!from->present)
		return;
	if (!h->test.count)
		strv_add_all(&h->test, &from->test);
	take_time(&h->interval_ns, from->interval_ns);
	take_time(&h->timeout_ns, from->timeout_ns);
	take_time(&h->start_period_ns, from->start_period_ns);
	take_time(&h->start_interval_ns, from->start_interval_ns);
	take_time(&h->retries, from->retries);
}

static int merge_image(struct container *c, const struct image *image, struct err *err)
{
	struct container_config *config = &c->config;
	const struct oci_image_config *from = &image->config;

	add_missing(&config->env, &from->env);
	add_missing(&config->labels, &from->labels);
	for (size_t i = 0; i < from->exposed_ports.count; i++) {
		if (!strv_contains(&config->exposed_ports, from->exposed_ports.items[i]))
			strv_add(&config->exposed_ports, from->exposed_ports.items[i]);
	}
	merge_command(config, from);
	merge_health(&config->health, &from->healthcheck);
	if (from->user)
		set_default(&config->user, from->user);
	if (from->working_dir)
		set_default(&config->working_dir, from->working_dir);
	if (from->stop_signal)
		set_default(&config->stop_signal, from->stop_signal);
	c->image_id = xstrdup(image->id);
	c->lower = xstrdup(image->lower ? image->lower : "");
	return merge_volumes(config, from, err);
}

int container_merge(struct container *c, const struct image *image, struct err *err)
{
	struct container_config *config = &c->config;
	int rc = 0;

	unique_keys(&config->env);
	unique_keys(&config->labels);
	if (image)
		rc = merge_image(c, image, err);
	if (rc < 0)
		return rc;
	/* --entrypoint "" */
	if (config->entrypoint.count == 1 && !*config->entrypoint.items[0])
		strv_free(&config->entrypoint);
	strv_free(&c->argv);
	strv_add_all(&c->argv, &config->entrypoint);
	strv_add_all(&c->argv, &config->cmd);
	if (!c->argv.count)
		return err_set(err, ERR_INVALID, EINVAL, "No command specified");
	set_defaults(c);
	container_complete_env(c);
	c->user = xstrdup(config->user ? config->user : "");
	c->working_dir = xstrdup(config->working_dir ? config->working_dir : "");
	c->stop_signal = xstrdup(config->stop_signal ? config->stop_signal : "SIGTERM");
	return 0;
}
