/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an engine: settings from argument, environment, configuration file and defaults, in this
 * order of strength; then its two roots with their directories. Runs at every start of the command
 * line, so the usual case is two opens and one look for the file.
 */
#include "engine/engine.h"
#include "engine/event_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/cgroup_path.h"

#define DEFAULT_ROOT "/var/lib/cloche"
#define DEFAULT_RUN_ROOT "/run/cloche"
#define DEFAULT_CONFIG "/etc/cloche/daemon.json"
#define CONFIG_MAX_BYTES (1u << 20)

/* Owned strings from the file, NULL where it says nothing. */
struct file_settings {
	char *root, *run_root, *cgroup_parent, *program_log;
};

/* Keys of dockerd's daemon.json that have no meaning here (yet): a file shared with Docker is valid.
 * https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file */
static const char *const docker_keys[] = {
	"allow-nondistributable-artifacts",
	"api-cors-header",
	"authorization-plugins",
	"bip6",
	"bridge-accept-fwmark",
	"builder",
	"cdi-spec-dirs",
	"cluster-advertise",
	"cluster-store",
	"cluster-store-opts",
	"containerd",
	"containerd-namespace",
	"containerd-plugins-namespace",
	"cpu-rt-period",
	"cpu-rt-runtime",
	"data",
	"debug",
	"default-address-pools",
	"default-cgroupns-mode",
	"default-gateway",
	"default-gateway-v6",
	"default-ipc-mode",
	"default-network-opts",
	"default-shm-size",
	"default-ulimits",
	"dns",
	"dns-opts",
	"dns-search",
	"experimental",
	"features",
	"firewall-backend",
	"fixed-cidr",
	"fixed-cidr-v6",
	"graph",
	"group",
	"host-gateway-ip",
	"host-gateway-ips",
	"hosts",
	"http-proxy",
	"https-proxy",
	"icc",
	"init",
	"init-path",
	"insecure-registries",
	"ip",
	"ip-forward",
	"ip-forward-no-drop",
	"ip-masq",
	"ip6tables",
	"iptables",
	"ipv6",
	"labels",
	"live-restore",
	"log-driver",
	"log-format",
	"log-level",
	"log-opts",
	"max-concurrent-downloads",
	"max-concurrent-uploads",
	"max-download-attempts",
	"metrics-addr",
	"min-api-version",
	"mtu",
	"network-control-plane-mtu",
	"no-new-privileges",
	"no-proxy",
	"node-generic-resources",
	"oom-score-adjust",
	"pidfile",
	"proxies",
	"raw-logs",
	"registry-mirrors",
	"rootless",
	"seccomp-profile",
	"selinux-enabled",
	"shutdown-timeout",
	"storage-driver",
	"storage-opts",
	"swarm-default-advertise-addr",
	"tls",
	"tlscacert",
	"tlscert",
	"tlskey",
	"tlsverify",
	"userland-proxy",
	"userland-proxy-path",
	"userns-remap",
	"validate",
};

static void free_settings(struct file_settings *s)
{
	free(s->root);
	free(s->run_root);
	free(s->cgroup_parent);
	free(s->program_log);
}
#define auto_settings __attribute__((cleanup(free_settings)))

static bool is_docker_key(const char *key)
{
	for (size_t i = 0; i < sizeof(docker_keys) / sizeof(docker_keys[0]); i++) {
		if (str_eq(docker_keys[i], key))
			return true;
	}
	return false;
}

static int bad_setting(const char *path, const char *key, const char *why, struct err *err)
{
	return err_set(err, ERR_USAGE, EINVAL, "%s: %s %s", path, key, why);
}

/* "bridge", "bip", "host-firewall": the default network and its manners. */
static int apply_network(struct engine *e, const char *path, const char *key,
			 struct json_object *value, bool *taken, struct err *err)
{
	const char *text = json_object_get_string(value);

	*taken = str_eq(key, "bridge") || str_eq(key, "bip") || str_eq(key, "host-firewall");
	if (!*taken)
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return bad_setting(path, key, "must be a string", err);
	if (str_eq(key, "bridge")) {
		if (strlen(text) >= sizeof(e->bridge) || strpbrk(text, "/ :\t\n"))
			return bad_setting(path, key, "must be the name of a device", err);
		memset(e->bridge, 0, sizeof(e->bridge));
		memcpy(e->bridge, text, strlen(text));
	} else if (str_eq(key, "bip")) {
		if (*text && (ip_prefix_parse(text, &e->bridge_address) < 0 ||
			      ip_bytes(&e->bridge_address.address) != 4))
			return bad_setting(path, key,
					   "must be an address with its length (10.0.0.1/16)", err);
	} else {
		e->respect_firewall = str_eq(text, "respect");
		if (!e->respect_firewall && !str_eq(text, "cooperate"))
			return bad_setting(path, key, "must be \"cooperate\" or \"respect\"", err);
	}
	return 0;
}

static int apply_setting(struct engine *e, struct file_settings *s, const char *path,
			 const char *key, struct json_object *value, struct err *err)
{
	const struct {
		const char *key;
		char **slot;
	} known[] = {
		{"data-root", &s->root},
		{"exec-root", &s->run_root},
		{"cgroup-parent", &s->cgroup_parent},
		{"cloche-log", &s->program_log},
	};
	bool taken;
	int rc = runtime_config_apply(&e->runtimes, path, key, value, &taken, err);

	if (rc == 0 && !taken)
		rc = apply_network(e, path, key, value, &taken, err);
	if (rc < 0 || taken)
		return rc;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!str_eq(known[i].key, key))
			continue;
		if (!json_object_is_type(value, json_type_string))
			return err_set(err, ERR_USAGE, EINVAL, "%s: %s must be a string", path,
				       key);
		free(*known[i].slot);
		*known[i].slot = xstrdup(json_object_get_string(value));
		return 0;
	}
	if (is_docker_key(key))
		return 0;
	return err_set(err, ERR_USAGE, EINVAL,
		       "%s: the following directives don't match any configuration option: %s",
		       path, key);
}

