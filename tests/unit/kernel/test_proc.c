/* SPDX-License-Identifier: Apache-2.0 */
/* A process is known by pid and start time, whatever it calls itself. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/proc.h"

static void test_hostile_names_do_not_shift_fields(void **state)
{
	struct proc_stat s;

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, ") Z 1 (x", 0, 0, 0), 0);
	assert_int_equal(proc_read_stat(getpid(), &s), 0);
	assert_int_equal(s.state, 'R');
	assert_int_equal(s.parent, getppid());
	assert_true(s.start_ticks > 0);
}

static void test_alive_zombie_gone(void **state)
{
	struct proc_stat s;
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(proc_read_stat(pid, &s), 0);
	assert_true(proc_is_alive(pid, s.start_ticks));
	assert_false(proc_is_alive(pid, s.start_ticks + 1));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(proc_is_alive(pid, s.start_ticks));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_read_stat(pid, &s), -ESRCH);
	assert_false(proc_is_alive(0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_names_do_not_shift_fields),
		cmocka_unit_test(test_alive_zombie_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
