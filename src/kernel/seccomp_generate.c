/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From profile to program by intervals. Per architecture: a table says what happens to each call
 * number; runs of equal decisions become intervals; a binary tree of comparisons finds the interval;
 * single calls apart within one are compared at its end; calls whose arguments decide have a block
 * behind the tree. What must hold: the same decision as libseccomp's program for every number and
 * argument, with one addition: numbers newer than any the profile knows fail with ENOSYS, as under
 * runc, so that a libc falls back instead of giving up.
 */
#include "kernel/seccomp_generate.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define CALLS_MAX 1024
#define DECISIONS_MAX 64
#define RULES_PER_CALL_MAX 16
#define LABELS_MAX (CALLS_MAX + 1024)
#define X32_BIT 0x40000000U
#define ARCH_X86_64 0xc000003eU
#define ARCH_I386 0x40000003U
#define JUMP_MAX 255
#define APART_MAX 4 /* single numbers that are looked for one after another */

/* What happens to a call: one action, or that action if one of the rules' conditions holds. */
struct decision {
	uint32_t action;
	size_t rule_count; /* 0: always */
	const struct seccomp_rule *rules[RULES_PER_CALL_MAX];
};

/* Decision 0 is the profile's default. */
struct table {
	uint32_t token; /* libseccomp's name of the architecture */
	bool wide;      /* arguments are 64 bits */
	uint32_t first; /* added to each number: x32's bit */
	uint32_t default_action;
	int last_known;
	size_t decision_count;
	struct decision decisions[DECISIONS_MAX];
	uint8_t calls[CALLS_MAX];
};

typedef unsigned label;

struct jump {
	label yes, no;
};

struct program {
	size_t count;
	size_t label_count;
	bool failed;
	struct seccomp_instruction code[SECCOMP_INSTRUCTIONS_MAX];
	struct jump jumps[SECCOMP_INSTRUCTIONS_MAX]; /* of conditional jumps */
	size_t labels[LABELS_MAX];                   /* positions */
};

/* i386 calls that also have, or only have, a place behind socketcall or ipc; libseccomp names those
 * by numbers below zero. -1: no number of its own. */
static const struct {
	const char *name;
	int number;
	bool socket;
} shared_calls[] = {
	{"socket", 359, true},      {"socketpair", 360, true}, {"bind", 361, true},
	{"connect", 362, true},     {"listen", 363, true},     {"accept4", 364, true},
	{"getsockopt", 365, true},  {"setsockopt", 366, true}, {"getsockname", 367, true},
	{"getpeername", 368, true}, {"sendto", 369, true},     {"sendmsg", 370, true},
	{"recvfrom", 371, true},    {"recvmsg", 372, true},    {"shutdown", 373, true},
	{"recvmmsg", 337, true},    {"sendmmsg", 345, true},   {"accept", -1, true},
	{"send", -1, true},         {"recv", -1, true},        {"semget", 393, false},
	{"semctl", 394, false},     {"shmget", 395, false},    {"shmctl", 396, false},
	{"shmat", 397, false},      {"shmdt", 398, false},     {"msgget", 399, false},
	{"msgsnd", 400, false},     {"msgrcv", 401, false},    {"msgctl", 402, false},
	{"semop", -1, false},       {"semtimedop", -1, false},
};

