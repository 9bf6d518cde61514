/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled programs kept in files, so that the hot path is one read. What must hold: a file is used
 * only if it is whole and was made from exactly the same input by the same compiler: the input
 * itself is stored in it and compared, its hash only names the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/seccomp_generate.h"
#include "kernel/seccomp_profile.h"

#define CACHE_MAGIC "clscmp2"
#define CACHE_FILE_MAX (8 << 20)

struct cache_header {
	char magic[8];
	uint32_t key_len;
	uint32_t count;
	uint32_t flags;
	uint32_t reserved;
	uint64_t sum; /* over the instructions */
};

static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}
#define FNV_START UINT64_C(0xcbf29ce484222325)

/* What else decides about the outcome: this program's version, libseccomp's, the kernel's. */
static void add_makers(struct strbuf *key, uint64_t capabilities)
{
	const struct scmp_version *v = seccomp_version();
	struct utsname u;

	strbuf_printf(key, CLOCHE_VERSION " libseccomp %u.%u.%u kernel %s caps %" PRIx64 "\n",
		      v->major, v->minor, v->micro, uname(&u) < 0 ? "?" : u.release, capabilities);
}

static int cache_path(const char *dir, const struct strbuf *key, char *out, size_t size)
{
	return str_format(out, size, "%s/%016" PRIx64 ".bpf", dir,
			  fnv1a(FNV_START, key->data, key->len));
}

static int load(const char *dir, const struct strbuf *key, struct seccomp_program *out)
{
	auto_free char *text = NULL;
	struct cache_header h;
	char path[512];
	size_t len, code;

	if (cache_path(dir, key, path, sizeof(path)) ||
	    file_read_at(AT_FDCWD, path, CACHE_FILE_MAX, &text, &len) || len < sizeof(h))
		return -ENOENT;
	memcpy(&h, text, sizeof(h));
	code = (size_t)h.count * sizeof(struct seccomp_instruction);
	if (memcmp(h.magic, CACHE_MAGIC, sizeof(h.magic)) != 0 || h.key_len != key->len ||
	    h.count == 0 || h.count > SECCOMP_INSTRUCTIONS_MAX ||
	    len != sizeof(h) + h.key_len + code ||
	    memcmp(text + sizeof(h), key->data, key->len) != 0 ||
	    fnv1a(FNV_START, text + sizeof(h) + h.key_len, code) != h.sum)
		return -ENOENT;
	out->instructions = malloc(code);
	if (!out->instructions)
		return -ENOENT;
	memcpy(out->instructions, text + sizeof(h) + h.key_len, code);
	out->count = h.count;
	out->flags = h.flags;
	return 0;
}

/* Failure costs the next start a compilation and nothing else. */
static void store(const char *dir, const struct strbuf *key, const struct seccomp_program *p)
{
	auto_strbuf struct strbuf file = {0};
	size_t code = p->count * sizeof(*p->instructions);
	struct cache_header h = {.magic = CACHE_MAGIC,
				 .key_len = (uint32_t)key->len,
				 .count = (uint32_t)p->count,
				 .flags = p->flags,
				 .sum = fnv1a(FNV_START, p->instructions, code)};
	char path[512];

	if (cache_path(dir, key, path, sizeof(path)) || (mkdir(dir, 0700) < 0 && errno != EEXIST))
		return;
	strbuf_add(&file, (const char *)&h, sizeof(h));
	strbuf_add(&file, key->data, key->len);
	strbuf_add(&file, (const char *)p->instructions, code);
	if (file_replace_at(AT_FDCWD, path, file.data, file.len, 0600, FILE_VOLATILE))
		errno = 0;
}

/* Our own shape where the profile allows it, libseccomp's for the others. */
static int compile(const struct seccomp_profile *profile, struct seccomp_program *out,
		   struct err *err)
{
	int r;

	/* Without its listener such a filter would fail every call it is asked about. */
	for (size_t i = 0; i < profile->rule_count; i++)
		if (profile->rules[i].action == SECCOMP_DO_NOTIFY)
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "seccomp: SCMP_ACT_NOTIFY is not supported by this version");
	r = seccomp_generate(profile, out, err);
	return r == -EOPNOTSUPP ? seccomp_compile(profile, out, err) : r;
}

int seccomp_program_default(uint64_t capabilities, const char *cache_dir,
			    struct seccomp_program *out, struct err *err)
{
	auto_strbuf struct strbuf key = {0};
	auto_seccomp_profile struct seccomp_profile profile = {0};
	int r;

	memset(out, 0, sizeof(*out));
	strbuf_printf(&key, "default %016" PRIx64 " ", seccomp_default_digest());
	add_makers(&key, capabilities);
	if (cache_dir && load(cache_dir, &key, out) == 0)
		return 0;
	seccomp_profile_default(capabilities, &profile);
	r = compile(&profile, out, err);
	if (r == 0 && cache_dir)
		store(cache_dir, &key, out);
	return r;
}

int seccomp_program_of_text(const char *text, size_t len, const char *what, uint64_t capabilities,
			    const char *cache_dir, struct seccomp_program *out, struct err *err)
{
	auto_strbuf struct strbuf key = {0};
	auto_seccomp_profile struct seccomp_profile profile = {0};
	int r;

	memset(out, 0, sizeof(*out));
	strbuf_puts(&key, "text ");
	add_makers(&key, capabilities);
	strbuf_add(&key, text, len);
	if (cache_dir && load(cache_dir, &key, out) == 0)
		return 0;
	r = seccomp_profile_parse(text, len, what, capabilities, &profile, err);
	if (r == 0)
		r = compile(&profile, out, err);
	if (r == 0 && cache_dir)
		store(cache_dir, &key, out);
	return r;
}

static void add_profile(struct strbuf *key, const struct seccomp_profile *p)
{
	strbuf_printf(key, "%d %u %x %x\n", (int)p->default_action, p->default_errno, p->archs,
		      p->flags);
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct seccomp_rule *rule = &p->rules[i];

		strbuf_printf(key, "%d %u", (int)rule->action, rule->errno_value);
		for (size_t k = 0; k < rule->names.count; k++)
			strbuf_printf(key, " %zu:%s", strlen(rule->names.items[k]),
				      rule->names.items[k]);
		for (size_t k = 0; k < rule->condition_count; k++)
			strbuf_printf(key, " [%u %d %" PRIx64 " %" PRIx64 "]",
				      rule->conditions[k].index, (int)rule->conditions[k].compare,
				      rule->conditions[k].value, rule->conditions[k].value_two);
		strbuf_putc(key, '\n');
	}
}

int seccomp_program_of_profile(const struct seccomp_profile *profile, const char *cache_dir,
			       struct seccomp_program *out, struct err *err)
{
	auto_strbuf struct strbuf key = {0};
	int r;

	memset(out, 0, sizeof(*out));
	strbuf_puts(&key, "profile ");
	add_makers(&key, 0);
	add_profile(&key, profile);
	if (cache_dir && load(cache_dir, &key, out) == 0)
		return 0;
	r = compile(profile, out, err);
	if (r == 0 && cache_dir)
		store(cache_dir, &key, out);
	return r;
}
