/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 3: what the root of a container is made of. Two containers of the image are made and looked at
 * from outside while they run: the mount in force, the directories behind it, what lies in them and what
 * of it nobody can see, and who else has the same directories. That what the container shows really comes
 * from there is proven by the inodes of files that both sides name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/human.h"
#include "base/str.h"
#include "kernel/path.h"
#include "observe/experiment/experiment.h"
#include "observe/experiment/experiments.h"
#include "observe/probe/layers.h"

/* Below this share of an image its hidden bytes are not worth making it anew. */
#define HIDDEN_SHARE 0.05
#define SHORT_DIGITS 12
#define FIND_DEPTH 6
#define IMAGES_NAMED 4

/* One subject's stack with all that was read of it. */
struct look {
	const struct subject *s;
	pid_t pid;
	struct layers_mount mount;
	struct layers_stack stack;
	struct layers_catalog catalog;
};

static void look_free(struct look *l)
{
	layers_mount_free(&l->mount);
	layers_stack_free(&l->stack);
	layers_catalog_free(&l->catalog);
}
#define auto_look __attribute__((cleanup(look_free)))

/* ---- figures ---- */

static void single(struct experiment_context *x, const struct look *l, const char *key,
		   const char *label, const char *unit, double value)
{
	report_sample(report_figure(x->test, l->s->name, key, label, unit, REPORT_NEITHER), value);
}

struct totals {
	uint64_t layers, files, bytes, disk_bytes, hidden_files, hidden_bytes, whiteouts;
};

/* Of the image: the upper directory is the container's. */
static struct totals add_up(const struct layers_stack *s)
{
	struct totals t = {0};

	for (size_t i = 0; i < s->count; i++) {
		const struct layers_directory *d = &s->directories[i];

		if (d->upper)
			continue;
		t.layers++;
		t.files += d->files;
		t.bytes += d->bytes;
		t.disk_bytes += d->disk_bytes;
		t.hidden_files += d->hidden_files;
		t.hidden_bytes += d->hidden_bytes;
		t.whiteouts += d->whiteouts + d->opaque;
	}
	return t;
}

static void show_figures(struct experiment_context *x, const struct look *l, const struct totals *t)
{
	const struct layers_directory *upper = &l->stack.directories[0];

	single(x, l, "layers.count", "layers below the container's own", "1", (double)t->layers);
	single(x, l, "layers.bytes", "bytes of files in the layers", "B", (double)t->bytes);
	single(x, l, "layers.disk_bytes", "blocks they take on the disk", "B",
	       (double)t->disk_bytes);
	single(x, l, "layers.files", "files in the layers", "1", (double)t->files);
	single(x, l, "layers.hidden_files", "files that nobody can see", "1",
	       (double)t->hidden_files);
	single(x, l, "layers.hidden_bytes", "bytes that nobody can see", "B",
	       (double)t->hidden_bytes);
	report_find_figure(x->test, l->s->name, "layers.disk_bytes")->headline = true;
	if (l->stack.count > 0 && upper->upper) {
		single(x, l, "layers.upper_entries", "entries in the upper layer after the start",
		       "1",
		       (double)(upper->files + upper->directories + upper->symlinks +
				upper->others + upper->whiteouts));
		single(x, l, "layers.upper_bytes", "blocks of the upper layer after the start", "B",
		       (double)upper->disk_bytes);
	}
}

/* ---- the table ---- */

/* "sha256:0123456789ab" without the algorithm, "-" when unknown. */
static void shorten(const char *id, char out[static SHORT_DIGITS + 1])
{
	const char *colon = id ? strchr(id, ':') : NULL;

	snprintf(out, SHORT_DIGITS + 1, "%s", id && *id ? (colon ? colon + 1 : id) : "-");
}

/* The part of a layer's path that names it: of .../overlay2/<id>/diff the id. */
static void directory_name(const char *path, char out[static SHORT_DIGITS + 1])
{
	auto_free char *copy = xstrdup(path);
	char *slash = strrchr(copy, '/');

	if (slash && (str_eq(slash, "/diff") || str_eq(slash, "/fs"))) {
		*slash = '\0';
		slash = strrchr(copy, '/');
	}
	snprintf(out, SHORT_DIGITS + 1, "%s", slash ? slash + 1 : copy);
}

