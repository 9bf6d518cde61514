/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche explain --lab`: a course on containers made for it. Two alike, one with the host's processes,
 * one in the network of another, one from a second root file system, one with limits and put under load;
 * then the nine topics on those that show them. Run by the driver of the experiments, which removes
 * everything, also after an interrupt.
 */
#ifndef CLOCHE_OBSERVE_EXPLAIN_LAB_H
#define CLOCHE_OBSERVE_EXPLAIN_LAB_H

struct experiment;

/* Number 0: no test of analyze. Adds the topics to the report as tests of their own. */
extern const struct experiment explain_lab;

#endif
