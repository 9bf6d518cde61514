/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the root of a process is made of, as the kernel has it: the mount in force in the mount namespace
 * of that very process (/proc/PID/mountinfo), the directories behind it, what lies in each of them and
 * what of it is hidden. Needs no engine's word and changes nothing: directories are walked by
 * kernel/path, without following a symlink.
 *
 * Sources: proc_pid_mountinfo(5), Documentation/filesystems/overlayfs.rst.
 */
#ifndef CLOCHE_OBSERVE_PROBE_LAYERS_H
#define CLOCHE_OBSERVE_PROBE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

#define LAYERS_EXAMPLES 5

/* Features of overlayfs as the mount has them. What mountinfo does not name is the module's default,
 * read from /sys/module/overlay/parameters. */
struct layers_features {
	bool index, metacopy, redirect_dir, nfs_export;
	bool is_volatile; /* fsync does nothing in it */
	bool userxattr;
	char xino[8]; /* "on", "off", "auto" */
};

struct layers_mount {
	bool overlay;        /* else the root is one directory or device */
	char *fs_type;       /* "overlay", "ext4" */
	char *source;        /* as mountinfo has it */
	char *root;          /* of the mount inside its file system; "/" for an overlay */
	char *mount_options; /* of this mount: "rw,relatime" */
	char *super_options; /* of the file system */
	bool read_only;
	struct strv lower; /* absolute host paths of the directories, topmost first */
	struct strv given; /* the same as they stand in mountinfo: "l/ABC" */
	char *upper;       /* absolute host path; NULL: has none */
	char *work;
	struct layers_features features;
};

/* One directory of the stack, looked at as a whole. */
struct layers_directory {
	char *path; /* absolute, symlinks resolved */
	bool upper;
	uint64_t files, directories, symlinks, others;
	uint64_t whiteouts, opaque; /* marks that hide what lies below */
	uint64_t bytes;             /* sizes of its regular files, each inode once */
	uint64_t disk_bytes;        /* blocks that they take */
	uint64_t copied_up;         /* files whose origin is a lower layer */
	uint64_t copied_up_bytes;   /* blocks of those */
	uint64_t hidden_files;      /* its files and symlinks that nobody can see */
	uint64_t hidden_bytes;
	uint64_t hidden_by_whiteout; /* of the hidden files; others are replaced by newer ones */
	struct strv hidden_examples; /* "/etc/passwd (replaced)", at most LAYERS_EXAMPLES */
	uint64_t added, changed, removed; /* against the layers below it */
	struct strv change_examples;      /* "C /etc/passwd", "A /x", "D /y", as `diff` has them */
};

struct layers_stack {
	struct layers_directory *directories; /* topmost first, the upper one too */
	size_t count;
};

/* The root mount of pid. data_root: of the engine, for directories that mountinfo has relative to a
 * directory of it; NULL: only the usual places are tried. A directory that is not found keeps its given
 * name. ERR_NOT_FOUND when the process is gone. */
int must_check layers_read(pid_t pid, const char *data_root, struct layers_mount *out,
			   struct err *err);
void layers_mount_free(struct layers_mount *m);
#define auto_layers_mount __attribute__((cleanup(layers_mount_free)))

/* The same from a text of mountinfo; for tests. */
int must_check layers_parse(const char *mountinfo, struct layers_mount *out, struct err *err);

/* Walks every directory of m. Reading a stack that is written to meanwhile gives the state of a moment
 * that never was; what vanishes is left out. */
int must_check layers_walk(const struct layers_mount *m, struct layers_stack *out, struct err *err);
void layers_stack_free(struct layers_stack *s);
#define auto_layers_stack __attribute__((cleanup(layers_stack_free)))

/* ---- whose directories these are ---- */

/* A layer as an engine's store has it. */
struct layers_entry {
	char *directory; /* absolute, symlinks resolved */
	char *chain_id, *diff_id;
	char *parent;        /* chain id, "" for the lowest */
	uint64_t size_bytes; /* of its files, as the engine counted them; 0: not recorded */
	struct strv images;  /* names, or short ids, of the images that have it */
};
struct layers_catalog {
	struct layers_entry *entries;
	size_t count;
};
/* Reads the records below an engine's data root: Docker's form, which Cloche has too
 * (image/overlay2/layerdb), and containers-storage's (overlay-layers/layers.json). A store of neither
 * form is an empty catalog. */
int must_check layers_catalog_read(const char *data_root, struct layers_catalog *out,
				   struct err *err);
void layers_catalog_free(struct layers_catalog *c);
#define auto_layers_catalog __attribute__((cleanup(layers_catalog_free)))
/* NULL when the directory is in no record. */
const struct layers_entry *layers_catalog_find(const struct layers_catalog *c,
					       const char *directory);

/* How many of the overlays that are mounted as root anywhere on the host, one per mount namespace and
 * file system, have this directory among their lower ones: running containers, of whatever engine. */
size_t layers_users(const char *directory, const char *data_root);

#endif
