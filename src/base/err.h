/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values: a kind that front ends map to exit codes and HTTP status, the errno behind it
 * and one finished sentence for the user. No heap, so an error survives out-of-memory and crosses a
 * pipe or a shared page byte for byte.
 */
#ifndef CLOCHE_BASE_ERR_H
#define CLOCHE_BASE_ERR_H

#define ERR_MSG_MAX 512

enum err_kind {
	ERR_NONE = 0,
	ERR_SYSTEM,      /* a system call failed; sys_errno says how */
	ERR_INVALID,     /* a parameter or an input file is malformed */
	ERR_USAGE,       /* likewise: the command line, as the client reads it, or the settings */
	ERR_NOT_FOUND,   /* the named object does not exist */
	ERR_CONFLICT,    /* the object's state or another object forbids it */
	ERR_FORBIDDEN,   /* never allowed, whatever the state */
	ERR_UNSUPPORTED, /* valid, but this version cannot do it */
	ERR_CORRUPT,     /* stored data contradicts itself or its digest */
	ERR_NO_COMMAND,  /* the container's program is missing: exit code 127 */
	ERR_NO_EXEC,     /* the container's program cannot be executed: exit code 126 */
};

struct err {
	enum err_kind kind;
	int sys_errno;
	char msg[ERR_MSG_MAX];
};

#define ERR_INIT ((struct err){.kind = ERR_NONE})
#define must_check __attribute__((warn_unused_result))

/* Sets *err and returns -errnum (-EINVAL, -ENOENT... chosen by kind when errnum is 0), so that
 * `return err_set(...)` is the way out. The message is cut at ERR_MSG_MAX, never overrun. */
int err_set(struct err *err, enum err_kind kind, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Sets *err to ERR_SYSTEM with the current errno: "<fmt>: <strerror>". Returns -errno. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<fmt>: " in front of the message that *err holds already. Returns -sys_errno, or what
 * err_set would have for the kind, so that `return err_wrap(err, "load %s", name)` works. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The negative errno that *err stands for; never 0. */
int err_code(const struct err *err);

/* The text the kernel's manual has for an errno ("No such file or directory"). Static storage, same
 * text under every libc. */
const char *err_errno_text(int errnum);

/* The same as Docker's programs word it ("no such file or directory"), in the caller's buffer, which is
 * returned. */
#define ERR_ERRNO_TEXT_MAX 64
const char *err_errno_lower(int errnum, char text[static ERR_ERRNO_TEXT_MAX]);

#endif
