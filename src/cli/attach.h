/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end of an attachment: standard input, output and error of this process on one side,
 * the monitor's frames (engine/monitor/protocol.h) on the other. What must hold: no byte is lost or
 * reordered, memory is bounded, the terminal is restored on every way out, and a container is never
 * disturbed by its client going away.
 */
#ifndef CLOCHE_CLI_ATTACH_H
#define CLOCHE_CLI_ATTACH_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/monitor/protocol.h"

struct attach_options {
	int fd;                  /* connection to the monitor; borrowed */
	bool input;              /* relay standard input */
	bool output, error;      /* print what comes on these streams; else it is dropped */
	bool terminal;           /* the container has a terminal: raw mode, resizes, detach keys */
	bool proxy_signals;      /* pass signals on; only without a terminal */
	const char *detach_keys; /* NULL: the default */
	/* Sends a signal by another way when the connection is busy; NULL: none. */
	void (*signal)(void *context, int number);
	void *signal_context;
	/* Called when the container has been started; NULL: nobody wants to know. */
	void (*started)(void *context);
	void *started_context;
};

enum attach_end {
	ATTACH_EXITED,      /* exit holds how */
	ATTACH_NOT_STARTED, /* the monitor's ERROR is in *err */
	ATTACH_DETACHED,    /* the detach keys were pressed */
	ATTACH_LOST,        /* the connection ended without an exit: the monitor died */
	ATTACH_PIPE,        /* the reader of standard output has gone */
	ATTACH_SIGNALLED,   /* signal_number should end this process (not proxied) */
	ATTACH_FAILED,      /* our own trouble; *err */
};

struct attach_result {
	enum attach_end end;
	int pid; /* from STARTED, 0 until then */
	struct frame_exit exit;
	int signal_number;
	uint64_t started_ns,
		ended_ns; /* CLOCK_MONOTONIC at STARTED and at the end; 0 not reached */
};

/* Relays until the container exits or one of the other ends. */
void attach_run(const struct attach_options *options, struct attach_result *result,
		struct err *err);

#endif
