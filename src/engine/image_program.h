/* SPDX-License-Identifier: Apache-2.0 */
/* Running cloche-image, which holds the parsers of archives, on behalf of the engine. */
#ifndef CLOCHE_ENGINE_IMAGE_PROGRAM_H
#define CLOCHE_ENGINE_IMAGE_PROGRAM_H

#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

struct image_program {
	pid_t pid;    /* 0: not started */
	int error_fd; /* its struct err comes here */
};

#define IMAGE_PROGRAM_NONE ((struct image_program){.error_fd = -1})

/* Starts cloche-image with arguments (without its own name). input and output become its standard
 * streams (borrowed; -1: /dev/null); root becomes its descriptor 3 (-1: none). */
int must_check image_program_start(const struct strv *arguments, int input, int output, int root,
				   struct image_program *out, struct err *err);
/* The same with descriptor 5 for a command that takes a configuration. */
int must_check image_program_start_with(const struct strv *arguments, int input, int output,
					int root, int config, struct image_program *out,
					struct err *err);
/* Waits for its end. 0, or its own error in *err. */
int must_check image_program_wait(struct image_program *p, struct err *err);

#endif
