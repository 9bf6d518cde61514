/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From parsed flags to a complete struct container_config: files of variables and labels, streams,
 * security options, command. Reads only files the user named.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/run_options.h"
#include "cli/run_values.h"

#define KEY_FILE_MAX (4 << 20)
#define SECCOMP_FILE_MAX (4 << 20)
#define HOSTNAME_MAX 64 /* the kernel's __NEW_UTS_LEN */

void run_options_init(struct run_options *o)
{
	*o = (struct run_options){.sig_proxy = true};
	container_config_init(&o->config);
}

void run_options_free(struct run_options *o)
{
	container_config_free(&o->config);
	strv_free(&o->attach);
	strv_free(&o->env_files);
	strv_free(&o->label_files);
	strv_free(&o->env);
	strv_free(&o->labels);
	strv_free(&o->network_aliases);
	strv_free(&o->link_local);
}

/* ---- --env-file, --label-file ---- */

static int add_line(char *line, bool environment, struct strv *out, struct err *err)
{
	char *equals, *key = line + strspn(line, " \t\r\v\f");
	const char *inherited;

	if (!*key || *key == '#')
		return 0;
	equals = strchr(key, '=');
	if (equals == key)
		return err_set(err, ERR_USAGE, 0, "no variable name on line '%s'", key);
	if (equals)
		*equals = '\0';
	if (key[strcspn(key, " \t")])
		return err_set(err, ERR_USAGE, 0, "variable '%s' contains whitespaces", key);
	inherited = equals ? equals + 1 : environment ? getenv(key) : "";
	if (inherited)
		strv_add_taken(out, xasprintf("%s=%s", key, inherited));
	return 0;
}

/* "[255 254 61]": its bytes, when they are not text. */
static int check_utf8(const char *line, size_t number, struct err *err)
{
	auto_strbuf struct strbuf bytes = {0};
	uint32_t code;
	int valid = 1;

	for (const char *p = line; *p && valid; p += utf8_decode(p, strlen(p), &code, &valid))
		;
	if (valid)
		return 0;
	for (const char *p = line; *p; p++)
		strbuf_printf(&bytes, "%s%u", p > line ? " " : "", (unsigned)(unsigned char)*p);
	return err_set(err, ERR_USAGE, 0, "invalid utf8 bytes at line %zu: [%s]", number,
		       strbuf_str(&bytes));
}

static int add_lines(char *text, bool environment, struct strv *out, struct err *err)
{
	char *line, *rest = text;
	int rc = 0;

	for (size_t number = 1; rc == 0 && (line = strsep(&rest, "\n")) != NULL; number++) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		rc = check_utf8(line, number, err);
		if (rc == 0)
			rc = add_line(line, environment, out, err);
	}
	return rc;
}

static int add_file(const char *path, bool environment, struct strv *out, struct err *err)
{
	auto_free char *text = NULL;
	char why[ERR_ERRNO_TEXT_MAX];
	size_t len;
	int rc = file_read_at(AT_FDCWD, path, KEY_FILE_MAX, &text, &len);

	if (rc == -EISDIR)
		return err_set(err, ERR_SYSTEM, -rc, "invalid env file (%s): read %s: %s", path,
			       path, err_errno_lower(-rc, why));
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "open %s: %s", path,
			       err_errno_lower(-rc, why));
	if (strlen(text) != len)
		return err_set(err, ERR_USAGE, 0, "%s: holds a NUL byte", path);
	rc = add_lines(str_starts(text, "\xef\xbb\xbf") ? text + 3 : text, environment, out, err);
	return rc < 0 ? err_wrap(err, "invalid env file (%s)", path) : 0;
}

/* What the files say first, so that a flag wins over a file. A later pair replaces an earlier. */
static int gather_pairs(const struct strv *files, const struct strv *flags, bool environment,
			struct strv *out, struct err *err)
{
	auto_strv struct strv all = {0};

	for (size_t i = 0; i < files->count; i++) {
		int rc = add_file(files->items[i], environment, &all, err);

		if (rc < 0)
			return rc;
	}
	strv_add_all(&all, flags);
	for (size_t i = 0; i < all.count; i++)
		strv_set_env(out, all.items[i]);
	return 0;
}

/* ---- --security-opt ---- */

