/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the engine and the program cloche-image talk: standard streams carry archives, descriptor 3 is
 * the directory to work in, descriptor 4 takes one struct err as the last word. One function a
 * command; each gets the arguments after its name and confines the process before it reads a byte.
 */
#ifndef CLOCHE_IMAGE_PROGRAM_H
#define CLOCHE_IMAGE_PROGRAM_H

#include "base/err.h"

#define IMAGE_PROGRAM_ROOT_FD 3
#define IMAGE_PROGRAM_ERROR_FD 4
#define IMAGE_PROGRAM_CONFIG_FD 5 /* add: the image's configuration */

/* extract DIRECTORY SHOWN UID:GID|keep own|foreign replace|refuse: unpacks standard input into
 * DIRECTORY below descriptor 3 (extract.h). */
int must_check program_extract(char **arguments, struct err *err);

/* add ROOT NAME|"": a layer from standard input, as an image of the configuration in descriptor 5
 * (add_layer.h); its id goes to standard output. */
int must_check program_add(char **arguments, struct err *err);
/* save ROOT REFERENCE...: to standard output (save.h). */
int must_check program_save(char **arguments, struct err *err);

/* What libraries would read from the host later, when it is out of reach. */
int must_check program_prepare(struct err *err);

#endif
