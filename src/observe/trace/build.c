/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the world to the trace: the processes in the order of their tree, their calls in words, which of
 * them became the container's first process, and the part each played. That process is recognised by what
 * it does, not by a name: it took another root (pivot_root, or chroot) and then executed a program.
 */
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "observe/trace/calls.h"
#include "observe/trace/describe.h"
#include "observe/trace/recorder.h"
#include "observe/trace/world.h"

struct builder {
	const struct recording *r;
	struct world *w;
	struct trace *t;
	const struct raw_record **tries; /* the last execve entered, by tid */
	size_t call_room;
	/* Files that were opened for writing; only those of cgroups are shown, and what is written. */
	struct opened {
		int pid, fd;
		char name[48];
		bool control;
	} * opened;
	size_t opened_count;
};

static uint64_t since(const struct builder *b, uint64_t ns)
{
	return ns > b->t->begin_ns ? ns - b->t->begin_ns : 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Names are what processes call themselves: anything. They must not write to a terminal. */
static char *plain(const char *name)
{
	char *copy = xstrdup(name);

	for (char *p = copy; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return copy;
}

/* Arguments of one that was there before; it may be gone by now. */
static char *command_line(int pid)
{
	auto_free char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (file_read_at(AT_FDCWD, path, 1 << 16, &text, &len) < 0)
		return xstrdup("");
	/* A process may have written over the NUL at the end. */
	while (len > 0 && !text[len - 1])
		len--;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = text[i] ? '?' : ' ';
	}
	return xstrdup(text);
}

static void place(struct builder *b, size_t index, size_t parent, int depth)
{
	struct trace *t = b->t;
	struct world_process *w = &b->w->items[index];
	struct trace_process *p = &t->processes[t->process_count];

	w->shown = t->process_count++;
	*p = (struct trace_process){
		.pid = w->pid,
		.parent = parent,
		.before = w->before,
		.role = w->before ? TRACE_DAEMON : TRACE_HELPER,
		.name = plain(w->name),
		.command = w->before ? command_line(w->pid) : xstrdup(""),
		.start_ns = w->before ? 0 : since(b, w->start),
		.end_ns = w->end == TRACE_NEVER ? TRACE_NEVER : since(b, w->end),
		.contact_ns = w->before ? since(b, w->contact) : 0,
		.flags = w->flags,
		.depth = depth,
	};
}

/* The process and what it forked; children are in the order of their birth already. */
static void place_tree(struct builder *b, size_t index, size_t parent, int depth)
{
	size_t self;

	place(b, index, parent, depth);
	self = b->w->items[index].shown;
	for (size_t i = 0; i < b->w->count; i++) {
		const struct world_process *p = &b->w->items[i];

		if (p->parent == index && p->included && p->shown == TRACE_NONE)
			place_tree(b, i, self, depth < 40 ? depth + 1 : depth);
	}
}

static bool is_root(const struct builder *b, const struct world_process *p)
{
	return p->included && p->shown == TRACE_NONE &&
	       (p->parent == TRACE_NONE || !b->w->items[p->parent].included);
}

/* The command first, then daemons in the order in which they were reached. */
static void place_processes(struct builder *b)
{
	struct world *w = b->w;

	b->t->processes = xcalloc(w->count, sizeof(*b->t->processes));
	for (size_t i = 0; i < w->count; i++) {
		if (w->items[i].pid == b->r->command && !w->items[i].before)
			place_tree(b, i, TRACE_NONE, 0);
	}
	for (;;) {
		size_t next = TRACE_NONE;

		for (size_t i = 0; i < w->count; i++) {
			if (is_root(b, &w->items[i]) &&
			    (next == TRACE_NONE || w->items[i].contact < w->items[next].contact))
				next = i;
		}
		if (next == TRACE_NONE)
			break;
		place_tree(b, next, TRACE_NONE, 0);
	}
	for (size_t i = 0; i < w->count; i++) {
		const struct world_process *p = &w->items[i];

		if (!p->included && !p->ours && !p->before)
			b->t->left_out_processes++;
		if (!p->included && !p->ours && p->acted)
			b->t->left_out_calls++;
	}
}

static struct trace_call *new_call(struct builder *b, size_t process, const struct raw_record *r,
				   enum trace_group group, const char *name)
{
	struct trace *t = b->t;
	struct trace_call *c;

	if (t->call_count == b->call_room) {
		b->call_room = b->call_room ? b->call_room * 2 : 256;
		t->calls = xrealloc(t->calls, b->call_room * sizeof(*t->calls));
	}
	c = &t->calls[t->call_count++];
	*c = (struct trace_call){
		.process = process,
		.tid = (int)r->head.tid,
		.group = group,
		.name = name,
		.begin_ns = since(b, r->head.kind == RAW_CALL && r->head.begin_ns ? r->head.begin_ns
										  : r->head.ns),
		.end_ns = since(b, r->head.ns),
		.result = r->result,
	};
	return c;
}

/* What a prctl does that matters here; names of threads and of memory do not. */
static bool matters(const struct raw_record *r)
{
	switch (r->args[0]) {
	case PR_SET_PDEATHSIG:
	case PR_SET_DUMPABLE:
	case PR_SET_KEEPCAPS:
	case PR_SET_SECCOMP:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
	case PR_SET_CHILD_SUBREAPER:
	case PR_SET_NO_NEW_PRIVS:
	case PR_CAP_AMBIENT:
		return true;
	default:
		return false;
	}
}

static bool is_thread(const struct raw_record *r)
{
	uint64_t flags = r->args[0];

	if (r->head.nr == SYS_clone3)
		memcpy(&flags, r->text[0], sizeof(flags));
	else if (r->head.nr != SYS_clone)
		return false;
	return flags & CLONE_THREAD;
}

/* A file of a cgroup: "cgroup.procs", "memory.max", "devices.allow"... */
static bool is_control(const char *name)
{
	static const char *const starts[] = {"cgroup.", "memory.",  "cpu.",     "cpuset.",
					     "pids.",   "io.",      "blkio.",   "devices.",
					     "hugetlb", "freezer.", "cpuacct.", "net_cls."};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (str_starts(name, starts[i]))
			return true;
	}
	return str_eq(name, "tasks");
}