/* Reads a profile into "seccomp=<JSON on one line>", as Docker's client sends it. */
static int inline_profile(const char *path, struct strv *out, struct err *err)
{
	auto_free char *text = NULL;
	auto_json struct json_object *profile = NULL;
	char why[ERR_ERRNO_TEXT_MAX];
	size_t len;
	int rc = file_read_at(AT_FDCWD, path, SECCOMP_FILE_MAX, &text, &len);

	if (rc < 0)
		return err_set(err, ERR_USAGE, -rc,
			       "opening seccomp profile (%s) failed: %s %s: %s", path,
			       rc == -EISDIR ? "read" : "open", path, err_errno_lower(-rc, why));
	rc = json_parse(text, len, path, &profile, err);
	if (rc < 0)
		return err_wrap(err, "compacting json for seccomp profile (%s) failed", path);
	strv_add_taken(out, xasprintf("seccomp=%s", json_text(profile)));
	return 0;
}

static int security_option(const char *option, struct strv *out, struct err *err)
{
	const char *separator = strchr(option, '=') ? strchr(option, '=') : strchr(option, ':');
	size_t key_len = separator ? (size_t)(separator - option) : strlen(option);
	auto_free char *key = xstrndup(option, key_len);
	auto_strbuf struct strbuf quoted = {0};
	bool on = true;

	if (str_eq(key, "no-new-privileges")) {
		if (separator && str_to_bool(separator + 1, &on) < 0)
			return err_set(err, ERR_INVALID, 0, "invalid --security-opt 2: \"%s\"",
				       option);
		if (on)
			strv_add(out, "no-new-privileges");
		return 0;
	}
	quote_go(&quoted, option, strlen(option));
	if (!separator || !separator[1])
		return err_set(err, ERR_USAGE, 0, "Invalid --security-opt: %s",
			       strbuf_str(&quoted));
	if (str_eq(key, "seccomp")) {
		if (!str_eq(separator + 1, "unconfined") && !str_eq(separator + 1, "builtin"))
			return inline_profile(separator + 1, out, err);
		strv_add_taken(out, xasprintf("seccomp=%s", separator + 1));
		return 0;
	}
	if (str_eq(key, "apparmor") || str_eq(key, "label") || str_eq(key, "systempaths"))
		return err_set(err, ERR_UNSUPPORTED, 0, "--security-opt %s is not supported yet",
			       key);
	return err_set(err, ERR_USAGE, 0, "invalid --security-opt 2: %s", strbuf_str(&quoted));
}

static int finish_security(struct container_config *c, struct err *err)
{
	struct strv given = c->security_opt;
	int rc = 0;

	c->security_opt = (struct strv){0};
	for (size_t i = 0; i < given.count && rc == 0; i++)
		rc = security_option(given.items[i], &c->security_opt, err);
	strv_free(&given);
	return rc;
}

/* ---- the rest ---- */

static void finish_streams(struct run_options *o)
{
	struct container_config *c = &o->config;

	c->open_stdin = o->interactive;
	if (o->detach) {
		/* Nobody is attached; with -i standard input stays open for who attaches later. */
	} else if (o->attach.count) {
		c->attach_stdin = strv_contains(&o->attach, "stdin");
		c->attach_stdout = strv_contains(&o->attach, "stdout");
		c->attach_stderr = strv_contains(&o->attach, "stderr");
	} else {
		c->attach_stdin = o->interactive;
		c->attach_stdout = true;
		c->attach_stderr = true;
	}
	c->stdin_once = c->open_stdin && c->attach_stdin;
}

static int check_hostname(const char *name, struct err *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!name)
		return 0;
	if (!*name || strlen(name) > HOSTNAME_MAX || name[strspn(name, allowed)] ||
	    strchr(".-", *name))
		return err_set(err, ERR_USAGE, 0, "invalid hostname format: %s", name);
	return 0;
}

/* The words after the flags: IMAGE [COMMAND...], or the command alone with --rootfs. */
static void finish_command(struct run_options *o, const struct strv *args)
{
	struct container_config *c = &o->config;
	size_t first = c->rootfs ? 0 : 1;

	if (c->rootfs) {
		char *absolute = run_absolute_path(c->rootfs);

		free(c->rootfs);
		c->rootfs = absolute;
	} else {
		c->image = xstrdup(args->items[0]);
	}
	for (size_t i = first; i < args->count; i++)
		strv_add(&c->cmd, args->items[i]);
	c->entrypoint_set = o->entrypoint != NULL;
	if (o->entrypoint && *o->entrypoint)
		strv_add(&c->entrypoint, o->entrypoint);
}

