/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as a picture: a row for each process, its programs, its calls, and the path through them. */
#ifndef CLOCHE_OBSERVE_TRACE_TRACE_SVG_H
#define CLOCHE_OBSERVE_TRACE_TRACE_SVG_H

#include "observe/trace/trace.h"

/* A whole SVG document. */
void trace_svg(const struct trace *t, struct strbuf *out);

#endif
