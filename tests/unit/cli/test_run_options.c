/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of a `run` to struct container_config, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "cli/run_options.h"
#include "cli/run_values.h"

struct run {
	struct run_options o;
	struct err err;
	int rc;
};

static void parse_words(struct run *r, const char *const *words)
{
	char **argv = (char **)(uintptr_t)words;
	auto_strv struct strv args = {0};
	int argc = 0;
	bool help;

	while (argv[argc])
		argc++;
	r->err = ERR_INIT;
	run_options_init(&r->o);
	r->rc = options_parse(&run_option_table, &r->o, argc, argv, &args, &help, &r->err);
	if (r->rc == 0)
		r->rc = run_options_finish(&r->o, &args, &r->err);
}

#define PARSE(r, ...) parse_words(r, (const char *const[]){__VA_ARGS__, NULL})

static void test_limits_and_modes(void **state)
{
	struct container_config *c;
	struct run r;

	(void)state;
	PARSE(&r, "-it", "--rm", "-m", "64m", "--memory-swap", "-1", "--cpus=0.5", "--pids-limit",
	      "20", "--ulimit", "nofile=10:20", "--ulimit", "nofile=30", "--pid", "host",
	      "--ipc=host", "--uts", "host", "--cgroupns", "host", "--network", "host", "-u", "1:2",
	      "-w", "/x", "-h", "box", "--entrypoint", "/e", "--cap-add", "A", "--cap-drop=B",
	      "--group-add", "7", "--read-only", "--shm-size", "1m", "--stop-signal", "INT",
	      "--cpuset-cpus", "0", "-c", "512", "image", "-x");
	c = &r.o.config;
	assert_int_equal(r.rc, 0);
	assert_true(c->tty && c->open_stdin && c->attach_stdin && c->stdin_once && c->auto_remove);
	assert_true(c->attach_stdout && c->attach_stderr && c->read_only_rootfs);
	assert_true(c->memory_bytes == 64 << 20 && c->memory_swap_bytes == -1);
	assert_true(c->nano_cpus == 500000000 && c->pids_limit == 20 &&
		    c->shm_size_bytes == 1 << 20);
	assert_int_equal(c->ulimit_count, 1);
	assert_true(c->ulimits[0].soft == 30 && c->ulimits[0].hard == 30);
	assert_string_equal(c->pid_mode, "host");
	assert_string_equal(c->ipc_mode, "host");
	assert_string_equal(c->uts_mode, "host");
	assert_string_equal(c->cgroupns_mode, "host");
	assert_string_equal(c->network_mode, "host");
	assert_string_equal(c->hostname, "box");
	assert_string_equal(c->image, "image");
	assert_int_equal(c->cmd.count, 1);
	assert_string_equal(c->cmd.items[0], "-x");
	assert_true(c->entrypoint_set);
	assert_string_equal(c->entrypoint.items[0], "/e");
	assert_true(c->cpu_shares == 512);
	run_options_free(&r.o);
}

static void test_streams_and_command(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "-a", "stdout", "image");
	assert_true(r.o.config.attach_stdout && !r.o.config.attach_stderr &&
		    !r.o.config.attach_stdin);
	run_options_free(&r.o);

	PARSE(&r, "--rootfs", ".", "sh", "-c", "x");
	assert_null(r.o.config.image);
	assert_true(r.o.config.rootfs[0] == '/');
	assert_int_equal(r.o.config.cmd.count, 3);
	run_options_free(&r.o);

	PARSE(&r, "--name", "", "-h", "", "-w", "", "--pid", "", "--stop-signal", "", "image");
	assert_int_equal(r.rc, 0);
	assert_null(r.o.name);
	assert_null(r.o.config.hostname);
	assert_null(r.o.config.working_dir);
	assert_null(r.o.config.pid_mode);
	assert_null(r.o.config.stop_signal);
	run_options_free(&r.o);

	PARSE(&r, "--entrypoint", "", "image");
	assert_true(r.o.config.entrypoint_set && r.o.config.entrypoint.count == 0);
	run_options_free(&r.o);
}

