/* SPDX-License-Identifier: Apache-2.0 */
/* The subject file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "bench.h"

#define FILE_MAX (1 << 20)
enum column {
	COLUMN_NAME,
	COLUMN_FLOOR,
	COLUMN_NAMESPACE,
	COLUMN_COMMAND,
	COLUMN_AFTER,
	COLUMN_MAX
};

static char *optional(const char *text)
{
	return str_eq(text, "-") ? NULL : xstrdup(text);
}

static void split_words(char *text, struct strv *out)
{
	char *rest = text, *word;

	while ((word = strsep(&rest, " "))) {
		if (*word)
			strv_add(out, word);
	}
}

static int parse_line(char *line, struct bench_subjects *out)
{
	char *columns[COLUMN_MAX] = {NULL}, *rest = line, *cell;
	struct bench_subject *s;
	size_t n = 0;

	while (n < COLUMN_MAX && (cell = strsep(&rest, "\t")))
		columns[n++] = cell;
	if (n <= COLUMN_COMMAND || rest || !*columns[COLUMN_NAME] || !*columns[COLUMN_COMMAND] ||
	    bench_subjects_find(out, columns[COLUMN_NAME]))
		return -EINVAL;
	out->items = xrealloc(out->items, (out->count + 1) * sizeof(*out->items));
	s = &out->items[out->count++];
	*s = (struct bench_subject){.name = xstrdup(columns[COLUMN_NAME]),
				    .floor = optional(columns[COLUMN_FLOOR]),
				    .namespace_of = optional(columns[COLUMN_NAMESPACE])};
	split_words(columns[COLUMN_COMMAND], &s->command);
	if (columns[COLUMN_AFTER])
		split_words(columns[COLUMN_AFTER], &s->after);
	return 0;
}

int bench_subjects_read(const char *path, struct bench_subjects *out, struct err *err)
{
	auto_free char *text = NULL;
	size_t len, number = 0;
	char *rest, *line;
	int rc = file_read_at(AT_FDCWD, path, FILE_MAX, &text, &len);

	*out = (struct bench_subjects){.count = 0};
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read %s: %s", path, err_errno_text(-rc));
	for (rest = text; (line = strsep(&rest, "\n"));) {
		number++;
		if (*line == '#' || !*line)
			continue;
		if (parse_line(line, out) < 0)
			return err_set(
				err, ERR_INVALID, 0,
				"%s: line %zu: want a new NAME, FLOOR, NAMESPACE, COMMAND[, AFTER]",
				path, number);
	}
	if (!out->count)
		return err_set(err, ERR_INVALID, 0, "%s: no subject", path);
	return 0;
}

struct bench_subject *bench_subjects_find(const struct bench_subjects *s, const char *name)
{
	for (size_t i = 0; name && i < s->count; i++) {
		if (str_eq(s->items[i].name, name))
			return &s->items[i];
	}
	return NULL;
}

void bench_subjects_free(struct bench_subjects *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].name);
		free(s->items[i].floor);
		free(s->items[i].namespace_of);
		strv_free(&s->items[i].command);
		strv_free(&s->items[i].after);
		free(s->items[i].samples_ms);
	}
	free(s->items);
}
