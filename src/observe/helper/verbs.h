/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the helper's table; each is defined in the file of its area. */
#ifndef CLOCHE_OBSERVE_HELPER_VERBS_H
#define CLOCHE_OBSERVE_HELPER_VERBS_H

struct helper_verb;

extern const struct helper_verb helper_verb_hello, helper_verb_true, helper_verb_now;

#endif
