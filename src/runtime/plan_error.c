/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the child's failures. Scripts grep the texts of a missing or unusable program. */
#include "runtime/plan_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *step_text(uint32_t step)
{
	switch (step) {
	case STEP_TARGET:
		return ": open its place in the container";
	case STEP_SOURCE:
		return ": open the source";
	case STEP_ATTACH:
		return ": attach";
	case STEP_VERIFY:
		return ": refused: not what it should be (the image or another process put something "
		       "else there)";
	case STEP_ATTRIBUTES:
		return ": set attributes";
	default:
		return "";
	}
}

static int exec_error(const struct plan *p, const struct plan_op *op, struct err *err)
{
	const struct plan_list *candidates = (const void *)((const char *)p + op->a);
	const struct plan_op *last = &p->ops[p->op_count - 1];
	const struct plan_list *argv = (const void *)((const char *)p + last->b);
	const char *name = plan_string(p, argv->items[0]);
	const char *where = candidates->count ? plan_string(p, candidates->items[0]) : name;
	int errnum = p->shared.failed_errno;

	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		if (!strchr(name, '/'))
			return err_set(err, ERR_NO_COMMAND, errnum,
				       "exec: \"%s\": executable file not found in $PATH", name);
		return err_set(err, ERR_NO_COMMAND, errnum, "exec: \"%s\": stat %s: %s", name,
			       where,
			       errnum == ENOENT ? "no such file or directory" : "not a directory");
	case EISDIR:
		return err_set(err, ERR_NO_EXEC, errnum,
			       "exec: \"%s\": permission denied (it is a directory)", name);
	case EACCES:
	case EPERM:
		return err_set(err, ERR_NO_EXEC, errnum, "exec: \"%s\": permission denied", name);
	case ENOEXEC:
		return err_set(err, ERR_NO_EXEC, errnum, "exec %s: exec format error", where);
	default:
		return err_set(err, ERR_NO_EXEC, errnum, "exec: \"%s\": %s", name,
			       err_errno_text(errnum));
	}
}

static int hook_error(const struct plan *p, const struct plan_op *op, struct err *err)
{
	const char *label = plan_string(p, op->label);
	int status = p->shared.failed_detail;

	if (p->shared.failed_errno == ETIMEDOUT)
		return err_set(err, ERR_SYSTEM, ETIMEDOUT, "%s: timed out after %d s", label,
			       (int)op->n);
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM, ECANCELED, "%s: killed by signal %d", label,
			       WTERMSIG(status));
	return err_set(err, ERR_SYSTEM, ECANCELED, "%s: exit status %d", label,
		       WEXITSTATUS(status));
}

/* In runc's words. Only a working directory is entered by its path. */
static int enter_error(const struct plan *p, const struct plan_op *op, struct err *err)
{
	char why[ERR_ERRNO_TEXT_MAX];

	return err_set(err, ERR_SYSTEM, p->shared.failed_errno,
		       "chdir to cwd (\"%s\") set in config.json failed: %s", plan_string(p, op->b),
		       err_errno_lower(p->shared.failed_errno, why));
}

/* What the kernel says of a directory on a file, or a file on a directory, is not much. */
static const char *mount_hint(const struct plan *p, const struct plan_op *op)
{
	uint32_t step = p->shared.failed_step;
	int errnum = p->shared.failed_errno;

	if (op->type == OP_BIND &&
	    (errnum == ENOTDIR || errnum == EISDIR || (errnum == EINVAL && step == STEP_ATTACH)))
		return ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the "
		       "specified host path exists and is the expected type";
	return "";
}

int plan_error(const struct plan *p, struct err *err)
{
	uint32_t failed = p->shared.failed_op;
	const struct plan_op *op;
	const char *label;

	if (failed == 0 || failed > p->op_count)
		return 0;
	op = &p->ops[failed - 1];
	if (p->shared.failed_step == STEP_EXEC)
		return exec_error(p, op, err);
	if (p->shared.failed_step == STEP_HOOK_STATUS)
		return hook_error(p, op, err);
	label = plan_string(p, op->label);
	if (op->type == OP_CHDIR && label && strncmp(label, "enter /", 7) == 0)
		return enter_error(p, op, err);
	return err_set(err, ERR_SYSTEM, p->shared.failed_errno, "%s%s: %s%s",
		       label ? label : "set up", step_text(p->shared.failed_step),
		       err_errno_text(p->shared.failed_errno), mount_hint(p, op));
}

uint32_t plan_warning_count(const struct plan *p)
{
	const uint32_t room = sizeof(p->shared.warned_ops) / sizeof(p->shared.warned_ops[0]);

	return p->shared.warned_count < room ? p->shared.warned_count : room;
}

void plan_warning(const struct plan *p, uint32_t i, char *out, size_t size)
{
	uint32_t index = p->shared.warned_ops[i];
	const char *label = index < p->op_count ? plan_string(p, p->ops[index].label) : NULL;

	snprintf(out, size, "%s: %s", label ? label : "set up",
		 err_errno_text(p->shared.warned_errno[i]));
}
