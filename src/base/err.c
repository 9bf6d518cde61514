/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error values. Must work when nothing else does: no allocation, no locale, no stdio streams.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_errno_text(int errnum)
{
	/* Users grep these; musl words some of them otherwise. */
	switch (errnum) {
	case EPERM:
		return "Operation not permitted";
	case ENOENT:
		return "No such file or directory";
	case EACCES:
		return "Permission denied";
	case EEXIST:
		return "File exists";
	case ENOMEM:
		return "Cannot allocate memory";
	case EINVAL:
		return "Invalid argument";
	case ENOEXEC:
		return "Exec format error";
	case EBUSY:
		return "Device or resource busy";
	case ENOTDIR:
		return "Not a directory";
	case EISDIR:
		return "Is a directory";
	case ENODEV:
		return "No such device";
	case ELOOP:
		return "Too many levels of symbolic links";
	default:
		return strerror(errnum);
	}
}

const char *err_errno_lower(int errnum, char text[static ERR_ERRNO_TEXT_MAX])
{
	snprintf(text, ERR_ERRNO_TEXT_MAX, "%s", err_errno_text(errnum));
	if (text[0] >= 'A' && text[0] <= 'Z')
		text[0] = (char)(text[0] - 'A' + 'a');
	return text;
}

static int default_errno(enum err_kind kind)
{
	switch (kind) {
	case ERR_NOT_FOUND:
	case ERR_NO_COMMAND:
		return ENOENT;
	case ERR_CONFLICT:
		return EBUSY;
	case ERR_FORBIDDEN:
		return EPERM;
	case ERR_UNSUPPORTED:
		return EOPNOTSUPP;
	case ERR_CORRUPT:
		return EBADMSG;
	case ERR_NO_EXEC:
		return EACCES;
	default:
		return EINVAL;
	}
}

int err_code(const struct err *err)
{
	return err->sys_errno ? -err->sys_errno : -default_errno(err->kind);
}

int err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
{
	va_list ap;

	err->kind = kind;
	err->sys_errno = errnum < 0 ? -errnum : errnum;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return err_code(err);
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno ? errno : EIO;
	va_list ap;
	int n;

	err->kind = ERR_SYSTEM;
	err->sys_errno = saved;
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg) - 1)
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", err_errno_text(saved));
	errno = saved;
	return -saved;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_MSG_MAX];
	va_list ap;
	int n;

	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg) - 1)
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", inner);
	return err_code(err);
}