/* Calls newer than libseccomp 2.5; one number on all architectures. */
static const struct {
	const char *name;
	int number;
} new_calls[] = {
	{"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
	{"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
	{"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
	{"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
	{"removexattrat", 466},     {"open_tree_attr", 467},
};

static uint32_t action_value(enum seccomp_action action, uint32_t value)
{
	switch (action) {
	case SECCOMP_DO_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case SECCOMP_DO_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case SECCOMP_DO_TRAP:
		return SECCOMP_RET_TRAP;
	case SECCOMP_DO_ERRNO:
		return SECCOMP_RET_ERRNO | (value & SECCOMP_RET_DATA);
	case SECCOMP_DO_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case SECCOMP_DO_TRACE:
		return SECCOMP_RET_TRACE | (value & SECCOMP_RET_DATA);
	case SECCOMP_DO_LOG:
		return SECCOMP_RET_LOG;
	case SECCOMP_DO_ALLOW:
		return SECCOMP_RET_ALLOW;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* --- the table --- */

static int add_decision(struct table *t, uint32_t action, const struct seccomp_rule *rule)
{
	struct decision *d;

	for (size_t i = 1; !rule && i < t->decision_count; i++)
		if (t->decisions[i].action == action && t->decisions[i].rule_count == 0)
			return (int)i;
	if (t->decision_count == DECISIONS_MAX)
		return -EOPNOTSUPP;
	d = &t->decisions[t->decision_count];
	d->action = action;
	d->rule_count = rule ? 1 : 0;
	d->rules[0] = rule;
	return (int)t->decision_count++;
}

/* One more rule for a call. Rules of one action are alternatives; of different ones only libseccomp
 * knows the order. */
static int set_call(struct table *t, int number, uint32_t action, const struct seccomp_rule *rule)
{
	bool always = rule->condition_count == 0;
	struct decision *d;
	int r = t->calls[number];

	if (r == 0) {
		r = add_decision(t, action, always ? NULL : rule);
	} else {
		d = &t->decisions[r];
		if (d->action != action)
			return -EOPNOTSUPP;
		if (d->rule_count == 0)
			return 0;
		if (always) {
			r = add_decision(t, action, NULL);
		} else {
			if (d->rule_count == RULES_PER_CALL_MAX)
				return -EOPNOTSUPP;
			d->rules[d->rule_count++] = rule;
		}
	}
	if (r < 0)
		return r;
	t->calls[number] = (uint8_t)r;
	return 0;
}

/* Whether the call that others hide behind always gets this action by the profile. */
static bool gate_agrees(const struct seccomp_profile *p, const char *gate, uint32_t action)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].condition_count == 0 && strv_contains(&p->rules[i].names, gate) &&
		    action_value(p->rules[i].action, p->rules[i].errno_value) == action)
			return true;
	return false;
}

/* The call's number on the table's architecture without x32's bit, -ENOENT when it has none. */
static int resolve(const struct table *t, const struct seccomp_profile *p, const char *name,
		   uint32_t action)
{
	int number = seccomp_syscall_resolve_name_arch(t->token, name);

	if (number == __NR_SCMP_ERROR) {
		for (size_t i = 0; i < sizeof(new_calls) / sizeof(new_calls[0]); i++)
			if (str_eq(new_calls[i].name, name))
				return new_calls[i].number;
		return -ENOENT;
	}
	if (number < 0 && t->token == SCMP_ARCH_X86) {
		for (size_t i = 0; i < sizeof(shared_calls) / sizeof(shared_calls[0]); i++) {
			if (!str_eq(shared_calls[i].name, name))
				continue;
			if (!gate_agrees(p, shared_calls[i].socket ? "socketcall" : "ipc", action))
				return -EOPNOTSUPP;
			return shared_calls[i].number < 0 ? -ENOENT : shared_calls[i].number;
		}
	}
	if (number < 0)
		return -ENOENT;
	return number & ~(int)X32_BIT;
}

static bool supported(const struct seccomp_rule *rule)
{
	unsigned seen = 0;

	if (rule->action == SECCOMP_DO_NOTIFY)
		return false;
	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct seccomp_condition *c = &rule->conditions[i];

		/* One argument twice stands for separate rules; a mask that can never match, or
		 * always does, is left to libseccomp's reading. */
		if (seen & 1U << c->index)
			return false;
		seen |= 1U << c->index;
		if (c->compare == SECCOMP_CMP_MASKED &&
		    (c->value == 0 || (c->value_two & ~c->value)))
			return false;
	}
	return true;
}

static int fill(struct table *t, const struct seccomp_profile *p)
{
	t->default_action = action_value(p->default_action, p->default_errno);
	t->decision_count = 1;
	t->decisions[0].action = t->default_action;
	t->last_known = -1;
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];
		uint32_t action = action_value(rule->action, rule->errno_value);

		if (action == t->default_action)
			continue;
		if (!supported(rule))
			return -EOPNOTSUPP;
		for (size_t k = 0; k < rule->names.count; k++) {
			int number = resolve(t, p, rule->names.items[k], action);
			int r;

			if (number == -ENOENT)
				continue;
			if (number < 0 || number >= CALLS_MAX)
				return -EOPNOTSUPP;
			if (number > t->last_known)
				t->last_known = number;
			r = set_call(t, number, action, rule);
			if (r)
				return r;
		}
	}
	return 0;
}

/* --- instructions --- */

static label new_label(struct program *p)
{
	if (p->label_count == LABELS_MAX) {
		p->failed = true;
		return 0;
	}
	return (label)p->label_count++;
}

static void place(struct program *p, label l)
{
	p->labels[l] = p->count;
}

static void emit(struct program *p, uint16_t code, uint32_t k)
{
	if (p->count == SECCOMP_INSTRUCTIONS_MAX) {
		p->failed = true;
		return;
	}
	p->code[p->count++] = (struct seccomp_instruction){.code = code, .k = k};
}

