/* SPDX-License-Identifier: Apache-2.0 */
/* Two entries of a tar by hand: there is nothing to parse here. */
#include "observe/explain/lab_image.h"

#include <stddef.h>
#include <stdio.h>

#define BLOCK 512

/* tar(5), ustar. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static void add_entry(struct strbuf *tar, const char *name, char type, unsigned mode,
		      const char *text)
{
	static const char zeros[BLOCK];
	struct header h = {.type = type, .magic = "ustar", .version = {'0', '0'}};
	const unsigned char *bytes = (const unsigned char *)&h;
	size_t length = strlen(text);
	unsigned sum = 0;

	snprintf(h.name, sizeof(h.name), "%s", name);
	snprintf(h.mode, sizeof(h.mode), "%07o", mode);
	snprintf(h.uid, sizeof(h.uid), "%07o", 0);
	snprintf(h.gid, sizeof(h.gid), "%07o", 0);
	snprintf(h.size, sizeof(h.size), "%011zo", length);
	snprintf(h.mtime, sizeof(h.mtime), "%011o", 0);
	/* The sum is taken with blanks in its own place. */
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += bytes[i];
	snprintf(h.checksum, sizeof(h.checksum), "%06o", sum);
	strbuf_add(tar, (const char *)&h, sizeof(h));
	strbuf_add(tar, text, length);
	if (length % BLOCK)
		strbuf_add(tar, zeros, BLOCK - length % BLOCK);
}

void lab_image(struct strbuf *tar)
{
	static const char end[2 * BLOCK];

	add_entry(tar, "etc/", '5', 0755, "");
	add_entry(tar, "etc/os-release", '0', 0644,
		  "NAME=\"Second Root\"\nID=second-root\nVERSION_ID=2\n"
		  "PRETTY_NAME=\"Second Root 2 (a file made for this course)\"\n");
	strbuf_add(tar, end, sizeof(end));
}
