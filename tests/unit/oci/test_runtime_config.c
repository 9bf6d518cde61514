/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding config.json: every section lands in its struct, what is malformed or not supported is
 * refused with its path, and what the encoder writes decodes to the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "oci/runtime_config.h"

static const char full[] =
	"{\"ociVersion\":\"1.0.2\",\"unknownThing\":{\"x\":1},\"process\":{\"terminal\":true,"
	"\"consoleSize\":{\"height\":25,\"width\":80},\"user\":{\"uid\":1000,\"gid\":7,"
	"\"umask\":63,\"additionalGids\":[5,6]},\"args\":[\"sh\",\"-c\",\"true\"],"
	"\"env\":[\"PATH=/bin\",\"A=\"],\"cwd\":\"/tmp\",\"capabilities\":{\"bounding\":"
	"[\"CAP_KILL\",\"CAP_NEVER_HEARD\"],\"effective\":[\"CAP_KILL\"],\"permitted\":"
	"[\"CAP_KILL\"],\"inheritable\":[],\"ambient\":null},\"rlimits\":[{\"type\":"
	"\"RLIMIT_NOFILE\",\"soft\":1024,\"hard\":18446744073709551615}],"
	"\"noNewPrivileges\":true,\"oomScoreAdj\":-500,\"ioPriority\":{\"class\":"
	"\"IOPRIO_CLASS_BE\",\"priority\":4},\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3}},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\",\"domainname\":\"d\","
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"data\",\"source\":\"/srv\",\"type\":\"bind\",\"options\":[\"rbind\","
	"\"rro\",\"nosuid\",\"rslave\",\"x-mine=1\",\"size=3\"],\"uidMappings\":[{\"containerID\":0,"
	"\"hostID\":1,\"size\":2}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}]}],"
	"\"hooks\":{\"createRuntime\":[{\"path\":\"/h\",\"args\":[\"h\",\"1\"],\"env\":[\"E=1\"],"
	"\"timeout\":5}],\"poststop\":[{\"path\":\"/p\"}]},\"annotations\":{\"a.b\":\"c\"},"
	"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"uts\"},"
	"{\"type\":\"ipc\"},{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"},{\"type\":\"user\"},"
	"{\"type\":\"time\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,"
	"\"size\":65536}],\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
	"\"timeOffsets\":{\"monotonic\":{\"secs\":-3,\"nanosecs\":9}},\"devices\":[{\"type\":\"c\","
	"\"path\":\"/dev/fuse\",\"major\":10,\"minor\":229,\"fileMode\":438}],"
	"\"cgroupsPath\":\"/my/group\",\"resources\":{\"memory\":{\"limit\":67108864,\"swap\":-1,"
	"\"swappiness\":10,\"disableOOMKiller\":false},\"cpu\":{\"shares\":512,\"quota\":-1,"
	"\"period\":100000,\"cpus\":\"0-1\"},\"pids\":{\"limit\":32},\"blockIO\":{\"weight\":100,"
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1024}]},\"devices\":["
	"{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"rw\"}],"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4096}],\"network\":{\"classID\":9,"
	"\"priorities\":[{\"name\":\"eth0\",\"priority\":2}]},\"rdma\":{\"mlx5_1\":"
	"{\"hcaHandles\":3}},\"unified\":{\"memory.high\":\"1\"}},\"seccomp\":{\"defaultAction\":"
	"\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"names\":"
	"[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]},\"sysctl\":{\"net.ipv4.ip_forward\":\"1\","
	"\"kernel.msgmax\":\"1\"},\"rootfsPropagation\":\"rslave\",\"maskedPaths\":[\"/proc/kcore\"],"
	"\"readonlyPaths\":[\"/proc/sys\"],\"mountLabel\":\"l\",\"personality\":{\"domain\":"
	"\"LINUX32\"}}}";

static void parse_full(struct oci_config *c)
{
	struct err err = ERR_INIT;

	if (oci_config_parse(full, strlen(full), "config.json", c, &err))
		fail_msg("%s", err.msg);
}

