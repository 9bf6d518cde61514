/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf(2) as it is: what the kernel checks is left to the kernel, its words are handed on. The programs
 * are declared as "Dual MIT/GPL", since the helpers that read a process's memory are offered to such
 * programs only.
 */
#include "kernel/bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define LOG_MAX (1U << 20)
#define CPUS_MAX 65536
/* BPF_LD | BPF_DW | BPF_IMM, two of which are 0: a constant of 64 bits, in two slots. */
#define LOAD_64 0x18

static int bpf(enum bpf_cmd command, union bpf_attr *attr, size_t size)
{
	long rc;

	do
		rc = syscall(SYS_bpf, command, attr, size);
	while (rc < 0 && errno == EAGAIN);
	return rc < 0 ? -errno : (int)rc;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

void bpf_emit(struct bpf_code *c, int code, int dst, int src, int off, int imm)
{
	if (c->count == BPF_CODE_MAX || off < INT16_MIN || off > INT16_MAX) {
		c->failed = true;
		return;
	}
	c->wants[c->count] = 0;
	c->items[c->count++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(dst & 0xf),
		.src_reg = (uint8_t)(src & 0xf),
		.off = (int16_t)off,
		.imm = imm,
	};
}

void bpf_move(struct bpf_code *c, int dst, int src)
{
	bpf_emit(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

void bpf_set(struct bpf_code *c, int dst, int imm)
{
	bpf_emit(c, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

void bpf_set64(struct bpf_code *c, int dst, uint64_t value)
{
	bpf_emit(c, LOAD_64, dst, 0, 0, (int)(uint32_t)value);
	bpf_emit(c, 0, 0, 0, 0, (int)(uint32_t)(value >> 32));
}

void bpf_op(struct bpf_code *c, int op, int dst, int imm)
{
	bpf_emit(c, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

void bpf_op_reg(struct bpf_code *c, int op, int dst, int src)
{
	bpf_emit(c, BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
}

void bpf_load(struct bpf_code *c, int size, int dst, int src, int off)
{
	bpf_emit(c, BPF_LDX | size | BPF_MEM, dst, src, off, 0);
}

void bpf_store(struct bpf_code *c, int size, int dst, int off, int src)
{
	bpf_emit(c, BPF_STX | size | BPF_MEM, dst, src, off, 0);
}

void bpf_store_imm(struct bpf_code *c, int size, int dst, int off, int imm)
{
	bpf_emit(c, BPF_ST | size | BPF_MEM, dst, 0, off, imm);
}

void bpf_atomic_add(struct bpf_code *c, int size, int dst, int off, int src)
{
	bpf_emit(c, BPF_STX | size | BPF_ATOMIC, dst, src, off, BPF_ADD);
}

void bpf_call(struct bpf_code *c, int helper)
{
	bpf_emit(c, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

void bpf_map(struct bpf_code *c, int dst, int map_fd)
{
	bpf_emit(c, LOAD_64, dst, BPF_PSEUDO_MAP_FD, 0, map_fd);
	bpf_emit(c, 0, 0, 0, 0, 0);
}

bpf_label bpf_new_label(struct bpf_code *c)
{
	if (c->label_count == BPF_LABEL_MAX) {
		c->failed = true;
		return 0;
	}
	c->places[c->label_count] = SIZE_MAX;
	return (bpf_label)c->label_count++;
}

void bpf_here(struct bpf_code *c, bpf_label label)
{
	c->places[label] = c->count;
}

static void want(struct bpf_code *c, int code, int dst, int src, int imm, bpf_label label)
{
	size_t at = c->count;

	bpf_emit(c, code, dst, src, 0, imm);
	if (at < c->count)
		c->wants[at] = label + 1;
}

void bpf_jump(struct bpf_code *c, int op, int reg, int imm, bpf_label label)
{
	want(c, BPF_JMP | op | BPF_K, reg, 0, imm, label);
}

void bpf_jump_reg(struct bpf_code *c, int op, int reg, int other, bpf_label label)
{
	want(c, BPF_JMP | op | BPF_X, reg, other, 0, label);
}

void bpf_goto(struct bpf_code *c, bpf_label label)
{
	want(c, BPF_JMP | BPF_JA, 0, 0, 0, label);
}

void bpf_exit(struct bpf_code *c)
{
	bpf_emit(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Turns labels into distances. */
static int resolve(struct bpf_code *c)
{
	for (size_t i = 0; i < c->count && !c->failed; i++) {
		size_t place = c->wants[i] ? c->places[c->wants[i] - 1] : 0;

		if (c->wants[i] == 0)
			continue;
		if (place == SIZE_MAX || place > c->count)
			return -EINVAL;
		c->items[i].off = (int16_t)((long)place - (long)i - 1);
	}
	return c->failed ? -E2BIG : 0;
}

/* Why this kernel lets nobody, or not this user, use BPF. */
static int refused(struct err *err, int rc, const char *what)
{
	char lockdown[128] = "";

	if (rc == -ENOSYS)
		return err_set(err, ERR_UNSUPPORTED, ENOSYS,
			       "%s: this kernel was built without BPF", what);
	if (rc != -EPERM && rc != -EACCES)
		return err_set(err, ERR_SYSTEM, -rc, "%s: %s", what, err_errno_text(-rc));
	if (file_read_small_at(AT_FDCWD, "/sys/kernel/security/lockdown", lockdown,
			       sizeof(lockdown)) > 0 &&
	    strstr(lockdown, "[confidentiality]"))
		return err_set(err, ERR_UNSUPPORTED, -rc,
			       "%s: kernel lockdown (confidentiality) forbids it", what);
	if (geteuid() != 0)
		return err_set(err, ERR_UNSUPPORTED, -rc,
			       "%s: permission denied (only root may: try sudo)", what);
	return err_set(err, ERR_UNSUPPORTED, -rc,
		       "%s: not permitted: CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, are missing "
		       "(inside a container?), or a security module forbids it",
		       what);
}

static void set_name(char out[static BPF_OBJ_NAME_LEN], const char *name)
{
	snprintf(out, BPF_OBJ_NAME_LEN, "%s", name);
}

int bpf_map_create(enum bpf_map_type type, size_t key_size, size_t value_size, size_t entries,
		   const char *name, int *fd, struct err *err)
{
	union bpf_attr attr;
	int rc;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = (uint32_t)key_size;
	attr.value_size = (uint32_t)value_size;
	attr.max_entries = (uint32_t)entries;
	set_name(attr.map_name, name);
	rc = bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
	if (rc < 0)
		return refused(err, rc, "make a BPF map");
	*fd = rc;
	return 0;
}

static int element(enum bpf_cmd command, int fd, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = address(key);
	attr.value = address(value);
	return bpf(command, &attr, sizeof(attr));
}

int bpf_map_get(int fd, const void *key, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, fd, key, value);
}

int bpf_map_put(int fd, const void *key, const void *value)
{
	return element(BPF_MAP_UPDATE_ELEM, fd, key, value);
}

int bpf_map_remove(int fd, const void *key)
{
	return element(BPF_MAP_DELETE_ELEM, fd, key, NULL);
}

int bpf_map_next(int fd, const void *key, void *next)
{
	return element(BPF_MAP_GET_NEXT_KEY, fd, key, next);
}

int bpf_count_cpus(const char *list)
{
	int count = 0;

	for (;;) {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (end == list || first < 0)
			return -1;
		if (*end == '-') {
			list = end + 1;
			last = strtol(list, &end, 10);
			if (end == list || last < first)
				return -1;
		}
		if (last - first >= CPUS_MAX - count)
			return -1;
		count += (int)(last - first) + 1;
		if (*end != ',')
			return *end == '\0' || *end == '\n' ? count : -1;
		list = end + 1;
	}
}

/* The kernel copies as many values as there are such CPUs, whatever their numbers are. */
int bpf_possible_cpus(void)
{
	char text[4096];
	ssize_t n = file_read_small_at(AT_FDCWD, "/sys/devices/system/cpu/possible", text,
				       sizeof(text));
	int count = n > 0 ? bpf_count_cpus(text) : -1;

	return count > 0 ? count : (int)sysconf(_SC_NPROCESSORS_CONF);
}

/* The last lines of what the verifier said, without its statistics, on one line. */
static void log_end(char *log, char out[static 300])
{
	char *end = strstr(log, "\nprocessed ");
	size_t len, start;

	if (end)
		*end = '\0';
	len = strlen(log);
	start = len > 280 ? len - 280 : 0;
	snprintf(out, 300, "%s", log + start);
	for (char *p = out; *p; p++) {
		if (*p == '\n')
			*p = *(p + 1) ? ';' : '\0';
	}
}

int bpf_program_load(struct bpf_code *c, enum bpf_prog_type type, const char *name, int *fd,
		     struct err *err)
{
	auto_free char *log = NULL;
	union bpf_attr attr;
	char words[300];
	int rc = resolve(c);

	if (rc < 0)
		return err_set(err, ERR_INVALID, -rc,
			       "BPF program %s is too long or has an open end", name);
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = address(c->items);
	attr.insn_cnt = (uint32_t)c->count;
	attr.license = address("Dual MIT/GPL");
	set_name(attr.prog_name, name);
	rc = bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	if (rc >= 0) {
		*fd = rc;
		return 0;
	}
	log = xcalloc(1, LOG_MAX);
	attr.log_level = 1;
	attr.log_buf = address(log);
	attr.log_size = LOG_MAX;
	rc = bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	if (rc >= 0) {
		*fd = rc;
		return 0;
	}
	if (log[0] == '\0')
		return refused(err, rc, "load a BPF program");
	log_end(log, words);
	return err_set(err, ERR_SYSTEM, -rc, "load BPF program %s: %s (%s)", name,
		       err_errno_text(-rc), words);
}

int bpf_attach_tracepoint(int program_fd, uint64_t tracepoint_id, const char *what, int *fd,
			  struct err *err)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = tracepoint_id,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	auto_close int event = -1;
	char doing[128];

	snprintf(doing, sizeof(doing), "attach to tracepoint %s", what);
	/* The program belongs to the tracepoint, not to the event's CPU: one event serves all. */
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return refused(err, -errno, doing);
	if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program_fd) < 0 ||
	    ioctl(event, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return refused(err, -errno, doing);
	*fd = take_fd(&event);
	return 0;
}

int bpf_attach_raw_tracepoint(int program_fd, const char *name, int *fd, struct err *err)
{
	union bpf_attr attr;
	char doing[128];
	int rc;

	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = address(name);
	attr.raw_tracepoint.prog_fd = (uint32_t)program_fd;
	rc = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	if (rc < 0) {
		snprintf(doing, sizeof(doing), "attach to raw tracepoint %s", name);
		return refused(err, rc, doing);
	}
	*fd = rc;
	return 0;
}

int bpf_count_cost(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	return bpf(BPF_ENABLE_STATS, &attr, sizeof(attr));
}

static int program_info(int program_fd, struct bpf_prog_info *info)
{
	union bpf_attr attr;

	memset(info, 0, sizeof(*info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)program_fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = address(info);
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

int bpf_program_cost(int program_fd, uint64_t *ns, uint64_t *runs)
{
	struct bpf_prog_info info;
	int rc = program_info(program_fd, &info);

	if (rc < 0)
		return rc;
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
	return 0;
}

uint64_t bpf_program_missed(int program_fd)
{
	struct bpf_prog_info info;

	return program_info(program_fd, &info) < 0 ? 0 : info.recursion_misses;
}

int bpf_ring_open(int map_fd, size_t size, struct bpf_ring *out, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *kernels;
	void *own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	if (own == MAP_FAILED)
		return err_sys(err, "map the BPF ring buffer");
	kernels = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (kernels == MAP_FAILED) {
		err_sys(err, "map the BPF ring buffer");
		munmap(own, page);
		return err_code(err);
	}
	*out = (struct bpf_ring){
		.map_fd = map_fd,
		.size = size,
		.consumed = own,
		.produced = (const unsigned long *)(const void *)kernels,
		.data = kernels + page,
	};
	return 0;
}

void bpf_ring_close(struct bpf_ring *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!r->consumed)
		return;
	munmap(r->consumed, page);
	munmap((void *)(uintptr_t)(r->data - page), page + 2 * r->size);
	r->consumed = NULL;
}

/* Documentation/bpf/ringbuf.rst: a header of 8 bytes, its length with two bits for a record that is
 * still written and one that was given up. */
size_t bpf_ring_drain(struct bpf_ring *r,
		      void (*take)(void *opaque, const void *record, size_t size), void *opaque)
{
	unsigned long at = *r->consumed;
	unsigned long end = __atomic_load_n(r->produced, __ATOMIC_ACQUIRE);
	size_t count = 0;

	while (at < end) {
		const uint8_t *record = r->data + (at & (r->size - 1));
		uint32_t header =
			__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		size_t size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			take(opaque, record + BPF_RINGBUF_HDR_SZ, size);
			count++;
		}
		at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(r->consumed, at, __ATOMIC_RELEASE);
	}
	return count;
}
