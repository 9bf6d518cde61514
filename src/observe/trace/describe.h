/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of recorded calls in words: flags by the names of the kernel's headers. */
#ifndef CLOCHE_OBSERVE_TRACE_DESCRIBE_H
#define CLOCHE_OBSERVE_TRACE_DESCRIBE_H

#include "base/str.h"
#include "observe/trace/raw.h"

#define NAMESPACE_FLAGS                                                                           \
	((uint64_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
		    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME))

typedef void describe(const struct raw_record *r, struct strbuf *out);
describe describe_clone, describe_clone3, describe_unshare, describe_setns, describe_text,
	describe_second, describe_two, describe_mount, describe_umount, describe_move_mount,
	describe_open_tree, describe_fsconfig, describe_fsmount, describe_fspick,
	describe_mount_setattr, describe_exec, describe_exit, describe_seccomp, describe_prctl,
	describe_number, describe_groups, describe_bpf, describe_write;

#endif