static void show_row(struct report_table *t, const struct look *l, size_t i)
{
	const struct layers_directory *d = &l->stack.directories[i];
	const struct layers_entry *e = layers_catalog_find(&l->catalog, d->path);
	char directory[SHORT_DIGITS + 1], chain[SHORT_DIGITS + 1], diff[SHORT_DIGITS + 1];
	char size[HUMAN_MAX];
	auto_free char *files = xasprintf("%llu", (unsigned long long)d->files);
	auto_free char *hidden = xasprintf("%llu", (unsigned long long)d->hidden_files);
	unsigned long long mark_count = d->whiteouts + d->opaque;
	auto_free char *marks = xasprintf("%llu", mark_count);
	auto_free char *images = e ? xasprintf("%zu", e->images.count) : xstrdup("-");
	auto_free char *users = d->upper ? xstrdup("1")
					 : xasprintf("%zu", layers_users(d->path, l->s->data_root));

	directory_name(d->path, directory);
	shorten(e ? e->chain_id : NULL, chain);
	shorten(e ? e->diff_id : NULL, diff);
	human_size(d->bytes, 3, size);
	report_row(t, (const char *const[]){d->upper ? "upper" : "lower", directory, chain, diff,
					    size, files, marks, hidden, images, users});
}

static void show_stack(struct experiment_context *x, const struct look *l)
{
	static const char *const columns[] = {"layer",   "directory", "chain id", "diff id",
					      ">size",   ">files",    ">marks",   ">hidden",
					      ">images", ">running",  NULL};
	auto_free char *key = xasprintf("layers.%s.stack", l->s->name);
	auto_free char *title = xasprintf("%s: directories of the root, topmost first", l->s->name);
	struct report_table *t = report_table(x->test, key, title, columns);

	for (size_t i = 0; i < l->stack.count; i++)
		show_row(t, l, i);
}

/* ---- claims ---- */

struct search {
	int layer, root; /* the layer's directory, the container's root */
	dev_t device;    /* of that root */
	char *path;      /* of what was found */
	size_t size;
	struct stat own, shown; /* in the layer, in the container */
};

