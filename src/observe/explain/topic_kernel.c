/* SPDX-License-Identifier: Apache-2.0 */
/* kernel: the same text of the same kernel here and inside, and the file that differs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "observe/explain/inside.h"
#include "observe/explain/topics.h"

#define TEXT_MAX (64u << 10)
#define BOOT_ID_LENGTH 36

/* The first line of a file of ours; heap, "" when it cannot be read. */
static char *host_line(const char *path)
{
	char *text = NULL;

	if (file_read_at(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
		return xstrdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Compares one file of /proc seen by both. 1 same, 0 different, -errno not readable inside. Of a kernel's
 * version what stands in parentheses, who built it and how, is compared but not shown. */
static int compare(struct explain *x, struct report_claim *c, const char *path, const char *what)
{
	auto_inside_file struct inside_file inside = {.text = NULL};
	auto_free char *here = host_line(path);
	int rc = inside_read_proc(x->target->pid, path, &inside);

	if (rc < 0) {
		report_evidence(c, "%s through its own /proc: not read (%s)", path,
				rc == -EXDEV ? "its /proc is not the kernel's"
					     : err_errno_text(-rc));
		return rc;
	}
	inside.text[strcspn(inside.text, "\n")] = '\0';
	report_evidence(c, "%s through its own /proc: %.*s", path, (int)strcspn(inside.text, "("),
			inside.text);
	if (str_eq(inside.text, here)) {
		report_evidence(c, "%s of the host: the same %s", path, what);
		return 1;
	}
	report_evidence(c, "%s of the host: %s", path, here);
	return 0;
}

static void claim_one_kernel(struct explain *x)
{
	struct report_claim *c =
		explain_claim(x, "kernel.one", REPORT_UNKNOWN,
			      "%s runs on this host's kernel, not on one of its own", x->name);
	const struct process *first = process_find(&x->processes, x->target->pid);
	int version = compare(x, c, "/proc/version", "text");
	int boot = compare(x, c, "/proc/sys/kernel/random/boot_id", "boot");
	char node[65], release[65];
	int rc = inside_uname(x->target->pid, node, release);

	if (rc == 0)
		report_evidence(c, "uname(2) in its uts namespace: release %s, host name %s",
				release, node);
	else
		report_evidence(c, "uname(2) in its uts namespace: %s", err_errno_text(-rc));
	if (first)
		report_evidence(c,
				"/proc/%d/stat: its first process (%s) stands in this kernel's "
				"process table, in state %c",
				first->pid, first->name, first->state);
	if (boot >= 0)
		c->verdict = boot && version != 0 ? REPORT_HOLDS : REPORT_BROKEN;
	else if (first && rc == 0)
		c->verdict = REPORT_HOLDS;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c, "an image brings no kernel along: a bug, a crash or an update of "
			   "this one concerns the host and every container on it at once");
	else
		report_consequence(
			c, "what its /proc says is not this host's: do not trust what follows "
			   "before it is known why");
}

/* Name, device and inode of an os-release, looked for where os-release(5) has it. */
static int read_os(pid_t pid, struct inside_file *out, const char **path)
{
	static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release"};
	int rc = -ENOENT;

	for (size_t i = 0; i < 2 && rc < 0; i++) {
		*path = paths[i];
		rc = inside_read(pid, paths[i], out);
	}
	return rc;
}

static void show_os(struct report_claim *c, const char *whose, const char *path,
		    const struct inside_file *f)
{
	auto_free char *name = inside_os_name(f->text);

	report_evidence(c, "%s %s: %s (device %u:%u, inode %llu)", path, whose,
			*name ? name : "has no name", major(f->device), minor(f->device),
			(unsigned long long)f->inode);
}

static void claim_userland(struct explain *x)
{
	struct report_claim *c = explain_claim(x, "kernel.userland", REPORT_UNKNOWN,
					       "%s has a userland of its own", x->name);
	auto_inside_file struct inside_file inside = {.text = NULL}, here = {.text = NULL};
	const char *path;
	int rc = read_os(x->target->pid, &inside, &path), host;

	if (rc == 0)
		show_os(c, "in its root", path, &inside);
	else
		report_evidence(c, "/etc/os-release in its root: %s", err_errno_text(-rc));
	host = read_os(getpid(), &here, &path);
	if (host == 0)
		show_os(c, "of the host", path, &here);
	else
		report_evidence(c, "/etc/os-release of the host: %s", err_errno_text(-host));
	if (rc < 0 || host < 0)
		c->verdict = x->own.inode[NAMESPACE_MNT] != x->host.inode[NAMESPACE_MNT] &&
					     rc == -ENOENT
				     ? REPORT_HOLDS
				     : REPORT_UNKNOWN;
	else
		c->verdict = inside.device != here.device || inside.inode != here.inode
				     ? REPORT_HOLDS
				     : REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c, "the distribution in an image is its files and no more; system "
			   "calls go to the kernel above, whatever the image was built for");
	else if (c->verdict == REPORT_BROKEN)
		report_consequence(c, "it is the host's own file: its root is the host's");
}

static void claim_same_as_other(struct explain *x)
{
	auto_inside_file struct inside_file mine = {.text = NULL}, theirs = {.text = NULL};
	const char *path = "/proc/sys/kernel/random/boot_id";
	struct report_claim *c;
	int rc = inside_read_proc(x->target->pid, path, &mine);

	if (rc == 0)
		rc = inside_read_proc(x->other->pid, path, &theirs);
	c = explain_claim(x, "kernel.between", REPORT_UNKNOWN, "%s and %s have one kernel", x->name,
			  x->other->name);
	if (rc < 0 || !mine.text || !theirs.text) {
		report_evidence(c, "%s: %s", path, err_errno_text(-rc));
		return;
	}
	report_evidence(c, "%s in %s: %.*s", path, x->name, BOOT_ID_LENGTH, mine.text);
	report_evidence(c, "%s in %s: %.*s", path, x->other->name, BOOT_ID_LENGTH, theirs.text);
	c->verdict = str_eq(mine.text, theirs.text) ? REPORT_HOLDS : REPORT_BROKEN;
	report_consequence(c, "what keeps them apart is this kernel alone");
}

int explain_kernel(struct explain *x, struct err *err)
{
	(void)err;
	claim_one_kernel(x);
	claim_userland(x);
	if (x->other)
		claim_same_as_other(x);
	return 0;
}