static void test_environment(void **state)
{
	static const char text[] = "\xef\xbb\xbf# comment\n\n  FILE=1\r\nINHERITED\nBOTH=file\n";
	char path[] = "/tmp/test_run_options.XXXXXX";
	int fd = mkstemp(path);
	struct run r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	setenv("INHERITED", "yes", 1);
	unsetenv("ABSENT");
	PARSE(&r, "-e", "A=1", "-e", "INHERITED", "-e", "ABSENT", "-e", "BOTH=flag", "-e",
	      "EMPTY=", "--env-file", path, "-l", "k", "-l", "x=y", "i");
	unlink(path);
	assert_int_equal(r.rc, 0);
	assert_string_equal(strv_get_env(&r.o.config.env, "FILE"), "1");
	assert_string_equal(strv_get_env(&r.o.config.env, "INHERITED"), "yes");
	assert_string_equal(strv_get_env(&r.o.config.env, "BOTH"), "flag");
	assert_string_equal(strv_get_env(&r.o.config.env, "EMPTY"), "");
	assert_null(strv_get_env(&r.o.config.env, "ABSENT"));
	assert_true(strv_contains(&r.o.config.env, "ABSENT"));
	assert_string_equal(r.o.config.labels.items[0], "k=");
	assert_string_equal(r.o.config.labels.items[1], "x=y");
	run_options_free(&r.o);
}

static void test_mounts(void **state)
{
	struct mount_request *m;
	struct run r;

	(void)state;
	PARSE(&r, "-v", "/a/../b:/t/:ro,rslave", "-v", "vol:/v:nocopy", "-v", "/anon", "--tmpfs",
	      "/tmp:size=1m,noexec", "--mount", "type=bind,src=/etc,dst=/e,readonly", "--mount",
	      "type=tmpfs,target=/t2,tmpfs-size=2m,tmpfs-mode=0700", "--mount",
	      "\"type=bind\",\"source=/a,b\",target=/c", "--mount", "source=v2,target=/v2", "i");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.o.config.mount_count, 8);
	m = r.o.config.mounts;
	assert_int_equal(m[0].kind, MOUNT_KIND_BIND);
	assert_string_equal(m[0].source, "/b");
	assert_string_equal(m[0].target, "/t");
	assert_string_equal(m[0].propagation, "rslave");
	assert_true(m[0].read_only && m[0].create_source);
	assert_int_equal(m[1].kind, MOUNT_KIND_VOLUME);
	assert_string_equal(m[1].source, "vol");
	assert_true(m[1].no_copy);
	assert_null(m[2].source);
	assert_int_equal(m[3].kind, MOUNT_KIND_TMPFS);
	assert_string_equal(m[3].tmpfs_options, "size=1m,noexec");
	assert_true(m[4].read_only && !m[4].create_source);
	assert_true(m[5].tmpfs_size_bytes == 2 << 20 && m[5].tmpfs_mode == 0700);
	assert_string_equal(m[6].source, "/a,b");
	assert_int_equal(m[7].kind, MOUNT_KIND_VOLUME);
	run_options_free(&r.o);
	/* The same words twice are once; of two tmpfs the later counts. */
	PARSE(&r, "-v", "/a:/b:ro", "-v", "/a:/b:ro", "-v", "/c", "-v", "/c", "--tmpfs", "/d",
	      "--tmpfs", "/d:size=1m", "i");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.o.config.mount_count, 3);
	assert_true(r.o.config.mounts[0].read_only);
	assert_string_equal(r.o.config.mounts[2].tmpfs_options, "size=1m");
	run_options_free(&r.o);
	PARSE(&r, "-v", "/a:/b", "-v", "/a:/b:ro", "i");
	assert_string_equal(r.err.msg, "Duplicate mount point: /b");
	run_options_free(&r.o);
}

