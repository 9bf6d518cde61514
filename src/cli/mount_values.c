/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -v, --mount and --tmpfs. What is wrong with the words alone is refused here, as Docker's client
 * words it (ERR_CONFLICT: without naming the flag) or its daemon (ERR_FORBIDDEN); whether a source
 * exists is the engine's to find out when it binds it.
 */
#include <limits.h>

#include "base/quote.h"
#include "cli/run_values.h"

char *run_absolute_path(const char *path)
{
	auto_strbuf struct strbuf full = {0}, out = {0};
	char cwd[PATH_MAX];

	if (*path != '/' && getcwd(cwd, sizeof(cwd)))
		strbuf_printf(&full, "%s/", cwd);
	strbuf_puts(&full, path);
	for (const char *p = strbuf_str(&full); *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && memcmp(p, "..", 2) == 0) {
			while (out.len && out.data[--out.len] != '/')
				;
		} else if (len && !(len == 1 && *p == '.')) {
			strbuf_putc(&out, '/');
			strbuf_add(&out, p, len);
		}
		p += len;
		p += *p == '/';
	}
	if (!out.len)
		strbuf_putc(&out, '/');
	out.data[out.len] = '\0';
	return strbuf_take(&out);
}

static const char *const kind_names[] = {
	[MOUNT_KIND_BIND] = "bind", [MOUNT_KIND_VOLUME] = "volume", [MOUNT_KIND_TMPFS] = "tmpfs"};

static int check_place(const char *target, struct err *err)
{
	auto_free char *clean = NULL;

	if (*target != '/')
		return err_set(err, ERR_FORBIDDEN, 0,
			       "invalid mount path: '%s' mount path must be absolute", target);
	clean = run_absolute_path(target);
	if (str_eq(clean, "/"))
		return err_set(err, ERR_FORBIDDEN, 0,
			       "invalid specification: destination can't be '/'");
	return 0;
}

static int check_target(const struct mount_request *m, const char *target, struct err *err)
{
	return check_place(target, err) < 0
		       ? err_wrap(err, "invalid mount config for type \"%s\"", kind_names[m->kind])
		       : 0;
}

/* [a-zA-Z0-9][a-zA-Z0-9_.-]* */
static bool is_volume_name(const char *s)
{
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *s && !strchr("_.-", *s) && s[strspn(s, rest)] == '\0';
}

static int check_volume_name(const char *name, struct err *err)
{
	if (*name && !name[1])
		return err_set(err, ERR_FORBIDDEN, 0,
			       "create %s: volume name is too short, names should be at least two "
			       "alphanumeric characters",
			       name);
	if (is_volume_name(name) && strlen(name) <= 255)
		return 0;
	return err_set(
		err, ERR_FORBIDDEN, 0,
		"create %s: \"%s\" includes invalid characters for a local volume name, only "
		"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
		"directory, use absolute path",
		name, name);
}

static void mount_clear(struct mount_request *m)
{
	free(m->source);
	free(m->target);
	free(m->mode);
	free(m->propagation);
	free(m->tmpfs_options);
}
static bool same_text(const char *a, const char *b)
{
	return a && b ? str_eq(a, b) : a == b;
}

/* Two -v in the same words are one, and of two --tmpfs of one place the later counts. */
static bool replaces(const struct mount_request *m, const struct mount_request *earlier)
{
	if (m->long_form || earlier->long_form || m->kind != earlier->kind)
		return false;
	return m->kind == MOUNT_KIND_TMPFS ||
	       (same_text(m->source, earlier->source) && same_text(m->mode, earlier->mode));
}

/* Puts m at the end of the list, its strings taken, unless its target is used already. */
static int add_mount(struct container_config *c, struct mount_request *m, struct err *err)
{
	struct mount_request *slot = NULL;

	for (size_t i = 0; !slot && i < c->mount_count; i++) {
		if (str_eq(c->mounts[i].target, m->target))
			slot = &c->mounts[i];
	}
	if (slot && !replaces(m, slot))
		return err_set(err, ERR_FORBIDDEN, 0, "Duplicate mount point: %s", m->target);
	if (slot)
		mount_clear(slot);
	else
		slot = container_config_add_mount(c);
	*slot = *m;
	*m = (struct mount_request){0};
	return 0;
}

