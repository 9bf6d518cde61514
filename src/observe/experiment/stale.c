/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory above all scratch directories is locked while one is made or looked for, so that none is
 * seen between its making and its lock.
 */
#include "observe/experiment/stale.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/subject/subject.h"

#define SUBJECTS_FILE "subjects"
#define SUBJECTS_MAX 65536

static int lock_directory(const char *path, int how)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, how) < 0)
		return -1;
	return take_fd(&fd);
}

static int note_subjects(int dir, const struct strv *specs)
{
	auto_strbuf struct strbuf text = {0};

	for (size_t i = 0; i < specs->count; i++)
		strbuf_printf(&text, "%s\n", specs->items[i]);
	return file_replace_at(dir, SUBJECTS_FILE, strbuf_str(&text), text.len, 0600,
			       FILE_VOLATILE);
}

int scratch_make(const char *data_root, const char *prefix, const struct strv *specs, int *lock,
		 struct err *err)
{
	auto_free char *above = xasprintf("%s/tmp", data_root);
	auto_free char *path = xasprintf("%s/%s", above, prefix);
	int rc = file_mkdir_all_at(AT_FDCWD, above, 0700);
	auto_close int all = rc < 0 ? -1 : lock_directory(above, LOCK_EX);

	if (rc == 0 && all < 0)
		return err_sys(err, "lock %s", above);
	/* Again: another run may have removed an empty one meanwhile. */
	if (rc == 0)
		rc = file_mkdir_all_at(AT_FDCWD, path, 0700);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make %s: %s", path, err_errno_text(-rc));
	*lock = lock_directory(path, LOCK_EX | LOCK_NB);
	if (*lock < 0)
		return err_sys(err, "lock %s", path);
	rc = note_subjects(*lock, specs);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s/" SUBJECTS_FILE ": %s", path,
				err_errno_text(-rc))
		      : 0;
}

static bool take_back(const char *spec, const char *prefix, const char *scratch)
{
	struct subject *s;
	struct err err = ERR_INIT;
	bool done;

	if (subject_open(spec, prefix, scratch, NULL, &s, &err) < 0)
		return false;
	done = subject_sweep(s, &err) == 0;
	if (s->ops->kind == SUBJECT_DOCKER || s->ops->kind == SUBJECT_PODMAN)
		strv_add_taken(&s->undo, xasprintf("docker.io/%.*s/image:latest",
						   (int)strlen(prefix) - 1, prefix));
	/* That image may never have been loaded. */
	(void)!subject_unload(s, &err);
	subject_free(s);
	return done;
}

static bool sweep_run(const char *path, int above, const char *prefix)
{
	auto_close int fd = openat(above, prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *specs = NULL;
	auto_free char *scratch = xasprintf("%s/%s", path, prefix);
	char *rest, *spec;
	bool done = true;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	/* Without the note the run was killed before it had begun anything. */
	if (file_read_at(fd, SUBJECTS_FILE, SUBJECTS_MAX, &specs, NULL) < 0)
		return remove_tree_at(above, prefix) == 0;
	rest = specs;
	while ((spec = strsep(&rest, "\n")) != NULL)
		done = (!*spec || take_back(spec, prefix, scratch)) && done;
	return done && remove_tree_at(above, prefix) == 0;
}

int stale_sweep(const char *data_root)
{
	auto_free char *path = xasprintf("%s/tmp", data_root);
	auto_close int above = lock_directory(path, LOCK_EX);
	DIR *entries = above < 0 ? NULL : opendir(path);
	int found = 0;

	for (struct dirent *e; entries && (e = readdir(entries)) != NULL;) {
		if (str_starts(e->d_name, STALE_NAME) && sweep_run(path, above, e->d_name))
			found++;
	}
	if (entries)
		closedir(entries);
	return found;
}