static const char *const refusals[][3] = {
	{"--ulimit", "foo", "invalid ulimit argument: foo"},
	{"--ulimit", "nofile=a", "strconv.ParseInt: parsing \"a\": invalid syntax"},
	{"--ulimit", "nofile=3:1",
	 "ulimit soft limit must be less than or equal to hard limit: 3 > 1"},
	{"--ulimit", "nofile=-1:2",
	 "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 2"},
	{"--ulimit", "nofile=", "strconv.ParseInt: parsing \"\": invalid syntax"},
	{"--ulimit", "nofile=12x", "strconv.ParseInt: parsing \"12x\": invalid syntax"},
	{"--ulimit", "RLIMIT_NOFILE=1", "invalid ulimit type: RLIMIT_NOFILE"},
	{"--ulimit", "foo=1", "invalid ulimit type: foo"},
	{"--ulimit", "nofile=1:2:3",
	 "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"},
	{"--memory-swap", "-2", "invalid size: '-2'"},
	{"--mount", "type=foo", "target is required"},
	{"--mount", "foo", "invalid field 'foo' must be a key=value pair"},
	{"--mount", "type=bind,source=/,target=/x,nosuch=1",
	 "unexpected key 'nosuch' in 'nosuch=1'"},
	{"--mount", "type=bind,source=/,target=/x,readonly=maybe",
	 "invalid value for readonly: maybe"},
	{"--mount", "type=tmpfs,target=/x,tmpfs-size=x", "invalid value for tmpfs-size: x"},
	{"--mount", "type=tmpfs,target=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"},
	{"--mount", "type=bind,source=/,target=/x,tmpfs-size=1",
	 "cannot mix 'tmpfs-*' options with mount type 'bind'"},
	{"--mount", "type=bind,source=/,target=/x,volume-nocopy",
	 "cannot mix 'volume-*' options with mount type 'bind'"},
	{"--mount", "type=bind,target=/x",
	 "invalid mount config for type \"bind\": field Source must not be empty"},
	{"--mount", "type=bind,source=rel,target=/x",
	 "invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute"},
	{"--mount", "type=tmpfs,source=/x,target=/y",
	 "invalid mount config for type \"tmpfs\": field Source must not be specified"},
	{"--mount", "", "EOF"},
	{"--mount", "type=,target=/x", "type is required"},
	{"--mount", "type=bind,source=/,target=/x,volume-driver=x",
	 "cannot mix 'volume-*' options with mount type 'bind'"},
	{"--mount", "type=bind,source=/,target=/x,bind-propagation=x",
	 "invalid mount config for type \"bind\": invalid propagation mode: x"},
	{"--mount", "type=bind,source=/,target=/x,bind-nonrecursive=x",
	 "invalid value for bind-nonrecursive: x"},
	{"--mount", "source=v,target=/x",
	 "create v: volume name is too short, names should be at least two alphanumeric characters"},
	{"-v", "a:b:c:d", "invalid spec: a:b:c:d: too many colons"},
	{"-v", ":", "invalid spec: :: empty section between colons"},
	{"-v", "/a:/b:", "invalid spec: /a:/b:: empty section between colons"},
	{"-v", "", "invalid empty volume spec"},
	{"-v", "/a:/b:nocopy",
	 "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": field "
	 "VolumeOptions must not be specified"},
	{"-v", "vol:/b:rshared",
	 "invalid volume specification: 'vol:/b:rshared': invalid mount config for type \"volume\": "
	 "field BindOptions must not be specified"},
	{"-v", "/foo:ro", "invalid volume specification: '/foo:ro'"},
	{"-v", "/a:/b:rw,ro", "invalid mode: rw,ro"},
	{"-v", "/a:b",
	 "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount "
	 "path: 'b' mount path must be absolute"},
	{"-v", "/:/",
	 "invalid volume specification: '/:/': invalid mount config for type \"bind\": invalid "
	 "specification: destination can't be '/'"},
	{"--tmpfs", "rel", "invalid mount path: 'rel' mount path must be absolute"},
	{"--tmpfs", "/x:size=1m,a=b", "invalid tmpfs option [\"a\" \"b\"]"},
	{"-e", "=x", "invalid environment variable: =x"},
	{"-e", "", "invalid environment variable: "},
	{"-l", "=x", "invalid label '=x': empty name"},
	{"-l", " =x", "invalid label ' =x': empty name"},
	{"-a", "foo", "valid streams are STDIN, STDOUT and STDERR"},
	{"--pid", "foo", "invalid PID mode"},
	{"--pid", "container:", "invalid PID mode"},
	{"--network", "container:", "invalid container format container:<name|id>"},
	{"--uts", "foo", "invalid UTS mode"},
	{"--cgroupns", "foo", "invalid CGROUP mode"},
	{"--network", "", "no name set for network"},
	{"--security-opt", "foo", "Invalid --security-opt: \"foo\""},
	{"--security-opt", "seccomp", "Invalid --security-opt: \"seccomp\""},
	{"--security-opt", "foo=bar", "invalid --security-opt 2: \"foo=bar\""},
	{"--security-opt", "seccomp=/nonexistent",
	 "opening seccomp profile (/nonexistent) failed: open /nonexistent: no such file or directory"},
	{"--env-file", "/nonexistent", "open /nonexistent: no such file or directory"},
	{"-h", "a b", "invalid hostname format: a b"},
	{"--device", "/a:/b:rwm:x", "bad format for path: /a:/b:rwm:x"},
	{"--device", ":/b", "bad format for path: :/b"},
	{"--device", "/a:/b:rr", "bad mode specified: rr"},
	{"--device", "/a:b", "b is not an absolute path"},
	{"--device-cgroup-rule", "c 1:3", "invalid device cgroup format 'c 1:3'"},
	{"--device-cgroup-rule", "d 1:3 r", "invalid device cgroup format 'd 1:3 r'"},
	{"--device-cgroup-rule", "c 1:3 rwmr", "invalid device cgroup format 'c 1:3 rwmr'"},
	{"--device-read-bps", "/dev/a", "bad format: /dev/a"},
	{"--device-read-bps", "a:1", "bad format for device path: a:1"},
	{"--device-read-iops", "/dev/a:1k",
	 "invalid rate for device: /dev/a:1k. The correct format is <device-path>:<number>. Number must "
	 "be a positive integer"},
	{"--sysctl", "kernel.hostname=x", "sysctl 'kernel.hostname=x' is not allowed"},
	{"--sysctl", "net.core.somaxconn", "sysctl 'net.core.somaxconn' is not allowed"},
	{"--restart", ":3", "invalid restart policy format: no policy provided before colon"},
	{"--restart", "on-failure:x",
	 "invalid restart policy format: maximum retry count must be an integer"},
	{"--health-timeout", "-1s", "--health-timeout cannot be negative"},
	{"--health-interval", "5", "time: missing unit in duration \"5\""},
	{"--blkio-weight", "-1", "strconv.ParseUint: parsing \"-1\": invalid syntax"},
	{"--blkio-weight", "x", "strconv.ParseUint: parsing \"x\": invalid syntax"},
	{"--blkio-weight", "65536", "strconv.ParseUint: parsing \"65536\": value out of range"},
	{"--ipc", "foo", "Invalid IPC mode: foo"},
	{"--uts", "container:x", "--uts: invalid UTS mode"},
	{"--security-opt", "no-new-privileges=x",
	 "invalid --security-opt 2: \"no-new-privileges=x\""},
	{"--security-opt", "seccomp=/",
	 "opening seccomp profile (/) failed: read /: is a directory"},
	{"--env-file", "/", "invalid env file (/): read /: is a directory"},
	{"--memory-swappiness", "101",
	 "invalid value: 101. Valid memory swappiness range is 0-100"},
	{"--userns", "x", "invalid USER mode"},
	{"--pull", "often",
	 "invalid pull option: 'often': must be one of \"always\", \"missing\" or \"never\""},
	{"--storage-opt", "x", "invalid storage option"},
	{"--expose", "1:2", "invalid port format for --expose: 1:2"},
	{"--isolation", "hyperv",
	 "invalid isolation 'hyperv' on linux: only 'default' is supported"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct run r;

		PARSE(&r, refusals[i][0], refusals[i][1], "image");
		if (r.rc == 0 || !str_ends(r.err.msg, refusals[i][2]))
			fail_msg("%s %s: %s\nexpected: %s", refusals[i][0], refusals[i][1],
				 r.err.msg, refusals[i][2]);
		run_options_free(&r.o);
	}
}

