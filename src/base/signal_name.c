/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals. The numbers are the kernel's: libc takes the first real-time signals for itself
 * and calls the third SIGRTMIN, but a container's program may come from another libc. */
#include "base/signal_name.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <strings.h>

#include "base/str.h"

#define SIGNAL_MAX 64
#define SIGNAL_RTMIN 34 /* as glibc, Docker and runc count */

static const struct {
	const char *name;
	int number;
} names[] = {
	{"SIGHUP", SIGHUP},
	{"SIGINT", SIGINT},
	{"SIGQUIT", SIGQUIT},
	{"SIGILL", SIGILL},
	{"SIGTRAP", SIGTRAP},
	{"SIGABRT", SIGABRT},
	{"SIGBUS", SIGBUS},
	{"SIGFPE", SIGFPE},
	{"SIGKILL", SIGKILL},
	{"SIGUSR1", SIGUSR1},
	{"SIGSEGV", SIGSEGV},
	{"SIGUSR2", SIGUSR2},
	{"SIGPIPE", SIGPIPE},
	{"SIGALRM", SIGALRM},
	{"SIGTERM", SIGTERM},
	{"SIGSTKFLT", SIGSTKFLT},
	{"SIGCHLD", SIGCHLD},
	{"SIGCONT", SIGCONT},
	{"SIGSTOP", SIGSTOP},
	{"SIGTSTP", SIGTSTP},
	{"SIGTTIN", SIGTTIN},
	{"SIGTTOU", SIGTTOU},
	{"SIGURG", SIGURG},
	{"SIGXCPU", SIGXCPU},
	{"SIGXFSZ", SIGXFSZ},
	{"SIGVTALRM", SIGVTALRM},
	{"SIGPROF", SIGPROF},
	{"SIGWINCH", SIGWINCH},
	{"SIGIO", SIGIO},
	{"SIGPWR", SIGPWR},
	{"SIGSYS", SIGSYS},
	/* other names of the same; the first of a number is the one shown */
	{"SIGIOT", SIGABRT},
	{"SIGCLD", SIGCHLD},
	{"SIGPOLL", SIGIO},
};

static const char *const real_time[] = {
	"SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",
	"SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11",
	"SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMAX-14", "SIGRTMAX-13",
	"SIGRTMAX-12", "SIGRTMAX-11", "SIGRTMAX-10", "SIGRTMAX-9",  "SIGRTMAX-8",  "SIGRTMAX-7",
	"SIGRTMAX-6",  "SIGRTMAX-5",  "SIGRTMAX-4",  "SIGRTMAX-3",  "SIGRTMAX-2",  "SIGRTMAX-1",
	"SIGRTMAX",
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static int find_name(const char *bare)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcasecmp(names[i].name + 3, bare) == 0)
			return names[i].number;
	}
	for (size_t i = 0; i < COUNT_OF(real_time); i++) {
		if (strcasecmp(real_time[i] + 3, bare) == 0)
			return SIGNAL_RTMIN + (int)i;
	}
	return 0;
}

int signal_parse(const char *text, int *number, struct err *err)
{
	uint64_t value;
	int found = 0;

	if (str_to_u64(text, &value) == 0)
		found = value <= SIGNAL_MAX ? (int)value : 0;
	else
		found = find_name(strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text);
	if (found == 0)
		return err_set(err, ERR_INVALID, EINVAL, "Invalid signal: %s", text);
	*number = found;
	return 0;
}

const char *signal_name(int number)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (names[i].number == number)
			return names[i].name;
	}
	if (number >= SIGNAL_RTMIN && number <= SIGNAL_MAX)
		return real_time[number - SIGNAL_RTMIN];
	return NULL;
}