#define auto_mount __attribute__((cleanup(mount_clear)))

/* Each word of a mode is of one class, and no class may come twice. */
static const struct mode_word {
	const char *word;
	char class;
} mode_words[] = {{"rw", 'r'},         {"ro", 'r'},       {"z", 'z'},      {"Z", 'z'},
		  {"shared", 'p'},     {"rshared", 'p'},  {"slave", 'p'},  {"rslave", 'p'},
		  {"private", 'p'},    {"rprivate", 'p'}, {"nocopy", 'n'}, {"cached", 'c'},
		  {"consistent", 'c'}, {"delegated", 'c'}};

static const struct mode_word *find_mode_word(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(mode_words) / sizeof(mode_words[0]); i++) {
		if (strlen(mode_words[i].word) == len && memcmp(mode_words[i].word, word, len) == 0)
			return &mode_words[i];
	}
	return NULL;
}

/* Reads "ro,rshared" into m. false: not a mode. m may be NULL to ask only. */
static bool read_mode(const char *mode, struct mount_request *m)
{
	char seen[8] = "";
	size_t count = 0;

	for (const char *p = mode;; p++) {
		size_t len = strcspn(p, ",");
		const struct mode_word *w = find_mode_word(p, len);

		if (!w || memchr(seen, w->class, count))
			return false;
		seen[count++] = w->class;
		if (m && str_eq(w->word, "ro"))
			m->read_only = true;
		if (m && w->class == 'p')
			m->propagation = xstrdup(w->word);
		if (m && w->class == 'n')
			m->no_copy = true;
		p += len;
		if (!*p)
			return true;
	}
}

static int invalid_volume(const char *spec, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, 0, "invalid volume specification: '%s'", spec);
}

/* What Docker's client takes for a path and not for a volume's name. */
static bool is_host_path(const char *source)
{
	return *source == '/' || str_eq(source, ".") || str_eq(source, "..") ||
	       str_starts(source, "./") || str_starts(source, "../");
}

/* source NULL: an anonymous volume. */
static int fill_volume(struct mount_request *m, const char *source, const char *target,
		       const char *spec, struct err *err)
{
	bool is_path = source && is_host_path(source);
	int rc;

	m->kind = is_path ? MOUNT_KIND_BIND : MOUNT_KIND_VOLUME;
	m->create_source = is_path;
	m->tmpfs_mode = -1;
	m->target = run_absolute_path(target);
	rc = check_target(m, target, err);
	if (rc < 0)
		return err_wrap(err, "invalid volume specification: '%s'", spec);
	if (source && !is_path) {
		rc = check_volume_name(source, err);
		if (rc < 0)
			return rc;
	}
	if (is_path ? m->no_copy : m->propagation != NULL)
		return err_set(err, ERR_FORBIDDEN, 0,
			       "invalid volume specification: '%s': invalid mount config for type "
			       "\"%s\": field %s must not be specified",
			       spec, kind_names[m->kind],
			       is_path ? "VolumeOptions" : "BindOptions");
	if (source)
		m->source = is_path ? run_absolute_path(source) : xstrdup(source);
	return 0;
}

/* Cuts "a:b:c" in place into at most three parts, none of them empty. */
static int split_volume(const char *value, char *text, char *parts[3], size_t *count,
			struct err *err)
{
	char *rest = text;

	if (!*text)
		return err_set(err, ERR_CONFLICT, 0, "invalid empty volume spec");
	for (*count = 0; rest; (*count)++) {
		const char *part = strsep(&rest, ":");

		if (!*part || (*count == 2 && rest))
			return err_set(err, ERR_CONFLICT, 0, "invalid spec: %s: %s", value,
				       *part ? "too many colons" : "empty section between colons");
		parts[*count] = text + (part - text);
	}
	return 0;
}

static int set_volume(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_mount struct mount_request m = {0};
	auto_free char *text = xstrdup(value);
	char *parts[3] = {NULL};
	size_t count = 0;
	int rc = split_volume(value, text, parts, &count, err);

	(void)o;
	if (rc < 0)
		return rc;
	if (count == 2 && read_mode(parts[1], NULL))
		return invalid_volume(value, err);
	if (count == 3) {
		if (!read_mode(parts[2], &m))
			return err_set(err, ERR_FORBIDDEN, 0, "invalid mode: %s", parts[2]);
		m.mode = xstrdup(parts[2]);
	}
	rc = fill_volume(&m, count > 1 ? parts[0] : NULL, parts[count > 1], value, err);
	return rc < 0 ? rc : add_mount(field, &m, err);
}