static void test_life(void **state)
{
	const struct container_config *c;
	struct run r;

	(void)state;
	PARSE(&r, "-d", "-i", "--restart", "on-failure:5", "--health-cmd", "true",
	      "--health-interval", "1m30s", "--health-retries", "2", "--annotation", "a",
	      "--log-opt", "max-size=1m", "--log-opt", "max-size=2m", "image");
	assert_int_equal(r.rc, 0);
	c = &r.o.config;
	assert_true(c->open_stdin && !c->attach_stdin && !c->attach_stdout && !c->stdin_once);
	assert_string_equal(c->restart_policy, "on-failure");
	assert_int_equal(c->restart_max_retries, 5);
	assert_int_equal(c->health.test.count, 2);
	assert_string_equal(c->health.test.items[0], "CMD-SHELL");
	assert_int_equal(c->health.interval_ns, 90000000000);
	assert_int_equal(c->health.retries, 2);
	assert_string_equal(c->annotations.items[0], "a=");
	assert_int_equal(c->log_options.count, 1);
	assert_string_equal(c->log_options.items[0], "max-size=2m");
	run_options_free(&r.o);
	PARSE(&r, "--no-healthcheck", "--restart", "always:", "image");
	assert_int_equal(r.rc, 0);
	assert_true(r.o.config.health.disabled);
	assert_string_equal(r.o.config.health.test.items[0], "NONE");
	assert_string_equal(r.o.config.restart_policy, "always");
	run_options_free(&r.o);
	PARSE(&r, "--no-healthcheck", "--health-retries", "1", "image");
	assert_string_equal(r.err.msg, "--no-healthcheck conflicts with --health-* options");
	run_options_free(&r.o);
	PARSE(&r, "--rm", "--restart", "always", "image");
	assert_string_equal(r.err.msg,
			    "conflicting options: cannot specify both --restart and --rm");
	run_options_free(&r.o);
}

