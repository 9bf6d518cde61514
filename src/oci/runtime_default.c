/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that `spec` writes: what runc and crun write, so that one bundle serves all. */
#include <string.h>
#include <sys/resource.h>

#include "base/str.h"
#include "oci/runtime_config.h"

static const struct {
	const char *destination, *type, *source;
	const char *options[7];
} mounts[] = {
	{"/proc", "proc", "proc", {NULL}},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
	{"/dev/pts",
	 "devpts",
	 "devpts",
	 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
	{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
	{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
	{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
};

static const char *const masked[] = {
	"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/sys/firmware",       "/proc/scsi",
};

static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
				       "/proc/sysrq-trigger"};

static void default_process(struct oci_process *p)
{
	uint64_t mask = CAPABILITY_BIT(5) | CAPABILITY_BIT(10) | CAPABILITY_BIT(29);

	p->terminal = true;
	strv_add(&p->args, "sh");
	strv_add(&p->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strv_add(&p->env, "TERM=xterm");
	p->cwd = xstrdup("/");
	p->has_capabilities = true;
	/* kill, net_bind_service, audit_write */
	p->capabilities = (struct capability_sets){
		.bounding = mask, .effective = mask, .permitted = mask, .ambient = mask};
	p->no_new_privileges = true;
}

void oci_config_default(struct oci_config *out)
{
	memset(out, 0, sizeof(*out));
	out->oci_version = xstrdup(OCI_BUNDLE_VERSION);
	out->root_path = xstrdup("rootfs");
	out->root_readonly = true;
	out->has_process = true;
	default_process(&out->process);
	oci_config_add_rlimit(
		out, (struct rlimit_value){.resource = RLIMIT_NOFILE, .soft = 1024, .hard = 1024});
	out->hostname = xstrdup("cloche");
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		struct oci_mount *m = oci_config_add_mount(out, mounts[i].destination,
							   mounts[i].type, mounts[i].source);

		for (size_t k = 0; k < 7 && mounts[i].options[k]; k++)
			oci_mount_add_option(m, mounts[i].options[k]);
	}
	oci_config_add_device_rule(out, (struct cgroup_device_rule){false, 'a', -1, -1, 7});
	oci_config_add_namespace(out, OCI_NS_PID, NULL);
	oci_config_add_namespace(out, OCI_NS_NETWORK, NULL);
	oci_config_add_namespace(out, OCI_NS_IPC, NULL);
	oci_config_add_namespace(out, OCI_NS_UTS, NULL);
	oci_config_add_namespace(out, OCI_NS_MOUNT, NULL);
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		strv_add(&out->masked_paths, masked[i]);
	for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++)
		strv_add(&out->readonly_paths, readonly[i]);
}
