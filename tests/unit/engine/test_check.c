/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of leftover is planted, must be found as that one thing, and must be gone after a repair
 * with everything else as it was. Runs in a mount namespace and under a cgroup parent of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/check.h"
#include "engine_fixture.h"

#define FOUND_MAX 32

struct found {
	size_t count, repaired;
	char kinds[FOUND_MAX][16];
	char objects[FOUND_MAX][512];
	char failures[512];
};

static void note(void *context, const struct engine_finding *f)
{
	struct found *out = context;

	assert_true(out->count < FOUND_MAX);
	snprintf(out->kinds[out->count], sizeof(out->kinds[0]), "%s", f->kind);
	snprintf(out->objects[out->count++], sizeof(out->objects[0]), "%s", f->object);
	assert_true(f->why && *f->why);
	out->repaired += f->repaired;
	if (f->failure)
		snprintf(out->failures, sizeof(out->failures), "%s: %s", f->object, f->failure);
}

static struct found check(struct fixture *f, bool repair)
{
	struct found out = {0};
	struct err err = ERR_INIT;

	if (engine_check(&f->e, repair, note, &out, &err) < 0)
		fail_msg("%s", err.msg);
	return out;
}

static char *read_command(const char *command)
{
	auto_strbuf struct strbuf out = {0};
	FILE *p = popen(command, "r");
	char line[1024];

	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		strbuf_puts(&out, line);
	assert_int_equal(pclose(p), 0);
	return strbuf_take(&out);
}

/* Where a group stands in each hierarchy, as words for the shell. */
static char *group_words(struct fixture *f, const char *path)
{
	auto_free struct cgroup_dirs *dirs = calloc(1, sizeof(*dirs));
	auto_strbuf struct strbuf out = {0};
	struct err err;

	assert_int_equal(cgroup_dirs_of(&f->e.cgroups, path, dirs, &err), 0);
	for (size_t i = 0; i < dirs->count; i++)
		strbuf_printf(&out, " %s", dirs->dirs[i].path);
	return strbuf_take(&out);
}

/* Files, mounts and groups of this engine. Lock files may stay, and what overlay makes in its work
 * directory. */
static char *snapshot(struct fixture *f)
{
	auto_free char *groups = group_words(f, f->e.cgroup_parent);
	auto_free char *command = xasprintf(
		"find %s ! -name '*lock' ! -path '*/?ork/work' ! -path '*/events/journal*' ! -name 'cloche.log*' -printf '%%P %%y %%m "
		"%%l\\n' | sort; "
		"grep -c %s /proc/self/mountinfo | cat; "
		"find%s -mindepth 1 -type d 2>/dev/null | sort",
		f->dir, f->dir, groups);

	return read_command(command);
}

/* cmocka cuts long texts: shows the difference itself. */
static void assert_same(const char *what, const char *before, const char *after)
{
	size_t i = 0;

	while (before[i] && before[i] == after[i])
		i++;
	if (before[i] == after[i])
		return;
	while (i && before[i - 1] != '\n')
		i--;
	fail_msg("%s: %.*s | %.*s", what, (int)strcspn(before + i, "\n"), before + i,
		 (int)strcspn(after + i, "\n"), after + i);
}

static void plant_record(struct fixture *f, const char *id)
{
	auto_free char *dir = xasprintf("containers/%s", id);
	auto_free char *file = xasprintf("%s/hostconfig.json", dir);

	assert_int_equal(mkdirat(f->e.root_fd, dir, 0700), 0);
	assert_int_equal(file_replace_at(f->e.root_fd, file, "{", 1, 0600, FILE_VOLATILE), 0);
}

static void plant_run_directory(struct fixture *f, const char *id)
{
	auto_free char *dir = xasprintf("containers/%s", id);
	auto_free char *file = xasprintf("%s/hosts", dir);

	assert_int_equal(mkdirat(f->e.run_fd, dir, 0700), 0);
	assert_int_equal(file_replace_at(f->e.run_fd, file, "x", 1, 0600, FILE_VOLATILE), 0);
}

static void plant_layer(struct fixture *f, const char *id)
{
	auto_free char *dir = xasprintf("overlay2/%s/diff/etc", id);

	assert_int_equal(file_mkdir_all_at(f->e.root_fd, dir, 0755), 0);
}

static void plant_name(struct fixture *f, const char *id)
{
	assert_int_equal(symlinkat(id, f->e.root_fd, "names/stale"), 0);
}