static void test_devices(void **state)
{
	static const char *const forms[][4] = {
		{"/dev/a", "/dev/a", "/dev/a", "rwm"},
		{"/dev/a:r", "/dev/a", "/dev/a", "r"},
		{"/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm"},
		{"/dev/a:/dev//b:mw", "/dev/a", "/dev/b", "mw"},
	};
	struct run r;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		PARSE(&r, "--device", forms[i][0], "image");
		assert_int_equal(r.rc, 0);
		assert_string_equal(r.o.config.devices[0].host_path, forms[i][1]);
		assert_string_equal(r.o.config.devices[0].container_path, forms[i][2]);
		assert_string_equal(r.o.config.devices[0].permissions, forms[i][3]);
		run_options_free(&r.o);
	}
	PARSE(&r, "--device-read-bps", "/dev/a:1mb", "--device-write-iops", "/dev/b:7",
	      "--device-cgroup-rule", "b *:* m", "--sysctl", "net.a=1", "--sysctl", "net.a=2",
	      "--expose", "80-81", "--expose", "80/tcp", "image");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.o.config.read_bps.items[0].rate, 1048576);
	assert_string_equal(r.o.config.write_iops.items[0].path, "/dev/b");
	assert_int_equal(r.o.config.write_iops.items[0].rate, 7);
	assert_string_equal(r.o.config.device_cgroup_rules.items[0], "b *:* m");
	assert_int_equal(r.o.config.sysctls.count, 1);
	assert_string_equal(r.o.config.sysctls.items[0], "net.a=2");
	assert_int_equal(r.o.config.exposed_ports.count, 2);
	assert_string_equal(r.o.config.exposed_ports.items[1], "81/tcp");
	run_options_free(&r.o);
}

/* Flags of Docker that this version lacks are refused by name, never ignored. */
static void test_not_supported(void **state)
{
	static const char *const flags[] = {"--io-maxiops=1", "--publish=80/sctp",
					    "--use-api-socket"};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct run r;

		PARSE(&r, flags[i], "image");
		assert_int_equal(r.err.kind, ERR_UNSUPPORTED);
		assert_non_null(strstr(r.err.msg, "is not supported yet"));
		run_options_free(&r.o);
	}
}

static void expect_list(const struct strv *list, const char *const *wanted)
{
	size_t n = 0;

	for (; wanted[n]; n++) {
		assert_true(n < list->count);
		assert_string_equal(list->items[n], wanted[n]);
	}
	assert_int_equal(list->count, n);
}
#define EXPECT_LIST(list, ...) expect_list(list, (const char *const[]){__VA_ARGS__, NULL})

