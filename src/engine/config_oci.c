/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's defaults as an OCI configuration: the mounts, limits, hidden paths and namespaces that a
 * container gets unless it was asked for otherwise.
 */
#include "engine/config_oci.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/str.h"
#include "base/subprocess.h"
#include "engine/volume_record.h"

#define INIT_TARGET "/sbin/docker-init"

static bool mode_is(const char *mode, const char *what)
{
	return mode && str_eq(mode, what);
}

int container_namespaces(const struct container_config *c, struct oci_config *out, struct err *err)
{
	const struct {
		const char *mode;
		enum oci_namespace_type type;
	} table[] = {{c->pid_mode, OCI_NS_PID},
		     {c->ipc_mode, OCI_NS_IPC},
		     {c->uts_mode, OCI_NS_UTS},
		     {c->network_mode, OCI_NS_NETWORK},
		     {c->cgroupns_mode, OCI_NS_CGROUP}};

	oci_config_add_namespace(out, OCI_NS_MOUNT, NULL);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *mode = table[i].mode;

		/* join_namespaces() has them, or adds them later. */
		if (mode && str_starts(mode, "container:"))
			continue;
		if (!mode_is(mode, "host"))
			oci_config_add_namespace(out, table[i].type, NULL);
	}
	if (c->userns_mode && *c->userns_mode && !str_eq(c->userns_mode, "host"))
		return err_set(err, ERR_UNSUPPORTED, 0, "--userns %s is not supported yet",
			       c->userns_mode);
	return 0;
}

const char *container_security_option(const struct container_config *config, const char *key)
{
	const char *found = NULL;
	size_t n = strlen(key);

	for (size_t i = 0; i < config->security_opt.count; i++) {
		const char *o = config->security_opt.items[i];

		if (strncmp(o, key, n) != 0)
			continue;
		if (o[n] == '=' || o[n] == ':')
			found = o + n + 1;
		else if (!o[n])
			found = "";
	}
	return found;
}

static int check_available(uint64_t missing, struct err *err)
{
	if (!missing)
		return 0;
	return err_set(
		err, ERR_INVALID, EPERM,
		"invalid CapAdd: capability not supported by your kernel or not available in the "
		"current environment: \"%s\"",
		capability_name((unsigned)__builtin_ctzll(missing)));
}

/* Names are wrong also where nothing comes of them. */
static int check_cap_names(const struct container_config *c, uint64_t all, struct err *err)
{
	uint64_t ignored;

	return capability_mask_of(CAPABILITY_DEFAULT_MASK, all,
				  (const char *const *)c->cap_add.items, c->cap_add.count,
				  (const char *const *)c->cap_drop.items, c->cap_drop.count,
				  &ignored, err);
}

int container_capabilities(const struct container_config *c, uint64_t *mask, struct err *err)
{
	uint64_t all, ours;
	int rc = capability_kernel_mask(&all, err);

	if (rc < 0)
		return rc;
	if (!c->privileged && !c->cap_add.count)
		return capability_mask_of(CAPABILITY_DEFAULT_MASK, all, NULL, 0,
					  (const char *const *)c->cap_drop.items, c->cap_drop.count,
					  mask, err);
	/* Nobody can hand on what was taken from himself: "all" is what we have. */
	rc = capability_bounding_mask(&ours);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read the bounding set: %s",
			       err_errno_text(-rc));
	*mask = all & ours;
	if (c->privileged)
		return check_cap_names(c, all, err);
	rc = capability_mask_of(CAPABILITY_DEFAULT_MASK, all & ours,
				(const char *const *)c->cap_add.items, c->cap_add.count,
				(const char *const *)c->cap_drop.items, c->cap_drop.count, mask,
				err);
	return rc < 0 ? rc : check_available(*mask & ~ours & ~CAPABILITY_DEFAULT_MASK, err);
}

static struct oci_mount *add_default_mount(struct oci_config *out, const char *destination,
					   const char *type, const char *source,
					   const char *const *options)
{
	struct oci_mount *m = oci_config_add_mount(out, destination, type, source);

	for (; *options; options++)
		oci_mount_add_option(m, *options);
	return m;
}

