/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of memory, and files that two processes map: the same frames when it is the same file. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/probe/memory.h"

#define FILE_BYTES (64UL * 4096)

static void adds_rollups(void **state)
{
	static const char text[] =
		"5600-7fff ---p 00000000 00:00 0 [rollup]\nRss:  100 kB\nPss:  50 kB\n"
		"Pss_Anon: 9 kB\nShared_Clean: 60 kB\nShared_Dirty: 1 kB\n"
		"Private_Clean: 30 kB\nPrivate_Dirty: 10 kB\nAnonymous: 12 kB\n"
		"Swap: 3 kB\nSwapPss: 3 kB\n";
	struct memory_totals sum = {0};

	(void)state;
	memory_add_rollup(text, &sum);
	memory_add_rollup(text, &sum);
	assert_int_equal(sum.rss, 200 * 1024);
	assert_int_equal(sum.pss, 100 * 1024);
	assert_int_equal(sum.private_bytes, 80 * 1024);
	assert_int_equal(sum.shared_bytes, 122 * 1024);
	assert_int_equal(sum.anonymous, 24 * 1024);
	assert_int_equal(sum.swap, 6 * 1024);
}

/* A process that maps path and waits. */
static pid_t mapper(const char *path)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDONLY);
		volatile unsigned char *at = mmap(NULL, FILE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);

		for (size_t i = 0; i < FILE_BYTES; i += 4096)
			(void)at[i];
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void make_file(char *path)
{
	char page[4096];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	memset(page, 7, sizeof(page));
	for (size_t i = 0; i < FILE_BYTES; i += sizeof(page))
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	close(fd);
}

static const struct memory_file *of_path(const struct memory_files *f, const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return memory_find_file(f, st.st_dev, st.st_ino);
}

static void proves_sharing_by_frames(void **state)
{
	char one[] = "/tmp/memory-probe.XXXXXX", other[] = "/tmp/memory-probe.XXXXXX";
	struct memory_files a = {0}, b = {0}, c = {0};
	struct err err = ERR_INIT;
	pid_t pids[3];

	(void)state;
	make_file(one);
	make_file(other);
	pids[0] = mapper(one);
	pids[1] = mapper(one);
	pids[2] = mapper(other);
	assert_int_equal(memory_read_files(&pids[0], 1, NULL, &a, &err), 0);
	assert_int_equal(memory_read_files(&pids[1], 1, NULL, &b, &err), 0);
	assert_int_equal(memory_read_files(&pids[2], 1, NULL, &c, &err), 0);
	for (size_t i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_non_null(of_path(&a, one));
	assert_non_null(of_path(&c, other));
	assert_null(of_path(&c, one));
	assert_int_equal(of_path(&a, one)->rss, FILE_BYTES);
	assert_int_equal(of_path(&a, one)->pss, FILE_BYTES / 2);
	assert_true(of_path(&a, one)->has_resident);
	assert_int_equal(of_path(&a, one)->resident, FILE_BYTES);
	if (of_path(&a, one)->has_frames) {
		struct memory_overlap same =
			memory_compare_files(of_path(&a, one), of_path(&b, one));
		struct memory_overlap copy =
			memory_compare_files(of_path(&a, one), of_path(&c, other));

		assert_int_equal(same.both, FILE_BYTES);
		assert_int_equal(same.common, FILE_BYTES);
		assert_int_equal(copy.both, FILE_BYTES);
		assert_int_equal(copy.common, 0);
	}
	memory_files_free(&a);
	memory_files_free(&b);
	memory_files_free(&c);
	unlink(one);
	unlink(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_rollups),
		cmocka_unit_test(proves_sharing_by_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
