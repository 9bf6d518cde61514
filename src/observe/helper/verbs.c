/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb there is, one line each. */
#include "observe/helper/verbs.h"

#include "observe/helper/helper.h"

const struct helper_verb *const helper_verbs[] = {
	&helper_verb_hello,
	&helper_verb_true,
	&helper_verb_now,
};
const int helper_verbs_count = sizeof(helper_verbs) / sizeof(helper_verbs[0]);
