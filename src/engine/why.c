/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From facts to sentences. Pure. Each cause has a function of its own; which one speaks is decided in
 * one place, in the order in which one fact overrules another.
 */
#include "engine/why.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "base/signal_name.h"
#include "base/str.h"
#include "engine/internal.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

void why_free(struct why *w)
{
	free(w->summary);
	strv_free(&w->hints);
	strv_free(&w->evidence);
	strv_free(&w->output);
	*w = (struct why){.cause = NULL};
}

/* ---- words ---- */

/* "3 minutes ago". */
static char *ago(const struct why_facts *f, uint64_t when_ns)
{
	char text[HUMAN_MAX];

	if (!when_ns)
		return xstrdup("at an unknown time");
	human_duration(f->now_ns > when_ns ? f->now_ns - when_ns : 0, text);
	if (*text == 'L' || *text == 'A')
		*text = (char)(*text - 'A' + 'a');
	return xasprintf("%s ago", text);
}

/* "1.2 s", "35 ms", "80 us". */
static void put_time(struct strbuf *out, uint64_t ns)
{
	if (ns >= 1000000000)
		strbuf_printf(out, "%.1f s", (double)ns / 1e9);
	else if (ns >= 1000000)
		strbuf_printf(out, "%llu ms", (unsigned long long)(ns / 1000000));
	else
		strbuf_printf(out, "%llu us", (unsigned long long)(ns / 1000));
}

static void put_bytes(struct strbuf *out, uint64_t bytes)
{
	char text[HUMAN_MAX];

	human_bytes(bytes, text);
	strbuf_puts(out, text);
}

static void add_signal(struct strbuf *out, int number)
{
	const char *name = signal_name(number);

	strbuf_printf(out, name ? "%s (%d)" : "signal %.0s%d", name ? name : "", number);
}

