/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/program_log.h"

struct place {
	char path[64];
	struct program_log log;
};

static int setup(void **state)
{
	static struct place p;

	snprintf(p.path, sizeof(p.path), "/tmp/program_log.XXXXXX");
	if (!mkdtemp(p.path))
		return -1;
	p.log = (struct program_log){.dir = open(p.path, O_RDONLY | O_DIRECTORY)};
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	close(p->log.dir);
	return remove_tree_at(AT_FDCWD, p->path);
}

static void writes_one_line(void **state)
{
	struct place *p = *state;
	char text[4096], expected[128];

	program_log(&p->log, LOG_LEVEL_WARN, "0123456789abcdef", "two\nlines %d", 7);
	program_log(&p->log, LOG_LEVEL_INFO, NULL, "nobody");
	program_log(&p->log, LOG_LEVEL_DEBUG, NULL, "not wanted");
	assert_true(file_read_small_at(p->log.dir, PROGRAM_LOG_FILE, text, sizeof(text)) > 0);
	snprintf(expected, sizeof(expected),
		 " warn test_program_log[%d] 0123456789ab two lines 7\n", (int)getpid());
	assert_non_null(strstr(text, expected));
	snprintf(expected, sizeof(expected), " info test_program_log[%d] - nobody\n",
		 (int)getpid());
	assert_non_null(strstr(text, expected));
	assert_null(strstr(text, "not wanted"));
}

static void stays_bounded(void **state)
{
	struct place *p = *state;
	struct stat now, old;
	char filler[1000];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	for (unsigned i = 0; i < 3 * PROGRAM_LOG_MAX_BYTES / sizeof(filler); i++)
		program_log(&p->log, LOG_LEVEL_INFO, NULL, "%s", filler);
	assert_int_equal(fstatat(p->log.dir, PROGRAM_LOG_FILE, &now, 0), 0);
	assert_int_equal(fstatat(p->log.dir, PROGRAM_LOG_OLD_FILE, &old, 0), 0);
	assert_true(now.st_size <= PROGRAM_LOG_MAX_BYTES + 4096);
	assert_true(old.st_size <= PROGRAM_LOG_MAX_BYTES + 4096);
	assert_true(old.st_size >= PROGRAM_LOG_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(stays_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