static void plant_bad_name(struct fixture *f, const char *id)
{
	(void)id;
	assert_int_equal(symlinkat("nowhere", f->e.root_fd, "names/odd"), 0);
}

static void plant_second_name(struct fixture *f, const char *id)
{
	char live[ID_LEN + 1];

	(void)id;
	fixture_id(live, "a1");
	assert_int_equal(symlinkat(live, f->e.root_fd, "names/second"), 0);
}

static void plant_temporary(struct fixture *f, const char *id)
{
	char path[160], whole[ID_LEN + 1];

	(void)id;
	fixture_id(whole, "a1");
	snprintf(path, sizeof(path), "containers/%s/config.v2.json.77.tmp", whole);
	assert_int_equal(file_replace_at(f->e.root_fd, path, "x", 1, 0600, FILE_VOLATILE), 0);
}

static void plant_abandoned(struct fixture *f, const char *id)
{
	(void)id;
	fixture_container(f, "dead", "volatile", 9, false);
}

static void plant_half_volume(struct fixture *f, const char *id)
{
	(void)id;
	assert_int_equal(mkdirat(f->e.root_fd, "volumes/half", 0700), 0);
}

static void plant_half_copy(struct fixture *f, const char *id)
{
	(void)id;
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "volumes/kept/_data.tmp/x", 0700), 0);
}

static void plant_orphan_volume(struct fixture *f, const char *id)
{
	auto_free char *dir = xasprintf("volumes/%s/_data", id);
	auto_free char *owner = xasprintf("volumes/%s/owner", id);

	assert_int_equal(file_mkdir_all_at(f->e.root_fd, dir, 0755), 0);
	assert_int_equal(symlinkat(id, f->e.root_fd, owner), 0);
}

static void plant_mount(struct fixture *f, const char *id)
{
	char target[256], whole[ID_LEN + 1];

	(void)id;
	fixture_id(whole, "a1");
	snprintf(target, sizeof(target), "%s/overlay2/%s/merged", f->e.root, whole);
	assert_int_equal(mount("planted", target, "tmpfs", 0, NULL), 0);
}

/* An overlay somewhere else, of a layer of ours. */
static void plant_mount_elsewhere(struct fixture *f, const char *id)
{
	char target[256], options[768], whole[ID_LEN + 1];

	(void)id;
	fixture_id(whole, "a1");
	snprintf(target, sizeof(target), "%s/a place", f->dir);
	snprintf(options, sizeof(options),
		 "lowerdir=%s/names,upperdir=%s/overlay2/%s/diff,workdir=%s/overlay2/%s/work",
		 f->e.root, f->e.root, whole, f->e.root, whole);
	if (mount("overlay", target, "overlay", 0, options) < 0)
		fail_msg("mount %s: %s", options, strerror(errno));
}

