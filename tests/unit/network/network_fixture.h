/* SPDX-License-Identifier: Apache-2.0 */
/* A store of networks below a fresh directory, in a network namespace of the test program's own. */
#ifndef TEST_NETWORK_FIXTURE_H
#define TEST_NETWORK_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../kernel/namespace.h"
#include "base/file.h"
#include "base/str.h"
#include "network/network.h"

struct fixture {
	char dir[64], root[96], run[96];
	struct network_store s;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int root_fd, run_fd;

	snprintf(f->dir, sizeof(f->dir), "/tmp/cloche-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->root, sizeof(f->root), "%s/data", f->dir);
	snprintf(f->run, sizeof(f->run), "%s/run", f->dir);
	if (file_mkdir_all_at(AT_FDCWD, f->root, 0700) < 0 ||
	    file_mkdir_all_at(AT_FDCWD, f->run, 0700) < 0)
		return -1;
	root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run_fd = open(f->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	network_store_init(&f->s, f->root, root_fd, f->run, run_fd);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int rc = remove_tree_at(AT_FDCWD, f->dir);

	close(f->s.root_fd);
	close(f->s.run_fd);
	free(f);
	return rc;
}

/* Succeeds, or says why not. */
#define assert_done(call, err)                                \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg("%s: %s", #call, (err).msg); \
	} while (0)

/* Waits for the children of this process; all must have ended well. */
static inline void await_children(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = -1;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

static inline struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static inline struct ip_address address_of(const char *text)
{
	struct ip_address a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static inline size_t count_in(struct fixture *f, const char *path)
{
	int fd = openat(f->s.run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

#endif
