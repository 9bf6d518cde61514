/* SPDX-License-Identifier: Apache-2.0 */
/* Reading /proc/PID/stat. The command's name in it may hold anything, parentheses and blanks too. */
#include "kernel/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

/* Field numbers of proc(5), counted from the state as 3. */
#define FIELD_STATE 3
#define FIELD_PARENT 4
#define FIELD_START 22

static int take_field(int number, const char *text, size_t len, struct proc_stat *out)
{
	char copy[24];
	uint64_t value;

	if (number == FIELD_STATE) {
		out->state = text[0];
		return 0;
	}
	if (number != FIELD_PARENT && number != FIELD_START)
		return 0;
	if (str_format(copy, sizeof(copy), "%.*s", (int)len, text) || str_to_u64(copy, &value))
		return -EBADMSG;
	if (number == FIELD_PARENT)
		out->parent = (pid_t)value;
	else
		out->start_ticks = value;
	return 0;
}

int proc_read_stat(pid_t pid, struct proc_stat *out)
{
	char path[32], text[1024];
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EBADMSG;
	p += 2;
	for (int number = FIELD_STATE; number <= FIELD_START; number++) {
		size_t len = strcspn(p, " \n");
		int r = len ? take_field(number, p, len, out) : -EBADMSG;

		if (r)
			return r;
		p += len;
		p += *p == ' ';
	}
	return 0;
}

bool proc_is_alive(pid_t pid, uint64_t start_ticks)
{
	struct proc_stat s;

	return pid > 0 && proc_read_stat(pid, &s) == 0 && s.start_ticks == start_ticks &&
	       s.state != 'Z' && s.state != 'X';
}
