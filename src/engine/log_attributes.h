/* SPDX-License-Identifier: Apache-2.0 */
/* What --log-opt labels, labels-regex, env, env-regex and tag put into every entry of a log. */
#ifndef CLOCHE_ENGINE_LOG_ATTRIBUTES_H
#define CLOCHE_ENGINE_LOG_ATTRIBUTES_H

#include "engine/container.h"

#define LOG_ATTRIBUTES_MAX 16384 /* bytes of JSON */

/* A JSON object with sorted keys, as Docker writes it under "attrs"; NULL when no option asks for any
 * or nothing fits. The caller frees it. ERR_INVALID for an expression or a template that cannot be
 * read, and for more than LOG_ATTRIBUTES_MAX bytes. */
int must_check log_attributes(const struct container *c, char **out, struct err *err);

#endif
