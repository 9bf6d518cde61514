/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of test 7, one row each: how bad it is, where that comes from, what to do. "CIS" is the CIS
 * Docker Benchmark 1.6.0; capabilities are judged by capabilities(7) and by the escapes known of each.
 * A rule sees what was read of this container in this run and nothing else.
 *
 * critical: the host is taken over by what is in every container escape tool. high: one more step.
 * medium: it takes a weakness elsewhere, or only neighbours suffer. low: a lock that could be turned.
 */
#include <string.h>

#include "base/str.h"
#include "observe/experiment/isolation.h"
#include "observe/experiment/security.h"

struct rule {
	enum report_severity severity;
	/* Whether it applies; appends what is in the way of the container, for the title. */
	bool (*applies)(const struct security_view *v, struct strbuf *title);
	const char *reason, *advice, *flag;
};

/* ---- capabilities ---- */

struct danger {
	const char *name;
	enum report_severity severity;
	const char *reason;
};
/* Beyond Docker's fourteen. What is not listed is low. */
static const struct danger dangers[] = {
	{"CAP_SYS_ADMIN", REPORT_CRITICAL,
	 "mounts, cgroup release agents and much else: the new root (capabilities(7), CVE-2022-0492)"},
	{"CAP_SYS_MODULE", REPORT_CRITICAL, "code can be loaded into the kernel (capabilities(7))"},
	{"CAP_SYS_RAWIO", REPORT_CRITICAL,
	 "ports and memory of the machine can be written (capabilities(7))"},
	{"CAP_SYS_PTRACE", REPORT_HIGH,
	 "other processes can be taken over, the host's where its pids are shared (capabilities(7))"},
	{"CAP_DAC_READ_SEARCH", REPORT_HIGH,
	 "any file of the file system below can be opened by its handle (open_by_handle_at(2), the "
	 "escape called shocker)"},
	{"CAP_BPF", REPORT_HIGH, "programs can be loaded into the kernel (capabilities(7))"},
	{"CAP_NET_ADMIN", REPORT_HIGH,
	 "interfaces, routes and packet filters can be changed (capabilities(7), CVE-2022-25636)"},
	{"CAP_SYS_BOOT", REPORT_HIGH, "another kernel can be loaded (kexec_load(2))"},
	{"CAP_MAC_ADMIN", REPORT_HIGH, "the security module's policy can be changed"},
	{"CAP_MAC_OVERRIDE", REPORT_HIGH, "the security module's policy is not applied"},
	{"CAP_CHECKPOINT_RESTORE", REPORT_MEDIUM, "pids and /proc/PID/map_files can be chosen"},
	{"CAP_PERFMON", REPORT_MEDIUM, "the whole machine can be watched (perf_event_open(2))"},
	{"CAP_SYSLOG", REPORT_MEDIUM, "kernel addresses are shown (capabilities(7))"},
	{"CAP_SYS_TIME", REPORT_MEDIUM, "the clock of the host can be set"},
	{"CAP_SYS_RESOURCE", REPORT_MEDIUM, "limits and quotas can be raised"},
	{"CAP_AUDIT_CONTROL", REPORT_MEDIUM, "auditing can be switched off"},
	{"CAP_LINUX_IMMUTABLE", REPORT_MEDIUM, "append-only logs can be rewritten"},
};

static const struct danger *danger_of(const char *name)
{
	for (size_t i = 0; i < sizeof(dangers) / sizeof(dangers[0]); i++)
		if (str_eq(dangers[i].name, name))
			return &dangers[i];
	return NULL;
}

static uint64_t reachable(const struct posture *p)
{
	return p->capabilities.permitted | p->capabilities.bounding;
}

static void judge_capability(struct experiment_context *x, const struct security_view *v,
			     unsigned number)
{
	const char *name = capability_name(number);
	const struct danger *d = name ? danger_of(name) : NULL;
	bool held = v->posture.capabilities.permitted & CAPABILITY_BIT(number);
	struct report_finding *f = report_finding(
		x->report, d ? d->severity : REPORT_LOW, held ? 0.8 : 0.4, x->test->key, v->subject,
		"It %s %s", held ? "has" : "can get", name ? name : "a capability newer than this");
	auto_free char *flag = xasprintf("--cap-drop %s", name ? name + strlen("CAP_") : "ALL");

	report_reason(f, "%s; beyond the fourteen that engines give (CIS 5.4)",
		      d ? d->reason : "it widens what root inside may do (capabilities(7))");
	report_recommend(f, flag, "drop it, or do not add it");
}

