/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for people on standard error. Only main programs and cli/ call this; libraries return
 * errors instead. */
#ifndef CLOCHE_BASE_LOG_H
#define CLOCHE_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Prints "<text>\n" (no prefix for errors, "WARNING: " for warnings as Docker does, the level's name
 * otherwise) when level is at most the threshold given by CLOCHE_LOG_LEVEL (default warn). */
void log_message(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