/* An empty value is none: scripts pass "$VARIABLE" that may be empty, and Docker takes it so. */
static void forget_empty(struct run_options *o)
{
	struct container_config *c = &o->config;
	char **strings[] = {&c->hostname,    &c->working_dir,       &c->stop_signal,
			    &c->cpuset_cpus, &c->container_id_file, &c->cpuset_mems,
			    &c->log_driver,  &c->userns_mode,       &c->volume_driver,
			    &c->domainname};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (*strings[i] && !**strings[i]) {
			free(*strings[i]);
			*strings[i] = NULL;
		}
	}
	if (o->name && !*o->name)
		o->name = NULL;
	/* As inspect shows it. */
	if (o->name && *o->name == '/' && strlen(o->name) > 2)
		o->name++;
}

int run_environment(const struct strv *files, const struct strv *flags, struct strv *out,
		    struct err *err)
{
	return gather_pairs(files, flags, true, out, err);
}

/* ---- health, restarts, limits ---- */

static int finish_health(struct run_options *o, struct err *err)
{
	struct health_request *h = &o->config.health;
	const struct {
		const char *flag;
		int64_t value;
	} numbers[] = {{"--health-interval", h->interval_ns},
		       {"--health-timeout", h->timeout_ns},
		       {"--health-retries", h->retries},
		       {"--health-start-period", h->start_period_ns},
		       {"--health-start-interval", h->start_interval_ns}};
	bool any = o->health_cmd && *o->health_cmd;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		any = any || numbers[i].value;
		if (numbers[i].value < 0 && !o->no_healthcheck)
			return err_set(err, ERR_USAGE, 0, "%s cannot be negative", numbers[i].flag);
	}
	if (any && o->no_healthcheck)
		return err_set(err, ERR_USAGE, 0,
			       "--no-healthcheck conflicts with --health-* options");
	h->disabled = o->no_healthcheck;
	if (h->disabled) {
		strv_add(&h->test, "NONE");
	} else if (o->health_cmd && *o->health_cmd) {
		strv_add(&h->test, "CMD-SHELL");
		strv_add(&h->test, o->health_cmd);
	}
	return 0;
}

static int finish_restart(struct run_options *o, struct err *err)
{
	struct container_config *c = &o->config;
	int rc = 0;

	if (o->restart && *o->restart)
		rc = run_parse_restart(o->restart, &c->restart_policy, &c->restart_max_retries,
				       err);
	if (rc == 0 && c->auto_remove && c->restart_policy && !str_eq(c->restart_policy, "no"))
		return err_set(err, ERR_USAGE, 0,
			       "conflicting options: cannot specify both --restart and --rm");
	return rc;
}

/* What is wrong with two flags together, or with one in the light of its default. */
static int check_limits(const struct run_options *o, struct err *err)
{
	const struct container_config *c = &o->config;

	if (c->memory_swappiness < -1 || c->memory_swappiness > 100)
		return err_set(err, ERR_USAGE, 0,
			       "invalid value: %lld. Valid memory swappiness range is 0-100",
			       (long long)c->memory_swappiness);
	if (c->log_driver && str_eq(c->log_driver, "none") && c->log_options.count)
		return err_set(err, ERR_USAGE, 0, "invalid logging opts for driver none");
	return 0;
}

int run_options_finish(struct run_options *o, const struct strv *args, struct err *err)
{
	struct container_config *c = &o->config;
	int rc;

	forget_empty(o);
	if (o->detach && o->attach.count)
		return err_set(err, ERR_USAGE, 0,
			       "conflicting options: cannot specify both --attach and --detach");
	if (o->detach && o->timeline)
		return err_set(
			err, ERR_USAGE, 0,
			"conflicting options: --timeline waits for the container's end; with "
			"--detach, ask `cloche timeline` later");
	finish_command(o, args);
	finish_streams(o);
	rc = check_hostname(c->hostname, err);
	if (rc < 0)
		return rc;
	rc = gather_pairs(&o->env_files, &o->env, true, &c->env, err);
	if (rc < 0)
		return rc;
	rc = gather_pairs(&o->label_files, &o->labels, false, &c->labels, err);
	if (rc < 0)
		return rc;
	rc = finish_security(c, err);
	if (rc == 0)
		rc = run_finish_network(o, err);
	if (rc == 0)
		rc = finish_health(o, err);
	if (rc == 0)
		rc = finish_restart(o, err);
	if (rc == 0)
		rc = check_limits(o, err);
	if (rc < 0)
		return rc;
	if (c->stop_timeout < -1 || c->stop_timeout > INT32_MAX)
		return err_set(err, ERR_USAGE, 0, "invalid stop timeout: %lld",
			       (long long)c->stop_timeout);
	return 0;
}