static void judge_capabilities(struct experiment_context *x, const struct security_view *v)
{
	uint64_t extra = reachable(&v->posture) & ~CAPABILITY_DEFAULT_MASK;

	/* In a user namespace of its own they count for what that namespace owns alone, and a
	 * privileged container has all of them: one finding says so. */
	if (posture_has_user_namespace(&v->posture) || posture_is_privileged(&v->posture))
		return;
	for (unsigned i = 0; i < 64; i++)
		if (extra & CAPABILITY_BIT(i))
			judge_capability(x, v, i);
}

static bool has_default_capabilities(const struct security_view *v, struct strbuf *title)
{
	uint64_t held = v->posture.capabilities.permitted;

	if (posture_is_privileged(&v->posture) || !held)
		return false;
	strbuf_printf(title, "It holds %d capabilities, NET_RAW %s them",
		      __builtin_popcountll(held),
		      held & CAPABILITY_BIT(13) ? "among" : "not among");
	return true;
}

/* ---- rules ---- */

static bool is_privileged(const struct security_view *v, struct strbuf *title)
{
	if (!posture_is_privileged(&v->posture))
		return false;
	strbuf_printf(
		title, "It is privileged: all %d capabilities, no seccomp filter, %zu device nodes",
		__builtin_popcountll(v->posture.capabilities.effective), v->posture.node_count);
	return true;
}

static bool list_mounts(const struct security_view *v, enum posture_mount_kind kind,
			struct strbuf *title)
{
	for (size_t i = 0; i < v->posture.mount_count; i++) {
		const struct posture_mount *m = &v->posture.mounts[i];

		if (m->kind == kind)
			strbuf_printf(title, "%s%s (%s)", title->len ? ", " : "", m->target,
				      m->host_path ? m->host_path : m->type);
	}
	return title->len > 0;
}

/* Puts a lead before a list. */
static bool lead(struct strbuf *title, const char *text, bool applies)
{
	auto_free char *list = xstrdup(strbuf_str(title));

	strbuf_free(title);
	*title = (struct strbuf){0};
	strbuf_printf(title, "%s%s", text, list);
	return applies;
}

static bool has_engine_socket(const struct security_view *v, struct strbuf *title)
{
	return lead(title, "An engine's socket is mounted: ",
		    list_mounts(v, POSTURE_ENGINE_SOCKET, title));
}

static bool has_other_socket(const struct security_view *v, struct strbuf *title)
{
	return lead(title,
		    "A socket of the host's is mounted: ", list_mounts(v, POSTURE_SOCKET, title));
}

static bool is_sensitive(const char *host_path)
{
	static const char *const exact[] = {"/",    "/home", "/var", "/var/run",
					    "/run", "/opt",  "/srv", "/mnt"};
	static const char *const below[] = {"/etc",
					    "/root",
					    "/boot",
					    "/usr",
					    "/bin",
					    "/sbin",
					    "/lib",
					    "/proc",
					    "/sys",
					    "/dev",
					    "/var/lib/docker",
					    "/var/lib/containers",
					    "/var/lib/cloche",
					    "/var/lib/kubelet",
					    "/var/lib/containerd"};

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
		if (str_eq(host_path, exact[i]))
			return true;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		size_t n = strlen(below[i]);

		if (strncmp(host_path, below[i], n) == 0 &&
		    (host_path[n] == '/' || host_path[n] == '\0'))
			return true;
	}
	return false;
}

static bool list_paths(const struct security_view *v, bool sensitive, bool writable,
		       struct strbuf *title)
{
	for (size_t i = 0; i < v->posture.mount_count; i++) {
		const struct posture_mount *m = &v->posture.mounts[i];

		if (m->kind == POSTURE_HOST_PATH && m->host_path &&
		    is_sensitive(m->host_path) == sensitive && m->read_only != writable)
			strbuf_printf(title, "%s%s on %s", title->len ? ", " : "", m->host_path,
				      m->target);
	}
	return title->len > 0;
}

static bool has_writable_system_path(const struct security_view *v, struct strbuf *title)
{
	return lead(title,
		    "It can write system files of the host: ", list_paths(v, true, true, title));
}

static bool has_readable_system_path(const struct security_view *v, struct strbuf *title)
{
	return lead(title,
		    "It can read system files of the host: ", list_paths(v, true, false, title));
}

static bool has_writable_path(const struct security_view *v, struct strbuf *title)
{
	return lead(title, "It can write files of the host: ", list_paths(v, false, true, title));
}