/* A user's mount on one of the default places takes its place. */
static bool user_mounts(const struct container_config *c, const char *destination)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		if (str_eq(c->mounts[i].target, destination))
			return true;
	}
	return false;
}

static void add_default_mounts(const struct container_config *c, struct oci_config *out)
{
	const char *access = c->privileged ? "rw" : "ro";
	auto_free char *shm_size = xasprintf(
		"size=%lld", (long long)(c->shm_size_bytes > 0 ? c->shm_size_bytes : 64 << 20));
	const struct {
		const char *destination, *type, *source, *options[8];
	} table[] = {
		{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
		{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{"/dev/pts",
		 "devpts",
		 "devpts",
		 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}},
		{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", access}},
		{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
		{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", shm_size}},
	};
	bool host_ipc = mode_is(c->ipc_mode, "host");
	bool donor_ipc = c->ipc_mode && str_starts(c->ipc_mode, "container:");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *at = table[i].destination;
		static const char *const bind[] = {"bind",   "rprivate", "nosuid",
						   "noexec", "nodev",    NULL};

		bool shm = str_eq(at, "/dev/shm");

		if (user_mounts(c, at) || (shm && mode_is(c->ipc_mode, "none")))
			continue;
		/* A fresh mqueue shows the queues of the IPC namespace it is mounted in. */
		if (shm && (host_ipc || donor_ipc))
			add_default_mount(out, at, "bind", at, bind)->donor = donor_ipc;
		else
			add_default_mount(out, at, table[i].type, table[i].source,
					  table[i].options);
	}
}

static int depth_of(const char *path)
{
	int n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

static void add_tmpfs(struct oci_config *out, const struct mount_request *r)
{
	struct oci_mount *m = oci_config_add_mount(out, r->target, "tmpfs", "tmpfs");
	static const char *const defaults[] = {"noexec", "nosuid", "nodev"};

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		oci_mount_add_option(m, defaults[i]);
	if (r->read_only)
		oci_mount_add_option(m, "ro");
	if (r->tmpfs_size_bytes > 0) {
		auto_free char *size = xasprintf("size=%lld", (long long)r->tmpfs_size_bytes);

		oci_mount_add_option(m, size);
	}
	if (r->tmpfs_mode >= 0) {
		auto_free char *mode = xasprintf("mode=%llo", (unsigned long long)r->tmpfs_mode);

		oci_mount_add_option(m, mode);
	}
	for (const char *at = r->tmpfs_options; at && *at;) {
		size_t n = strcspn(at, ",");
		auto_free char *option = xstrndup(at, n);

		if (n)
			oci_mount_add_option(m, option);
		at += n + (at[n] == ',');
	}
}

static void add_bind(struct oci_config *out, const struct mount_request *r, const char *source)
{
	struct oci_mount *m = oci_config_add_mount(out, r->target, "bind", source);

	oci_mount_add_option(m, r->non_recursive ? "bind" : "rbind");
	oci_mount_add_option(m, r->propagation && *r->propagation ? r->propagation : "rprivate");
	if (r->read_only)
		oci_mount_add_option(m, "ro");
	/* What the host mounts below the source later can only arrive if the tree was not cut off. */
	if (r->propagation && (strstr(r->propagation, "slave") || strstr(r->propagation, "shared")))
		out->rootfs_propagation = MS_SLAVE | MS_REC;
}

static void add_network_files(const struct container_config *c, const char *run_dir,
			      struct oci_config *out)
{
	static const char *const names[] = {"resolv.conf", "hostname", "hosts"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *target = xasprintf("/etc/%s", names[i]);
		auto_free char *source = xasprintf("%s/%s", run_dir, names[i]);
		struct mount_request r = {.target = target};

		if (!user_mounts(c, target))
			add_bind(out, &r, source);
	}
}

static int add_volume(struct engine *e, struct oci_config *out, const struct mount_request *r,
		      const char *path, struct err *err)
{
	struct mount_request mount = *r;
	auto_free char *source = NULL;
	bool read_only;
	int rc = volume_source(e, path, &source, &read_only, err);

	mount.read_only = r->read_only || read_only;
	if (rc == 0)
		add_bind(out, &mount, source);
	return rc;
}

/* Shallow targets first, so that none hides another; volume_paths goes by the order of requests. */
static int add_user_mounts(struct engine *e, const struct container *c, struct oci_config *out,
			   struct err *err)
{
	const struct container_config *config = &c->config;
	int deepest = 0;

	for (size_t i = 0; i < config->mount_count; i++) {
		int depth = depth_of(config->mounts[i].target);

		deepest = depth > deepest ? depth : deepest;
	}
	for (int depth = 0; depth <= deepest; depth++) {
		size_t volume = 0;

		for (size_t i = 0; i < config->mount_count; i++) {
			const struct mount_request *r = &config->mounts[i];
			size_t this_volume = volume;

			volume += r->kind == MOUNT_KIND_VOLUME;
			if (depth_of(r->target) != depth)
				continue;
			if (r->kind == MOUNT_KIND_TMPFS)
				add_tmpfs(out, r);
			else if (r->kind == MOUNT_KIND_BIND)
				add_bind(out, r, r->source);
			else if (add_volume(e, out, r, c->volume_paths.items[this_volume], err) < 0)
				return err_code(err);
		}
	}
	return 0;
}

static bool limit_is_asked_for(const struct container_config *c, int resource)
{
	for (size_t i = 0; i < c->ulimit_count; i++) {
		if (rlimit_number(c->ulimits[i].name) == resource)
			return true;
	}
	return false;
}

/* What every container has, whatever the caller's own limits are. One limit a resource: where none may be
 * raised, a first that is refused would be told to who asked for a second that is not. */
static void add_limits(const struct container_config *c, struct oci_config *out, uint32_t *quiet)
{
	static const struct rlimit_value baseline[] = {
		{RLIMIT_NOFILE, 1048576, 1048576},
		{RLIMIT_NPROC, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_CORE, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_STACK, 8 << 20, RLIMIT_UNLIMITED},
		{RLIMIT_MEMLOCK, 8 << 20, 8 << 20},
		{RLIMIT_FSIZE, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_DATA, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_CPU, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_AS, RLIMIT_UNLIMITED, RLIMIT_UNLIMITED},
		{RLIMIT_MSGQUEUE, 819200, 819200},
		{RLIMIT_NICE, 0, 0},
		{RLIMIT_RTPRIO, 0, 0},
	};

	*quiet = 0;
	for (size_t i = 0; i < sizeof(baseline) / sizeof(baseline[0]); i++) {
		if (limit_is_asked_for(c, baseline[i].resource))
			continue;
		oci_config_add_rlimit(out, baseline[i]);
		*quiet |= 1u << baseline[i].resource;
	}
	for (size_t i = 0; i < c->ulimit_count; i++) {
		const struct ulimit_request *u = &c->ulimits[i];
		int resource = rlimit_number(u->name);
		struct rlimit_value v = {.resource = resource,
					 .soft = u->soft < 0 ? RLIMIT_UNLIMITED : (uint64_t)u->soft,
					 .hard = u->hard < 0 ? RLIMIT_UNLIMITED
							     : (uint64_t)u->hard};

		if (resource < 0)
			continue; /* container_validate() has refused it */
		oci_config_add_rlimit(out, v);
	}
}

static void add_hidden_paths(const struct container_config *c, struct oci_config *out)
{
	static const char *const masked[] = {"/proc/asound",
					     "/proc/acpi",
					     "/proc/kcore",
					     "/proc/keys",
					     "/proc/latency_stats",
					     "/proc/timer_list",
					     "/proc/timer_stats",
					     "/proc/sched_debug",
					     "/proc/scsi",
					     "/sys/firmware",
					     "/sys/devices/virtual/powercap"};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};

	if (c->privileged || mode_is(container_security_option(c, "systempaths"), "unconfined"))
		return;
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		strv_add(&out->masked_paths, masked[i]);
	for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++)
		strv_add(&out->readonly_paths, readonly[i]);
}

static void add_environment(const struct container *c, const struct user_identity *user,
			    struct oci_process *p)
{
	const char *path = strv_get_env(&c->env, "PATH");

	strv_add_taken(&p->env, xasprintf("PATH=%s", path ? path : ""));
	strv_add_taken(&p->env, xasprintf("HOSTNAME=%s", c->config.hostname));
	if (c->config.tty)
		strv_add(&p->env, "TERM=xterm");
	for (size_t i = 0; i < c->env.count; i++)
		strv_set_env(&p->env, c->env.items[i]);
	if (!strv_get_env(&p->env, "HOME"))
		strv_add_taken(&p->env, xasprintf("HOME=%s", user->home));
}

int container_process(const struct container *c, const struct user_identity *user,
		      struct oci_config *out, uint32_t *quiet_limits, struct err *err)
{
	struct oci_process *p = &out->process;
	const char *nnp = container_security_option(&c->config, "no-new-privileges");
	uint64_t mask;
	int rc = container_capabilities(&c->config, &mask, err);

	if (rc < 0)
		return rc;
	out->has_process = true;
	p->terminal = c->config.tty;
	p->uid = user->uid;
	p->gid = user->gid;
	p->additional_gids = xcalloc(user->group_count, sizeof(gid_t));
	memcpy(p->additional_gids, user->groups, user->group_count * sizeof(gid_t));
	p->additional_gid_count = user->group_count;
	strv_add_all(&p->args, &c->argv);
	add_environment(c, user, p);
	p->cwd = xstrdup(c->working_dir && *c->working_dir ? c->working_dir : "/");
	p->has_capabilities = true;
	p->capabilities =
		(struct capability_sets){.bounding = mask, .permitted = mask, .effective = mask};
	p->no_new_privileges = nnp && !str_eq(nnp, "false");
	if (c->config.oom_score_adj) {
		p->has_oom_score_adj = true;
		p->oom_score_adj = (int)c->config.oom_score_adj;
	}
	add_limits(&c->config, out, quiet_limits);
	return 0;
}

/* --init: our own PID 1, bound over where Docker's stands. As with Docker, not among other containers'
 * or the host's processes. */
static int add_init(const struct container_config *c, struct oci_config *out, struct err *err)
{
	struct strv args = {0};
	char program[PATH_MAX];
	const struct mount_request r = {
		.target = (char *)(uintptr_t)INIT_TARGET, .read_only = true, .non_recursive = true};
	int rc;

	if (!c->init || (c->pid_mode && *c->pid_mode))
		return 0;
	rc = subprocess_own_program("cloche-init", program, sizeof(program), err);
	if (rc < 0)
		return err_wrap(err, "--init");
	add_bind(out, &r, program);
	strv_add(&args, INIT_TARGET);
	strv_add(&args, "--");
	strv_add_all(&args, &out->process.args);
	strv_free(&out->process.args);
	out->process.args = args;
	return 0;
}

/* KEY=VALUE */
static void add_pairs(const struct strv *pairs,
		      void (*add)(struct oci_config *c, const char *key, const char *value),
		      struct oci_config *out)
{
	for (size_t i = 0; i < pairs->count; i++) {
		auto_free char *key = xstrdup(pairs->items[i]);
		char *value = key + strcspn(key, "=");

		if (*value)
			*value++ = '\0';
		add(out, key, value);
	}
}

int container_to_oci(struct engine *e, const struct container *c, const struct user_identity *user,
		     const char *run_dir, const char *cgroup_path, struct oci_config *out,
		     uint32_t *quiet_limits, struct err *err)
{
	const struct container_config *config = &c->config;
	int rc = container_process(c, user, out, quiet_limits, err);

	if (rc < 0)
		return rc;
	out->oci_version = xstrdup(OCI_VERSION);
	out->root_readonly = config->read_only_rootfs;
	out->hostname = xstrdup(config->hostname);
	if (config->domainname && *config->domainname)
		out->domainname = xstrdup(config->domainname);
	out->cgroups_path = xstrdup(cgroup_path);
	add_default_mounts(config, out);
	if (!config->rootfs)
		add_network_files(config, run_dir, out);
	rc = add_user_mounts(e, c, out, err);
	if (rc == 0)
		rc = add_init(config, out, err);
	if (rc < 0)
		return rc;
	add_pairs(&config->sysctls, oci_config_add_sysctl, out);
	add_pairs(&config->annotations, oci_config_add_annotation, out);
	add_hidden_paths(config, out);
	rc = container_resources(config, out, err);
	return rc < 0 ? rc : container_devices(config, out, err);
}