static void emit_jump(struct program *p, uint16_t operation, uint32_t k, label yes, label no)
{
	emit(p, (uint16_t)(BPF_JMP | BPF_K | operation), k);
	if (!p->failed)
		p->jumps[p->count - 1] = (struct jump){yes, no};
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* Turns labels into distances; all jumps go forward. */
static void link_program(struct program *p)
{
	for (size_t i = 0; i < p->count && !p->failed; i++) {
		struct seccomp_instruction *c = &p->code[i];
		size_t yes, no;

		if ((c->code & 7) != BPF_JMP)
			continue;
		yes = p->labels[p->jumps[i].yes] - i - 1;
		no = p->labels[p->jumps[i].no] - i - 1;
		if (c->code == (BPF_JMP | BPF_JA)) {
			c->k = (uint32_t)yes;
			continue;
		}
		if (yes > JUMP_MAX || no > JUMP_MAX)
			p->failed = true;
		c->jt = (uint8_t)yes;
		c->jf = (uint8_t)no;
	}
}

static size_t argument_offset(const struct seccomp_condition *c, bool high)
{
	return offsetof(struct seccomp_data, args) + c->index * sizeof(uint64_t) + (high ? 4 : 0);
}

static void emit_masked(struct program *p, const struct seccomp_condition *c, bool wide, label yes,
			label no)
{
	uint32_t high = (uint32_t)(c->value >> 32), low = (uint32_t)c->value;

	if (wide && high) {
		label more = new_label(p);

		emit_load(p, argument_offset(c, true));
		emit(p, BPF_ALU | BPF_AND | BPF_K, high);
		emit_jump(p, BPF_JEQ, (uint32_t)(c->value_two >> 32), low ? more : yes, no);
		place(p, more);
		if (!low)
			return;
	}
	emit_load(p, argument_offset(c, false));
	emit(p, BPF_ALU | BPF_AND | BPF_K, low);
	emit_jump(p, BPF_JEQ, (uint32_t)c->value_two, yes, no);
}

/* An order comparison, yes when argument > value (or >=). */
static void emit_greater(struct program *p, const struct seccomp_condition *c, bool wide,
			 bool or_equal, label yes, label no)
{
	if (wide) {
		label equal = new_label(p), more = new_label(p);

		emit_load(p, argument_offset(c, true));
		emit_jump(p, BPF_JGT, (uint32_t)(c->value >> 32), yes, equal);
		place(p, equal);
		emit_jump(p, BPF_JEQ, (uint32_t)(c->value >> 32), more, no);
		place(p, more);
	}
	emit_load(p, argument_offset(c, false));
	emit_jump(p, or_equal ? BPF_JGE : BPF_JGT, (uint32_t)c->value, yes, no);
}

static void emit_equal(struct program *p, const struct seccomp_condition *c, bool wide, label yes,
		       label no)
{
	if (wide) {
		label more = new_label(p);

		emit_load(p, argument_offset(c, true));
		emit_jump(p, BPF_JEQ, (uint32_t)(c->value >> 32), more, no);
		place(p, more);
	}
	emit_load(p, argument_offset(c, false));
	emit_jump(p, BPF_JEQ, (uint32_t)c->value, yes, no);
}

static void emit_condition(struct program *p, const struct seccomp_condition *c, bool wide,
			   label yes, label no)
{
	switch (c->compare) {
	case SECCOMP_CMP_IS_EQUAL:
		emit_equal(p, c, wide, yes, no);
		break;
	case SECCOMP_CMP_NOT_EQUAL:
		emit_equal(p, c, wide, no, yes);
		break;
	case SECCOMP_CMP_GREATER:
		emit_greater(p, c, wide, false, yes, no);
		break;
	case SECCOMP_CMP_GREATER_EQUAL:
		emit_greater(p, c, wide, true, yes, no);
		break;
	case SECCOMP_CMP_LESS:
		emit_greater(p, c, wide, true, no, yes);
		break;
	case SECCOMP_CMP_LESS_EQUAL:
		emit_greater(p, c, wide, false, no, yes);
		break;
	case SECCOMP_CMP_MASKED:
		emit_masked(p, c, wide, yes, no);
		break;
	}
}

/* --- one architecture --- */

struct interval {
	uint32_t start;
	label target;
	/* Single numbers in it that go elsewhere, in section.apart. */
	size_t apart, apart_count;
};

struct section {
	struct program *p;
	const struct table *t;
	label decisions[DECISIONS_MAX];
	label unknown; /* numbers beyond the last known */
	size_t interval_count;
	struct interval intervals[CALLS_MAX + 2];
	struct interval apart[CALLS_MAX];
};

static void add_interval(struct section *s, uint32_t start, label target)
{
	if (s->interval_count && s->intervals[s->interval_count - 1].target == target)
		return;
	s->intervals[s->interval_count++] = (struct interval){.start = start, .target = target};
}

static bool is_one_number(const struct section *s, size_t i)
{
	return i > 0 && i + 1 < s->interval_count &&
	       s->intervals[i + 1].start == s->intervals[i].start + 1;
}

/* A number alone within an interval is one comparison at its end in place of two in the tree. */
static void join_intervals(struct section *s)
{
	size_t count = 0, apart = 0;

	for (size_t i = 0; i < s->interval_count; i++) {
		struct interval *last = count ? &s->intervals[count - 1] : NULL;

		if (last && last->apart_count < APART_MAX && is_one_number(s, i) &&
		    s->intervals[i + 1].target == last->target) {
			s->apart[apart++] = s->intervals[i++];
			last->apart_count++;
		} else {
			s->intervals[count] = s->intervals[i];
			s->intervals[count++].apart = apart;
		}
	}
	s->interval_count = count;
}

static bool is_plain(const struct section *s, size_t from, size_t to)
{
	return to - from == 1 && !s->intervals[from].apart_count;
}

static void emit_leaf(struct section *s, const struct interval *in)
{
	for (size_t i = 0; i < in->apart_count; i++) {
		const struct interval *one = &s->apart[in->apart + i];
		bool last = i + 1 == in->apart_count;
		label next = last ? in->target : new_label(s->p);

		emit_jump(s->p, BPF_JEQ, one->start, one->target, next);
		if (!last)
			place(s->p, next);
	}
}

static void emit_tree(struct section *s, size_t from, size_t to)
{
	size_t middle = from + (to - from) / 2;
	bool left_plain = is_plain(s, from, middle), right_plain = is_plain(s, middle, to);
	label left, right;

	if (to - from == 1) {
		emit_leaf(s, &s->intervals[from]);
		return;
	}
	left = left_plain ? s->intervals[from].target : new_label(s->p);
	right = right_plain ? s->intervals[middle].target : new_label(s->p);
	emit_jump(s->p, BPF_JGE, s->intervals[middle].start, right, left);
	if (!left_plain) {
		place(s->p, left);
		emit_tree(s, from, middle);
	}
	if (!right_plain) {
		place(s->p, right);
		emit_tree(s, middle, to);
	}
}

/* The alternatives of a call whose arguments decide. */
static void emit_block(struct section *s, const struct decision *d, label yes, label no)
{
	for (size_t i = 0; i < d->rule_count; i++) {
		label next = i + 1 < d->rule_count ? new_label(s->p) : no;

		for (size_t k = 0; k < d->rules[i]->condition_count; k++) {
			bool last = k + 1 == d->rules[i]->condition_count;
			label good = last ? yes : new_label(s->p);

			emit_condition(s->p, &d->rules[i]->conditions[k], s->t->wide, good, next);
			if (!last)
				place(s->p, good);
		}
		if (next != no)
			place(s->p, next);
	}
}

static void emit_return(struct program *p, label l, uint32_t action)
{
	place(p, l);
	emit(p, BPF_RET | BPF_K, action);
}

/* The tree, then blocks, then one return per action. */
static void emit_section(struct section *s)
{
	const struct table *t = s->t;

	s->interval_count = 0;
	for (size_t i = 0; i < t->decision_count; i++)
		s->decisions[i] = new_label(s->p);
	s->unknown = new_label(s->p);
	for (int nr = 0; nr <= t->last_known; nr++)
		add_interval(s, nr == 0 ? 0 : t->first + (uint32_t)nr, s->decisions[t->calls[nr]]);
	add_interval(s, t->first + (uint32_t)(t->last_known + 1), s->unknown);
	join_intervals(s);
	if (is_plain(s, 0, s->interval_count)) {
		emit(s->p, BPF_JMP | BPF_JA, 0);
		s->p->jumps[s->p->count - 1].yes = s->intervals[0].target;
	}
	emit_tree(s, 0, s->interval_count);
	for (size_t i = 1; i < t->decision_count; i++) {
		label yes = 0;

		if (!t->decisions[i].rule_count)
			continue;
		for (size_t k = 1; k < t->decision_count; k++)
			if (!t->decisions[k].rule_count &&
			    t->decisions[k].action == t->decisions[i].action)
				yes = s->decisions[k];
		place(s->p, s->decisions[i]);
		if (yes) {
			emit_block(s, &t->decisions[i], yes, s->decisions[0]);
		} else {
			yes = new_label(s->p);
			emit_block(s, &t->decisions[i], yes, s->decisions[0]);
			emit_return(s->p, yes, t->decisions[i].action);
		}
	}
	for (size_t i = 0; i < t->decision_count; i++)
		if (!t->decisions[i].rule_count)
			emit_return(s->p, s->decisions[i], t->decisions[i].action);
	if ((t->default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		emit_return(s->p, s->unknown, SECCOMP_RET_ERRNO | ENOSYS);
	else
		emit_return(s->p, s->unknown, t->default_action);
}

/* A jump of any distance: yes is reached through an unconditional one. */
static void emit_far_jump(struct program *p, uint16_t operation, uint32_t k, label yes)
{
	label hop = new_label(p), next = new_label(p);

	emit_jump(p, operation, k, hop, next);
	place(p, hop);
	emit(p, BPF_JMP | BPF_JA, 0);
	if (!p->failed)
		p->jumps[p->count - 1].yes = yes;
	place(p, next);
}

/* Room for all that is built, in one piece on the heap. */
struct generator {
	struct table native, x32, i386;
	struct section section;
	struct program program;
};

static void emit_all(struct generator *g, unsigned archs)
{
	struct program *p = &g->program;
	label i386 = new_label(p), x32 = new_label(p), other = new_label(p);

	emit_load(p, offsetof(struct seccomp_data, arch));
	emit_far_jump(p, BPF_JEQ, ARCH_I386, archs & SECCOMP_ON_X86 ? i386 : other);
	{
		label native = new_label(p), foreign = new_label(p);

		emit_jump(p, BPF_JEQ, ARCH_X86_64, native, foreign);
		/* libseccomp's action for an architecture the filter does not name */
		emit_return(p, foreign, SECCOMP_RET_KILL_THREAD);
		place(p, native);
	}
	emit_load(p, offsetof(struct seccomp_data, nr));
	emit_far_jump(p, BPF_JGE, X32_BIT, x32);
	g->section = (struct section){.p = p, .t = &g->native};
	emit_section(&g->section);
	place(p, x32);
	if (archs & SECCOMP_ON_X32) {
		g->section = (struct section){.p = p, .t = &g->x32};
		emit_section(&g->section);
	} else {
		label skipped = new_label(p), foreign = new_label(p);

		/* -1 is what a tracer writes to skip a call: not x32, libseccomp lets it through to
		 * the default. */
		emit_jump(p, BPF_JEQ, UINT32_MAX, skipped, foreign);
		emit_return(p, skipped, g->native.default_action);
		emit_return(p, foreign, SECCOMP_RET_KILL_THREAD);
	}
	if (archs & SECCOMP_ON_X86) {
		place(p, i386);
		emit_load(p, offsetof(struct seccomp_data, nr));
		g->section = (struct section){.p = p, .t = &g->i386};
		emit_section(&g->section);
	}
	emit_return(p, other, SECCOMP_RET_KILL_THREAD);
	link_program(p);
}

int seccomp_generate(const struct seccomp_profile *profile, struct seccomp_program *out,
		     struct err *err)
{
	auto_free struct generator *g = calloc(1, sizeof(*g));
	int r;

	memset(out, 0, sizeof(*out));
	if (!g)
		return err_set(err, ERR_SYSTEM, ENOMEM, "seccomp program: %s",
			       err_errno_text(ENOMEM));
	if (seccomp_arch_native() != SCMP_ARCH_X86_64 ||
	    profile->default_action == SECCOMP_DO_NOTIFY)
		return -EOPNOTSUPP;
	g->native = (struct table){.token = SCMP_ARCH_X86_64, .wide = true};
	g->x32 = (struct table){.token = SCMP_ARCH_X32, .first = X32_BIT};
	g->i386 = (struct table){.token = SCMP_ARCH_X86};
	r = fill(&g->native, profile);
	if (r == 0 && (profile->archs & SECCOMP_ON_X32))
		r = fill(&g->x32, profile);
	if (r == 0 && (profile->archs & SECCOMP_ON_X86))
		r = fill(&g->i386, profile);
	if (r)
		return r;
	emit_all(g, profile->archs);
	if (g->program.failed)
		return -EOPNOTSUPP;
	out->instructions = malloc(g->program.count * sizeof(*out->instructions));
	if (!out->instructions)
		return err_set(err, ERR_SYSTEM, ENOMEM, "seccomp program: %s",
			       err_errno_text(ENOMEM));
	memcpy(out->instructions, g->program.code, g->program.count * sizeof(*out->instructions));
	out->count = g->program.count;
	out->flags = profile->flags;
	return 0;
}
