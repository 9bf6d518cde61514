/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of log lines against json-c: whatever both take must decode to the same text. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct log_line *line, struct json_object *o)
{
	struct json_object *log, *stream;
	const char *text, *name;

	if (!json_object_object_get_ex(o, "log", &log) ||
	    !json_object_is_type(log, json_type_string))
		return;
	text = json_object_get_string(log);
	/* json-c spells halves of surrogate pairs in a way of its own. */
	if (strstr(text, "\xef\xbf\xbd") || memmem(line->text, line->text_len, "\xef\xbf\xbd", 3))
		return;
	if ((size_t)json_object_get_string_len(log) != line->text_len ||
	    memcmp(text, line->text, line->text_len) != 0)
		abort();
	if (json_object_object_get_ex(o, "stream", &stream) &&
	    json_object_is_type(stream, json_type_string)) {
		name = json_object_get_string(stream);
		if (line->is_stderr && strcmp(name, "stderr") != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as large as promised, so that one byte more is seen. */
	char *input = malloc(size + 1), *buffer = malloc(size + !size);
	struct log_line line;
	char time[LOG_TIME_LEN + 1];

	memcpy(input, data, size);
	input[size] = '\0';
	if (log_line_decode((const char *)data, size, buffer, &line) == 0) {
		struct json_tokener *t = json_tokener_new();
		struct json_object *o = json_tokener_parse_ex(t, input, (int)size + 1);

		if (line.text_len > size)
			abort();
		if (o && json_object_is_type(o, json_type_object) && !strstr(input, "\\u0000"))
			compare(&line, o);
		if (log_line_time(&line, time) == 0 && strlen(time) != LOG_TIME_LEN)
			abort();
		json_object_put(o);
		json_tokener_free(t);
	}
	free(buffer);
	free(input);
	return 0;
}
