/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs, sorted and escaped. */
#include "engine/log_details.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

static void put_escaped(struct strbuf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.~";

	for (; *text; text++) {
		if (*text == ' ')
			strbuf_putc(out, '+');
		else if (strchr(plain, *text))
			strbuf_putc(out, *text);
		else
			strbuf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

static void add_pair(struct strv *pairs, const char *key, const char *value)
{
	auto_strbuf struct strbuf pair = {0};

	put_escaped(&pair, key);
	strbuf_putc(&pair, '=');
	put_escaped(&pair, value);
	strv_add(pairs, strbuf_str(&pair));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *join(struct strv *pairs)
{
	struct strbuf out = {0};

	if (pairs->count)
		qsort(pairs->items, pairs->count, sizeof(char *), by_text);
	for (size_t i = 0; i < pairs->count; i++)
		strbuf_printf(&out, "%s%s", i ? "," : "", pairs->items[i]);
	return strbuf_take(&out);
}

char *log_details_of_line(const char *json, size_t n)
{
	auto_json struct json_object *o = NULL;
	auto_strv struct strv pairs = {0};
	struct err ignored = ERR_INIT;

	if (json_parse(json, n, "attrs", &o, &ignored) < 0 ||
	    !json_object_is_type(o, json_type_object))
		return xstrdup("");
	json_object_object_foreach(o, key, value)
		add_pair(&pairs, key, json_object_get_string(value));
	return join(&pairs);
}
