/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a hostile archive, plain or compressed: indexing it and reading everything in it takes
 * bounded memory, and no name in the index leads out.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/image_archive.h"

#define READ_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct image_archive *a)
{
	for (size_t i = 0; i < a->count && i < 64; i++) {
		auto_free char *text = NULL;
		struct err err = ERR_INIT;
		size_t len = 0;

		if (str_starts(a->entries[i].name, "../") || a->entries[i].name[0] == '/')
			abort();
		if (image_archive_read(a, a->entries[i].name, READ_MAX, &text, &len, &err) == 0 &&
		    len > READ_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_budget budget = {.max_bytes = 8u << 20, .where = "here"};
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	auto_close int dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int input = memfd_create("archive", MFD_CLOEXEC);
	struct image_archive archive;
	struct err err = ERR_INIT;

	if (dir < 0 || input < 0 || fd_write_all(input, data, size) < 0 ||
	    lseek(input, 0, SEEK_SET) < 0)
		abort();
	if (image_archive_open(input, dir, &budget, &archive, &err) < 0) {
		if (err.kind == ERR_NONE)
			abort();
		return 0;
	}
	read_all(&archive);
	image_archive_close(&archive);
	return 0;
}
