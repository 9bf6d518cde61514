/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the journal from what the plan holds as finished JSON: nothing is parsed or escaped here. */
#include "engine/monitor/event.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "engine/event_journal.h"

#define NS_PER_S 1000000000ULL
#define PARTS 5

static void append(struct monitor *m, const struct iovec *parts, int count)
{
	const char *journal = plan_string(m->plan, m->plan->monitor.event_journal);

	/* A container's life does not depend on being told of. */
	if (journal && event_journal_append(AT_FDCWD, journal, &m->event_fd, parts, count) < 0)
		return;
}

void event_get_ready(struct monitor *m)
{
	const char *journal = plan_string(m->plan, m->plan->monitor.event_journal);

	/* The first line tries again. */
	if (journal && event_journal_open(AT_FDCWD, journal, &m->event_fd) < 0)
		return;
}

static struct iovec part(const char *text)
{
	return (struct iovec){.iov_base = (char *)text, .iov_len = strlen(text)};
}

/* "},"scope":...": the same for every type. */
static void format_tail(char *out, size_t size)
{
	unsigned long long now_ns = clock_wall_ns();

	snprintf(out, size, "}},\"scope\":\"local\",\"time\":%llu,\"timeNano\":%llu}\n",
		 now_ns / NS_PER_S, now_ns);
}

/* The container's own attributes: of its plan, or what they have become. */
static const char *own_attributes(struct monitor *m)
{
	const char *planned = plan_string(m->plan, m->plan->monitor.event_attributes);

	if (m->run_dir >= 0 && file_read_small_at(m->run_dir, EVENT_ATTRIBUTES_FILE, m->event_text,
						  sizeof(m->event_text)) > 0)
		return m->event_text;
	return planned ? planned : "";
}

void event_say(struct monitor *m, const char *action, const struct monitor_attribute *attributes,
	       size_t count)
{
	const struct plan_monitor *pm = &m->plan->monitor;
	const char *id = plan_string(m->plan, pm->id), *from = plan_string(m->plan, pm->event_from);
	char head[512], middle[512], tail[128];
	const char *own;
	size_t n;

	if (!id)
		return;
	snprintf(head, sizeof(head), "{\"status\":\"%s\",\"id\":\"%s\"%s", action, id,
		 from ? ",\"from\":" : "");
	n = (size_t)snprintf(middle, sizeof(middle),
			     ",\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\","
			     "\"Attributes\":{",
			     action, id);
	own = own_attributes(m);
	for (size_t i = 0; i < count && n < sizeof(middle); i++)
		n += (size_t)snprintf(middle + n, sizeof(middle) - n, "\"%s\":\"%s\"%s",
				      attributes[i].key, attributes[i].value,
				      i + 1 < count || *own ? "," : "");
	if (n >= sizeof(middle))
		return;
	format_tail(tail, sizeof(tail));
	append(m,
	       (struct iovec[PARTS]){part(head), part(from ? from : ""), part(middle), part(own),
				     part(tail)},
	       PARTS);
}

/* An event of a network that the container is in: "<id> <name>", as far as the line goes. */
static void say_network(struct monitor *m, const char *action, const char *network, size_t n)
{
	const char *id = plan_string(m->plan, m->plan->monitor.id);
	char text[1024], tail[128];

	if (n <= ID_LEN + 1)
		return;
	snprintf(text, sizeof(text),
		 "{\"Type\":\"network\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%.*s\","
		 "\"Attributes\":{\"container\":\"%s\",\"name\":\"%.*s\",\"type\":\"bridge\"",
		 action, ID_LEN, network, id, (int)(n - ID_LEN - 1), network + ID_LEN + 1);
	format_tail(tail, sizeof(tail));
	append(m, (struct iovec[]){part(text), part(tail)}, 2);
}

/* Those of the plan, or what they have become: names of networks are letters, digits, and ._- */
static void say_networks(struct monitor *m, const char *action)
{
	const struct plan_list *planned = plan_at(m->plan, m->plan->monitor.event_networks);

	if (!m->plan->early.network)
		return;
	if (m->run_dir >= 0 && file_read_small_at(m->run_dir, EVENT_NETWORKS_FILE, m->event_text,
						  sizeof(m->event_text)) >= 0) {
		for (const char *p = m->event_text; *p; p += strcspn(p, "\n"), p += *p == '\n')
			say_network(m, action, p, strcspn(p, "\n"));
		return;
	}
	for (uint32_t i = 0; planned && i < planned->count; i++) {
		const char *network = plan_string(m->plan, planned->items[i]);

		if (network)
			say_network(m, action, network, strlen(network));
	}
}

/* For the first run its launcher has said what it is connected to. */
void event_start(struct monitor *m)
{
	if (m->runs)
		say_networks(m, "connect");
	event_say(m, "start", NULL, 0);
}

/* An event of a volume; names of volumes are letters, digits, and ._- */
static void say_volume(struct monitor *m, const char *action, const char *name, bool container)
{
	const char *id = plan_string(m->plan, m->plan->monitor.id);
	char text[1024], tail[128];

	snprintf(text, sizeof(text),
		 "{\"Type\":\"volume\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\","
		 "\"Attributes\":{%s%s%s\"driver\":\"local\"",
		 action, name, container ? "\"container\":\"" : "", container ? id : "",
		 container ? "\"," : "");
	format_tail(tail, sizeof(tail));
	append(m, (struct iovec[]){part(text), part(tail)}, 2);
}

static void say_unmounted(struct monitor *m)
{
	const struct plan_list *volumes = plan_at(m->plan, m->plan->monitor.event_volumes);

	for (uint32_t i = 0; volumes && i < volumes->count; i++)
		say_volume(m, "unmount", plan_string(m->plan, volumes->items[i]), true);
}

/* Anonymous ones go with the container: <volumes>/<name>. */
static void say_volumes_destroyed(struct monitor *m)
{
	const struct plan_list *volumes = plan_at(m->plan, m->plan->monitor.volume_directories);

	for (uint32_t i = 0; volumes && i < volumes->count; i++) {
		const char *path = plan_string(m->plan, volumes->items[i]);
		const char *slash = path ? strrchr(path, '/') : NULL;

		if (slash)
			say_volume(m, "destroy", slash + 1, false);
	}
}

void event_die(struct monitor *m)
{
	char code[16];

	snprintf(code, sizeof(code), "%d", m->exit_code);
	oom_end(m);
	event_say(m, "die", &(struct monitor_attribute){"exitCode", code}, 1);
	say_networks(m, "disconnect");
	say_unmounted(m);
}

void event_destroy(struct monitor *m)
{
	say_volumes_destroyed(m);
	event_say(m, "destroy", NULL, 0);
}

void event_signal(struct monitor *m, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	if (!m->plan->early.exec)
		event_say(m, "kill", &(struct monitor_attribute){"signal", text}, 1);
}

void event_resize(struct monitor *m, unsigned rows, unsigned columns)
{
	char height[16], width[16];

	snprintf(height, sizeof(height), "%u", rows);
	snprintf(width, sizeof(width), "%u", columns);
	if (!m->plan->early.exec)
		event_say(m, "resize",
			  (struct monitor_attribute[]){{"height", height}, {"width", width}}, 2);
}