static void make_groups(struct fixture *f, const char *id)
{
	auto_free char *path = xasprintf("%s/%s", f->e.cgroup_parent, id);
	struct err err;

	if (cgroup_create(&f->e.cgroups, path, false, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static void plant_group(struct fixture *f, const char *id)
{
	char whole[ID_LEN + 1];

	(void)id;
	fixture_id(whole, "a1");
	make_groups(f, whole);
}

static void plant_old_unknown_group(struct fixture *f, const char *id)
{
	auto_free char *path = xasprintf("%s/%s", f->e.cgroup_parent, id);
	auto_free char *groups = group_words(f, path);
	auto_free char *command = xasprintf("touch -c -d '2 minutes ago'%s", groups);

	make_groups(f, id);
	free(read_command(command));
}

static void plant_image_layer(struct fixture *f, const char *id)
{
	(void)id;
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "overlay2/tmp-1/diff", 0755), 0);
}

static const struct {
	const char *what;
	void (*plant)(struct fixture *f, const char *id);
	const char *kinds[3]; /* in order */
} plants[] = {
	{"record", plant_record, {"record"}},
	{"run directory", plant_run_directory, {"record"}},
	{"layer", plant_layer, {"layer"}},
	{"name", plant_name, {"name"}},
	{"bad name", plant_bad_name, {"name"}},
	{"second name", plant_second_name, {"name"}},
	{"temporary file", plant_temporary, {"file"}},
	{"--rm without a monitor", plant_abandoned, {"container"}},
	{"volume without data", plant_half_volume, {"volume"}},
	{"copy into a volume", plant_half_copy, {"volume"}},
	{"anonymous volume", plant_orphan_volume, {"volume"}},
	{"mount", plant_mount, {"mount"}},
	{"mount elsewhere", plant_mount_elsewhere, {"mount"}},
	{"group", plant_group, {"cgroup"}},
	{"old unknown group", plant_old_unknown_group, {"cgroup"}},
	{"image store", plant_image_layer, {"image store"}},
};

static int setup(void **state)
{
	struct fixture *f;
	struct err err;
	auto_free char *place = NULL;
	char path[160], id[ID_LEN + 1];

	if (fixture_setup(state) < 0)
		return -1;
	f = *state;
	snprintf(f->e.cgroup_parent, sizeof(f->e.cgroup_parent), "/cloche-unit-%d", getpid());
	if (cgroup_detect(&f->e.cgroups, &err) < 0)
		return -1;
	f->e.cgroups_detected = true;
	/* an honest stopped container with its layer and its volume */
	fixture_container(f, "a1", "honest", 1, true);
	fixture_id(id, "a1");
	for (int i = 0; i < 3; i++) {
		static const char *const parts[] = {"diff", "work", "merged"};

		snprintf(path, sizeof(path), "overlay2/%s/%s", id, parts[i]);
		if (file_mkdir_all_at(f->e.root_fd, path, 0755) < 0)
			return -1;
	}
	place = xasprintf("%s/a place", f->dir);
	/* the image store looks only where images are */
	return file_mkdir_all_at(f->e.root_fd, "volumes/kept/_data", 0755) < 0 ||
	       mkdir(place, 0755) < 0 ||
	       file_mkdir_all_at(f->e.root_fd, "image/overlay2/imagedb/content/sha256", 0700) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	auto_free char *groups = group_words(f, f->e.cgroup_parent);
	auto_free char *command =
		xasprintf("for d in $(find%s -depth -type d 2>/dev/null); do rmdir $d; "
			  "done; grep -F %s /proc/self/mountinfo | cut -d' ' -f5 | "
			  "while read -r m; do umount -l \"$(printf %%b \"$m\")\"; done",
			  groups, f->dir);
	int rc = system(command);

	return fixture_teardown(state) | rc;
}

static void finds_and_sweeps_each_kind(void **state)
{
	struct fixture *f = *state;
	char id[ID_LEN + 1];

	fixture_id(id, "dead");
	assert_int_equal(check(f, false).count, 0);
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		auto_free char *before = snapshot(f), *planted = NULL, *still = NULL, *after = NULL;
		struct found found;

		plants[i].plant(f, id);
		planted = snapshot(f);
		found = check(f, false);
		for (size_t j = 0; j < 3 && plants[i].kinds[j]; j++) {
			if (found.count <= j || !str_eq(found.kinds[j], plants[i].kinds[j]))
				fail_msg("%s: not found", plants[i].what);
			if (found.count > j + 1 && (j == 2 || !plants[i].kinds[j + 1]))
				fail_msg("%s: also found %s %s", plants[i].what, found.kinds[j + 1],
					 found.objects[j + 1]);
		}
		assert_int_equal(found.repaired, 0);
		still = snapshot(f);
		assert_same(plants[i].what, planted, still);
		found = check(f, true);
		if (*found.failures)
			fail_msg("%s", found.failures);
		assert_int_equal(found.repaired, found.count);
		after = snapshot(f);
		assert_same(plants[i].what, before, after);
		assert_int_equal(check(f, false).count, 0);
	}
}

static const char running[] =
	"{\"SchemaVersion\":1,\"Status\":\"running\",\"Pid\":1,\"MonitorPid\":1,"
	"\"StartedNs\":7}\n";

