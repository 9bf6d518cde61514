/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleanup attributes and the typed way to disarm them. Every cleanup keeps errno, so an error path
 * may rely on it after the block has ended.
 */
#ifndef CLOCHE_BASE_CLEANUP_H
#define CLOCHE_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f) {
		int saved = errno;

		fclose(*f);
		errno = saved;
	}
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d) {
		int saved = errno;

		closedir(*d);
		errno = saved;
	}
}

#define auto_close __attribute__((cleanup(cleanup_close)))
#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))
#define auto_closedir __attribute__((cleanup(cleanup_closedir)))

/* Hands the fd or pointer out and disarms the cleanup of the variable that held it. */
static inline int take_fd(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

#define take_ptr(pp)                        \
	({                                  \
		__auto_type taken_ = *(pp); \
		*(pp) = NULL;               \
		taken_;                     \
	})

#endif
