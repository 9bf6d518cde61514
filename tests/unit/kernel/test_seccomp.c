/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our compiler against libseccomp's: a small BPF machine runs both programs over every call number,
 * architecture and interesting argument, and they must agree. Then the default profile's promises,
 * Docker's profile format, the cache, and the kernel itself as the last witness.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "kernel/capability.h"
#include "kernel/seccomp_generate.h"
#include "kernel/seccomp_profile.h"

#define X32 0x40000000U
/* Calls that our table of new names has and libseccomp 2.5 may not. */
#define NEWER_FIRST 451
#define NEWER_LAST 467
#define ENOSYS_RETURN (SECCOMP_RET_ERRNO | ENOSYS)

static size_t steps;

static uint32_t run(const struct seccomp_program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < p->count; pc++) {
		const struct seccomp_instruction *i = &p->instructions[pc];
		bool yes;

		steps++;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k <= sizeof(*data) - 4);
			memcpy(&a, (const char *)data + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & i->k;
			break;
		default:
			fail_msg("unknown instruction %#x at %zu", i->code, pc);
			return 0;
		}
		pc += yes ? i->jt : i->jf;
	}
	fail_msg("ran off the end");
	return 0;
}

/* Where the two must agree; beyond the newest number ours says ENOSYS on purpose. */
static void compare_at(const struct seccomp_program *ours, const struct seccomp_program *theirs,
		       const struct seccomp_data *d, bool tail)
{
	uint32_t a = run(ours, d), b = run(theirs, d);

	if (a == b || (tail && a == ENOSYS_RETURN))
		return;
	fail_msg("arch %#x call %d (%#x) args %#llx %#llx %#llx: ours %#x, libseccomp's %#x",
		 d->arch, d->nr, (unsigned)d->nr, (unsigned long long)d->args[0],
		 (unsigned long long)d->args[1], (unsigned long long)d->args[2], a, b);
}

#define VALUES_MAX 512

/* Values at and around everything a profile compares with, in both halves. */
static size_t interesting(const struct seccomp_profile *p, uint64_t *out)
{
	static const uint64_t offsets[] = {0,
					   1,
					   UINT64_MAX,
					   UINT64_C(1) << 32,
					   0 - (UINT64_C(1) << 32),
					   UINT64_C(0xffffffff00000000)};
	size_t n = 0;

	out[n++] = 0;
	out[n++] = UINT64_MAX;
	for (size_t i = 0; i < p->rule_count; i++)
		for (size_t k = 0; k < p->rules[i].condition_count; k++)
			for (size_t j = 0; j < 6 && n + 2 < VALUES_MAX; j++) {
				const struct seccomp_condition *c = &p->rules[i].conditions[k];

				out[n++] = c->value + offsets[j];
				out[n++] = c->value_two + offsets[j];
			}
	/* one namespace flag at a time, as clone has them */
	for (int bit = 0; bit < 64; bit += 3)
		out[n++] = UINT64_C(1) << bit;
	return n;
}

static bool has_conditions(const struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].condition_count)
			return true;
	return false;
}

static void compare_programs(const struct seccomp_profile *p)
{
	static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
					  0};
	static const uint32_t bases[] = {0, X32, 0x3ffffe00, 0x7fffff00, 0xfffffe00};
	struct err err = ERR_INIT;
	auto_seccomp_program struct seccomp_program ours = {0}, theirs = {0};
	uint64_t values[VALUES_MAX * 2];
	size_t value_count = interesting(p, values);

	assert_int_equal(seccomp_generate(p, &ours, &err), 0);
	assert_int_equal(seccomp_compile(p, &theirs, &err), 0);
	for (size_t a = 0; a < 4; a++)
		for (size_t b = 0; b < 5; b++)
			for (uint32_t nr = 0; nr < 512 + 64; nr++) {
				struct seccomp_data d = {.arch = arches[a],
							 .nr = (int)(bases[b] + nr)};
				bool tail = b >= 2 || nr > 400 ||
					    (arches[a] == AUDIT_ARCH_I386 && b == 1);
				size_t count = has_conditions(p) && nr < 512 ? value_count : 2;

				if (b < 2 && nr >= NEWER_FIRST && nr <= NEWER_LAST)
					continue;
				for (size_t v = 0; v < count; v++) {
					d.args[0] = values[v];
					d.args[1] = values[(v * 7 + 3) % value_count];
					d.args[2] = values[(v * 5 + 1) % value_count];
					compare_at(&ours, &theirs, &d, tail);
				}
			}
	print_message("%zu instructions, libseccomp's %zu\n", ours.count, theirs.count);
}

static void test_default_equals_libseccomp(void **state)
{
	static const uint64_t masks[] = {CAPABILITY_DEFAULT_MASK, 0, CAPABILITY_ALL_KNOWN};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		auto_seccomp_profile struct seccomp_profile p = {0};

		seccomp_profile_default(masks[i], &p);
		compare_programs(&p);
	}
}

