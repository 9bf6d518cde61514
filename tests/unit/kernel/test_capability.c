/* SPDX-License-Identifier: Apache-2.0 */
/* Names, Docker's add and drop rules, and what a process has left after giving capabilities up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/capability.h"

static uint64_t mask_of(const char *add, const char *drop)
{
	const char *adds[] = {add}, *drops[] = {drop};
	struct err err = ERR_INIT;
	uint64_t mask = 0;

	assert_int_equal(capability_mask_of(CAPABILITY_DEFAULT_MASK, CAPABILITY_ALL_KNOWN, adds,
					    add ? 1 : 0, drops, drop ? 1 : 0, &mask, &err),
			 0);
	return mask;
}

static void test_names_in_all_spellings(void **state)
{
	(void)state;
	assert_int_equal(capability_number("CAP_CHOWN"), 0);
	assert_int_equal(capability_number("sys_admin"), 21);
	assert_int_equal(capability_number("cap_checkpoint_restore"), 40);
	assert_true(capability_number("CAP_FOO") < 0);
	assert_true(capability_number("CAP_") < 0);
	assert_string_equal(capability_name(40), "CAP_CHECKPOINT_RESTORE");
	assert_null(capability_name(41));
}

static void test_docker_add_and_drop(void **state)
{
	(void)state;
	assert_int_equal(mask_of(NULL, NULL), 0xa80425fb);
	assert_int_equal(mask_of("NET_ADMIN", NULL), 0xa80425fb | 1 << 12);
	assert_int_equal(mask_of(NULL, "CAP_CHOWN"), 0xa80425fa);
	assert_int_equal(mask_of("ALL", "sys_admin"), CAPABILITY_ALL_KNOWN & ~CAPABILITY_BIT(21));
	assert_int_equal(mask_of("CAP_KILL", "all"), 1 << 5);
	assert_int_equal(mask_of(NULL, "ALL"), 0);
	/* Docker drops first, then adds. */
	assert_int_equal(mask_of("CHOWN", "CHOWN"), 0xa80425fb);
}

static void test_unknown_names_get_dockers_words(void **state)
{
	const char *bad[] = {"foo"};
	struct err err = ERR_INIT;
	uint64_t mask;

	(void)state;
	assert_true(capability_mask_of(0, 0, bad, 1, NULL, 0, &mask, &err) < 0);
	assert_string_equal(err.msg, "invalid CapAdd: unknown capability: \"CAP_FOO\"");
	assert_int_equal(err.kind, ERR_INVALID);
	assert_true(capability_mask_of(0, 0, NULL, 0, bad, 1, &mask, &err) < 0);
	assert_string_equal(err.msg, "invalid CapDrop: unknown capability: \"CAP_FOO\"");
}

static void status_field(const char *key, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	assert_non_null(f);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(out, size, "%.16s", line + strlen(key) + 2);
	fclose(f);
}

static int give_up(void)
{
	char text[32];
	uint64_t e, p, i;

	if (capability_drop_bounding(0x21, 40) || capability_set(0x21, 0x21, 0x20) ||
	    capability_set_ambient(0x20))
		return 10;
	status_field("CapBnd", text, sizeof(text));
	if (strcmp(text, "0000000000000021") != 0)
		return 11;
	status_field("CapAmb", text, sizeof(text));
	if (strcmp(text, "0000000000000020") != 0)
		return 12;
	if (capability_get(&e, &p, &i) || e != 0x21 || p != 0x21 || i != 0x20)
		return 13;
	if (capability_bounding_mask(&e) || e != 0x21)
		return 14;
	/* What is gone cannot come back. */
	return capability_set(0x23, 0x23, 0) == 0 ? 15 : 0;
}

static void test_giving_up_is_seen_in_proc(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root */
	pid = fork();
	if (pid == 0)
		_exit(give_up());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_kernel_mask(void **state)
{
	struct err err = ERR_INIT;
	uint64_t all, bounding;

	(void)state;
	assert_int_equal(capability_kernel_mask(&all, &err), 0);
	assert_int_equal(all & (all + 1), 0); /* a run of ones */
	assert_int_equal(capability_bounding_mask(&bounding), 0);
	assert_int_equal(bounding & ~all, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_in_all_spellings),
		cmocka_unit_test(test_docker_add_and_drop),
		cmocka_unit_test(test_unknown_names_get_dockers_words),
		cmocka_unit_test(test_giving_up_is_seen_in_proc),
		cmocka_unit_test(test_kernel_mask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
