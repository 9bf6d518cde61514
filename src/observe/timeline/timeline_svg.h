/* SPDX-License-Identifier: Apache-2.0 */
/* The start bill as a picture: the lanes of the processes, the phases, and what was done in order. */
#ifndef CLOCHE_OBSERVE_TIMELINE_TIMELINE_SVG_H
#define CLOCHE_OBSERVE_TIMELINE_TIMELINE_SVG_H

#include "observe/timeline/timeline.h"

/* A whole SVG document. title names the container; floor may be NULL. */
void timeline_svg(const struct timeline *t, const char *title, const struct floor_bill *floor,
		  struct strbuf *out);
/* The colour of a phase, told apart by eyes that see fewer of them; "#rrggbb". */
const char *timeline_phase_colour(enum plan_phase phase);

#endif