static void test_publish(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "-p", "80", "-p", "8080:80/udp", "-p", "127.0.0.1::90", "-p", "[::1]:91:91", "-p",
	      "::1:92:92", "-p", "7000-7001:9000-9001", "-p", "8000-8010:99/TCP", "--publish",
	      "target=70,published=71,protocol=udp,mode=host", "-P", "image");
	assert_int_equal(r.rc, 0);
	EXPECT_LIST(&r.o.config.publish, "::80/tcp", ":8080:80/udp", "127.0.0.1::90/tcp",
		    "[::1]:91:91/tcp", "[::1]:92:92/tcp", ":7000:9000/tcp", ":7001:9001/tcp",
		    ":8000-8010:99/tcp", ":71:70/udp");
	EXPECT_LIST(&r.o.config.exposed_ports, "80/tcp", "80/udp", "90/tcp", "91/tcp", "92/tcp",
		    "9000/tcp", "9001/tcp", "99/tcp", "70/udp");
	assert_true(r.o.config.publish_all);
	run_options_free(&r.o);
}

/* The words are those of Docker's client 28. */
static void test_publish_refused(void **state)
{
	static const char *const cases[][2] = {
		{"abc", "invalid containerPort: abc"},
		{"80:abc", "invalid containerPort: abc"},
		{"abc:80", "invalid hostPort: abc"},
		{"80:80:80:80", "invalid IP address: 80:80"},
		{"1.2.3:80:80", "invalid IP address: 1.2.3"},
		{"99999:80", "invalid hostPort: 99999"},
		{"80-90:80-85",
		 "invalid ranges specified for container and host Ports: 80-85 and 80-90"},
		{"80:80/foo", "invalid proto: foo"},
		{"", "no port specified: <empty>"},
		{":", "no port specified: :<empty>"},
		{"80:", "no port specified: 80:<empty>"},
		{"-1:80", "invalid hostPort: -1"},
		{"target=80,published",
		 "invalid publish opts format (should be name=value but got 'published')"},
		{"published=80", "no port specified: 80:/tcp<empty>"},
		{"target=x", "invalid containerPort: x"},
		{"80-70", "invalid containerPort: 80-70"},
		{"[::1:80:80", "invalid IP address [::1: address [::1:: missing ']' in address"},
		{"localhost:80:80", "invalid IP address: localhost"},
		{"80 ", "invalid containerPort: 80 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r;

		PARSE(&r, "-p", cases[i][0], "image");
		assert_int_not_equal(r.rc, 0);
		assert_string_equal(r.err.msg, cases[i][1]);
		run_options_free(&r.o);
	}
}

static void test_network(void **state)
{
	struct endpoint_request *e;
	struct run r;

	(void)state;
	PARSE(&r, "--network", "name=Net,alias=a,ip=10.0.0.2,driver-opt=k=v", "--net", "other",
	      "--ip6", "fd00::2", "--mac-address", "02:42:0a:00:00:02", "--link", "db:d", "--link",
	      "web", "image");
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.o.config.network_mode, "net");
	assert_int_equal(r.o.config.endpoint_count, 2);
	e = r.o.config.endpoints;
	EXPECT_LIST(&e[0].aliases, "a");
	EXPECT_LIST(&e[0].links, "db:d", "web:web");
	EXPECT_LIST(&e[0].driver_options, "k=v");
	assert_string_equal(e[0].ipv4, "10.0.0.2");
	assert_string_equal(e[0].ipv6, "fd00::2");
	assert_string_equal(e[0].mac, "02:42:0a:00:00:02");
	assert_string_equal(r.o.config.mac_address, "02:42:0a:00:00:02");
	assert_string_equal(e[1].network, "other");
	assert_int_equal(e[1].aliases.count, 0);
	run_options_free(&r.o);

	PARSE(&r, "--network", "net", "--network-alias", "x", "--net-alias", "y", "image");
	assert_int_equal(r.rc, 0);
	EXPECT_LIST(&r.o.config.endpoints[0].aliases, "x", "y");
	run_options_free(&r.o);

	PARSE(&r, "image");
	assert_null(r.o.config.network_mode);
	run_options_free(&r.o);
}

