/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCI runtime that is late: `late-runtime MS RUNTIME ARGUMENTS...` sleeps for so long before RUNTIME makes a
 * container, and for nothing else. Linked statically, so that next to nothing but the sleep is added.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	if (argc < 3)
		return 2;
	for (int i = 3; i < argc; i++) {
		long ms = strtol(argv[1], NULL, 10);

		if (strcmp(argv[i], "create") == 0)
			nanosleep(&(struct timespec){.tv_sec = ms / 1000,
						     .tv_nsec = ms % 1000 * 1000000},
				  NULL);
	}
	execv(argv[2], argv + 2);
	return 127;
}