static const char *times(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- evidence ---- */

static void add_victim(const struct why_facts *f, struct strbuf *out)
{
	const struct oom_victim *v = &f->victim;

	if (!v->pid)
		return;
	strbuf_printf(out, ": \"%s\" (process %d of the host", v->name, v->pid);
	if (v->anon_bytes) {
		strbuf_puts(out, ", ");
		put_bytes(out, v->anon_bytes);
	}
	strbuf_putc(out, ')');
	if (!v->own_limit)
		strbuf_puts(out, ", because the host itself had no memory left");
}

static void add_memory(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	uint64_t limit = (uint64_t)f->c->config.memory_bytes;
	auto_strbuf struct strbuf text = {0};

	if (!limit && !s->oom_kills && !s->peak_memory_bytes)
		return;
	strbuf_puts(&text, "memory: ");
	if (limit) {
		strbuf_puts(&text, "limit ");
		put_bytes(&text, limit);
	} else {
		strbuf_puts(&text, "no limit");
	}
	if (s->peak_memory_bytes) {
		strbuf_puts(&text, ", peak ");
		put_bytes(&text, s->peak_memory_bytes);
	}
	if (s->pressure_us) {
		strbuf_puts(&text, ", processes waited ");
		put_time(&text, s->pressure_us * 1000);
		strbuf_puts(&text, " for it");
	}
	if (s->oom_kills) {
		strbuf_printf(&text, "; the kernel killed %llu process%s for want of it",
			      (unsigned long long)s->oom_kills, s->oom_kills == 1 ? "" : "es");
		add_victim(f, &text);
	}
	strv_add(&out->evidence, strbuf_str(&text));
}

static void add_processor(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_strbuf struct strbuf text = {0};

	if (!s->throttled_periods)
		return;
	strbuf_printf(&text, "cpu: held back in %llu period%s, ",
		      (unsigned long long)s->throttled_periods, times(s->throttled_periods));
	put_time(&text, s->throttled_ns);
	strbuf_puts(&text, " in all");
	strv_add(&out->evidence, strbuf_str(&text));
}

static void add_pids(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_strbuf struct strbuf text = {0};

	if (!s->pids_max_hits)
		return;
	strbuf_printf(&text, "pids: limit %lld, %llu fork%s refused",
		      (long long)f->c->config.pids_limit, (unsigned long long)s->pids_max_hits,
		      times(s->pids_max_hits));
	strv_add(&out->evidence, strbuf_str(&text));
}

static void add_health(const struct why_facts *f, struct why *out)
{
	auto_strbuf struct strbuf text = {0};

	if (!f->health)
		return;
	strbuf_printf(&text, "health: %s", f->health);
	if (f->health_failures)
		strbuf_printf(&text, ", %lld failed check%s in a row",
			      (long long)f->health_failures, times((uint64_t)f->health_failures));
	if (f->health_output && *f->health_output)
		strbuf_printf(&text, "; the last said: %.*s", (int)strcspn(f->health_output, "\n"),
			      f->health_output);
	strv_add(&out->evidence, strbuf_str(&text));
}

static void add_restarts(const struct why_facts *f, struct why *out)
{
	const struct container_config *config = &f->c->config;
	const char *policy = config->restart_policy;

	if (!policy || !*policy || str_eq(policy, "no"))
		return;
	strv_add_taken(&out->evidence,
		       config->restart_max_retries
			       ? xasprintf("restarts: %llu, policy %s:%lld",
					   (unsigned long long)f->c->state.restart_count, policy,
					   (long long)config->restart_max_retries)
			       : xasprintf("restarts: %llu, policy %s",
					   (unsigned long long)f->c->state.restart_count, policy));
}

/* ---- causes ---- */

static void say_running(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_free char *when = ago(f, s->started_ns);
	bool ill = f->health && str_eq(f->health, "unhealthy");

	out->cause = ill ? "unhealthy" : "running";
	out->summary = xasprintf("is running%s; it was started %s as process %d of the host",
				 ill ? ", but its health checks fail" : "", when, s->pid);
	if (s->oom_kills)
		strv_add(&out->hints,
			 "Not all of its processes are: the kernel has killed some for "
			 "want of memory.");
}

static void say_paused(const struct why_facts *f, struct why *out)
{
	(void)f;
	out->cause = "paused";
	out->summary = xstrdup("is paused: its processes are frozen until `cloche unpause`");
}

/* How the last run ended, as a part of a sentence. */
static void put_end(const struct container_state *s, struct strbuf *out)
{
	if (s->exit_signal) {
		strbuf_puts(out, "was ended by ");
		add_signal(out, s->exit_signal);
	} else {
		strbuf_printf(out, "ended with exit code %d", s->exit_code);
	}
}

static void say_restarting(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_strbuf struct strbuf text = {0};
	auto_free char *when = ago(f, s->finished_ns);

	out->cause = "restarting";
	strbuf_puts(&text, "is between two runs: the last one ");
	put_end(s, &text);
	strbuf_printf(&text, " %s", when);
	if (s->next_start_ns > f->now_ns) {
		strbuf_puts(&text, ", the next begins in ");
		put_time(&text, s->next_start_ns - f->now_ns);
	}
	out->summary = strbuf_take(&text);
	if (s->oom_kills)
		strv_add(&out->hints, "In its last run the kernel killed a process for want of "
				      "memory.");
}

static void say_never_started(const struct why_facts *f, struct why *out)
{
	auto_free char *when = ago(f, f->c->created_ns);

	out->cause = "never-started";
	out->summary =
		xasprintf("was created %s and never started; `cloche start` does that", when);
}

/* What the words of a start error mean. */
static const char *const start_hints[][2] = {
	{"no such file or directory",
	 "There is no such program, or what it needs to begin is missing: the interpreter that a "
	 "script's first line names, or the loader of its libraries."},
	{"executable file not found", "No directory of its PATH has a program of that name."},
	{"permission denied",
	 "It is not executable for the user that the container runs as, or it is a directory."},
	{"exec format error",
	 "It is a program for another kind of processor, or a script whose first line does not begin "
	 "with #!."},
	{"monitor lost", "Nothing of the container itself failed: `cloche start` tries again."},
};

static void say_start_failed(const struct why_facts *f, struct why *out)
{
	const char *error = f->c->state.error;

	out->cause = "start-failed";
	out->summary = xasprintf("could not be started: %s", error);
	for (size_t i = 0; i < COUNT_OF(start_hints); i++) {
		if (!strcasestr(error, start_hints[i][0]))
			continue;
		strv_add(&out->hints, start_hints[i][1]);
		break;
	}
}

static void say_monitor_lost(const struct why_facts *f, struct why *out)
{
	auto_free char *when = ago(f, f->c->state.finished_ns);

	out->cause = "monitor-lost";
	out->summary = xasprintf("was killed because its monitor died %s: they end together", when);
	strv_add(&out->hints,
		 "Something outside killed the process cloche-monitor of this container, "
		 "or the host had no memory left for it.");
}

static void say_host_restarted(const struct why_facts *f, struct why *out)
{
	const char *policy = f->c->config.restart_policy;

	out->cause = "host-restarted";
	out->summary =
		xstrdup("ended with the host, which was restarted or lost its power while it "
			"ran");
	if (!policy || !*policy || str_eq(policy, "no") || str_eq(policy, "on-failure"))
		strv_add(&out->hints, "With --restart always or unless-stopped it would be started "
				      "again after that.");
}

static void say_oom(const struct why_facts *f, struct why *out)
{
	auto_free char *when = ago(f, f->c->state.finished_ns);
	bool own = f->c->config.memory_bytes && (!f->victim.pid || f->victim.own_limit);
	auto_strbuf struct strbuf text = {0};

	out->cause = "oom";
	strbuf_printf(&text, "was killed by the kernel %s because ", when);
	if (own) {
		strbuf_puts(&text, "it reached its memory limit of ");
		put_bytes(&text, (uint64_t)f->c->config.memory_bytes);
		strv_add(&out->hints, "Give it more with -m, or let it use less.");
	} else {
		strbuf_puts(&text, "memory ran out");
	}
	strbuf_puts(&text, ": its first process was the victim");
	out->summary = strbuf_take(&text);
}

static void say_oom_child(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_free char *when = ago(f, s->finished_ns);

	out->cause = "oom-child";
	out->summary =
		xasprintf("ended by itself with exit code %d %s, after the kernel had killed "
			  "another process of it for want of memory",
			  s->exit_code, when);
	strv_add(&out->hints, "Its first process lived on and saw that one of its children was "
			      "killed.");
}

/* By a signal of which is known, or not, where it came from. */
static void say_signal(const struct why_facts *f, struct why *out)
{
	static const struct {
		const char *sender, *text, *hint;
	} senders[] = {
		{"user", "sent by cloche on a user's behalf (stop, kill, restart or rm)", NULL},
		{"client", "passed on by an attached client, which got it itself", NULL},
		{"self", "which the kernel sends for a fault of the program's own",
		 "A core dump or the last lines of its output may tell where."},
		{"host", "sent by a process outside the container, not through cloche",
		 "The kernel keeps such signals from the first process when they come from inside."},
		{"", "sent by a process inside or outside the container",
		 "It shares the host's process ids, so both can."},
	};
	const struct container_state *s = &f->c->state;
	auto_strbuf struct strbuf text = {0};
	auto_free char *when = ago(f, s->finished_ns);
	size_t i = 0;

	while (i < COUNT_OF(senders) - 1 && !str_eq(senders[i].sender, s->signal_sender))
		i++;
	out->cause = "signal";
	strbuf_puts(&text, "was ended by ");
	add_signal(&text, s->exit_signal);
	strbuf_printf(&text, " %s, %s", when, senders[i].text);
	out->summary = strbuf_take(&text);
	if (senders[i].hint)
		strv_add(&out->hints, senders[i].hint);
}

static void say_exit(const struct why_facts *f, struct why *out)
{
	static const struct {
		int code;
		const char *hint;
	} hints[] = {
		{126, "Shells end so when a command is there but cannot be executed."},
		{127, "Shells end so when a command is not found."},
	};
	const struct container_state *s = &f->c->state;
	auto_free char *when = ago(f, s->finished_ns);

	out->cause = "exit";
	out->summary =
		s->exit_code ? xasprintf("ended by itself with exit code %d %s", s->exit_code, when)
			     : xasprintf("ended by itself, successfully, %s", when);
	for (size_t i = 0; i < COUNT_OF(hints); i++) {
		if (hints[i].code == s->exit_code)
			strv_add(&out->hints, hints[i].hint);
	}
	if (s->exit_code > 128 && s->exit_code <= 128 + SIGRTMAX) {
		auto_strbuf struct strbuf text = {0};

		strbuf_puts(&text,
			    "Shells and --init end so when a process of theirs is ended by ");
		add_signal(&text, s->exit_code - 128);
		strbuf_puts(&text, f->stopped_by_user
					   ? "."
					   : "; cloche sent none, so it most likely came from "
					     "inside the container.");
		strv_add(&out->hints, strbuf_str(&text));
	}
	if (f->stopped_by_user)
		strv_add(&out->hints, "A user had asked for it (stop, kill, restart or rm).");
}

static void say_pids(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;
	auto_free char *when = ago(f, s->finished_ns);

	out->cause = "pids-limit";
	out->summary = xasprintf("ended by itself with exit code %d %s, after its limit of %lld "
				 "processes had kept it from starting more",
				 s->exit_code, when, (long long)f->c->config.pids_limit);
	strv_add(&out->hints, "That the limit is the reason is likely, not certain. Raise it with "
			      "--pids-limit.");
}

static void say_ended(const struct why_facts *f, struct why *out)
{
	const struct container_state *s = &f->c->state;

	if (s->host_restarted)
		say_host_restarted(f, out);
	else if (s->monitor_lost)
		say_monitor_lost(f, out);
	else if (s->error && *s->error)
		say_start_failed(f, out);
	else if (s->exit_signal && str_eq(s->signal_sender, "kernel-oom"))
		say_oom(f, out);
	else if (s->exit_signal)
		say_signal(f, out);
	else if (s->oom_kills && s->exit_code)
		say_oom_child(f, out);
	else if (s->pids_max_hits && s->exit_code)
		say_pids(f, out);
	else
		say_exit(f, out);
}

void why_explain(const struct why_facts *facts, struct why *out)
{
	const struct container_state *s = &facts->c->state;

	*out = (struct why){.cause = NULL};
	switch (s->status) {
	case CONTAINER_RUNNING:
		say_running(facts, out);
		break;
	case CONTAINER_PAUSED:
		say_paused(facts, out);
		break;
	case CONTAINER_RESTARTING:
		say_restarting(facts, out);
		break;
	case CONTAINER_REMOVING:
		out->cause = "removing";
		out->summary = xstrdup("is being removed");
		break;
	case CONTAINER_CREATED:
		if (s->error && *s->error)
			say_start_failed(facts, out);
		else
			say_never_started(facts, out);
		break;
	default:
		say_ended(facts, out);
	}
	add_memory(facts, out);
	add_processor(facts, out);
	add_pids(facts, out);
	add_health(facts, out);
	add_restarts(facts, out);
}

/* ---- JSON ---- */

void why_write(const struct why *why, const char *key, struct json_writer *w)
{
	json_write_begin(w, key, '{');
	json_write_string(w, "Cause", why->cause);
	json_write_string(w, "Summary", why->summary);
	json_write_strv(w, "Hints", &why->hints);
	json_write_strv(w, "Evidence", &why->evidence);
	json_write_strv(w, "Output", &why->output);
	json_write_end(w, '}');
}
