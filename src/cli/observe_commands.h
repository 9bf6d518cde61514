/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line and cloche-observe both say of the commands that the latter does. */
#ifndef CLOCHE_CLI_OBSERVE_COMMANDS_H
#define CLOCHE_CLI_OBSERVE_COMMANDS_H

#define OBSERVE_PROGRAM "cloche-observe"
#define ANALYZE_SUMMARY "Measure what containers cost and whether they hold, in ten tests"
#define EXPLAIN_SUMMARY "Show with the kernel's own evidence what a container is"
#define TRACE_SUMMARY "Show what starting a container does, from the command to its end"

#endif
