/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb there is, one line each. */
#include "observe/helper/verbs.h"

#include "observe/helper/helper.h"

const struct helper_verb *const helper_verbs[] = {
	&helper_verb_hello,
	&helper_verb_true,
	&helper_verb_now,
	&helper_verb_allocate,
	&helper_verb_map,
	&helper_verb_release,
	&helper_verb_spawn,
	&helper_verb_overrun,
	&helper_verb_spin,
	&helper_verb_affinity,
	&helper_verb_forks,
	&helper_verb_pour,
};
const int helper_verbs_count = sizeof(helper_verbs) / sizeof(helper_verbs[0]);