/* Remembers what was opened; whether it is a file of a cgroup. */
static bool note_opened(struct builder *b, const struct raw_record *r, const char *path)
{
	struct opened *o;

	if (r->result < 0)
		return is_control(base_name(path));
	b->opened = xrealloc(b->opened, (b->opened_count + 1) * sizeof(*b->opened));
	o = &b->opened[b->opened_count++];
	*o = (struct opened){.pid = (int)r->head.tgid, .fd = (int)r->result};
	snprintf(o->name, sizeof(o->name), "%s", base_name(path));
	o->control = is_control(o->name);
	return o->control;
}

/* The name of the control file that a descriptor is; NULL: something else. */
static const char *control_name(const struct builder *b, const struct raw_record *r)
{
	for (size_t i = b->opened_count; i-- > 0;) {
		const struct opened *o = &b->opened[i];

		if (o->pid == (int)r->head.tgid && o->fd == (int)r->args[0])
			return o->control ? o->name : NULL;
	}
	return NULL;
}

/* Whether a call on a file is one on a control file; puts the file's name before what is written. */
static bool on_control(struct builder *b, const struct call_row *row, const struct raw_record *r,
		       struct strbuf *words)
{
	const char *name;

	if (row->spec.how == RAW_OPEN) {
		row->describe(r, words);
		return note_opened(b, r, strbuf_str(words));
	}
	name = control_name(b, r);
	if (!name)
		return false;
	strbuf_printf(words, "%s: ", name);
	row->describe(r, words);
	return true;
}

static void add_call(struct builder *b, size_t process, const struct raw_record *r)
{
	const struct call_row *row = call_find(r->head.nr);
	auto_strbuf struct strbuf words = {0};
	struct trace_call *c;
	enum trace_group group;

	if (!row || row->spec.how == RAW_WAIT || is_thread(r) ||
	    (row->nr == SYS_prctl && !matters(r)))
		return;
	/* What the observer's own child does before it becomes the command. */
	if (process == 0 && b->t->processes[0].exec_count == 0 && row->spec.how != RAW_EXECUTE)
		return;
	/* A success is shown where the new program begins. */
	if (row->spec.how == RAW_EXECUTE && r->result >= 0)
		return;
	if (row->spec.how >= RAW_OPEN && !on_control(b, row, r, &words))
		return;
	group = row->group == TRACE_PROCESSES && call_namespaces(r) ? TRACE_NAMESPACES : row->group;
	c = new_call(b, process, r, group, row->name);
	c->flags = call_namespaces(r);
	if (row->spec.how == RAW_EXECUTE && b->tries[r->head.tid])
		row->describe(b->tries[r->head.tid], &words);
	else if (row->describe && row->spec.how == RAW_PLAIN_CALL)
		row->describe(r, &words);
	c->text = strbuf_take(&words);
}

