/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles to BPF through libseccomp, as a binary tree. What must hold: a call that libseccomp does
 * not know gets the profile's default; no prologue of libseccomp's own loading is involved, the
 * program is only exported.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/seccomp_profile.h"

static void cleanup_filter(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static uint32_t action_number(enum seccomp_action action, uint32_t value)
{
	switch (action) {
	case SECCOMP_DO_KILL_THREAD:
		return SCMP_ACT_KILL_THREAD;
	case SECCOMP_DO_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case SECCOMP_DO_TRAP:
		return SCMP_ACT_TRAP;
	case SECCOMP_DO_ERRNO:
		return SCMP_ACT_ERRNO(value);
	case SECCOMP_DO_NOTIFY:
		return SCMP_ACT_NOTIFY;
	case SECCOMP_DO_TRACE:
		return SCMP_ACT_TRACE(value);
	case SECCOMP_DO_LOG:
		return SCMP_ACT_LOG;
	case SECCOMP_DO_ALLOW:
		return SCMP_ACT_ALLOW;
	}
	return SCMP_ACT_KILL_PROCESS;
}

static struct scmp_arg_cmp argument(const struct seccomp_condition *c)
{
	static const enum scmp_compare compares[] = {
		[SECCOMP_CMP_NOT_EQUAL] = SCMP_CMP_NE,     [SECCOMP_CMP_LESS] = SCMP_CMP_LT,
		[SECCOMP_CMP_LESS_EQUAL] = SCMP_CMP_LE,    [SECCOMP_CMP_IS_EQUAL] = SCMP_CMP_EQ,
		[SECCOMP_CMP_GREATER_EQUAL] = SCMP_CMP_GE, [SECCOMP_CMP_GREATER] = SCMP_CMP_GT,
		[SECCOMP_CMP_MASKED] = SCMP_CMP_MASKED_EQ,
	};

	return (struct scmp_arg_cmp){.arg = c->index,
				     .op = compares[c->compare],
				     .datum_a = c->value,
				     .datum_b = c->value_two};
}

/* libseccomp, as the kernel's BPF, can compare each argument once per rule. */
static bool repeats_an_argument(const struct seccomp_rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->condition_count; i++) {
		if (seen & 1U << rule->conditions[i].index)
			return true;
		seen |= 1U << rule->conditions[i].index;
	}
	return false;
}

static int add_call(scmp_filter_ctx ctx, int number, uint32_t action,
		    const struct seccomp_rule *rule)
{
	struct scmp_arg_cmp args[6];
	int r = 0;

	if (repeats_an_argument(rule)) {
		for (size_t i = 0; i < rule->condition_count && r == 0; i++) {
			args[0] = argument(&rule->conditions[i]);
			r = seccomp_rule_add_array(ctx, action, number, 1, args);
		}
		return r;
	}
	for (size_t i = 0; i < rule->condition_count; i++)
		args[i] = argument(&rule->conditions[i]);
	return seccomp_rule_add_array(ctx, action, number, (unsigned)rule->condition_count, args);
}

static int add_rule(scmp_filter_ctx ctx, const struct seccomp_profile *p,
		    const struct seccomp_rule *rule, struct err *err)
{
	uint32_t action = action_number(rule->action, rule->errno_value);

	if (action == action_number(p->default_action, p->default_errno))
		return 0;
	for (size_t i = 0; i < rule->names.count; i++) {
		int number = seccomp_syscall_resolve_name(rule->names.items[i]);
		int r = number == __NR_SCMP_ERROR ? 0 : add_call(ctx, number, action, rule);

		if (r)
			return err_set(err, ERR_INVALID, -r, "seccomp rule for %s: %s",
				       rule->names.items[i], err_errno_text(-r));
	}
	return 0;
}

static int add_archs(scmp_filter_ctx ctx, unsigned archs, struct err *err)
{
	static const struct {
		unsigned bit;
		uint32_t token;
	} table[] = {{SECCOMP_ON_X86_64, SCMP_ARCH_X86_64},
		     {SECCOMP_ON_X86, SCMP_ARCH_X86},
		     {SECCOMP_ON_X32, SCMP_ARCH_X32}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int r = archs & table[i].bit ? seccomp_arch_add(ctx, table[i].token) : 0;

		if (r && r != -EEXIST)
			return err_set(err, ERR_SYSTEM, -r,
				       "add architecture to seccomp filter: %s",
				       err_errno_text(-r));
	}
	return 0;
}

static int export(scmp_filter_ctx ctx, struct seccomp_program *out, struct err *err)
{
	auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	auto_free struct seccomp_instruction *code = NULL;
	off_t size;
	int r;

	if (fd < 0)
		return err_sys(err, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "export seccomp program: %s",
			       err_errno_text(-r));
	size = lseek(fd, 0, SEEK_CUR);
	if (size <= 0 || size % (off_t)sizeof(*code) ||
	    size / (off_t)sizeof(*code) > SECCOMP_INSTRUCTIONS_MAX)
		return err_set(err, ERR_INVALID, E2BIG, "the seccomp profile is too large");
	code = malloc((size_t)size);
	if (!code)
		return err_set(err, ERR_SYSTEM, ENOMEM, "seccomp program: %s",
			       err_errno_text(ENOMEM));
	if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_full(fd, code, (size_t)size) != size)
		return err_set(err, ERR_SYSTEM, EIO, "read exported seccomp program");
	out->count = (size_t)size / sizeof(*code);
	out->instructions = take_ptr(&code);
	return 0;
}

int seccomp_compile(const struct seccomp_profile *profile, struct seccomp_program *out,
		    struct err *err)
{
	uint32_t fallback = action_number(profile->default_action, profile->default_errno);
	__attribute__((cleanup(cleanup_filter))) scmp_filter_ctx ctx = seccomp_init(fallback);
	int r;

	memset(out, 0, sizeof(*out));
	if (!ctx)
		return err_set(err, ERR_INVALID, EINVAL, "seccomp: invalid default action %s",
			       seccomp_action_name(profile->default_action));
	r = add_archs(ctx, profile->archs, err);
	if (r)
		return r;
	/* A tree instead of a chain: half the load time, since the kernel runs the filter once for
	 * every call when it is loaded. Needs libseccomp 2.5. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "seccomp: set optimisation: %s",
			       err_errno_text(-r));
	for (size_t i = 0; i < profile->rule_count && r == 0; i++)
		r = add_rule(ctx, profile, &profile->rules[i], err);
	if (r)
		return r;
	out->flags = profile->flags;
	return export(ctx, out, err);
}
