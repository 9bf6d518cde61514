/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a plan: making and mapping the memfd, and appending to its data area. An overflow is
 * remembered and reported once by plan_check(), so that callers need not test every append.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/plan_build.h"

#define OVERFLOWED UINT32_MAX
#define PLAN_MEMFD_BYTES (PLAN_HEALTH_OFFSET + PLAN_BYTES)

static int map_at(int fd, off_t offset, struct plan **out, struct err *err)
{
	void *p = mmap(NULL, PLAN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		return err_sys(err, "map the plan");
	*out = p;
	return 0;
}

int plan_map(int fd, struct plan **out, struct err *err)
{
	return map_at(fd, 0, out, err);
}

int plan_map_health(int fd, struct plan **out, struct err *err)
{
	int rc = map_at(fd, PLAN_HEALTH_OFFSET, out, err);

	if (rc < 0)
		return rc;
	(*out)->shared.version = PLAN_VERSION;
	(*out)->used = sizeof(struct plan);
	return 0;
}

/* The caller's limit on files counts for memory, too; the soft one is there to be raised. */
static int size_memfd(int fd)
{
	struct rlimit limit;

	if (ftruncate(fd, PLAN_MEMFD_BYTES) == 0)
		return 0;
	if (errno != EFBIG || getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_FSIZE, &limit) < 0 || ftruncate(fd, PLAN_MEMFD_BYTES) < 0 ? -errno
											  : 0;
}

int plan_create(int *fd, struct plan **out, struct err *err)
{
	auto_close int memfd = memfd_create("cloche-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (memfd < 0)
		return err_sys(err, "create the plan");
	rc = size_memfd(memfd);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "size the plan to %u KiB: %s%s",
			       PLAN_MEMFD_BYTES / 1024, err_errno_text(-rc),
			       rc == -EFBIG ? " (raise the limit on file sizes, ulimit -f)" : "");
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_sys(err, "seal the plan's size");
	rc = plan_map(memfd, out, err);
	if (rc < 0)
		return rc;
	(*out)->shared.version = PLAN_VERSION;
	(*out)->used = sizeof(struct plan);
	*fd = take_fd(&memfd);
	return 0;
}

void plan_unmap(struct plan *p)
{
	if (p)
		munmap(p, PLAN_BYTES);
}

/* Room for n bytes; 0 after an overflow. */
static plan_ref reserve(struct plan *p, size_t n, size_t align)
{
	size_t at;

	if (p->used == OVERFLOWED)
		return 0;
	at = (p->used + align - 1) & ~(align - 1);
	if (n > PLAN_BYTES - at) {
		p->used = OVERFLOWED;
		return 0;
	}
	p->used = (uint32_t)(at + n);
	return (plan_ref)at;
}

plan_ref plan_add_bytes(struct plan *p, const void *bytes, size_t n, size_t align)
{
	plan_ref ref = reserve(p, n, align);

	if (ref && n)
		memcpy((char *)p + ref, bytes, n);
	return ref;
}

plan_ref plan_add_string(struct plan *p, const char *s)
{
	return s ? plan_add_bytes(p, s, strlen(s) + 1, 1) : 0;
}

plan_ref plan_add_list(struct plan *p, const struct strv *v)
{
	plan_ref ref = reserve(p, sizeof(struct plan_list) + v->count * sizeof(plan_ref), 8);
	plan_ref pointers = reserve(p, (v->count + 1) * sizeof(char *), 8);
	struct plan_list *list;

	if (!pointers)
		return 0;
	list = plan_at(p, ref);
	list->count = (uint32_t)v->count;
	list->pointers = pointers;
	for (size_t i = 0; i < v->count; i++)
		list->items[i] = plan_add_string(p, v->items[i]);
	return ref;
}

struct plan_op *plan_add_op(struct plan *p, enum plan_op_type type, enum plan_phase phase,
			    const char *label_fmt, ...)
{
	static struct plan_op overflow; /* written to, never read */
	struct plan_op *op;
	char label[160];
	va_list ap;

	if (p->used == OVERFLOWED || p->op_count == PLAN_MAX_OPS) {
		p->used = OVERFLOWED;
		return &overflow;
	}
	va_start(ap, label_fmt);
	vsnprintf(label, sizeof(label), label_fmt, ap);
	va_end(ap);
	op = &p->ops[p->op_count++];
	*op = (struct plan_op){.type = (uint16_t)type, .phase = (uint16_t)phase};
	op->label = plan_add_string(p, label);
	return op;
}

int plan_check(const struct plan *p, struct err *err)
{
	if (p->used != OVERFLOWED)
		return 0;
	return err_set(
		err, ERR_INVALID, E2BIG,
		"arguments, environment and mounts of the container are too large (at most %d "
		"steps and %u KiB)",
		PLAN_MAX_OPS, PLAN_BYTES / 1024);
}
