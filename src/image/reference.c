/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of distribution/reference by hand: no regular expressions, every byte looked at once.
 * Must never accept what Docker refuses, since names become keys of repositories.json.
 */
#include "image/reference.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/str.h"

#define DEFAULT_DOMAIN "docker.io"
#define DEFAULT_PREFIX "library/"

static bool alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return alnum_lower(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]+ with separators ".", "_", "__" or any number of "-" between. */
static bool component_valid(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t start = i;

		while (i < n && alnum_lower(s[i]))
			i++;
		if (i == start)
			return false;
		if (i == n)
			return true;
		if (s[i] == '-') {
			while (i < n && s[i] == '-')
				i++;
		} else if (s[i] == '.') {
			i++;
		} else if (s[i] == '_') {
			i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
		} else {
			return false;
		}
	}
	return false;
}

static bool path_valid(const char *s, size_t n)
{
	for (;;) {
		const char *slash = memchr(s, '/', n);
		size_t part = slash ? (size_t)(slash - s) : n;

		if (!component_valid(s, part))
			return false;
		if (!slash)
			return true;
		s += part + 1;
		n -= part + 1;
	}
}

static bool label_valid(const char *s, size_t n)
{
	if (n == 0 || !alnum(s[0]) || !alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

/* Host name labels, then optionally ":" and digits. */
static bool domain_valid(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t host = colon ? (size_t)(colon - s) : n;

	if (colon && host + 1 == n)
		return false;
	for (size_t i = host + 1; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	for (size_t start = 0; start <= host;) {
		const char *dot = memchr(s + start, '.', host - start);
		size_t end = dot ? (size_t)(dot - s) : host;

		if (!label_valid(s + start, end - start))
			return false;
		start = end + 1;
	}
	return true;
}

static bool tag_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > REFERENCE_TAG_MAX || s[0] == '.' || s[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!alnum(s[i]) && s[i] != '_' && s[i] != '.' && s[i] != '-')
			return false;
	return true;
}

bool digest_valid(const char *text)
{
	return str_starts(text, DIGEST_PREFIX) && strlen(text) == DIGEST_LEN &&
	       id_is_hex(text + strlen(DIGEST_PREFIX), DIGEST_HEX_LEN);
}

static int malformed(struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid reference format");
}

/* As Docker decides what a domain is: the length of that before the first slash, 0 where it is none. */
static size_t leading_domain(const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	size_t n = slash ? (size_t)(slash - text) : 0;

	return memchr(text, '.', n) || memchr(text, ':', n) ||
			       (n == strlen("localhost") && memcmp(text, "localhost", n) == 0)
		       ? n
		       : 0;
}

/* Cuts "DOMAIN/" off text. */
static const char *split_domain(const char *text, const char **domain, size_t *domain_len)
{
	size_t n = leading_domain(text, strlen(text));

	*domain = DEFAULT_DOMAIN;
	*domain_len = strlen(DEFAULT_DOMAIN);
	if (!n)
		return text;
	if (n != strlen("index.docker.io") || memcmp(text, "index.docker.io", n) != 0) {
		*domain = text;
		*domain_len = n;
	}
	return text + n + 1;
}

static int set_name(struct reference *out, const char *domain, size_t domain_len, const char *path,
		    size_t n, struct err *err)
{
	bool standard = domain_len == strlen(DEFAULT_DOMAIN) &&
			memcmp(domain, DEFAULT_DOMAIN, domain_len) == 0;
	size_t prefix = strlen(DEFAULT_PREFIX);

	if (!path_valid(path, n) || !domain_valid(domain, domain_len))
		return malformed(err);
	if (domain_len + 1 + n > REFERENCE_NAME_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "repository name must not be more than %d characters",
			       REFERENCE_NAME_MAX);
	/* "library/a/b" is not short for anything */
	if (standard && n > prefix && memcmp(path, DEFAULT_PREFIX, prefix) == 0 &&
	    !memchr(path + prefix, '/', n - prefix)) {
		path += prefix;
		n -= prefix;
	}
	/* What would be taken for a domain by itself keeps the one it has. */
	if (standard && !leading_domain(path, n))
		return str_format(out->name, sizeof(out->name), "%.*s", (int)n, path);
	return str_format(out->name, sizeof(out->name), "%.*s/%.*s", (int)domain_len, domain,
			  (int)n, path);
}

static int set_tag(struct reference *out, const char *tag, const char *end, struct err *err)
{
	size_t n = (size_t)(end - tag);

	if (n >= sizeof(out->tag))
		return malformed(err);
	memcpy(out->tag, tag, n);
	out->tag[n] = '\0';
	return tag_valid(out->tag) ? 0 : malformed(err);
}

/* The name in question is the one in its registry, which for Docker's has "library/". */
static int upper_case(const char *domain, size_t domain_len, const char *path, size_t n,
		      struct err *err)
{
	bool standard = domain_len == strlen(DEFAULT_DOMAIN) &&
			memcmp(domain, DEFAULT_DOMAIN, domain_len) == 0 && !memchr(path, '/', n);

	return err_set(err, ERR_INVALID, EINVAL,
		       "invalid reference format: repository name (%s%.*s) must be lowercase",
		       standard ? DEFAULT_PREFIX : "", (int)(n < 200 ? n : 200), path);
}

int reference_check_tag(const struct reference *r, struct err *err)
{
	if (r->digest[0])
		return err_set(err, ERR_INVALID, EINVAL,
			       "refusing to create a tag with a digest reference");
	if (str_eq(r->name, "sha256"))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"refusing to create an ambiguous tag using digest algorithm as name");
	return 0;
}

int reference_parse(const char *text, struct reference *out, struct err *err)
{
	const char *domain, *path, *at, *colon, *end;
	size_t domain_len;
	int rc;

	memset(out, 0, sizeof(*out));
	if (strlen(text) == DIGEST_HEX_LEN && id_is_hex(text, DIGEST_HEX_LEN))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
			text);
	path = split_domain(text, &domain, &domain_len);
	end = path + strcspn(path, ":@");
	for (const char *p = path; p < end; p++)
		if (isupper((unsigned char)*p))
			return upper_case(domain, domain_len, path, (size_t)(end - path), err);
	at = strchr(path, '@');
	colon = *end == ':' ? end : NULL;
	rc = set_name(out, domain, domain_len, path, (size_t)(end - path), err);
	if (rc == 0 && colon)
		rc = set_tag(out, colon + 1, at ? at : path + strlen(path), err);
	if (rc == 0 && at && !digest_valid(at + 1))
		rc = malformed(err);
	if (rc == 0 && at)
		memcpy(out->digest, at + 1, DIGEST_LEN + 1);
	return rc;
}

void reference_default_tag(struct reference *r)
{
	if (!r->tag[0] && !r->digest[0])
		strcpy(r->tag, "latest");
}

void reference_format(const struct reference *r, char out[static REFERENCE_TEXT_MAX])
{
	snprintf(out, REFERENCE_TEXT_MAX, "%s%s%s%s%s", r->name, r->tag[0] ? ":" : "", r->tag,
		 r->digest[0] ? "@" : "", r->digest);
}