static void add_cgroup(struct builder *b, size_t process, const struct raw_record *r)
{
	const char *name = r->head.kind == RAW_CGROUP_MKDIR   ? "cgroup_mkdir"
			   : r->head.kind == RAW_CGROUP_RMDIR ? "cgroup_rmdir"
							      : "cgroup_attach";
	struct trace_call *c = new_call(b, process, r, TRACE_CGROUPS, name);
	auto_strbuf struct strbuf words = {0};

	c->result = 0;
	if (r->head.kind == RAW_CGROUP_ATTACH)
		strbuf_printf(&words, "%d to ", (int)r->head.extra);
	describe_text(r, &words);
	c->text = strbuf_take(&words);
}

/* "/proc/self/exe" and the like name nobody: then the first argument does. */
static const char *program_name(const struct raw_record *r, const struct raw_record *try)
{
	if (!str_starts(r->text[0], "/proc/") && !str_starts(r->text[0], "/dev/fd/"))
		return base_name(r->text[0]);
	if (try && try->exec.arguments[0][0] && !str_starts(try->exec.arguments[0], "/proc/"))
		return base_name(try->exec.arguments[0]);
	return r->comm;
}

static void add_exec(struct builder *b, size_t process, const struct raw_record *r)
{
	struct trace_process *p = &b->t->processes[process];
	uint32_t old = r->head.extra ? r->head.extra : r->head.tid;
	const struct raw_record *try = old < WORLD_TIDS ? b->tries[old] : NULL;
	auto_strbuf struct strbuf words = {0};
	struct trace_call *c = new_call(b, process, r, TRACE_PROCESSES, "execve");

	if (try && try->head.tgid != r->head.tgid)
		try = NULL;
	c->result = 0;
	if (try) {
		c->begin_ns = since(b, try->head.ns);
		describe_exec(try, &words);
	} else {
		describe_text(r, &words);
	}
	c->text = strbuf_take(&words);
	p->execs = xrealloc(p->execs, (p->exec_count + 1) * sizeof(*p->execs));
	p->execs[p->exec_count++] = (struct trace_exec){
		.at_ns = since(b, r->head.ns),
		.program = plain(program_name(r, try)),
		.command = xstrdup(c->text),
	};
	free(p->name);
	p->name = xstrdup(p->execs[p->exec_count - 1].program);
	free(p->command);
	p->command = xstrdup(c->text);
}

static void add_exit(struct builder *b, size_t process, const struct raw_record *r)
{
	struct trace_call *c = new_call(b, process, r, TRACE_PROCESSES, "exit_group");

	c->result = 0;
	c->text = xasprintf("%d", (int)r->args[0]);
}

static void add_record(struct builder *b, const struct raw_record *r)
{
	size_t index = world_of(b->w, r->head.tgid);
	const struct world_process *p;

	if (r->head.kind == RAW_EXEC_TRY && r->head.tid < WORLD_TIDS)
		b->tries[r->head.tid] = r;
	if (index == TRACE_NONE)
		return;
	p = &b->w->items[index];
	if (p->shown == TRACE_NONE || !world_counts(p, r->head.ns) || p->pid != (int)r->head.tgid)
		return;
	if (r->head.kind == RAW_CALL)
		add_call(b, p->shown, r);
	else if (r->head.kind == RAW_EXEC)
		add_exec(b, p->shown, r);
	else if (r->head.kind == RAW_EXIT_CALL)
		add_exit(b, p->shown, r);
	else if (r->head.kind >= RAW_CGROUP_MKDIR && r->head.kind <= RAW_CGROUP_ATTACH)
		add_cgroup(b, p->shown, r);
}