/* A process that outlived its monitor is killed, and the record says what happened. */
static void ends_a_container_without_a_monitor(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct cgroup_join join;
	struct err err = ERR_INIT;
	struct found found;
	auto_free char *path = NULL;
	char id[ID_LEN + 1], byte;
	int ready[2], status;
	pid_t child;

	fixture_id(id, "a1");
	fixture_state(f, "a1", running);
	make_groups(f, id);
	path = xasprintf("%s/%s", f->e.cgroup_parent, id);
	assert_int_equal(cgroup_join_of(&f->e.cgroups, path, &join, &err), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_enter(&join, false, &err) < 0)
			_exit(1);
		(void)!write(ready[1], "r", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	found = check(f, false);
	assert_int_equal(found.count, 3);
	assert_string_equal(found.kinds[0], "process");
	assert_int_equal(atoi(found.objects[0]), child);
	assert_string_equal(found.kinds[1], "cgroup");
	assert_string_equal(found.kinds[2], "container");
	found = check(f, true);
	assert_string_equal(found.failures, "");
	assert_int_equal(found.repaired, 3);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(check(f, false).count, 0);
	container_init(&c);
	assert_int_equal(container_find(&f->e, "honest", &c, &err), 0);
	assert_int_equal(c.state.status, CONTAINER_EXITED);
	assert_true(c.state.monitor_lost);
	assert_int_equal(c.state.exit_code, 137);
	assert_int_equal(c.state.started_ns, 7);
	assert_true(c.state.finished_ns > 1000000000000000000u);
	assert_string_equal(c.state.error, "monitor lost");
}

/* What is held, young, or another engine's stays. */
static void leaves_the_living_alone(void **state)
{
	struct fixture *f = *state;
	auto_free char *before = NULL, *after = NULL;
	char id[ID_LEN + 1], target[256];
	struct found found;
	int lock;

	/* half made, and all of it under way */
	fixture_id(id, "beef");
	assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
	plant_record(f, id);
	plant_layer(f, id);
	plant_name(f, id);
	plant_orphan_volume(f, id);
	make_groups(f, id);
	snprintf(target, sizeof(target), "%s/overlay2/%s/diff", f->e.root, id);
	assert_int_equal(mount("planted", target, "tmpfs", 0, NULL), 0);
	/* another engine's, made a moment ago */
	fixture_id(id, "cafe");
	make_groups(f, id);
	before = snapshot(f);
	found = check(f, true);
	after = snapshot(f);
	assert_int_equal(check(f, false).count, 0);
	if (found.count)
		fail_msg("found %s %s", found.kinds[0], found.objects[0]);
	assert_same("living", before, after);
	close(lock);
	assert_true(check(f, true).count >= 5);
}

static bool group_exists(struct fixture *f, const char *path)
{
	auto_free struct cgroup_dirs *dirs = calloc(1, sizeof(*dirs));
	struct err err;

	assert_int_equal(cgroup_dirs_of(&f->e.cgroups, path, dirs, &err), 0);
	return access(dirs->dirs[0].path, F_OK) == 0;
}

/* The parent goes with the last container, not before, and not while somebody is in it. */
static void removes_the_empty_parent(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	auto_free char *other = xasprintf("%s/other", f->e.cgroup_parent);

	make_groups(f, "other");
	assert_int_equal(check(f, true).count, 0);
	assert_true(group_exists(f, f->e.cgroup_parent));
	container_init(&c);
	assert_int_equal(container_find(&f->e, "honest", &c, &err), 0);
	if (container_remove(&f->e, &c, false, false, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(check(f, true).count, 0);
	assert_true(group_exists(f, other));
	{
		auto_free struct cgroup_dirs *dirs = calloc(1, sizeof(*dirs));

		assert_int_equal(cgroup_dirs_of(&f->e.cgroups, other, dirs, &err), 0);
		assert_int_equal(cgroup_remove(dirs->dirs, dirs->count, 1000), 0);
	}
	assert_int_equal(check(f, true).count, 0);
	assert_false(group_exists(f, f->e.cgroup_parent));
}

/* Damage is shown, not thrown away. */
static void keeps_damaged_records(void **state)
{
	struct fixture *f = *state;
	struct found found;
	char path[160], id[ID_LEN + 1];

	fixture_id(id, "a1");
	snprintf(path, sizeof(path), "containers/%s/config.v2.json", id);
	assert_int_equal(file_replace_at(f->e.root_fd, path, "{", 1, 0600, FILE_VOLATILE), 0);
	found = check(f, true);
	assert_int_equal(found.count, 1);
	assert_string_equal(found.kinds[0], "record");
	assert_int_equal(found.repaired, 0);
	assert_true(*found.failures);
	assert_int_equal(faccessat(f->e.root_fd, path, F_OK, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_and_sweeps_each_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_a_container_without_a_monitor, setup,
						teardown),
		cmocka_unit_test_setup_teardown(leaves_the_living_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(removes_the_empty_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_damaged_records, setup, teardown),
	};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		perror("a mount namespace of our own");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
