/* SPDX-License-Identifier: Apache-2.0 */
/* A private engine for a test: both roots below a fresh directory, removed at the end. */
#ifndef TEST_ENGINE_FIXTURE_H
#define TEST_ENGINE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/engine.h"

struct fixture {
	char dir[64];
	struct engine e;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char root[96], run[96];
	struct err err;

	strcpy(f->dir, "/tmp/cloche-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(root, sizeof(root), "%s/data", f->dir);
	snprintf(run, sizeof(run), "%s/run", f->dir);
	unsetenv("CLOCHE_CONFIG");
	unsetenv("CLOCHE_ROOT");
	unsetenv("CLOCHE_RUN_ROOT");
	if (engine_open(&f->e, root, run, &err) < 0) {
		fprintf(stderr, "engine_open: %s\n", err.msg);
		return -1;
	}
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	engine_close(&f->e);
	rc = remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return rc;
}

/* "000...0<last>": an id that tests can spell. */
static inline void fixture_id(char id[ID_LEN + 1], const char *head)
{
	memset(id, '0', ID_LEN);
	memcpy(id, head, strlen(head));
	id[ID_LEN] = '\0';
}

/* A plausible record in the data root (persistent) or the run root. */
static inline void fixture_container(struct fixture *f, const char *head, const char *name,
				     uint64_t created_ns, bool persistent)
{
	auto_container struct container c;
	auto_close int dirfd = -1;
	struct err err = ERR_INIT;
	char path[128];

	container_init(&c);
	fixture_id(c.id, head);
	c.name = xstrdup(name);
	c.created_ns = created_ns;
	c.persistent = persistent;
	strv_add(&c.argv, "/bin/true");
	strv_add(&c.config.cmd, "/bin/true");
	c.stop_signal = xstrdup("SIGTERM");
	snprintf(path, sizeof(path), "containers/%s", c.id);
	mkdirat(persistent ? f->e.root_fd : f->e.run_fd, path, 0700);
	dirfd = openat(persistent ? f->e.root_fd : f->e.run_fd, path, O_RDONLY | O_DIRECTORY);
	if (dirfd < 0 || container_record_write(&c, dirfd, false, &err) < 0 ||
	    name_reserve(&f->e, name, c.id, &err) < 0) {
		fprintf(stderr, "fixture_container: %s\n", err.msg);
		abort();
	}
}

/* Writes <run>/containers/<id>/state.json. */
static inline void fixture_state(struct fixture *f, const char *head, const char *json)
{
	char id[ID_LEN + 1], path[160];

	fixture_id(id, head);
	snprintf(path, sizeof(path), "containers/%s", id);
	mkdirat(f->e.run_fd, path, 0700);
	snprintf(path, sizeof(path), "containers/%s/state.json", id);
	if (file_replace_at(f->e.run_fd, path, json, strlen(json), 0600, FILE_VOLATILE) < 0)
		abort();
}

#endif