static void test_fewer_architectures(void **state)
{
	static const unsigned archs[] = {0, SECCOMP_ON_X86_64, SECCOMP_ON_X86, SECCOMP_ON_X32};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		auto_seccomp_profile struct seccomp_profile p = {0};

		seccomp_profile_default(CAPABILITY_DEFAULT_MASK, &p);
		p.archs = archs[i];
		compare_programs(&p);
	}
}

static const char comparisons[] =
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\","
	"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":["
	"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7,\"args\":["
	"{\"index\":0,\"value\":4294967301,\"op\":\"SCMP_CMP_GT\"}]},"
	"{\"names\":[\"write\"],\"action\":\"SCMP_ACT_KILL\",\"args\":["
	"{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GE\"},"
	"{\"index\":1,\"value\":9,\"op\":\"SCMP_CMP_LT\"}]},"
	"{\"names\":[\"open\",\"close\"],\"action\":\"SCMP_ACT_TRAP\",\"args\":["
	"{\"index\":2,\"value\":12884901889,\"op\":\"SCMP_CMP_LE\"}]},"
	"{\"names\":[\"lseek\"],\"action\":\"SCMP_ACT_LOG\",\"args\":["
	"{\"index\":0,\"value\":4294967296,\"op\":\"SCMP_CMP_EQ\"}]},"
	"{\"names\":[\"lseek\"],\"action\":\"SCMP_ACT_LOG\",\"args\":["
	"{\"index\":1,\"value\":3,\"op\":\"SCMP_CMP_NE\"}]},"
	"{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":3,\"args\":["
	"{\"index\":1,\"value\":64424509455,\"valueTwo\":12884901891,"
	"\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
	"{\"names\":[\"kill\",\"nosuchcall\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"}]}";

static void test_every_comparison_equals_libseccomp(void **state)
{
	auto_seccomp_profile struct seccomp_profile p = {0};
	struct err err = ERR_INIT;

	(void)state;
	if (seccomp_profile_parse(comparisons, strlen(comparisons), "test", 0, &p, &err))
		fail_msg("%s", err.msg);
	compare_programs(&p);
}

static uint32_t decide(uint64_t caps, long nr, uint64_t arg)
{
	auto_seccomp_program struct seccomp_program p = {0};
	struct err err = ERR_INIT;
	struct seccomp_data d = {.arch = AUDIT_ARCH_X86_64, .nr = (int)nr, .args = {arg}};

	assert_int_equal(seccomp_program_default(caps, NULL, &p, &err), 0);
	return run(&p, &d);
}

