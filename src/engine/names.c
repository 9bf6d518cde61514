/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of containers. <data>/names/<name> is a symlink to the id; symlink(2) fails if it exists, so
 * two processes can never hold the same name and no lock is taken. What it holds is short: the kernel
 * keeps up to 59 bytes in the inode, and for the 64 digits of an id takes a block, whose release alone
 * is a twentieth of `run --rm` where file systems discard.
 *
 * A reservation is stale when its id has neither a record nor a held lock: whoever makes a container
 * holds its lock before it asks for a name. Stale ones are swept when met, under a lock on the
 * directory, since two sweepers could otherwise remove each other's fresh reservation.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/str.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "engine/names_words.h"

#define RANDOM_TRIES 6
#define NUMBERED_TRIES 64

bool container_name_is_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char others[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);

	return n >= 2 && n <= CONTAINER_NAME_MAX && strspn(name, letters) > 0 &&
	       strspn(name, others) == n;
}

static int open_names(const struct engine *e)
{
	return openat(e->root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The first digits as a person reads them, then three digits in two letters each. */
#define PLAIN_DIGITS 13
#define GROUPS ((ID_LEN - PLAIN_DIGITS) / 3)
#define TARGET_LEN (PLAIN_DIGITS + 2 * GROUPS)
_Static_assert(PLAIN_DIGITS + 3 * GROUPS == ID_LEN, "no digit is left over");

static const char letters64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static unsigned digit_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void target_of(const char *id, char out[static TARGET_LEN + 1])
{
	const char *in = id + PLAIN_DIGITS;

	memcpy(out, id, PLAIN_DIGITS);
	out += PLAIN_DIGITS;
	for (int i = 0; i < GROUPS; i++, in += 3) {
		unsigned bits = digit_value(in[0]) << 8 | digit_value(in[1]) << 4 |
				digit_value(in[2]);

		*out++ = letters64[bits >> 6];
		*out++ = letters64[bits & 63];
	}
	*out = '\0';
}

static bool id_of_target(const char *target, char id[static ID_LEN + 1])
{
	const char *in = target + PLAIN_DIGITS;

	memcpy(id, target, PLAIN_DIGITS);
	for (int i = 0; i < GROUPS; i++, in += 2) {
		const char *high = strchr(letters64, in[0]), *low = strchr(letters64, in[1]);

		if (!high || !low)
			return false;
		snprintf(id + PLAIN_DIGITS + 3 * i, 4, "%03x",
			 (unsigned)((high - letters64) << 6 | (low - letters64)) & 0xfff);
	}
	return id_is_hex(id, ID_LEN);
}

int name_read(int names_fd, const char *name, char id[static ID_LEN + 1])
{
	char target[ID_LEN + 1];
	ssize_t n = readlinkat(names_fd, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	if (n == TARGET_LEN)
		return id_of_target(target, id) ? 0 : -EINVAL;
	/* As earlier versions wrote it. */
	if (n != ID_LEN)
		return -EINVAL;
	memcpy(id, target, ID_LEN);
	id[ID_LEN] = '\0';
	return id_is_hex(id, ID_LEN) ? 0 : -EINVAL;
}

int name_resolve(const struct engine *e, const char *name, char id[static ID_LEN + 1])
{
	auto_close int names_fd = -1;

	if (!container_name_is_valid(name))
		return -ENOENT;
	names_fd = open_names(e);
	return names_fd < 0 ? -errno : name_read(names_fd, name, id);
}

bool name_is_stale(struct engine *e, const char *id)
{
	bool persistent;
	int record;

	/* The lock first: a maker holds it until the record stands. */
	if (container_lock_is_held(e, id))
		return false;
	record = container_record_dir(e, id, &persistent);
	if (record >= 0)
		close(record);
	return record == -ENOENT;
}

int name_sweep_stale(struct engine *e, const char *name)
{
	auto_close int names_fd = open_names(e);
	char id[ID_LEN + 1];
	int rc;

	if (names_fd < 0 || flock(names_fd, LOCK_EX) < 0)
		return -errno;
	rc = name_read(names_fd, name, id);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && !name_is_stale(e, id))
		return -EBUSY;
	if (rc < 0 && rc != -EINVAL)
		return rc;
	return unlinkat(names_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int refuse_taken(struct engine *e, const char *name, struct err *err)
{
	char owner[ID_LEN + 1] = "";

	if (name_resolve(e, name, owner) < 0)
		owner[0] = '\0';
	return err_set(
		err, ERR_CONFLICT, EEXIST,
		"Conflict. The container name \"/%s\" is already in use by container \"%s\". "
		"You have to remove (or rename) that container to be able to reuse that name.",
		name, owner);
}

/* 0, -EEXIST when taken by a living reservation, or another -errno. */
static int reserve(struct engine *e, const char *name, const char *id)
{
	char path[sizeof("names/") + CONTAINER_NAME_MAX], target[TARGET_LEN + 1];
	int rc = str_format(path, sizeof(path), "names/%s", name);

	if (rc < 0)
		return rc;
	target_of(id, target);
	for (int i = 0; i < 2; i++) {
		if (symlinkat(target, e->root_fd, path) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (i == 0 && name_sweep_stale(e, name) < 0)
			break;
	}
	return -EEXIST;
}

int name_reserve(struct engine *e, const char *name, const char *id, struct err *err)
{
	int rc;

	if (!container_name_is_valid(name))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			name);
	rc = reserve(e, name, id);
	if (rc == -EEXIST)
		return refuse_taken(e, name, err);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "reserve the name %s: %s", name,
			       err_errno_text(-rc));
	return 0;
}

int name_reserve_random(struct engine *e, const char *id, char **name, struct err *err)
{
	for (int i = 0; i < RANDOM_TRIES + NUMBERED_TRIES; i++) {
		auto_free char *try = NULL;
		uint32_t dice[3];
		int rc;

		if (getrandom(dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
			return err_sys(err, "make a name");
		try = xasprintf("%s_%s", name_adjectives.words[dice[0] % name_adjectives.count],
				name_surnames.words[dice[1] % name_surnames.count]);
		/* Many containers: a number makes room. */
		if (i >= RANDOM_TRIES) {
			char *longer = xasprintf("%s%u", try, dice[2] % 100000);

			free(try);
			try = longer;
		}
		rc = reserve(e, try, id);
		if (rc == 0) {
			*name = take_ptr(&try);
			return 0;
		}
		if (rc != -EEXIST)
			return err_set(err, ERR_SYSTEM, -rc, "reserve a name: %s",
				       err_errno_text(-rc));
	}
	return err_set(err, ERR_CONFLICT, EEXIST, "found no free name; choose one with --name");
}

void name_release(struct engine *e, const char *name, const char *id)
{
	auto_close int names_fd = open_names(e);
	char owner[ID_LEN + 1];

	if (names_fd >= 0 && name_read(names_fd, name, owner) == 0 && str_eq(owner, id))
		unlinkat(names_fd, name, 0);
}
