/* SPDX-License-Identifier: Apache-2.0 */
/* What a list says of a container. Pure. */
#include "engine/summary.h"

#include <stdio.h>
#include <string.h>

#include "base/human.h"
#include "base/str.h"

static void put_age(uint64_t now_ns, uint64_t since_ns, struct strbuf *out)
{
	char text[HUMAN_MAX];

	human_duration(now_ns > since_ns ? now_ns - since_ns : 0, text);
	strbuf_puts(out, text);
}

void container_status_line(const struct container *c, uint64_t now_ns, struct strbuf *out)
{
	static const char *const health[] = {
		[CONTAINER_HEALTH_NONE] = "",
		[CONTAINER_HEALTH_STARTING] = " (health: starting)",
		[CONTAINER_HEALTH_HEALTHY] = " (healthy)",
		[CONTAINER_HEALTH_UNHEALTHY] = " (unhealthy)",
	};
	const struct container_state *s = &c->state;

	switch (s->status) {
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		strbuf_puts(out, "Up ");
		put_age(now_ns, s->started_ns, out);
		if (s->status == CONTAINER_PAUSED)
			strbuf_puts(out, " (Paused)");
		else
			strbuf_puts(out, health[s->health]);
		break;
	case CONTAINER_RESTARTING:
		strbuf_printf(out, "Restarting (%d) ", s->exit_code);
		put_age(now_ns, s->finished_ns, out);
		strbuf_puts(out, " ago");
		break;
	case CONTAINER_EXITED:
		strbuf_printf(out, "Exited (%d) ", s->exit_code);
		put_age(now_ns, s->finished_ns, out);
		strbuf_puts(out, " ago");
		break;
	case CONTAINER_REMOVING:
		strbuf_puts(out, "Removal In Progress");
		break;
	case CONTAINER_DEAD:
		strbuf_puts(out, "Dead");
		break;
	default:
		strbuf_puts(out, "Created");
	}
}

void container_command_line(const struct container *c, struct strbuf *out)
{
	for (size_t i = 0; i < c->argv.count; i++) {
		const char *arg = c->argv.items[i];

		if (i)
			strbuf_putc(out, ' ');
		strbuf_printf(out, i && strchr(arg, ' ') ? "'%s'" : "%s", arg);
	}
}

/* <data>/volumes/<name>/_data -> name */
static char *volume_name_of(const char *path)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin && begin > path && begin[-1] != '/')
		begin--;
	return begin ? xstrndup(begin, (size_t)(end - begin)) : xstrdup("");
}

char *container_mount_name(const struct container *c, size_t i)
{
	const struct mount_request *m = &c->config.mounts[i];
	size_t volume = 0;

	if (m->source || m->kind != MOUNT_KIND_VOLUME)
		return xstrdup(m->source ? m->source : "");
	for (size_t n = 0; n < i; n++)
		volume += c->config.mounts[n].kind == MOUNT_KIND_VOLUME;
	return volume < c->volume_paths.count ? volume_name_of(c->volume_paths.items[volume])
					      : xstrdup("");
}