static bool look_up(int root, const char *path, struct stat *st)
{
	auto_close int fd = path_open_nosymlink(root, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0 && fstat(fd, st) == 0;
}

/* What something is mounted on, as on /etc/hosts, is on another device. */
static bool is_comparable(struct search *s, const char *path)
{
	return look_up(s->layer, path, &s->own) && look_up(s->root, path, &s->shown) &&
	       s->shown.st_dev == s->device && str_format(s->path, s->size, "%s", path) == 0;
}

/* Any regular file of the layer that the container shows, too. False: there is none near its root. */
static bool find_file(struct search *s, const char *path, unsigned depth)
{
	int fd = path_open_nosymlink(s->layer, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((entry = readdir(dir)) != NULL) {
		auto_free char *below = NULL;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		below = *path ? xasprintf("%s/%s", path, entry->d_name) : xstrdup(entry->d_name);
		if (entry->d_type == DT_REG && is_comparable(s, below))
			return true;
		if (entry->d_type == DT_DIR && depth > 0 && find_file(s, below, depth - 1))
			return true;
	}
	return false;
}

/* Whether the container's file of that name is the layer's, by its inode number, which overlayfs passes
 * on for what is no directory. 1 yes, 0 no, -1 nothing to compare. */
static int same_file(const struct look *l, const struct layers_directory *d, char *path,
		     size_t size, ino_t *inode)
{
	char own_root[64];
	auto_close int layer = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int root = -1;
	struct search s = {.path = path, .size = size};
	struct stat top;

	snprintf(own_root, sizeof(own_root), "/proc/%d/root", l->pid);
	root = open(own_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer < 0 || root < 0 || fstat(root, &top) < 0)
		return -1;
	s.layer = layer;
	s.root = root;
	s.device = top.st_dev;
	if (!find_file(&s, "", FIND_DEPTH))
		return -1;
	*inode = s.own.st_ino;
	return s.shown.st_ino == s.own.st_ino;
}

static void claim_source(struct experiment_context *x, const struct look *l)
{
	struct report_claim *c =
		report_claim(x->test, l->s->name, "layers.source", REPORT_UNKNOWN,
			     "the container's files are those of these directories");
	size_t same = 0, other = 0;

	report_evidence(c, "mountinfo of process %d: / is %s, %s", l->pid, l->mount.fs_type,
			l->mount.mount_options);
	for (size_t i = 0; i < l->stack.count; i++) {
		const struct layers_directory *d = &l->stack.directories[i];
		char path[512];
		ino_t inode;
		int is = d->upper || d->hidden_files ? -1
						     : same_file(l, d, path, sizeof(path), &inode);

		report_evidence(c, "%s %s", d->upper ? "upper" : "lower", d->path);
		if (is < 0)
			continue;
		*(is ? &same : &other) += 1;
		report_evidence(c, "/%s is inode %llu there and %s in the container", path,
				(unsigned long long)inode, is ? "the same" : "another");
	}
	if (same > 0 || other > 0)
		c->verdict = other == 0 ? REPORT_HOLDS : REPORT_BROKEN;
	report_consequence(c, "a file that is only read lies on the disk and in memory once");
}

static const char *on_off(bool value)
{
	return value ? "on" : "off";
}

static void claim_options(struct experiment_context *x, const struct look *l)
{
	const struct layers_features *f = &l->mount.features;
	struct report_claim *c = report_claim(x->test, l->s->name, "layers.options", REPORT_HOLDS,
					      "the root is an overlay; these options are in force");

	report_evidence(c, "index=%s metacopy=%s redirect_dir=%s nfs_export=%s xino=%s volatile=%s",
			on_off(f->index), on_off(f->metacopy), on_off(f->redirect_dir),
			on_off(f->nfs_export), f->xino, f->is_volatile ? "yes" : "no");
	report_evidence(c, "mount: %s; a write goes to %s", l->mount.mount_options,
			l->mount.upper ? l->mount.upper : "nowhere: there is no upper layer");
	report_consequence(c, "%s; %s; %s",
			   f->metacopy ? "a change of mode or owner copies no data"
				       : "a change of mode or owner copies the whole file up",
			   f->redirect_dir ? "a directory of the image can be renamed"
					   : "renaming a directory of the image fails with EXDEV",
			   f->is_volatile ? "fsync in it does nothing: what it holds does not "
					    "outlive a crash of the host"
					  : "fsync in it reaches the disk");
}

static void claim_upper(struct experiment_context *x, const struct look *l)
{
	const struct layers_directory *d = &l->stack.directories[0];
	struct report_claim *c;

	if (l->stack.count == 0 || !d->upper)
		return;
	c = report_claim(x->test, l->s->name, "layers.upper", REPORT_HOLDS,
			 "what the start itself left in the upper layer");
	report_evidence(c, "%llu added, %llu changed, %llu removed; %llu files copied up",
			(unsigned long long)d->added, (unsigned long long)d->changed,
			(unsigned long long)d->removed, (unsigned long long)d->copied_up);
	for (size_t i = 0; i < d->change_examples.count; i++)
		report_evidence(c, "%s", d->change_examples.items[i]);
	report_consequence(c, "these are mount points; they are gone with the container");
}

/* The images that have each layer, by the records of the engine. */
static void show_images(struct report_claim *c, const struct look *l)
{
	for (size_t i = 0; i < l->mount.lower.count; i++) {
		const struct layers_entry *e =
			layers_catalog_find(&l->catalog, l->mount.lower.items[i]);
		auto_strbuf struct strbuf names = {0};
		char chain[SHORT_DIGITS + 1];

		for (size_t n = 0; e && n < e->images.count && n < IMAGES_NAMED; n++)
			strbuf_printf(&names, "%s%s", n ? ", " : "", e->images.items[n]);
		if (e && e->images.count > IMAGES_NAMED)
			strbuf_printf(&names, " and %zu more", e->images.count - IMAGES_NAMED);
		shorten(e ? e->chain_id : NULL, chain);
		if (names.len > 0)
			report_evidence(c, "layer %s is in %s", chain, strbuf_str(&names));
	}
}

/* Two containers of one image run now: the lower directories of one are those of the other. */
static void claim_shared(struct experiment_context *x, const struct look *l, pid_t other)
{
	auto_layers_mount struct layers_mount m = {0};
	struct report_claim *c;
	struct err err;
	size_t common = 0;

	if (layers_read(other, l->s->data_root, &m, &err) < 0)
		return;
	for (size_t i = 0; i < m.lower.count; i++)
		common += strv_contains(&l->mount.lower, m.lower.items[i]);
	c = report_claim(x->test, l->s->name, "layers.shared",
			 common > 0 && m.upper && l->mount.upper ? REPORT_HOLDS : REPORT_BROKEN,
			 "containers of one image share its layers");
	report_evidence(c, "processes %d and %d: %zu of %zu lower directories are the same", l->pid,
			other, common, l->mount.lower.count);
	show_images(c, l);
	if (m.upper && l->mount.upper)
		report_evidence(c, "their upper layers are %s",
				str_eq(m.upper, l->mount.upper) ? "the same directory" : "two");
	report_consequence(c, "another container costs the disk its upper layer only");
}

static void find_hidden(struct experiment_context *x, const struct look *l, const struct totals *t)
{
	struct report_finding *f;
	double share = t->bytes > 0 ? (double)t->hidden_bytes / (double)t->bytes : 0;
	char hidden[HUMAN_MAX];

	for (size_t i = 0; i < l->stack.count; i++) {
		const struct strv *examples = &l->stack.directories[i].hidden_examples;

		for (size_t e = 0; e < examples->count; e++)
			report_note(x->test, "%s: hidden: %s", l->s->name, examples->items[e]);
	}
	if (share < HIDDEN_SHARE)
		return;
	human_size(t->hidden_bytes, 3, hidden);
	f = report_finding(x->report, REPORT_LOW, share, x->test->key, l->s->name,
			   "%.0f %% of the image cannot be seen: %s in %llu files", share * 100,
			   hidden, (unsigned long long)t->hidden_files);
	report_reason(f,
		      "upper layers replace or delete them, which frees nothing; %.0f %% is taken "
		      "as the least that is worth a new image",
		      HIDDEN_SHARE * 100);
	report_recommend(f, NULL,
			 "delete files in the build step that makes them, or flatten the image "
			 "(export and import)");
}

static void verify_sizes(struct experiment_context *x, const struct look *l)
{
	double walked = 0, recorded = 0;

	for (size_t i = 0; i < l->stack.count; i++) {
		const struct layers_directory *d = &l->stack.directories[i];
		const struct layers_entry *e = layers_catalog_find(&l->catalog, d->path);

		if (!e || !e->size_bytes)
			continue;
		walked += (double)d->bytes;
		recorded += (double)e->size_bytes;
	}
	if (recorded > 0)
		report_check(x->test, l->s->name, "layers.bytes", "bytes of files in the layers",
			     "B", "walk of the directories", walked, "the engine's records",
			     recorded, 1, 4096);
}

/* ---- a subject ---- */

static int read_all(struct look *l, struct err *err)
{
	struct err ignored;
	int rc = layers_read(l->pid, l->s->data_root, &l->mount, err);

	if (rc == 0)
		rc = layers_walk(&l->mount, &l->stack, err);
	/* Without records the directories still tell everything but their ids. */
	if (rc == 0 && l->s->data_root &&
	    layers_catalog_read(l->s->data_root, &l->catalog, &ignored) < 0)
		l->catalog = (struct layers_catalog){0};
	return rc;
}

static int look_at(struct experiment_context *x, struct subject *s, struct err *err)
{
	auto_session struct session *first = NULL, *second = NULL;
	auto_look struct look l = {.s = s};
	struct container_spec spec = {0};
	struct totals t;
	int rc = session_open(s, &spec, &first, err);

	if (rc == 0)
		rc = session_open(s, &spec, &second, err);
	if (rc < 0)
		return rc;
	l.pid = session_pid(first);
	rc = read_all(&l, err);
	if (rc < 0)
		return rc;
	t = add_up(&l.stack);
	show_figures(x, &l, &t);
	show_stack(x, &l);
	claim_source(x, &l);
	claim_options(x, &l);
	claim_upper(x, &l);
	claim_shared(x, &l, session_pid(second));
	find_hidden(x, &l, &t);
	if (x->verify)
		verify_sizes(x, &l);
	return 0;
}

static int run(struct experiment_context *x, struct err *err)
{
	int rc = experiment_each(x, "layers", look_at, err);

	if (rc < 0)
		return rc;
	report_note(x->test,
		    "marks are whiteouts and opaque directories; images: how many of the "
		    "store have the layer; running: root file systems mounted over it now");
	return 0;
}

const struct experiment experiment_layers = {
	.number = 3,
	.key = "layers",
	.title = "Layers",
	.run = run,
};
