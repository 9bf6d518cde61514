/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny SYSCALL[,SYSCALL...] ERRNO COMMAND [ARG...]: runs a command in which these system calls, its
 * children's included, fail with that number. So every fallback and every failure can be reached
 * without a machine that has it. Needs CAP_SYS_ADMIN, since no_new_privs would change what is tested.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EPERM", EPERM},   {"ENOMEM", ENOMEM}, {"ENOSYS", ENOSYS}, {"ENOSPC", ENOSPC},
	{"EMFILE", EMFILE}, {"EIO", EIO},       {"EINVAL", EINVAL}, {"EAGAIN", EAGAIN},
};

static int error_number(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].number;
	}
	return 0;
}

static int add_rules(scmp_filter_ctx filter, char *names, int number)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		int call = seccomp_syscall_resolve_name(name);

		if (call == __NR_SCMP_ERROR) {
			fprintf(stderr, "deny: no system call %s\n", name);
			return -1;
		}
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)number), call, 0) < 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter;
	int number = argc > 3 ? error_number(argv[2]) : 0;

	if (!number) {
		fprintf(stderr, "usage: deny SYSCALL[,SYSCALL...] ERRNO COMMAND [ARG...]\n");
		return 2;
	}
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter || add_rules(filter, argv[1], number) < 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0 || seccomp_load(filter) < 0) {
		fprintf(stderr, "deny: cannot load the filter\n");
		return 2;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
