/* SPDX-License-Identifier: Apache-2.0 */
/* A root file system that is another distribution's in the only way in which it can be: by its files. */
#ifndef CLOCHE_OBSERVE_EXPLAIN_LAB_IMAGE_H
#define CLOCHE_OBSERVE_EXPLAIN_LAB_IMAGE_H

#include "base/str.h"

/* Appends a tar (POSIX.1-1988, ustar) that `import` takes: /etc/os-release and nothing else. */
void lab_image(struct strbuf *tar);

#endif