/* What the kernel's tmpfs and the general mount flags understand. */
static int check_tmpfs_options(const char *options, struct err *err)
{
	static const char *const words[] = {
		"defaults",      "rw",        "ro",         "suid",
		"nosuid",        "dev",       "nodev",      "exec",
		"noexec",        "sync",      "async",      "dirsync",
		"remount",       "mand",      "nomand",     "atime",
		"noatime",       "diratime",  "nodiratime", "bind",
		"rbind",         "private",   "rprivate",   "shared",
		"rshared",       "slave",     "rslave",     "unbindable",
		"runbindable",   "relatime",  "norelatime", "strictatime",
		"nostrictatime", "mode",      "uid",        "gid",
		"nr_inodes",     "nr_blocks", "size",       "mpol"};

	for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',') {
		size_t len = strcspn(p, ",="), i = 0, count = sizeof(words) / sizeof(words[0]);
		auto_strbuf struct strbuf quoted = {0};
		size_t whole = strcspn(p, ",");

		while (i < count && (strlen(words[i]) != len || memcmp(words[i], p, len) != 0))
			i++;
		if (i < count)
			continue;
		quote_go(&quoted, p, len);
		if (whole > len) {
			strbuf_putc(&quoted, ' ');
			quote_go(&quoted, p + len + 1, whole - len - 1);
		}
		return err_set(err, ERR_FORBIDDEN, 0, "invalid tmpfs option [%s]",
			       strbuf_str(&quoted));
	}
	return 0;
}

static int set_tmpfs(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_mount struct mount_request m = {.kind = MOUNT_KIND_TMPFS, .tmpfs_mode = -1};
	auto_free char *target = xstrdup(value);
	char *colon = strchr(target, ':');
	int rc;

	(void)o;
	if (colon) {
		*colon = '\0';
		m.tmpfs_options = xstrdup(colon + 1);
	}
	rc = check_place(target, err);
	if (rc == 0 && m.tmpfs_options)
		rc = check_tmpfs_options(m.tmpfs_options, err);
	if (rc < 0)
		return rc;
	m.target = run_absolute_path(target);
	return add_mount(field, &m, err);
}

/* ---- --mount ---- */

struct mount_parse {
	struct mount_request m;
	char *target;
	bool has_type, bind_options, volume_options, tmpfs_options;
	const char *unknown_type, *later; /* later: a key that is known but not yet there */
};

static int bad_mount_value(const char *key, const char *value, struct err *err)
{
	return err_set(err, ERR_USAGE, 0, "invalid value for %s: %s", key, value);
}

static int mount_type(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	(void)key;
	if (!*value)
		return err_set(err, ERR_USAGE, 0, "type is required");
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcasecmp(kind_names[i], value) == 0) {
			p->m.kind = (enum mount_kind)i;
			p->unknown_type = NULL;
			return 0;
		}
	}
	p->unknown_type = value;
	return 0;
}

static int mount_source(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	(void)key, (void)err;
	free(p->m.source);
	p->m.source = str_eq(value, ".") || str_starts(value, "./") ? run_absolute_path(value)
								    : xstrdup(value);
	return 0;
}

static int mount_target(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	(void)key, (void)err;
	free(p->target);
	p->target = xstrdup(value);
	return 0;
}

static int mount_read_only(struct mount_parse *p, const char *key, const char *value,
			   struct err *err)
{
	return str_to_bool(value, &p->m.read_only) < 0 ? bad_mount_value(key, value, err) : 0;
}

static int mount_propagation(struct mount_parse *p, const char *key, const char *value,
			     struct err *err)
{
	(void)key, (void)err;
	p->bind_options = true;
	free(p->m.propagation);
	p->m.propagation = xstrdup(value);
	return 0;
}

