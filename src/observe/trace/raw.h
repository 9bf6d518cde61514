/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs in the kernel write and the recorder reads; the layout is ours alone. */
#ifndef CLOCHE_OBSERVE_TRACE_RAW_H
#define CLOCHE_OBSERVE_TRACE_RAW_H

#include <stdint.h>

enum raw_kind {
	RAW_CALL = 1,      /* a call returned; begin_ns 0: its begin was before the recording */
	RAW_EXEC_TRY,      /* execve was entered; text: file and arguments */
	RAW_EXIT_CALL,     /* exit_group was entered */
	RAW_TASK,          /* extra: the new thread's id; begin_ns: clone flags */
	RAW_EXEC,          /* a new program runs; text: its file */
	RAW_EXIT,          /* a thread ended */
	RAW_CGROUP_MKDIR,  /* text: path */
	RAW_CGROUP_RMDIR,  /* text: path */
	RAW_CGROUP_ATTACH, /* text: path; extra: the thread that moves */
	RAW_SWITCH,        /* tid leaves the processor, extra gets it; begin_ns: state of tid */
	RAW_WAKE, /* tid wakes extra; begin_ns: the call tid is in, plus one; 0: none that is recorded */
};

#define RAW_TEXT 128 /* bytes of one text */
#define RAW_TEXTS 3
#define RAW_ARGUMENT 96
#define RAW_ARGUMENTS 12
#define RAW_STRUCT 88 /* bytes of a structure that a call points to: clone_args */

struct raw_head {
	uint16_t kind; /* enum raw_kind */
	uint16_t nr;   /* of the call */
	uint32_t tgid, tid;
	uint32_t extra;
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint64_t begin_ns;
};

/* What follows the head is there as far as the record is long. */
struct raw_record {
	struct raw_head head;
	uint64_t args[6];
	int64_t result;
	char comm[16];
	union {
		char text[RAW_TEXTS][RAW_TEXT];
		struct {
			char file[RAW_TEXT];
			char arguments[RAW_ARGUMENTS][RAW_ARGUMENT];
		} exec;
	};
};

#define RAW_PLAIN_SIZE offsetof(struct raw_record, text)
#define RAW_TEXT_SIZE (RAW_PLAIN_SIZE + RAW_TEXTS * RAW_TEXT)

/* Which calls are recorded, and how; indexed by number in a map. */
enum raw_class {
	RAW_SKIP,
	RAW_PLAIN_CALL,
	RAW_WAIT, /* only when it took TRACE_WAIT_MIN_NS */
	RAW_EXECUTE,
	RAW_NO_RETURN,
	RAW_OPEN,  /* only for writing, and only control files of cgroups */
	RAW_WRITE, /* shown only to what RAW_OPEN let through */
	RAW_CLOSE, /* never; ends RAW_WRITE */
};
#define RAW_CALLS_MAX 512

struct raw_spec {
	uint32_t how;             /* enum raw_class */
	uint32_t text[RAW_TEXTS]; /* argument that is a string, plus one; 0: none */
	uint32_t structure; /* argument that points to a structure, plus one; goes to text[0] */
	uint32_t flags;     /* RAW_OPEN: argument with the flags, plus one; 0: a structure */
};

#endif
