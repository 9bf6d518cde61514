/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands beside a call. Texts come from other processes' memory: they are cut at RAW_TEXT, and
 * what is not printable is shown as '?', so that a trace cannot write to the terminal what it likes.
 */
#include "observe/trace/describe.h"

#include <linux/bpf.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "observe/trace/calls.h"

struct flag {
	uint64_t bits;
	const char *name;
};
#define END_OF_FLAGS    \
	{               \
		0, NULL \
	}

static const struct flag namespace_flags[] = {
	{CLONE_NEWNS, "mnt"},        {CLONE_NEWPID, "pid"},   {CLONE_NEWNET, "net"},
	{CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"},   {CLONE_NEWUSER, "user"},
	{CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWTIME, "time"}, END_OF_FLAGS,
};
static const struct flag clone_flags[] = {
	{CLONE_VM, "vm"},
	{CLONE_FS, "fs"},
	{CLONE_FILES, "files"},
	{CLONE_VFORK, "vfork"},
	{CLONE_PARENT, "parent"},
	{CLONE_PIDFD, "pidfd"},
	{CLONE_INTO_CGROUP, "into_cgroup"},
	END_OF_FLAGS,
};
static const struct flag mount_flags[] = {
	{MS_RDONLY, "ro"},
	{MS_NOSUID, "nosuid"},
	{MS_NODEV, "nodev"},
	{MS_NOEXEC, "noexec"},
	{MS_REMOUNT, "remount"},
	{MS_NOATIME, "noatime"},
	{MS_BIND, "bind"},
	{MS_MOVE, "move"},
	{MS_REC, "rec"},
	{MS_PRIVATE, "private"},
	{MS_SLAVE, "slave"},
	{MS_SHARED, "shared"},
	{MS_UNBINDABLE, "unbindable"},
	{MS_RELATIME, "relatime"},
	{MS_STRICTATIME, "strictatime"},
	END_OF_FLAGS,
};
static const struct flag umount_flags[] = {
	{MNT_FORCE, "force"},          {MNT_DETACH, "detach"}, {MNT_EXPIRE, "expire"},
	{UMOUNT_NOFOLLOW, "nofollow"}, END_OF_FLAGS,
};
static const struct flag attribute_flags[] = {
	{MOUNT_ATTR_RDONLY, "ro"},
	{MOUNT_ATTR_NOSUID, "nosuid"},
	{MOUNT_ATTR_NODEV, "nodev"},
	{MOUNT_ATTR_NOEXEC, "noexec"},
	{MOUNT_ATTR_NOATIME, "noatime"},
	{MOUNT_ATTR_IDMAP, "idmap"},
	END_OF_FLAGS,
};

static void flags_of(const struct flag *table, uint64_t flags, struct strbuf *out)
{
	bool first = true;

	for (; table->name; table++) {
		if (!(flags & table->bits))
			continue;
		strbuf_printf(out, "%s%s", first ? "" : ",", table->name);
		flags &= ~table->bits;
		first = false;
	}
}

/* "(ro,nosuid)" with a blank before it; nothing for none. */
static void in_brackets(const struct flag *table, uint64_t flags, struct strbuf *out)
{
	auto_strbuf struct strbuf names = {0};

	flags_of(table, flags, &names);
	if (names.len)
		strbuf_printf(out, " (%s)", names.data);
}

static void printable(const char *text, size_t max, struct strbuf *out)
{
	for (size_t i = 0; i < max && text[i]; i++)
		strbuf_putc(out, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

static void text(const struct raw_record *r, int i, struct strbuf *out)
{
	printable(r->text[i], RAW_TEXT, out);
}

static uint64_t word(const struct raw_record *r, size_t i)
{
	uint64_t value;

	memcpy(&value, r->text[0] + i * sizeof(value), sizeof(value));
	return value;
}

void call_namespace_names(uint64_t flags, struct strbuf *out)
{
	flags_of(namespace_flags, flags, out);
}

static void clone_words(uint64_t flags, struct strbuf *out)
{
	if (flags & NAMESPACE_FLAGS) {
		strbuf_puts(out, "new ");
		call_namespace_names(flags & NAMESPACE_FLAGS, out);
	} else if (flags & CLONE_THREAD) {
		strbuf_puts(out, "a thread");
		return;
	}
	in_brackets(clone_flags, flags, out);
}

void describe_clone(const struct raw_record *r, struct strbuf *out)
{
	clone_words(r->args[0] & ~(uint64_t)0xff, out);
}

void describe_clone3(const struct raw_record *r, struct strbuf *out)
{
	clone_words(word(r, 0), out);
}

void describe_unshare(const struct raw_record *r, struct strbuf *out)
{
	if (r->args[0] & NAMESPACE_FLAGS) {
		strbuf_puts(out, "new ");
		call_namespace_names(r->args[0], out);
	}
	in_brackets(clone_flags, r->args[0], out);
}

void describe_setns(const struct raw_record *r, struct strbuf *out)
{
	strbuf_puts(out, r->args[1] ? "join " : "join by descriptor");
	call_namespace_names(r->args[1], out);
}

void describe_text(const struct raw_record *r, struct strbuf *out)
{
	text(r, 0, out);
}

void describe_second(const struct raw_record *r, struct strbuf *out)
{
	text(r, 1, out);
}

void describe_two(const struct raw_record *r, struct strbuf *out)
{
	text(r, 0, out);
	strbuf_puts(out, ", ");
	text(r, 1, out);
}

void describe_mount(const struct raw_record *r, struct strbuf *out)
{
	const char *kind = r->text[2][0] ? r->text[2] : r->text[0];

	if (!(r->args[3] & (MS_BIND | MS_REMOUNT | MS_MOVE)) && *kind)
		printable(kind, RAW_TEXT, out);
	else
		text(r, 0, out);
	strbuf_puts(out, " on ");
	text(r, 1, out);
	in_brackets(mount_flags, r->args[3], out);
}

void describe_umount(const struct raw_record *r, struct strbuf *out)
{
	text(r, 0, out);
	in_brackets(umount_flags, r->args[1], out);
}

void describe_move_mount(const struct raw_record *r, struct strbuf *out)
{
	if (r->text[0][0])
		text(r, 0, out);
	else
		strbuf_printf(out, "fd %d", (int)r->args[0]);
	strbuf_puts(out, " to ");
	if (r->text[1][0])
		text(r, 1, out);
	else
		strbuf_printf(out, "fd %d", (int)r->args[2]);
}

void describe_open_tree(const struct raw_record *r, struct strbuf *out)
{
	if (r->text[0][0])
		text(r, 0, out);
	else
		strbuf_printf(out, "fd %d", (int)r->args[0]);
	if (r->args[2] & OPEN_TREE_CLONE)
		strbuf_puts(out, " (clone)");
}

void describe_fsconfig(const struct raw_record *r, struct strbuf *out)
{
	static const char *const commands[] = {"flag",       "string", "binary", "path",
					       "path_empty", "fd",     "create", "reconfigure"};
	size_t command = (uint32_t)r->args[1];

	strbuf_printf(out, "%s ", command < 8 ? commands[command] : "?");
	text(r, 0, out);
	if (command == FSCONFIG_SET_STRING || command == FSCONFIG_SET_PATH) {
		strbuf_putc(out, '=');
		text(r, 1, out);
	}
}

void describe_fsmount(const struct raw_record *r, struct strbuf *out)
{
	strbuf_printf(out, "fd %d", (int)r->args[0]);
	in_brackets(attribute_flags, r->args[2], out);
}

void describe_fspick(const struct raw_record *r, struct strbuf *out)
{
	text(r, 0, out);
}

void describe_mount_setattr(const struct raw_record *r, struct strbuf *out)
{
	if (r->text[1][0])
		text(r, 1, out);
	else
		strbuf_printf(out, "fd %d", (int)r->args[0]);
	in_brackets(attribute_flags, word(r, 0), out);
	in_brackets(mount_flags, word(r, 2), out);
}

void describe_exec(const struct raw_record *r, struct strbuf *out)
{
	if (r->exec.arguments[0][0] == '\0') {
		printable(r->exec.file, RAW_TEXT, out);
		return;
	}
	for (int i = 0; i < RAW_ARGUMENTS && r->exec.arguments[i][0]; i++) {
		if (i > 0)
			strbuf_putc(out, ' ');
		printable(r->exec.arguments[i], RAW_ARGUMENT, out);
	}
}

void describe_exit(const struct raw_record *r, struct strbuf *out)
{
	strbuf_printf(out, "%d", (int)r->args[0]);
}

void describe_seccomp(const struct raw_record *r, struct strbuf *out)
{
	static const char *const operations[] = {"strict", "load a filter", "ask for an action",
						 "ask for sizes"};

	strbuf_puts(out, r->args[0] < 4 ? operations[r->args[0]] : "?");
}

void describe_prctl(const struct raw_record *r, struct strbuf *out)
{
	static const struct {
		int option;
		const char *name;
	} names[] = {
		{PR_SET_PDEATHSIG, "PDEATHSIG"},
		{PR_SET_DUMPABLE, "DUMPABLE"},
		{PR_SET_KEEPCAPS, "KEEPCAPS"},
		{PR_SET_NAME, "NAME"},
		{PR_SET_SECCOMP, "SECCOMP"},
		{PR_CAPBSET_READ, "CAPBSET_READ"},
		{PR_CAPBSET_DROP, "CAPBSET_DROP"},
		{PR_SET_SECUREBITS, "SECUREBITS"},
		{PR_SET_CHILD_SUBREAPER, "CHILD_SUBREAPER"},
		{PR_SET_NO_NEW_PRIVS, "NO_NEW_PRIVS"},
		{PR_CAP_AMBIENT, "CAP_AMBIENT"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].option == (int)r->args[0]) {
			strbuf_printf(out, "%s %d", names[i].name, (int)r->args[1]);
			return;
		}
	}
	strbuf_printf(out, "option %d", (int)r->args[0]);
}

void describe_number(const struct raw_record *r, struct strbuf *out)
{
	strbuf_printf(out, "%d", (int)r->args[0]);
}

void describe_groups(const struct raw_record *r, struct strbuf *out)
{
	strbuf_printf(out, "%d groups", (int)r->args[0]);
}

void describe_bpf(const struct raw_record *r, struct strbuf *out)
{
	static const struct {
		int command;
		const char *name;
	} names[] = {
		{BPF_MAP_CREATE, "make a map"},        {BPF_PROG_LOAD, "load a program"},
		{BPF_PROG_ATTACH, "attach a program"}, {BPF_PROG_DETACH, "detach a program"},
		{BPF_PROG_QUERY, "ask for programs"},  {BPF_LINK_CREATE, "link a program"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].command == (int)r->args[0]) {
			strbuf_puts(out, names[i].name);
			return;
		}
	}
	strbuf_printf(out, "command %d", (int)r->args[0]);
}

void describe_write(const struct raw_record *r, struct strbuf *out)
{
	size_t len = strnlen(r->text[0], RAW_TEXT);

	while (len > 0 && r->text[0][len - 1] == '\n')
		len--;
	printable(r->text[0], len, out);
}
