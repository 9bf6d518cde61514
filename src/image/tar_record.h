/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a layer's tar when the content of its files is taken out: headers, padding, the
 * end. With the unpacked files it gives back the very bytes, and so the diff id, that was loaded;
 * tar cannot be rebuilt from files alone, since writers differ. Docker keeps the same for the same
 * reason (tar-split).
 *
 * One file per layer, zstd: RECORD_MAGIC, then segments: 'L' u32 n, n bytes: literally these; 'F' u64
 * size, u16 n, n bytes: the content of the file of that name. Numbers are little-endian.
 */
#ifndef CLOCHE_IMAGE_TAR_RECORD_H
#define CLOCHE_IMAGE_TAR_RECORD_H

#include <stdint.h>

#include "image/stream.h"
#include "image/tar_write.h"

#define TAR_RECORD_FILE "tar-record.zst"

struct tar_recorder;

/* Passes the bytes of below (borrowed) on and keeps their record in fd (borrowed, empty). */
struct stream *tar_record_tap(struct stream *below, int fd, struct tar_recorder **out);
/* After the last byte: completes the record. ERR_SYSTEM when it could not be written. */
int must_check tar_record_finish(struct tar_recorder *r, struct err *err);

/* Gives the recorded tar to sink; files are read below diff. sink NULL: only counts. *size_bytes: of
 * the tar. ERR_CORRUPT when record or files are damaged; a file whose content changed is not noticed
 * here but by the digest of what comes out. */
int must_check tar_record_replay(int record, int diff, tar_sink_fn sink, void *context,
				 uint64_t *size_bytes, struct err *err);

#endif