static int mount_recursive(struct mount_parse *p, const char *key, const char *value,
			   struct err *err)
{
	p->bind_options = true;
	if (str_eq(value, "enabled") || str_eq(value, "disabled")) {
		p->m.non_recursive = str_eq(value, "disabled");
		return 0;
	}
	if (str_eq(value, "writable") || str_eq(value, "readonly"))
		return err_set(err, ERR_UNSUPPORTED, 0, "--mount %s=%s is not supported yet", key,
			       value);
	return err_set(
		err, ERR_USAGE, 0,
		"invalid value for %s: %s (must be \"enabled\", \"disabled\", \"writable\", or "
		"\"readonly\")",
		key, value);
}

static int mount_create(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	p->bind_options = true;
	return str_to_bool(value, &p->m.create_source) < 0 ? bad_mount_value(key, value, err) : 0;
}

static int mount_non_recursive(struct mount_parse *p, const char *key, const char *value,
			       struct err *err)
{
	p->bind_options = true;
	return str_to_bool(value, &p->m.non_recursive) < 0 ? bad_mount_value(key, value, err) : 0;
}

static int mount_no_copy(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	p->volume_options = true;
	return str_to_bool(value, &p->m.no_copy) < 0 ? bad_mount_value(key, value, err) : 0;
}

static int mount_size(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	p->tmpfs_options = true;
	return option_parse_bytes(value, &p->m.tmpfs_size_bytes, err) < 0
		       ? bad_mount_value(key, value, err)
		       : 0;
}

static int mount_mode(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	p->tmpfs_options = true;
	if (*end || *value < '0' || *value > '7' || mode > 07777)
		return bad_mount_value(key, value, err);
	p->m.tmpfs_mode = (int64_t)mode;
	return 0;
}

static int mount_ignored(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	(void)p, (void)key, (void)value, (void)err;
	return 0;
}

static int mount_later(struct mount_parse *p, const char *key, const char *value, struct err *err)
{
	(void)value, (void)err;
	p->volume_options = p->volume_options || str_starts(key, "volume-");
	p->later = key;
	return 0;
}

static const struct mount_key {
	const char *key;
	bool is_bool; /* may stand without a value */
	int (*set)(struct mount_parse *p, const char *key, const char *value, struct err *err);
} mount_keys[] = {
	{"type", false, mount_type},
	{"source", false, mount_source},
	{"src", false, mount_source},
	{"target", false, mount_target},
	{"dst", false, mount_target},
	{"destination", false, mount_target},
	{"readonly", true, mount_read_only},
	{"ro", true, mount_read_only},
	{"consistency", false, mount_ignored}, /* of no meaning on Linux, as with Docker */
	{"bind-propagation", false, mount_propagation},
	{"bind-recursive", false, mount_recursive},
	{"bind-nonrecursive", true, mount_non_recursive}, /* its older name */
	{"bind-create-src", true, mount_create},
	{"volume-nocopy", true, mount_no_copy},
	{"volume-subpath", false, mount_later},
	{"volume-label", false, mount_later},
	{"volume-driver", false, mount_later},
	{"volume-opt", false, mount_later},
	{"image-subpath", false, mount_later},
	{"tmpfs-size", false, mount_size},
	{"tmpfs-mode", false, mount_mode},
};

static int mount_field(struct mount_parse *p, char *field, struct err *err)
{
	auto_free char *whole = xstrdup(field);
	char *equals = strchr(field, '=');

	if (equals)
		*equals = '\0';
	for (size_t i = 0; i < sizeof(mount_keys) / sizeof(mount_keys[0]); i++) {
		const struct mount_key *k = &mount_keys[i];

		if (strcasecmp(k->key, field) != 0)
			continue;
		if (!equals && !k->is_bool)
			break;
		return k->set(p, k->key, equals ? equals + 1 : "true", err);
	}
	if (!equals)
		return err_set(err, ERR_USAGE, 0, "invalid field '%s' must be a key=value pair",
			       whole);
	return err_set(err, ERR_USAGE, 0, "unexpected key '%s' in '%s'", field, whole);
}

/* Options of a kind of mounts that this is none of. */
static int check_mixed(const struct mount_parse *p, const char *type, struct err *err)
{
	const struct {
		bool given;
		enum mount_kind kind;
		const char *name;
	} table[] = {{p->volume_options, MOUNT_KIND_VOLUME, "volume"},
		     {p->bind_options, MOUNT_KIND_BIND, "bind"},
		     {p->tmpfs_options, MOUNT_KIND_TMPFS, "tmpfs"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].given && (p->unknown_type || p->m.kind != table[i].kind))
			return err_set(err, ERR_USAGE, 0,
				       "cannot mix '%s-*' options with mount type '%s'",
				       table[i].name, type);
	}
	return 0;
}