static void test_network_refused(void **state)
{
	static const char *const cases[][4] = {
		{"--network=a=b", NULL, NULL, "invalid field key a"},
		{"--network=name=n,alias", NULL, NULL, "invalid field alias"},
		{"--network=name=n,mac-address=x", NULL, NULL, "x is not a valid mac address"},
		{"--network=a", "--network=a", NULL, "network \"a\" is specified multiple times"},
		{"--network=a", "--network=bridge", NULL,
		 "conflicting options: cannot attach both user-defined and non-user-defined "
		 "network-modes"},
		{"--network=name=n,alias=x", "--network-alias=y", NULL,
		 "conflicting options: cannot specify both --network-alias and per-network alias"},
		{"--network=name=n,ip=1.2.3.4", "--ip=1.2.3.5", NULL,
		 "conflicting options: cannot specify both --ip and per-network IPv4 address"},
		{"--network=name=n,mac-address=02:42:ac:11:00:02",
		 "--mac-address=02:42:ac:11:00:03", NULL,
		 "conflicting options: cannot specify both --mac-address and per-network MAC "
		 "address"},
		{"--network-alias=y", NULL, NULL,
		 "network-scoped aliases are only supported for user-defined networks"},
		{"--mac-address=02:42:ac:11:00:02:03", NULL, NULL,
		 "02:42:ac:11:00:02:03 is not a valid mac address"},
		{"--network=name=bridge,alias=x", NULL, NULL,
		 "network-scoped aliases are only supported for user-defined networks"},
		{"--network=container", NULL, NULL,
		 "Invalid network mode: invalid container format container:<name|id>"},
		{"--expose=", NULL, NULL,
		 "invalid range format for --expose: , error: empty string specified for ports"},
		{"--expose=x", NULL, NULL,
		 "invalid range format for --expose: x, error: strconv.ParseUint: parsing \"x\": "
		 "invalid syntax"},
		{"--expose=99999", NULL, NULL,
		 "invalid range format for --expose: 99999, error: strconv.ParseUint: parsing "
		 "\"99999\": value out of range"},
		{"--expose=90-80", NULL, NULL,
		 "invalid range format for --expose: 90-80, error: invalid range specified for "
		 "port: 90-80"},
		{"--expose=80:80", NULL, NULL, "invalid port format for --expose: 80:80"},
		{"--add-host=x", NULL, NULL, "bad format for add-host: \"x\""},
		{"--add-host=x:y", NULL, NULL, "invalid IP address in add-host: \"y\""},
		{"--dns=1.2.3", NULL, NULL, "IP address is not correctly formatted: 1.2.3"},
		{"--dns-search=a..b", NULL, NULL, "a..b is not a valid domain"},
		{"--link=x:y:z", NULL, NULL, "bad format for links: x:y:z"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const *c = cases[i];
		struct run r;

		if (c[1])
			PARSE(&r, c[0], c[1], "image");
		else
			PARSE(&r, c[0], "image");
		assert_int_not_equal(r.rc, 0);
		/* What the parser puts in front is its own test's. */
		assert_true(str_ends(r.err.msg, c[3]));
		run_options_free(&r.o);
	}
}

static void test_names_for_files(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "--add-host", "a:1.2.3.4", "--add-host", "b=::1", "--add-host", "c=[::2]",
	      "--add-host", "d:host-gateway", "--dns", "1.1.1.1", "--dns-search", "x.y",
	      "--dns-search", ".", "--dns-option", "ndots:2", "image");
	assert_int_equal(r.rc, 0);
	EXPECT_LIST(&r.o.config.extra_hosts, "a:1.2.3.4", "b:::1", "c:::2", "d:host-gateway");
	EXPECT_LIST(&r.o.config.dns, "1.1.1.1");
	EXPECT_LIST(&r.o.config.dns_search, "x.y", ".");
	EXPECT_LIST(&r.o.config.dns_options, "ndots:2");
	run_options_free(&r.o);
}

static void test_security_options(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, "--security-opt", "seccomp=unconfined", "--security-opt",
	      "no-new-privileges:true", "--security-opt", "no-new-privileges=false", "i");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.o.config.security_opt.count, 2);
	assert_string_equal(r.o.config.security_opt.items[0], "seccomp=unconfined");
	assert_string_equal(r.o.config.security_opt.items[1], "no-new-privileges");
	run_options_free(&r.o);
}

static void test_paths(void **state)
{
	static const char *const cases[][2] = {{"/a//b/./c/..", "/a/b"},
					       {"/..", "/"},
					       {"/", "/"},
					       {"/a/", "/a"},
					       {"/../../x", "/x"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_free char *path = run_absolute_path(cases[i][0]);

		assert_string_equal(path, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_and_modes),
		cmocka_unit_test(test_streams_and_command),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_not_supported),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_publish_refused),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_network_refused),
		cmocka_unit_test(test_names_for_files),
		cmocka_unit_test(test_security_options),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