static int read_settings(struct engine *e, struct file_settings *s, struct err *err)
{
	const char *given = getenv("CLOCHE_CONFIG");
	const char *path = given && *given ? given : DEFAULT_CONFIG;
	auto_json struct json_object *o = NULL;
	int rc = json_read_at(AT_FDCWD, path, CONFIG_MAX_BYTES, &o, err);

	if (rc == -ENOENT && path != given)
		return 0;
	if (rc < 0)
		return rc;
	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_USAGE, EINVAL, "%s: not a JSON object", path);
	json_object_object_foreach(o, key, value) {
		rc = apply_setting(e, s, path, key, value, err);
		if (rc < 0)
			return rc;
	}
	return runtime_config_check(&e->runtimes, path, err);
}

static const char *first_set(const char *a, const char *b, const char *c, const char *d)
{
	const char *all[] = {a, b, c, d};

	for (size_t i = 0; i < 3; i++) {
		if (all[i] && *all[i])
			return all[i];
	}
	return d;
}

/* Absolute and without a trailing slash. */
static int set_root(char out[static PATH_MAX], const char *path, const char *what, struct err *err)
{
	char cwd[PATH_MAX] = "";
	size_t n;

	if (*path != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(err, "%s %s: working directory", what, path);
	if (str_format(out, PATH_MAX, "%s%s%s", cwd, *path == '/' ? "" : "/", path) < 0)
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "%s %s: path too long", what, path);
	for (n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
	/* They stand in overlay's options, where these separate. */
	if (strpbrk(out, ",:\\\n"))
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s %s: must not contain comma, colon, backslash or newline", what,
			       out);
	return 0;
}

/* Makes the directory if need be and opens it. sentinel: the last of subdirs, made last; when it
 * stands all others do. */
static int open_root(const char *path, mode_t mode, const char *const *subdirs, size_t count,
		     int *out, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0 && errno == ENOENT) {
		rc = file_mkdir_all_at(AT_FDCWD, path, mode);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "make %s: %s", path,
				       err_errno_text(-rc));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Whatever the umask; an existing directory is its owner's business. */
		if (fd >= 0 && fchmod(fd, mode) < 0)
			return err_sys(err, "set the mode of %s", path);
	}
	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (faccessat(fd, subdirs[count - 1], F_OK, 0) < 0) {
		for (size_t i = 0; i < count; i++) {
			rc = file_mkdir_all_at(fd, subdirs[i], 0700);
			if (rc < 0)
				return err_set(err, ERR_SYSTEM, -rc, "make %s/%s: %s", path,
					       subdirs[i], err_errno_text(-rc));
		}
	}
	*out = take_fd(&fd);
	return 0;
}

static int set_program_log(struct engine *e, const char *where, struct err *err)
{
	e->log.journal = where && str_eq(where, "journal");
	if (where && !e->log.journal && !str_eq(where, "file"))
		return err_set(err, ERR_USAGE, EINVAL,
			       "cloche-log %s: must be \"file\" or \"journal\"", where);
	return 0;
}

int engine_open(struct engine *e, const char *root, const char *run_root, struct err *err)
{
	static const char *const data_dirs[] = {
		"overlay2/l", "image/overlay2", "containers", "names", "volumes",
	};
	static const char *const run_dirs[] = {"containers", EVENT_DIRECTORY};
	auto_settings struct file_settings s = {0};
	int rc;

	*e = (struct engine){.root_fd = -1, .run_fd = -1, .event_fd = -1, .log = {.dir = -1}};
	rc = read_settings(e, &s, err);
	if (rc == 0)
		rc = set_root(e->root, first_set(root, getenv("CLOCHE_ROOT"), s.root, DEFAULT_ROOT),
			      "data root", err);
	if (rc == 0)
		rc = set_root(e->run_root,
			      first_set(run_root, getenv("CLOCHE_RUN_ROOT"), s.run_root,
					DEFAULT_RUN_ROOT),
			      "run root", err);
	if (rc == 0)
		rc = engine_set_cgroup_parent(e, s.cgroup_parent, err);
	if (rc == 0)
		rc = open_root(e->root, 0711, data_dirs, sizeof(data_dirs) / sizeof(data_dirs[0]),
			       &e->root_fd, err);
	if (rc == 0)
		rc = open_root(e->run_root, 0700, run_dirs, 2, &e->run_fd, err);
	e->log.dir = e->run_fd;
	if (rc == 0)
		rc = set_program_log(e, s.program_log, err);
	if (rc < 0)
		engine_close(e);
	return rc;
}

void engine_close(struct engine *e)
{
	if (e->root_fd >= 0)
		close(e->root_fd);
	if (e->run_fd >= 0)
		close(e->run_fd);
	if (e->event_fd >= 0)
		close(e->event_fd);
	e->root_fd = -1;
	e->run_fd = e->log.dir = -1;
	e->event_fd = -1;
	strv_free(&e->lost);
	runtime_config_free(&e->runtimes);
}
