/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON model of a container. Members and their order are Docker's; null and empty are told apart
 * as Docker does. Reads at most the links of the layers, changes nothing.
 */
#include "engine/inspect.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/exec.h"
#include "engine/inspect_network.h"
#include "engine/internal.h"
#include "engine/record_fields.h"
#include "engine/why.h"

#define HEALTH_MAX_BYTES (1u << 20)

static void write_time(struct json_writer *w, const char *key, uint64_t wall_ns)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(wall_ns, text);
	json_write_string(w, key, text);
}

/* The monitor's file is Docker's object. */
static void write_health(const struct engine *e, const struct container *c, struct json_writer *w)
{
	auto_free char *path = xasprintf("containers/%s/health.json", c->id);
	auto_json struct json_object *o = NULL;
	struct err ignored = ERR_INIT;

	if (json_read_at(e->run_fd, path, HEALTH_MAX_BYTES, &o, &ignored) == 0)
		json_write_raw(w, "Health", json_text(o));
}

static void write_state(const struct engine *e, const struct container *c, struct json_writer *w)
{
	const struct container_state *s = &c->state;

	json_write_begin(w, "State", '{');
	json_write_string(w, "Status", container_status_text(s->status));
	json_write_bool(w, "Running",
			s->status == CONTAINER_RUNNING || s->status == CONTAINER_PAUSED ||
				s->status == CONTAINER_RESTARTING);
	json_write_bool(w, "Paused", s->status == CONTAINER_PAUSED);
	json_write_bool(w, "Restarting", s->status == CONTAINER_RESTARTING);
	json_write_bool(w, "OOMKilled", s->oom_killed);
	json_write_bool(w, "Dead", s->status == CONTAINER_DEAD);
	json_write_i64(w, "Pid", s->pid);
	json_write_i64(w, "ExitCode", s->exit_code);
	json_write_string(w, "Error", s->error ? s->error : "");
	write_time(w, "StartedAt", s->started_ns);
	write_time(w, "FinishedAt", s->finished_ns);
	write_health(e, c, w);
	json_write_end(w, '}');
}

static void write_path(struct json_writer *w, const char *key, const char *root, const char *id,
		       const char *file)
{
	auto_free char *path = xasprintf("%s/containers/%s/%s", root, id, file);

	json_write_string(w, key, path);
}

static void write_files(const struct engine *e, const struct container *c, struct json_writer *w)
{
	auto_free char *log = xasprintf("%s-json.log", c->id);

	write_path(w, "ResolvConfPath", e->run_root, c->id, "resolv.conf");
	write_path(w, "HostnamePath", e->run_root, c->id, "hostname");
	write_path(w, "HostsPath", e->run_root, c->id, "hosts");
	if (c->config.log_driver && str_eq(c->config.log_driver, "json-file"))
		write_path(w, "LogPath", c->persistent ? e->root : e->run_root, c->id, log);
	else
		json_write_string(w, "LogPath", "");
}

/* "l/ABC" -> <data>/overlay2/<cache id>/diff; people look into these directories. */
static void add_layer(const struct engine *e, const char *link, size_t n, struct strbuf *out)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t got;

	if (out->len)
		strbuf_putc(out, ':');
	if (str_format(path, sizeof(path), "overlay2/%.*s", (int)n, link) < 0)
		return;
	got = readlinkat(e->root_fd, path, target, sizeof(target) - 1);
	if (got > 3 && strncmp(target, "../", 3) == 0)
		strbuf_printf(out, "%s/overlay2/%.*s", e->root, (int)got - 3, target + 3);
	else
		strbuf_printf(out, "%s/%s", e->root, path);
}

static void write_graph_driver(const struct engine *e, const struct container *c,
			       struct json_writer *w)
{
	static const char *const parts[][2] = {
		{"MergedDir", "merged"}, {"UpperDir", "diff"}, {"WorkDir", "work"}};
	auto_strbuf struct strbuf lower = {0};

	json_write_begin(w, "GraphDriver", '{');
	if (c->config.rootfs) {
		json_write_raw(w, "Data", "null");
	} else {
		for (const char *p = c->lower ? c->lower : ""; *p;) {
			size_t n = strcspn(p, ":");

			add_layer(e, p, n, &lower);
			p += n + (p[n] == ':');
		}
		json_write_begin(w, "Data", '{');
		json_write_string(w, "LowerDir", strbuf_str(&lower));
		for (size_t i = 0; i < 3; i++) {
			auto_free char *path =
				xasprintf("%s/overlay2/%s/%s", e->root, c->id, parts[i][1]);

			json_write_string(w, parts[i][0], path);
		}
		json_write_end(w, '}');
	}
	json_write_string(w, "Name", "overlay2");
	json_write_end(w, '}');
}

/* <data>/volumes/<name>/_data -> name */
static char *volume_name(const char *path)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin && begin > path && begin[-1] != '/')
		begin--;
	return begin ? xstrndup(begin, (size_t)(end - begin)) : xstrdup("");
}

