/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of events: one JSON object a line, in the shape of Docker's API. Everybody who has news
 * appends to it: command lines, monitors, the API. Neither allocates nor prints, since the static
 * monitor links it.
 *
 * Appenders hold the file's flock shared for the one write; who finds it full takes the lock
 * exclusively, without waiting, and renames it to "<path>.1". So no line ever goes to a file after
 * readers were told that it is complete. A lock that somebody keeps (a stopped process) holds nobody
 * up for longer than EVENT_LOCK_TRIES naps: then the line is written all the same.
 */
#ifndef CLOCHE_ENGINE_EVENT_JOURNAL_H
#define CLOCHE_ENGINE_EVENT_JOURNAL_H

#include <stddef.h>
#include <sys/uio.h>

#include "base/err.h"

#define EVENT_DIRECTORY "events"       /* below the run root */
#define EVENT_JOURNAL "events/journal" /* likewise */
/* In <run>/containers/<id>: what the monitor puts among the attributes instead of what its plan says,
 * once that has changed. */
#define EVENT_ATTRIBUTES_FILE "event-attributes"
/* Likewise the networks that it is connected to, once they have changed: "id name" in lines. */
#define EVENT_NETWORKS_FILE "event-networks"
#define EVENT_OLD_SUFFIX ".1"
#define EVENT_JOURNAL_MAX_BYTES (4 << 20) /* then it becomes the old one: twice this on disk */
#define EVENT_LOCK_TRIES 50               /* of a millisecond */

/* Appends one line, given in parts and with its newline, to the journal at path below dirfd. *fd is
 * the caller's place for the open file: -1 at first, closed by the caller at the end. 0 or -errno;
 * a line cut short by a full file system is left out by readers. */
int must_check event_journal_append(int dirfd, const char *path, int *fd, const struct iovec *parts,
				    int count);
/* Opens it ahead of the first line, if *fd is -1: 0 or -errno. */
int must_check event_journal_open(int dirfd, const char *path, int *fd);

#endif