static bool has_writable_groups(const struct security_view *v, struct strbuf *title)
{
	return lead(title, "Control groups are writable: ", list_mounts(v, POSTURE_CGROUP, title));
}

static bool has_kernel_mounts(const struct security_view *v, struct strbuf *title)
{
	return lead(title, "The kernel's own file systems are mounted: ",
		    list_mounts(v, POSTURE_KERNEL, title));
}

static bool has_no_filter(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "No seccomp filter is loaded");
	return v->posture.seccomp_mode == 0 && !posture_is_privileged(&v->posture);
}

static bool can_make_users(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "It can make user namespaces, and so be root before more of the kernel");
	return strv_contains(&v->calls.allowed, "unshare-user") &&
	       !posture_is_privileged(&v->posture);
}

static bool has_writable_kernel_files(const struct security_view *v, struct strbuf *title)
{
	const struct posture *p = &v->posture;

	strbuf_printf(title, "Kernel settings are writable:%s%s%s",
		      p->proc_sys_writable ? " /proc/sys" : "",
		      p->sysrq_writable ? " /proc/sysrq-trigger" : "",
		      p->sys_writable ? " /sys" : "");
	return p->proc_sys_writable || p->sysrq_writable || p->sys_writable;
}

static bool has_no_masks(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "No path below /proc and /sys is masked");
	return v->posture.masked.count == 0 && !posture_is_privileged(&v->posture);
}

static bool has_all_devices(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "No rule keeps it from any device of the host");
	return v->posture.device_rules_kind == POSTURE_DEVICES_ALL &&
	       !posture_is_privileged(&v->posture);
}

static bool has_other_devices(const struct security_view *v, struct strbuf *title)
{
	size_t shown = 0, count = 0;

	for (size_t i = 0; i < v->posture.node_count; i++) {
		const struct posture_node *n = &v->posture.nodes[i];

		if (n->usual)
			continue;
		if (++count <= 4) {
			strbuf_printf(title, "%s%s", shown ? ", " : "", n->path);
			shown++;
		}
	}
	if (count > shown)
		strbuf_printf(title, " and %zu more", count - shown);
	return lead(title, "It finds device nodes beyond the usual: ",
		    count && !posture_is_privileged(&v->posture));
}

static bool has_no_pids_limit(const struct security_view *v, struct strbuf *title)
{
	const struct group_limit *l = v->groups ? &v->groups->limits[GROUP_PIDS] : NULL;

	strbuf_puts(title, "The number of its processes is not limited");
	return l && l->known && l->in_force == GROUP_UNLIMITED;
}

static bool has_no_memory_limit(const struct security_view *v, struct strbuf *title)
{
	const struct group_limit *l = v->groups ? &v->groups->limits[GROUP_MEMORY] : NULL;

	strbuf_puts(title, "Its memory is not limited");
	return l && l->known && l->in_force == GROUP_UNLIMITED;
}

static bool is_root(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "Its program runs as root, which is the host's root");
	return posture_is_host_root(&v->posture);
}

static bool may_gain(const struct security_view *v, struct strbuf *title)
{
	strbuf_puts(title, "Programs with the setuid bit give it privileges");
	return !v->posture.no_new_privileges;
}

static bool is_root_writable(const struct security_view *v, struct strbuf *title)
{
	strbuf_printf(title, "Its root file system (%s) is writable", v->posture.root_type);
	return !v->posture.root_read_only;
}

static bool has_no_label(const struct security_view *v, struct strbuf *title)
{
	const char *label = v->posture.label;

	strbuf_printf(title, "No security module confines it (%s)",
		      *label ? label : "this kernel has none in force");
	return !*label || str_starts(label, "unconfined");
}

static bool is_spared(const struct security_view *v, struct strbuf *title)
{
	strbuf_printf(title, "It is spared when memory runs out (oom_score_adj %d)",
		      v->posture.oom_score_adj);
	return v->posture.oom_score_adj < 0;
}

