/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb there is, one line each. */
#include "observe/helper/verbs.h"

#include "observe/helper/helper.h"

/* clang-format off */
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
	&helper_verb_calls,
	&helper_verb_call_time,
	&helper_verb_execute,
	&helper_verb_io_copy,
	&helper_verb_io_fill,
	&helper_verb_io_first_write,
	&helper_verb_io_metadata,
	&helper_verb_io_mkdir,
	&helper_verb_io_reflink,
	&helper_verb_io_remove,
	&helper_verb_io_sync,
	&helper_verb_io_transfer,
	&helper_verb_fill,
	&helper_verb_denied,
	&helper_verb_look,
	&helper_verb_mark,
	&helper_verb_unmark,
	&helper_verb_echo,
	&helper_verb_ping,
	&helper_verb_connect,
	&helper_verb_lookup,
	&helper_verb_addresses,
	&helper_verb_pin,
};
/* clang-format on */
const int helper_verbs_count = sizeof(helper_verbs) / sizeof(helper_verbs[0]);