static int by_begin(const void *a, const void *b)
{
	const struct trace_call *x = a, *y = b;

	return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

static bool takes_root(const struct trace_call *c)
{
	return c->result >= 0 && (str_eq(c->name, "pivot_root") || str_eq(c->name, "chroot"));
}

/* The first exec of a process after the moment; TRACE_NEVER: none. */
static uint64_t exec_after(const struct trace_process *p, uint64_t ns)
{
	for (size_t i = 0; i < p->exec_count; i++) {
		if (p->execs[i].at_ns >= ns)
			return p->execs[i].at_ns;
	}
	return TRACE_NEVER;
}

static void consider(struct trace *t, size_t process, uint64_t after)
{
	uint64_t at = exec_after(&t->processes[process], after);

	if (at < t->program_ns) {
		t->program_ns = at;
		t->init = process;
	}
}

static void find_init(struct trace *t)
{
	for (size_t i = 0; i < t->call_count; i++) {
		if (takes_root(&t->calls[i]))
			consider(t, t->calls[i].process, t->calls[i].end_ns);
	}
	for (size_t i = 0; t->init == TRACE_NONE && i < t->process_count; i++) {
		if (t->processes[i].flags & CLONE_NEWPID)
			consider(t, i, 0);
	}
	if (t->init != TRACE_NONE)
		t->program_end_ns = t->processes[t->init].end_ns;
}

static bool is_ancestor(const struct trace *t, size_t old, size_t of)
{
	for (size_t p = t->processes[of].parent; p != TRACE_NONE; p = t->processes[p].parent) {
		if (p == old)
			return true;
	}
	return false;
}

static bool alive_at(const struct trace_process *p, uint64_t ns)
{
	return p->end_ns == TRACE_NEVER || p->end_ns > ns;
}

/* Those of the same program as one whose part is certain play it too: `runc start`, `shim delete`, and a
 * shim or conmon that only started the one which stays. */
static void spread_role(struct trace *t, enum trace_role role, enum trace_role to)
{
	for (size_t i = 0; i < t->process_count; i++) {
		struct trace_process *p = &t->processes[i];

		for (size_t k = 0; p->role == to && k < t->process_count; k++) {
			if (t->processes[k].role == role && str_eq(t->processes[k].name, p->name))
				p->role = role;
		}
	}
}

static void find_roles(struct trace *t)
{
	for (size_t i = 0; i < t->process_count; i++) {
		struct trace_process *p = &t->processes[i];

		if (p->before)
			continue;
		if (i == t->init)
			p->role = TRACE_INIT;
		else if (t->init != TRACE_NONE && is_ancestor(t, t->init, i))
			p->role = TRACE_INSIDE;
		else if (i == 0)
			p->role = TRACE_COMMAND;
		else if (t->init != TRACE_NONE && is_ancestor(t, i, t->init))
			p->role = alive_at(p, t->program_ns + 20000000) ||
						  alive_at(p, t->program_end_ns)
					  ? TRACE_SUPERVISOR
					  : TRACE_RUNTIME;
		else if (p->exec_count == 0 && p->parent == 0)
			p->role = TRACE_COMMAND;
	}
	spread_role(t, TRACE_SUPERVISOR, TRACE_RUNTIME);
	spread_role(t, TRACE_SUPERVISOR, TRACE_HELPER);
	spread_role(t, TRACE_RUNTIME, TRACE_HELPER);
}

struct trace *trace_build(const struct recording *r)
{
	struct world w;
	struct trace *t = xcalloc(1, sizeof(*t));
	struct builder b = {.r = r, .w = &w, .t = t};
	size_t *shown = xcalloc(WORLD_TIDS, sizeof(*shown));

	t->begin_ns = r->begin_ns;
	t->end_ns = r->end_ns - r->begin_ns;
	t->exit_code = r->exit_code;
	t->program_ns = t->program_end_ns = TRACE_NEVER;
	t->init = TRACE_NONE;
	t->records = r->count + r->scheduling_count;
	t->lost = r->lost + r->dropped;
	t->missed = r->missed;
	t->recorder_cpu_ns = r->cpu_ns;
	t->kernel_cpu_ns = r->kernel_ns;
	t->program_runs = r->kernel_runs;
	world_read(r, &w);
	place_processes(&b);
	b.tries = xcalloc(WORLD_TIDS, sizeof(*b.tries));
	for (size_t i = 0; i < r->count; i++)
		add_record(&b, r->records[i]);
	free(b.tries);
	free(b.opened);
	if (t->call_count > 0)
		qsort(t->calls, t->call_count, sizeof(*t->calls), by_begin);
	find_init(t);
	find_roles(t);
	for (size_t i = 0; i < WORLD_TIDS; i++) {
		size_t p = world_of(&w, (uint32_t)i);

		shown[i] = p == TRACE_NONE ? 0 : w.items[p].shown + 1;
	}
	trace_find_path(r, shown, WORLD_TIDS, t);
	free(shown);
	world_free(&w);
	return t;
}
