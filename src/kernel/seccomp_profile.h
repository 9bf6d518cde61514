/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles as data, the default profile with Docker's coverage, and compiling a profile to a
 * BPF program, cached by content. What must hold: a program from the cache is byte for byte what
 * compiling would give; a name the profile has and this kernel or library has not is skipped, as
 * Docker does, never allowed.
 */
#ifndef CLOCHE_KERNEL_SECCOMP_PROFILE_H
#define CLOCHE_KERNEL_SECCOMP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "kernel/seccomp.h"

enum seccomp_action {
	SECCOMP_DO_KILL_THREAD,
	SECCOMP_DO_KILL_PROCESS,
	SECCOMP_DO_TRAP,
	SECCOMP_DO_ERRNO,
	SECCOMP_DO_NOTIFY,
	SECCOMP_DO_TRACE,
	SECCOMP_DO_LOG,
	SECCOMP_DO_ALLOW,
};

enum seccomp_compare {
	SECCOMP_CMP_NOT_EQUAL,
	SECCOMP_CMP_LESS,
	SECCOMP_CMP_LESS_EQUAL,
	SECCOMP_CMP_IS_EQUAL,
	SECCOMP_CMP_GREATER_EQUAL,
	SECCOMP_CMP_GREATER,
	SECCOMP_CMP_MASKED, /* (argument & value) == value_two */
};

struct seccomp_condition {
	unsigned index; /* argument 0..5 */
	enum seccomp_compare compare;
	uint64_t value;
	uint64_t value_two;
};

/* One OCI `syscalls` entry. All conditions must hold, except that, as in runc, an entry with several
 * conditions on one argument stands for one rule per condition. */
struct seccomp_rule {
	struct strv names;
	enum seccomp_action action;
	uint32_t errno_value; /* for ERRNO and TRACE */
	struct seccomp_condition *conditions;
	size_t condition_count;
};

/* Architectures a program covers, in libseccomp's meaning; the native one is always in. */
enum seccomp_arch { SECCOMP_ON_X86_64 = 1, SECCOMP_ON_X86 = 2, SECCOMP_ON_X32 = 4 };

struct seccomp_profile {
	enum seccomp_action default_action;
	uint32_t default_errno; /* EPERM when the profile gives none */
	unsigned archs;         /* SECCOMP_ON_*; 0 native only */
	unsigned flags;         /* SECCOMP_FILTER_FLAG_LOG, _SPEC_ALLOW, _WAIT_KILLABLE_RECV */
	char *listener_path;    /* OCI listenerPath, NULL none */
	char *listener_metadata;
	struct seccomp_rule *rules;
	size_t rule_count;
};

/* A compiled program; instructions on the heap. */
struct seccomp_program {
	struct seccomp_instruction *instructions;
	size_t count;
	unsigned flags; /* for seccomp_install */
};

/* Appends an empty rule and returns it; valid until the next append. */
struct seccomp_rule *seccomp_profile_add_rule(struct seccomp_profile *p);
/* Appends a condition to a rule. */
void seccomp_rule_add_condition(struct seccomp_rule *rule, struct seccomp_condition c);
void seccomp_profile_free(struct seccomp_profile *p);
#define auto_seccomp_profile __attribute__((cleanup(seccomp_profile_free)))
void seccomp_program_free(struct seccomp_program *p);
#define auto_seccomp_program __attribute__((cleanup(seccomp_program_free)))

/* Names of the OCI specification: "SCMP_ACT_ERRNO", "SCMP_CMP_EQ"; -EINVAL for others. */
int must_check seccomp_action_of(const char *name, enum seccomp_action *out);
const char *seccomp_action_name(enum seccomp_action action);
int must_check seccomp_compare_of(const char *name, enum seccomp_compare *out);
const char *seccomp_compare_name(enum seccomp_compare compare);

/* Fills *out with the default profile for a process with these capabilities: Docker's coverage on
 * this architecture and kernel. */
void seccomp_profile_default(uint64_t capabilities, struct seccomp_profile *out);
/* Changes whenever the default profile's table does. */
uint64_t seccomp_default_digest(void);

/* A profile file's text in Docker's format (archMap, includes, excludes; resolved for these
 * capabilities and this kernel) or as OCI linux.seccomp. what names it in errors. The caller frees
 * *out. */
int must_check seccomp_profile_parse(const char *text, size_t len, const char *what,
				     uint64_t capabilities, struct seccomp_profile *out,
				     struct err *err);

/* The same from parsed JSON. */
struct json_object;
int must_check seccomp_profile_decode(struct json_object *o, const char *what,
				      uint64_t capabilities, struct seccomp_profile *out,
				      struct err *err);

/* Compiles with libseccomp. The caller frees *out. */
int must_check seccomp_compile(const struct seccomp_profile *profile, struct seccomp_program *out,
			       struct err *err);

/* The program of the default profile for these capabilities, or of a profile text; taken from
 * <cache_dir>/<hash>.bpf when that file is whole, else compiled and put there. cache_dir NULL: no
 * cache. A cache that cannot be written is no error. */
int must_check seccomp_program_default(uint64_t capabilities, const char *cache_dir,
				       struct seccomp_program *out, struct err *err);
int must_check seccomp_program_of_text(const char *text, size_t len, const char *what,
				       uint64_t capabilities, const char *cache_dir,
				       struct seccomp_program *out, struct err *err);
/* The same for a decoded profile (OCI configuration). */
int must_check seccomp_program_of_profile(const struct seccomp_profile *profile,
					  const char *cache_dir, struct seccomp_program *out,
					  struct err *err);

#endif