static void write_mount(struct json_writer *w, const struct mount_request *m,
			const char *volume_path)
{
	static const char *const kinds[] = {[MOUNT_KIND_BIND] = "bind",
					    [MOUNT_KIND_VOLUME] = "volume",
					    [MOUNT_KIND_TMPFS] = "tmpfs"};
	bool is_volume = m->kind == MOUNT_KIND_VOLUME;
	const char *source = is_volume ? volume_path : m->source;
	const char *mode = m->mode ? m->mode : is_volume && m->source ? "z" : "";

	json_write_begin(w, NULL, '{');
	json_write_string(w, "Type", kinds[m->kind]);
	if (is_volume) {
		auto_free char *name = volume_name(volume_path);

		json_write_string(w, "Name", name);
	}
	json_write_string(w, "Source", source ? source : "");
	json_write_string(w, "Destination", m->target);
	if (is_volume)
		json_write_string(w, "Driver", "local");
	json_write_string(w, "Mode", mode);
	json_write_bool(w, "RW", !m->read_only);
	json_write_string(w, "Propagation",
			  m->kind != MOUNT_KIND_BIND ? ""
			  : m->propagation           ? m->propagation
						     : "rprivate");
	json_write_end(w, '}');
}

/* Docker shows a tmpfs here only when it came from --mount. */
static void write_mounts(const struct container *c, struct json_writer *w)
{
	size_t volume = 0;

	json_write_begin(w, "Mounts", '[');
	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];
		const char *path = "";

		if (m->kind == MOUNT_KIND_TMPFS && !m->long_form)
			continue;
		if (m->kind == MOUNT_KIND_VOLUME && volume < c->volume_paths.count)
			path = c->volume_paths.items[volume++];
		write_mount(w, m, path);
	}
	json_write_end(w, ']');
}

static void write_own(struct engine *e, struct container *c, struct json_writer *w)
{
	const struct container_state *s = &c->state;
	auto_why struct why why = {.cause = NULL};
	struct err ignored = ERR_INIT;

	json_write_begin(w, "Cloche", '{');
	json_write_bool(w, "MonitorLost", s->monitor_lost);
	json_write_i64(w, "MonitorPid", s->monitor_pid);
	json_write_i64(w, "ExitSignal", s->exit_signal);
	json_write_u64(w, "OomKills", s->oom_kills);
	json_write_u64(w, "PeakMemoryBytes", s->peak_memory_bytes);
	json_write_u64(w, "CpuUsageNs", s->cpu_usage_ns);
	json_write_u64(w, "ThrottledPeriods", s->throttled_periods);
	json_write_u64(w, "ThrottledNs", s->throttled_ns);
	json_write_string(w, "Rootfs", c->config.rootfs ? c->config.rootfs : "");
	json_write_u64(w, "PidsMaxHits", s->pids_max_hits);
	json_write_u64(w, "PressureUs", s->pressure_us);
	json_write_string(w, "SignalSender", s->signal_sender);
	if (container_why(e, c, WHY_RECORDED, 0, &why, &ignored) == 0)
		why_write(&why, "Why", w);
	json_write_end(w, '}');
}

static void write_execs(const struct engine *e, const struct container *c, struct json_writer *w)
{
	auto_strv struct strv ids = {0};
	struct err ignored = ERR_INIT;

	if (exec_list(e, c->id, &ids, &ignored) < 0 || !ids.count) {
		json_write_raw(w, "ExecIDs", "null");
		return;
	}
	json_write_begin(w, "ExecIDs", '[');
	for (size_t i = 0; i < ids.count; i++)
		json_write_string(w, NULL, ids.items[i]);
	json_write_end(w, ']');
}

static void write_table(struct json_writer *w, const char *key, const struct field_table *table,
			const struct container *c)
{
	json_write_begin(w, key, '{');
	fields_write(w, table->fields, table->count, c);
	json_write_end(w, '}');
}

static void write_head(const struct engine *e, const struct container *c, struct json_writer *w)
{
	json_write_string(w, "Id", c->id);
	write_time(w, "Created", c->created_ns);
	json_write_string(w, "Path", c->argv.count ? c->argv.items[0] : "");
	json_write_begin(w, "Args", '[');
	for (size_t i = 1; i < c->argv.count; i++)
		json_write_string(w, NULL, c->argv.items[i]);
	json_write_end(w, ']');
	write_state(e, c, w);
	json_write_string(w, "Image", c->image_id ? c->image_id : "");
}

void container_inspect_write(struct engine *e, struct container *c,
			     const struct container_size *size, struct json_writer *w)
{
	auto_free char *name = xasprintf("/%s", c->name ? c->name : "");

	json_write_begin(w, NULL, '{');
	write_head(e, c, w);
	write_files(e, c, w);
	json_write_string(w, "Name", name);
	json_write_u64(w, "RestartCount", c->restart_count);
	json_write_string(w, "Driver", "overlay2");
	json_write_string(w, "Platform", "linux");
	json_write_string(w, "MountLabel", "");
	json_write_string(w, "ProcessLabel", "");
	json_write_string(w, "AppArmorProfile", "");
	write_execs(e, c, w);
	write_table(w, "HostConfig", &record_hostconfig_fields, c);
	write_graph_driver(e, c, w);
	if (size) {
		json_write_u64(w, "SizeRw", size->rw_bytes);
		json_write_u64(w, "SizeRootFs", size->rootfs_bytes);
	}
	write_mounts(c, w);
	write_table(w, "Config", &record_config_fields, c);
	container_write_network(e, c, w);
	write_own(e, c, w);
	json_write_end(w, '}');
}

int container_inspect(struct engine *e, struct container *c, const struct container_size *size,
		      struct json_object **out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};

	container_inspect_write(e, c, size, &w);
	return json_parse(text.data, text.len, "container", out, err);
}
