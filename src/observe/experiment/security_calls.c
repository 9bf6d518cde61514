/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's numbers as names. libseccomp knows those of the time it was made; newer calls keep their
 * number. */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/experiment/security.h"

static char *how(double error)
{
	if (error < 0)
		return xstrdup(" (killed)");
	if ((int)error == EPERM)
		return xstrdup("");
	if ((int)error == ENOSYS)
		return xstrdup(" (as missing)");
	return xasprintf(" (errno %d)", (int)error);
}

static void take_filter(const char *line, struct security_calls *c)
{
	auto_free char *variant = session_value(line, "variant");
	auto_free char *suffix = how(session_number(line, "error", 0));
	int number = (int)session_number(line, "number", -1);
	char *name;

	if (variant) {
		strv_add_taken(&c->variants, xasprintf("%s%s", variant, suffix));
		return;
	}
	if (number < 0)
		return;
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	if (name)
		strv_add_taken(&c->denied, xasprintf("%s%s", name, suffix));
	free(name);
}

static size_t named_calls(int below)
{
	size_t n = 0;

	for (int i = 0; i < below; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		n += name != NULL;
		free(name);
	}
	return n;
}

static void take_made(const char *line, struct security_calls *c)
{
	auto_free char *name = session_value(line, "name");
	auto_free char *needs = session_value(line, "needs");
	int error = (int)session_number(line, "error", 0);
	bool refused = error == EPERM || error == EACCES || error == -1;

	if (!name || !needs)
		return;
	if (error == ENOSYS) /* this kernel was built without it, or the filter says so */
		return;
	strv_add_taken(refused ? &c->refused : &c->allowed,
		       str_eq(needs, "-") ? xstrdup(name) : xasprintf("%s (%s)", name, needs));
}

void security_take_calls(const struct strv *lines, struct security_calls *out)
{
	*out = (struct security_calls){0};
	for (size_t i = 0; i < lines->count; i++) {
		const char *line = lines->items[i];
		auto_free char *method = session_value(line, "method");

		if (str_starts(line, "made "))
			take_made(line, out);
		else if (method) {
			out->known = true;
			out->exact = str_eq(method, "notify");
			out->tried = named_calls((int)session_number(line, "tried", 0));
		} else if (str_starts(line, "filter "))
			take_filter(line, out);
	}
}