/* What Docker's daemon says of a kind of mounts and its source. */
static int check_source(const struct mount_parse *p, const char *type, struct err *err)
{
	const char *source = p->m.source ? p->m.source : "", *mode = p->m.propagation;
	const struct mode_word *word = mode ? find_mode_word(mode, strlen(mode)) : NULL;
	int rc = 0;

	if (p->unknown_type)
		rc = err_set(err, ERR_FORBIDDEN, 0, "mount type unknown");
	else if (p->m.kind == MOUNT_KIND_TMPFS && p->m.source)
		rc = err_set(err, ERR_FORBIDDEN, 0, "field Source must not be specified");
	else if (p->m.kind == MOUNT_KIND_BIND && !*source)
		rc = err_set(err, ERR_FORBIDDEN, 0, "field Source must not be empty");
	else if (p->m.kind == MOUNT_KIND_BIND && *source != '/')
		rc = err_set(err, ERR_FORBIDDEN, 0,
			     "invalid mount path: '%s' mount path must be absolute", source);
	else if (mode && (!word || word->class != 'p'))
		rc = err_set(err, ERR_FORBIDDEN, 0, "invalid propagation mode: %s", mode);
	return rc < 0 ? err_wrap(err, "invalid mount config for type \"%s\"", type) : 0;
}

static int check_mount(const struct mount_parse *p, struct err *err)
{
	const char *type = p->unknown_type ? p->unknown_type : kind_names[p->m.kind];
	int rc;

	if (!p->target)
		return err_set(err, ERR_USAGE, 0, "target is required");
	rc = check_mixed(p, type, err);
	if (rc == 0)
		rc = check_source(p, type, err);
	if (rc == 0 && p->later)
		rc = err_set(err, ERR_UNSUPPORTED, 0, "--mount %s is not supported yet", p->later);
	if (rc == 0 && p->m.kind == MOUNT_KIND_VOLUME && p->m.source)
		rc = check_volume_name(p->m.source, err);
	return rc < 0 ? rc : check_target(&p->m, p->target, err);
}

/* One comma-separated field, unquoted in place ("a,b" holds its comma, "" is a quote). *rest is
 * what follows, NULL at the end. */
static int next_field(char *text, char **field, char **rest, struct err *err)
{
	char *from = text, *to = text;
	bool quoted = *from == '"';

	*field = text;
	from += quoted;
	for (; *from; from++) {
		if (quoted && *from == '"') {
			if (from[1] != '"') {
				from++;
				quoted = false;
				break;
			}
			from++;
		} else if (!quoted && *from == ',') {
			break;
		}
		*to++ = *from;
	}
	if (quoted || (*from && *from != ','))
		return err_set(err, ERR_USAGE, 0, "parse error: extraneous or missing \" in field");
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return 0;
}

static int parse_mount(struct mount_parse *p, char *text, struct err *err)
{
	char *field, *rest = text;
	int rc = *text ? 0 : err_set(err, ERR_USAGE, 0, "EOF");

	while (rest && rc == 0) {
		rc = next_field(rest, &field, &rest, err);
		if (rc == 0)
			rc = mount_field(p, field, err);
	}
	return rc < 0 ? rc : check_mount(p, err);
}

static int set_mount(void *field, const char *value, const struct option *o, struct err *err)
{
	struct mount_parse p = {
		.m = {.kind = MOUNT_KIND_VOLUME, .long_form = true, .tmpfs_mode = -1}};
	auto_free char *text = xstrdup(value);
	int rc = parse_mount(&p, text, err);

	(void)o;
	if (rc == 0) {
		p.m.target = run_absolute_path(p.target);
		rc = add_mount(field, &p.m, err);
	}
	free(p.target);
	mount_clear(&p.m);
	return rc;
}

const struct option_type option_volume = {"list", false, set_volume};
const struct option_type option_tmpfs = {"list", false, set_tmpfs};
const struct option_type option_mount = {"mount", false, set_mount};
