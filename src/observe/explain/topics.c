/* SPDX-License-Identifier: Apache-2.0 */
/* Every topic there is, one row each, in the order of the course. */
#include "observe/explain/topics.h"

#include <string.h>

const struct explain_topic explain_topics[] = {
	{1, "kernel", "One kernel for all",
	 "A virtual machine boots a kernel of its own; a container does not. Compare what the kernel says "
	 "of itself here and inside, then the files that say which distribution it is: the first are the "
	 "same, the second are not.",
	 explain_kernel},
	{2, "pids", "One process, two numbers",
	 "Whatever runs in a container is an ordinary process of this host. A pid namespace gives it a "
	 "second number; NSpid in /proc/PID/status shows both.",
	 explain_pids},
	{3, "namespaces", "What is its own and what is not",
	 "A namespace is known by its inode in /proc/PID/ns. Same inode, same namespace: that is all there "
	 "is to compare.",
	 explain_namespaces},
	{4, "creation", "How it was made",
	 "clone(2) and unshare(2) with CLONE_NEW flags make namespaces, setns(2) joins them. They leave no "
	 "trace afterwards but the inodes, so whoever wants to see them must be there at the time.",
	 explain_creation},
	{5, "cgroup", "Its control group and its limits",
	 "Namespaces decide what a process sees, control groups how much it may use. A limit that was asked "
	 "for counts only when it stands in the group's file.",
	 explain_cgroup},
	{6, "load", "What happens at the limit",
	 "At the processor's limit a container waits, at memory's it is killed, at the processes' limit it "
	 "cannot fork. The kernel counts each.",
	 explain_load},
	{7, "layers", "Its file system in layers",
	 "An image's layers are directories that are never written. What a container changes goes to a "
	 "directory of its own on top; the first write to a file copies it there.",
	 explain_layers},
	{8, "ancestry", "Who started whom, and who has gone",
	 "Parents that end hand their children to the next subreaper, or to process 1. So the tree shows who "
	 "looks after a container today, not everybody who took part in making it.",
	 explain_ancestry},
	{9, "sharing", "What it shares on purpose",
	 "--pid host, --network container:NAME and their like put a container into a namespace that is "
	 "there already. What then becomes visible can be counted from inside.",
	 explain_sharing},
};
const size_t explain_topics_count = sizeof(explain_topics) / sizeof(explain_topics[0]);

const struct explain_topic *explain_find_topic(const char *key)
{
	for (size_t i = 0; i < explain_topics_count; i++) {
		if (str_eq(explain_topics[i].key, key))
			return &explain_topics[i];
	}
	return NULL;
}