static void test_process(void **state)
{
	auto_oci_config struct oci_config c = {0};
	const struct oci_process *p = &c.process;

	(void)state;
	parse_full(&c);
	assert_true(c.has_process && p->terminal && p->has_console_size);
	assert_int_equal(p->console_height, 25);
	assert_int_equal(p->uid, 1000);
	assert_int_equal(p->gid, 7);
	assert_true(p->has_umask);
	assert_int_equal(p->umask, 077);
	assert_int_equal(p->additional_gid_count, 2);
	assert_int_equal(p->additional_gids[1], 6);
	assert_int_equal(p->args.count, 3);
	assert_string_equal(p->env.items[1], "A=");
	assert_string_equal(p->cwd, "/tmp");
	assert_int_equal(p->capabilities.bounding, 1 << 5);
	assert_int_equal(p->capabilities.ambient, 0);
	assert_int_equal(p->unknown_capabilities.count, 1);
	assert_int_equal(p->rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(p->rlimits[0].hard == RLIMIT_UNLIMITED);
	assert_true(p->no_new_privileges && p->has_oom_score_adj);
	assert_int_equal(p->oom_score_adj, -500);
	assert_int_equal(p->io_priority_class, 2);
	assert_int_equal(p->scheduler.policy, 3);
	assert_int_equal(p->scheduler.nice, 3);
}

static void test_mounts_and_hooks(void **state)
{
	auto_oci_config struct oci_config c = {0};
	const struct oci_mount *m;

	(void)state;
	parse_full(&c);
	assert_string_equal(c.root_path, "rootfs");
	assert_true(c.root_readonly);
	assert_int_equal(c.mount_count, 2);
	m = &c.mounts[1];
	assert_string_equal(m->destination, "/data");
	assert_true(m->bind && m->recursive_bind);
	assert_int_equal(m->flags_set, MS_NOSUID);
	assert_int_equal(m->attr_recursive_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(m->propagation, MS_SLAVE | MS_REC);
	assert_string_equal(m->data, "x-mine=1,size=3");
	assert_int_equal(m->uid_map[0].host_id, 1);
	assert_int_equal(c.hooks[OCI_HOOK_CREATE_RUNTIME].count, 1);
	assert_int_equal(c.hooks[OCI_HOOK_CREATE_RUNTIME].hooks[0].timeout_seconds, 5);
	assert_string_equal(c.hooks[OCI_HOOK_POSTSTOP].hooks[0].path, "/p");
	assert_string_equal(oci_config_annotation(&c, "a.b"), "c");
}

static void test_linux(void **state)
{
	auto_oci_config struct oci_config c = {0};

	(void)state;
	parse_full(&c);
	assert_true(c.namespaces[OCI_NS_PID].present);
	assert_null(c.namespaces[OCI_NS_PID].path);
	assert_string_equal(c.namespaces[OCI_NS_NETWORK].path, "/proc/1/ns/net");
	assert_false(c.namespaces[OCI_NS_CGROUP].present);
	assert_int_equal(c.uid_map[0].host_id, 100000);
	assert_true(c.monotonic_offset.present && !c.boottime_offset.present);
	assert_true(c.monotonic_offset.seconds == -3);
	assert_int_equal(c.devices[0].mode, 0666);
	assert_string_equal(c.cgroups_path, "/my/group");
	assert_true(c.has_seccomp && c.seccomp.rule_count == 1);
	assert_int_equal(c.sysctl_count, 2);
	assert_int_equal(c.rootfs_propagation, MS_SLAVE | MS_REC);
	assert_string_equal(c.masked_paths.items[0], "/proc/kcore");
	assert_true(c.has_personality);
	assert_int_equal(c.personality, 8);
}

static void test_resources(void **state)
{
	auto_oci_config struct oci_config c = {0};
	const struct cgroup_resources *r = &c.resources;

	(void)state;
	parse_full(&c);
	assert_true(r->has_memory_limit && r->has_memory_swap && r->has_oom_kill_disable);
	assert_false(r->has_memory_reservation);
	assert_int_equal(r->memory_limit, 64 << 20);
	assert_true(r->memory_swap == -1);
	assert_true(r->cpu_quota == -1);
	assert_string_equal(r->cpus, "0-1");
	assert_int_equal(r->pids_limit, 32);
	assert_int_equal(r->read_bps[0].rate, 1024);
	assert_int_equal(r->device_count, 2);
	assert_false(r->devices[0].allow);
	assert_int_equal(r->devices[0].type, 'a');
	assert_int_equal(r->devices[0].access, 7);
	assert_int_equal(r->devices[1].major, 10);
	assert_true(r->devices[1].minor == -1);
	assert_int_equal(r->devices[1].access, CGROUP_DEV_READ | CGROUP_DEV_WRITE);
	assert_string_equal(r->hugepages[0].page_size, "2MB");
	assert_string_equal(r->net_priorities[0].interface, "eth0");
	assert_true(r->rdma[0].has_handles && !r->rdma[0].has_objects);
	assert_string_equal(r->unified[0].value, "1");
}

static void test_encoded_decodes_to_the_same(void **state)
{
	auto_oci_config struct oci_config a = {0}, b = {0}, spec = {0};
	auto_free char *once = NULL, *twice = NULL, *text = NULL;
	struct err err = ERR_INIT;

	(void)state;
	parse_full(&a);
	once = oci_config_encode(&a);
	if (oci_config_parse(once, strlen(once), "once", &b, &err))
		fail_msg("%s", err.msg);
	twice = oci_config_encode(&b);
	assert_string_equal(once, twice);
	/* Nothing that was given is lost on the way. */
	assert_non_null(strstr(once, "\"hcaHandles\": 3"));
	assert_non_null(strstr(once, "\"timeout\": 5"));
	assert_non_null(strstr(once, "\"hard\": 18446744073709551615"));
	oci_config_default(&spec);
	assert_int_equal(oci_config_validate(&spec, &err), 0);
	text = oci_config_encode(&spec);
	oci_config_free(&b);
	assert_int_equal(oci_config_parse(text, strlen(text), "spec", &b, &err), 0);
	assert_int_equal(b.mount_count, 7);
}

/* The full configuration with one piece of text replaced. */
static char *replaced(const char *from, const char *to)
{
	const char *at = strstr(full, from);

	if (!at)
		fail_msg("test is wrong: no %s", from);
	return xasprintf("%.*s%s%s", (int)(at - full), full, to, at + strlen(from));
}

static void test_refusals(void **state)
{
	static const struct {
		const char *from, *to, *message;
	} cases[] = {
		{"\"ociVersion\":\"1.0.2\"", "\"ociVersion\":\"2.0\"", "ociVersion \"2.0\""},
		{"\"ociVersion\":\"1.0.2\",", "", "ociVersion: is missing"},
		{"\"path\":\"rootfs\"", "\"path\":\"\"", "root.path must not be empty"},
		{"\"uid\":1000", "\"uid\":-1", "process.user.uid: must be a whole number"},
		{"\"uid\":1000", "\"uid\":4294967296", "process.user.uid: is too large"},
		{"\"uid\":1000", "\"uid\":\"root\"", "process.user.uid: must be a whole number"},
		{"[5,6]", "[5,\"x\"]", "process.user.additionalGids[1]: must be a group id"},
		{"[\"sh\",\"-c\",\"true\"]", "[]", "process.args must not be empty"},
		{"[\"sh\",\"-c\",\"true\"]", "[\"a\\u0000b\"]", "process.args[0]: contains a NUL"},
		{"\"A=\"", "\"A\"", "is not NAME=VALUE"},
		{"\"cwd\":\"/tmp\"", "\"cwd\":\"tmp\"", "process.cwd must be an absolute path"},
		{"RLIMIT_NOFILE", "RLIMIT_CORN", "process.rlimits[0]: unknown limit"},
		{"\"soft\":1024,\"hard\":18446744073709551615", "\"soft\":2,\"hard\":1",
		 "soft limit is above"},
		{"\"oomScoreAdj\":-500", "\"oomScoreAdj\":5000", "oomScoreAdj must be"},
		{"\"type\":\"pid\"", "\"type\":\"mount\"", "namespace mount is given twice"},
		{"\"type\":\"pid\"", "\"type\":\"pids\"", "unknown namespace \"pids\""},
		{"{\"type\":\"uts\"},", "", "private UTS namespace"},
		{"{\"type\":\"user\"},", "", "user namespace isn't enabled"},
		{"net.ipv4.ip_forward", "kernel.core_pattern", "is not in a separate kernel"},
		{"net.ipv4.ip_forward", "net/../kernel/core_pattern", "is malformed"},
		{"{\"type\":\"ipc\"},", "", "is not allowed in the hosts ipc namespace"},
		{"\"/proc/kcore\"", "\"proc/kcore\"", "linux.maskedPaths"},
		{"\"limit\":67108864", "\"limit\":1.5", "linux.resources.memory.limit: must be"},
		{"\"swappiness\":10", "\"swappiness\":101", "swappiness must be 0 to 100"},
		{"\"access\":\"rw\"", "\"access\":\"rwx\"", "access must consist of"},
		{"memory.high", "../x", "is no file name"},
		{"\"path\":\"/h\"", "\"path\":\"h\"", "hooks.createRuntime[0]: a hook's path"},
		{"\"mountLabel\":\"l\"", "\"intelRdt\":{\"closID\":\"x\"}",
		 "linux.intelRdt: is not supported"},
		{"SCMP_ACT_ALLOW", "SCMP_ACT_ALOW", "invalid seccomp action"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_free char *text = replaced(cases[i].from, cases[i].to);
		struct oci_config c;
		struct err err = ERR_INIT;

		if (oci_config_parse(text, strlen(text), "config.json", &c, &err) == 0)
			fail_msg("accepted: %s for %s", cases[i].to, cases[i].from);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("for %s: \"%s\" lacks \"%s\"", cases[i].to, err.msg,
				 cases[i].message);
		assert_null(c.mounts);
	}
}

static void test_what_no_plan_can_do_is_refused(void **state)
{
	static const struct {
		const char *process, *linux_part, *message;
	} cases[] = {
		{"\"apparmorProfile\":\"x\"", "\"sysctl\":{}", "process.apparmorProfile"},
		{"\"selinuxLabel\":\"x\"", "\"sysctl\":{}", "process.selinuxLabel"},
		{"\"scheduler\":{\"policy\":\"SCHED_RR\"}", "\"sysctl\":{}", "process.scheduler"},
		{"\"terminal\":false", "\"mountLabel\":\"x\"", "linux.mountLabel"},
		{"\"terminal\":false",
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
		 "[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		 "notification"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_free char *text = xasprintf(
			"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":"
			"\"/\",\"args\":[\"a\"],%s},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],"
			"%s}}",
			cases[i].process, cases[i].linux_part);
		auto_oci_config struct oci_config c = {0};
		struct err err = ERR_INIT;

		if (oci_config_parse(text, strlen(text), "config.json", &c, &err))
			fail_msg("%s", err.msg);
		assert_true(oci_config_check_supported(&c, &err) < 0);
		assert_int_equal(err.kind, ERR_UNSUPPORTED);
		assert_non_null(strstr(err.msg, cases[i].message));
	}
}

static void test_truncated_text_never_decodes(void **state)
{
	(void)state;
	for (size_t len = 0; len + 1 < strlen(full); len += 7) {
		struct oci_config c;
		struct err err = ERR_INIT;

		assert_true(oci_config_parse(full, len, "config.json", &c, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void test_later_options_win(void **state)
{
	auto_oci_config struct oci_config c = {0};
	struct oci_mount *m = oci_config_add_mount(&c, "/x", "tmpfs", "tmpfs");

	(void)state;
	oci_mount_add_option(m, "ro");
	oci_mount_add_option(m, "rw");
	oci_mount_add_option(m, "rro");
	oci_mount_add_option(m, "rrw");
	oci_mount_add_option(m, "rnoatime");
	oci_mount_add_option(m, "tmpcopyup");
	oci_mount_add_option(m, "mode=755");
	assert_int_equal(m->flags_set, 0);
	assert_int_equal(m->flags_clear, MS_RDONLY);
	assert_int_equal(m->attr_recursive_set, MOUNT_ATTR_NOATIME);
	assert_int_equal(m->attr_recursive_clear, MOUNT_ATTR_RDONLY | 0x70);
	assert_true(m->copy_up);
	assert_string_equal(m->data, "mode=755");
}

static void test_missing_file(void **state)
{
	char dir[] = "/tmp/cloche-oci-XXXXXX";
	struct oci_config c;
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(oci_config_read_at(fd, &c, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	close(fd);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_mounts_and_hooks),
		cmocka_unit_test(test_linux),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_encoded_decodes_to_the_same),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_no_plan_can_do_is_refused),
		cmocka_unit_test(test_truncated_text_never_decodes),
		cmocka_unit_test(test_later_options_win),
		cmocka_unit_test(test_missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
