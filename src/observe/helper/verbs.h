/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the helper's table; each is defined in the file of its area. */
#ifndef CLOCHE_OBSERVE_HELPER_VERBS_H
#define CLOCHE_OBSERVE_HELPER_VERBS_H

struct helper_verb;

extern const struct helper_verb helper_verb_hello, helper_verb_true, helper_verb_now;
extern const struct helper_verb helper_verb_allocate, helper_verb_map, helper_verb_release,
	helper_verb_spawn, helper_verb_overrun;
extern const struct helper_verb helper_verb_spin, helper_verb_affinity;
extern const struct helper_verb helper_verb_forks, helper_verb_pour;
extern const struct helper_verb helper_verb_calls, helper_verb_call_time, helper_verb_execute;

extern const struct helper_verb helper_verb_io_copy, helper_verb_io_fill,
	helper_verb_io_first_write, helper_verb_io_metadata, helper_verb_io_mkdir,
	helper_verb_io_reflink, helper_verb_io_remove, helper_verb_io_sync, helper_verb_io_transfer;
extern const struct helper_verb helper_verb_fill;
/* isolation: what is refused, what is seen; paths of a network */
extern const struct helper_verb helper_verb_denied, helper_verb_look, helper_verb_mark,
	helper_verb_unmark;
extern const struct helper_verb helper_verb_echo, helper_verb_ping, helper_verb_connect,
	helper_verb_lookup, helper_verb_addresses, helper_verb_pin;

#endif