static void test_default_denies_what_it_must(void **state)
{
	static const long denied[] = {SYS_add_key,
				      SYS_keyctl,
				      SYS_request_key,
				      SYS_io_uring_setup,
				      SYS_io_uring_enter,
				      SYS_io_uring_register,
				      SYS_bpf,
				      SYS_userfaultfd,
				      SYS_mount,
				      SYS_umount2,
				      SYS_unshare,
				      SYS_setns,
				      SYS_init_module,
				      SYS_kexec_load,
				      SYS_open_by_handle_at,
				      SYS_perf_event_open,
				      SYS_swapon,
				      SYS_reboot,
				      SYS_pivot_root,
				      SYS_move_pages,
				      SYS_fsopen,
				      SYS_fsmount,
				      SYS_move_mount,
				      SYS_open_tree};
	static const long allowed[] = {SYS_read,    SYS_execve, SYS_ptrace,      SYS_chroot,
				       SYS_openat2, SYS_statx,  SYS_futex_waitv, 451,
				       452,         462};

	(void)state;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, denied[i], 0),
				 SECCOMP_RET_ERRNO | EPERM);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, allowed[i], 0), SECCOMP_RET_ALLOW);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_clone3, 0), ENOSYS_RETURN);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, 500, 0), ENOSYS_RETURN);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_clone, 0x11), SECCOMP_RET_ALLOW);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_clone, 0x10000011),
			 SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_socket, 2), SECCOMP_RET_ALLOW);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_socket, 40),
			 SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(decide(CAPABILITY_DEFAULT_MASK, SYS_personality, 0x40000),
			 SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(decide(0, SYS_chroot, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(decide(CAPABILITY_BIT(21), SYS_mount, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(decide(CAPABILITY_BIT(21), SYS_clone3, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(decide(CAPABILITY_BIT(39), SYS_bpf, 0), SECCOMP_RET_ALLOW);
}

static void test_docker_profile_files(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":"
		"\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]},"
		"{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":null}],\"syscalls\":["
		"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":null,"
		"\"includes\":{},\"excludes\":{}},"
		"{\"name\":\"mount\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":"
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"tee\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"minKernel\":\"999.0\"}},"
		"{\"names\":[\"breakpoint\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":"
		"{\"arches\":[\"arm64\"]}}]}";
	struct err err = ERR_INIT;
	auto_seccomp_profile struct seccomp_profile plain = {0}, admin = {0};

	(void)state;
	assert_int_equal(seccomp_profile_parse(text, strlen(text), "p.json", 0, &plain, &err), 0);
	assert_int_equal(plain.archs, SECCOMP_ON_X86_64 | SECCOMP_ON_X86);
	assert_int_equal(plain.rule_count, 3);
	assert_string_equal(plain.rules[1].names.items[0], "clone");
	assert_string_equal(plain.rules[2].names.items[0], "ptrace");
	assert_int_equal(seccomp_profile_parse(text, strlen(text), "p.json", CAPABILITY_BIT(21),
					       &admin, &err),
			 0);
	assert_int_equal(admin.rule_count, 3);
	assert_string_equal(admin.rules[1].names.items[0], "mount");
}

static void test_malformed_profiles_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[7]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":"
		"\"SCMP_ACT_ALLOW\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"FASTER\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		"\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":6,\"value\":0,\"op\":"
		"\"SCMP_CMP_EQ\"}]}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		"\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"new\"}}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_seccomp_profile struct seccomp_profile p = {0};
		struct err err = ERR_INIT;

		if (seccomp_profile_parse(bad[i], strlen(bad[i]), "p.json", 0, &p, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_int_equal(p.rule_count, 0);
	}
}

static void spoil(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void test_cache_gives_the_same_and_heals(void **state)
{
	char dir[] = "/tmp/cloche-seccomp-XXXXXX", path[128], name[96];
	struct err err = ERR_INIT;
	auto_seccomp_program struct seccomp_program fresh = {0};
	struct stat st;
	FILE *list;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(seccomp_program_default(1, dir, &fresh, &err), 0);
	snprintf(name, sizeof(name), "ls %s", dir);
	list = popen(name, "re");
	assert_non_null(list);
	assert_non_null(fgets(name, sizeof(name), list));
	pclose(list);
	name[strcspn(name, "\n")] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = -1; at < st.st_size; at += at < 0 ? 1 : 97) {
		auto_seccomp_program struct seccomp_program again = {0};

		if (at >= 0)
			spoil(path, at);
		assert_int_equal(seccomp_program_default(1, dir, &again, &err), 0);
		assert_int_equal(again.count, fresh.count);
		assert_memory_equal(again.instructions, fresh.instructions,
				    fresh.count * sizeof(*fresh.instructions));
	}
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static int under_filter(void)
{
	auto_seccomp_program struct seccomp_program p = {0};
	struct err err = ERR_INIT;

	if (seccomp_program_default(CAPABILITY_DEFAULT_MASK, NULL, &p, &err) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    seccomp_install(p.instructions, p.count, p.flags))
		return 10;
	if (getppid() <= 0)
		return 11;
	if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 12;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		return 13;
	if (syscall(SYS_socket, 40, 1, 0) != -1 || errno != EPERM)
		return 14;
	return 0;
}

static void test_the_kernel_takes_and_obeys_it(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(under_filter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_what_only_libseccomp_can(void **state)
{
	static const char mixed[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		"{\"names\":[\"tee\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,"
		"\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"tee\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,"
		"\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}";
	auto_seccomp_profile struct seccomp_profile p = {0};
	auto_seccomp_program struct seccomp_program ours = {0}, out = {0};
	struct seccomp_data d = {.arch = AUDIT_ARCH_X86_64, .nr = SYS_tee, .args = {2}};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(seccomp_profile_parse(mixed, strlen(mixed), "p", 0, &p, &err), 0);
	assert_int_equal(seccomp_generate(&p, &ours, &err), -EOPNOTSUPP);
	assert_null(ours.instructions);
	assert_int_equal(seccomp_program_of_profile(&p, NULL, &out, &err), 0);
	assert_int_equal(run(&out, &d), SECCOMP_RET_KILL_THREAD);
	d.args[0] = 1;
	assert_int_equal(run(&out, &d), SECCOMP_RET_ERRNO | EPERM);
	d.args[0] = 3;
	assert_int_equal(run(&out, &d), SECCOMP_RET_ALLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_equals_libseccomp),
		cmocka_unit_test(test_fewer_architectures),
		cmocka_unit_test(test_every_comparison_equals_libseccomp),
		cmocka_unit_test(test_default_denies_what_it_must),
		cmocka_unit_test(test_docker_profile_files),
		cmocka_unit_test(test_malformed_profiles_are_refused),
		cmocka_unit_test(test_cache_gives_the_same_and_heals),
		cmocka_unit_test(test_the_kernel_takes_and_obeys_it),
		cmocka_unit_test(test_what_only_libseccomp_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
