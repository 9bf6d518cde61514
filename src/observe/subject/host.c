/* SPDX-License-Identifier: Apache-2.0 */
/* The bare host: the same program as in the containers, run directly. Limits and namespaces are left out. */
#include <sys/utsname.h>

#include "base/str.h"
#include "observe/subject/subject_internal.h"

static int probe(struct subject *s, struct err *err)
{
	struct utsname u;

	if (uname(&u) < 0)
		return err_sys(err, "uname");
	s->version = xasprintf("Linux %s", u.release);
	return 0;
}

static int run_command(struct subject *s, const struct container_spec *spec, struct strv *out,
		       struct err *err)
{
	static const char *const serve[] = {"serve", NULL};
	const char *const *words = spec->argv;

	(void)err;
	if (!words) {
		strv_add(out, s->helper);
		words = spec->helper_argv ? spec->helper_argv : serve;
	}
	for (; *words; words++)
		strv_add(out, *words);
	return 0;
}

static int exec_command(struct subject *s, const char *name, const char *const *argv,
			struct strv *out, struct err *err)
{
	(void)name;
	(void)err;
	/* Inside a container the helper stands elsewhere. */
	strv_add(out, str_eq(argv[0], SUBJECT_HELPER_PATH) ? s->helper : argv[0]);
	for (argv++; *argv; argv++)
		strv_add(out, *argv);
	return 0;
}

const struct subject_ops subject_host = {
	.kind = SUBJECT_HOST,
	.probe = probe,
	.run_command = run_command,
	.exec_command = exec_command,
};
