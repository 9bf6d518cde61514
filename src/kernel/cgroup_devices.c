/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on cgroup v2: a BPF program made from the rules and attached to the group. What must
 * hold: it decides as v1's controller would with the same rules, each access bit by the last rule
 * that covers it, and nothing is allowed that no rule allows.
 * Source: bpf(2), Documentation/bpf/prog_cgroup_device of the kernel, enum bpf_attach_type.
 */
#include "kernel/cgroup_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/cgroup_driver.h"

#define ALL_ACCESS (CGROUP_DEV_READ | CGROUP_DEV_WRITE | CGROUP_DEV_MKNOD)
#define ATTACHED_MAX 16

struct program {
	struct bpf_insn *insns;
	size_t count, max;
};

/* struct bpf_insn with its two 4-bit registers as the byte they share on a little-endian machine. */
struct instruction {
	uint8_t code, registers;
	int16_t off;
	int32_t imm;
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
		       sizeof(struct instruction) == sizeof(struct bpf_insn),
	       "registers are laid out for little-endian machines");

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		 int32_t imm)
{
	struct instruction insn = {
		.code = code, .registers = (uint8_t)(src << 4 | dst), .off = off, .imm = imm};

	if (p->count < p->max)
		memcpy(&p->insns[p->count], &insn, sizeof(insn));
	p->count++;
}

static void emit_return(struct program *p, int32_t value)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int32_t kernel_access(uint8_t access)
{
	return (access & CGROUP_DEV_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & CGROUP_DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & CGROUP_DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* r2 type, r3 access bits still to be decided, r4 major, r5 minor. True when the rule ends every
 * path: what comes before it in the list can no longer matter. */
static bool emit_rule(struct program *p, const struct cgroup_device_rule *rule)
{
	int16_t body = rule->access == ALL_ACCESS ? 2 : rule->allow ? 4 : 5;
	int16_t tests = (int16_t)((rule->type != 'a') + (rule->major >= 0) + (rule->minor >= 0));
	int16_t left = (int16_t)(tests - 1);
	bool final = tests == 0 && rule->access == ALL_ACCESS;

	if (rule->type != 'a')
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, (int16_t)(body + left--),
		     rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major >= 0)
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, (int16_t)(body + left--),
		     (int32_t)rule->major);
	if (rule->minor >= 0)
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, (int16_t)(body + left--),
		     (int32_t)rule->minor);
	if (rule->access != ALL_ACCESS && rule->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, ~kernel_access(rule->access));
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 2, 0);
	} else if (rule->access != ALL_ACCESS) {
		emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_3, 0, 0);
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, kernel_access(rule->access));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0);
	}
	emit_return(p, rule->allow ? 1 : 0);
	return final;
}

size_t cgroup_device_program(const struct cgroup_device_rule *rules, size_t count,
			     struct bpf_insn *out, size_t max)
{
	struct program p = {.insns = out, .max = max};

	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, 0, 0);
	emit(&p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	emit(&p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(&p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
	while (count > 0)
		if (emit_rule(&p, &rules[--count]))
			return p.count;
	emit_return(&p, 0);
	return p.count;
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *insns, size_t count)
{
	static const char license[] = "Apache-2.0";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t)license;
	strcpy(attr.prog_name, "cloche_devices");
	return (int)bpf(BPF_PROG_LOAD, &attr);
}

static uint32_t attached(int group, uint32_t *ids, uint32_t max)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)group;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = max;
	return bpf(BPF_PROG_QUERY, &attr) < 0 ? 0 : attr.query.prog_cnt;
}

static int detach(int group, uint32_t id)
{
	union bpf_attr attr;
	auto_close int prog = -1;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	prog = (int)bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (prog < 0)
		return -errno;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr) < 0 ? -errno : 0;
}

int cgroup_v2_set_devices(const struct cgroup_target *t, const struct cgroup_device_rule *rules,
			  size_t count, struct err *err)
{
	struct bpf_insn insns[CGROUP_DEVICE_INSNS_MAX];
	uint32_t old[ATTACHED_MAX];
	uint32_t old_count;
	union bpf_attr attr;
	size_t n = cgroup_device_program(rules, count, insns, CGROUP_DEVICE_INSNS_MAX);
	auto_close int group = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int prog = -1;

	if (n > CGROUP_DEVICE_INSNS_MAX)
		return err_set(err, ERR_INVALID, E2BIG, "set device rules of %s: too many rules",
			       t->what);
	if (group < 0)
		return err_sys(err, "open cgroup %s", t->dir);
	prog = load(insns, n);
	if (prog < 0)
		return err_sys(err, "load device rules of %s", t->what);
	old_count = attached(group, old, ATTACHED_MAX);
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return err_sys(err, "attach device rules of %s", t->what);
	/* All attached programs must agree, so the old ones would keep their denials. */
	for (uint32_t i = 0; i < old_count; i++) {
		int r = detach(group, old[i]);

		if (r)
			return err_set(err, ERR_SYSTEM, -r, "replace device rules of %s: %s",
				       t->what, err_errno_text(-r));
	}
	return 0;
}