static const struct rule rules[] = {
	{REPORT_CRITICAL, is_privileged, "nothing stands between it and the host (CIS 5.5)",
	 "give it the capability and the device that it needs instead", "without --privileged"},
	{REPORT_CRITICAL, has_engine_socket,
	 "who reaches it can start a container that owns the host, read-only mounts included (CIS 5.32)",
	 "do not mount it; put a proxy that allows single requests between them",
	 "without -v ...sock"},
	{REPORT_HIGH, has_no_filter, "every system call of the kernel is within reach (CIS 5.22)",
	 "use the engine's default profile", "without --security-opt seccomp=unconfined"},
	{REPORT_HIGH, has_writable_system_path,
	 "programs and settings of the host can be replaced (CIS 5.6)",
	 "mount what it needs, read-only", "-v SOURCE:TARGET:ro"},
	{REPORT_HIGH, has_writable_kernel_files,
	 "core_pattern and the like name programs that the host runs (core(5), runc CVE-2025-52881)",
	 "leave the engine's read-only paths in place",
	 "without --security-opt systempaths=unconfined"},
	{REPORT_HIGH, has_all_devices, "disks of the host can be read and written raw (CIS 5.18)",
	 "name the devices", "--device /dev/NAME"},
	{REPORT_MEDIUM, has_writable_groups,
	 "limits can be lifted; on version 1 release agents run on the host (CVE-2022-0492)",
	 "mount them read-only, in a cgroup namespace", "--cgroupns private"},
	{REPORT_MEDIUM, has_kernel_mounts,
	 "they are made for the host's administrator (debugfs.rst of the kernel)",
	 "do not mount them", NULL},
	{REPORT_MEDIUM, has_readable_system_path, "keys and passwords are among them (CIS 5.6)",
	 "mount only what it needs", NULL},
	{REPORT_MEDIUM, has_other_socket, "the program behind it takes orders from the container",
	 "do not mount it, or check what it may be asked for", NULL},
	{REPORT_MEDIUM, can_make_users,
	 "many kernel weaknesses need a user namespace (CVE-2022-0185, CVE-2023-32233)",
	 "use a filter that refuses unshare(2) and clone(2) with CLONE_NEWUSER",
	 "--security-opt seccomp=PROFILE"},
	{REPORT_MEDIUM, has_no_masks, "/proc/kcore, keys and timers of the host can be read",
	 "leave the engine's masks in place", "without --security-opt systempaths=unconfined"},
	{REPORT_MEDIUM, has_other_devices,
	 "drivers are reached that others are kept from (CIS 5.18)",
	 "name only those that it needs", "--device /dev/NAME"},
	{REPORT_LOW, has_writable_path,
	 "what it writes there stays, and others may trust it (CIS 5.6)",
	 "mount read-only where it does not write, or use a volume", "-v SOURCE:TARGET:ro"},
	{REPORT_LOW, has_default_capabilities,
	 "most programs need none; NET_RAW forges packets on its bridge (CIS 5.4)",
	 "drop all, add what fails", "--cap-drop ALL"},
	{REPORT_LOW, is_root, "a way out of the container ends as root (CIS 4.1)",
	 "run as another user, or map its users", "--user 1000:1000"},
	{REPORT_LOW, may_gain, "su and sudo in the image work (CIS 5.26)", "switch it off",
	 "--security-opt no-new-privileges"},
	{REPORT_LOW, is_root_writable,
	 "programs of the image can be replaced at run time (CIS 5.13)",
	 "make it read-only, with a tmpfs where it writes", "--read-only --tmpfs /tmp"},
	{REPORT_LOW, has_no_memory_limit, "it can take all memory of the host (CIS 5.11)",
	 "set a limit", "--memory 512m"},
	{REPORT_LOW, has_no_pids_limit, "a fork bomb takes all pids of the host (CIS 5.29)",
	 "set a limit", "--pids-limit 200"},
	{REPORT_LOW, is_spared, "others are killed in its place", "leave it at 0 or above",
	 "--oom-score-adj 0"},
	{REPORT_INFO, has_no_label, "one lock less where the others fail (CIS 5.2)",
	 "use a kernel with AppArmor or SELinux", NULL},
};

void security_judge(struct experiment_context *x, const struct security_view *v)
{
	const size_t count = sizeof(rules) / sizeof(rules[0]);

	for (size_t i = 0; i < count; i++) {
		auto_strbuf struct strbuf title = {0};
		struct report_finding *f;

		if (!rules[i].applies(v, &title))
			continue;
		f = report_finding(x->report, rules[i].severity, 1.0 - (double)i / (double)count,
				   x->test->key, v->subject, "%s", strbuf_str(&title));
		report_reason(f, "%s", rules[i].reason);
		report_recommend(f, rules[i].flag, "%s", rules[i].advice);
	}
	judge_capabilities(x, v);
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		isolation_find_shared(x, v->subject, &v->posture.namespaces, &v->posture.host,
				      &v->census, kind);
}
