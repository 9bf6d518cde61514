/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files processes map, what inodes are behind them, and in which frames their pages are. What must
 * hold: a path of a container is resolved below that container's root or below a layer's directory only
 * (kernel/path), and only read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/path.h"
#include "observe/probe/layers.h"
#include "observe/probe/memory.h"

#define OVERLAY_MAGIC 0x794c7630
#define FILES_MAX 4096
#define PAGEMAP_BATCH 512
/* Pages of one process that are looked at, resident or not: a mapping costs who makes it nothing, however
 * large it is. */
#define PAGEMAP_MAX (16U << 20)
/* pagemap: present; of a file or shared memory; number of the frame. */
#define PAGE_PRESENT (1ULL << 63)
#define PAGE_OF_FILE (1ULL << 61)
#define PAGE_FRAME ((1ULL << 55) - 1)

struct mapping {
	uint64_t from, to, offset, inode;
	char path[PATH_MAX];
};

struct walk {
	struct memory_files *out;
	pid_t pid;
	int pagemap;
	uint64_t page_size;
	uint64_t pages_left;      /* of PAGEMAP_MAX */
	struct memory_file *file; /* of the mapping whose lines come; NULL: of none */
	struct mapping mapping;   /* that one */
};

void memory_files_free(struct memory_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].path);
		free(f->items[i].real_path);
		free(f->items[i].pages);
	}
	free(f->items);
	*f = (struct memory_files){0};
}

/* "55d0-55d1 r-xp 00002000 fe:00 247134      /usr/bin/cat" */
static bool parse_mapping(const char *line, struct mapping *m)
{
	int path_at = 0;

	if (sscanf(line, "%lx-%lx %*4s %lx %*x:%*x %lu %n", &m->from, &m->to, &m->offset, &m->inode,
		   &path_at) < 4 ||
	    !path_at || !m->inode || line[path_at] != '/')
		return false;
	snprintf(m->path, sizeof(m->path), "%s", line + path_at);
	m->path[strcspn(m->path, "\n")] = '\0';
	return !str_ends(m->path, " (deleted)") && !str_starts(m->path, "/memfd:") &&
	       !str_starts(m->path, "/SYSV") && !str_starts(m->path, "/dev/zero");
}

static struct memory_file *file_of(struct walk *w, const struct mapping *m)
{
	struct memory_files *f = w->out;

	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].inode == m->inode && str_eq(f->items[i].path, m->path))
			return &f->items[i];
	if (f->count == FILES_MAX)
		return NULL;
	f->items = xrealloc(f->items, (f->count + 1) * sizeof(*f->items));
	f->items[f->count] = (struct memory_file){
		.path = xstrdup(m->path), .inode = m->inode, .has_frames = true};
	return &f->items[f->count++];
}

static void add_page(struct memory_file *f, uint64_t page, uint64_t frame)
{
	/* Doubling at powers of two. */
	if ((f->page_count & (f->page_count - 1)) == 0) {
		size_t room = f->page_count ? f->page_count * 2 : 1;

		f->pages = xrealloc(f->pages, room * sizeof(*f->pages));
	}
	f->pages[f->page_count++] = (struct memory_page){.page = page, .frame = frame};
}

/* Copies of pages that the process wrote to are not the file's any more and are passed over. */
static void add_frames(struct walk *w, struct memory_file *f, const struct mapping *m)
{
	uint64_t entries[PAGEMAP_BATCH];
	uint64_t first = m->from / w->page_size, count = (m->to - m->from) / w->page_size;

	if (count > w->pages_left) {
		f->has_frames = false;
		return;
	}
	w->pages_left -= count;
	for (uint64_t done = 0; w->pagemap >= 0 && done < count;) {
		uint64_t want = count - done < PAGEMAP_BATCH ? count - done : PAGEMAP_BATCH;
		ssize_t n = pread(w->pagemap, entries, want * sizeof(entries[0]),
				  (off_t)((first + done) * sizeof(entries[0])));

		if (n <= 0)
			return;
		for (uint64_t i = 0; i < (uint64_t)n / sizeof(entries[0]); i++) {
			if ((entries[i] & (PAGE_PRESENT | PAGE_OF_FILE)) !=
			    (PAGE_PRESENT | PAGE_OF_FILE))
				continue;
			if (!(entries[i] & PAGE_FRAME))
				f->has_frames = false;
			add_page(f, m->offset / w->page_size + done + i, entries[i] & PAGE_FRAME);
		}
		done += (uint64_t)n / sizeof(entries[0]);
	}
}

static void take_line(struct walk *w, const char *line)
{
	uint64_t kib;

	/* Values have a capital letter first, mappings a number. */
	if (line[0] >= 'A' && line[0] <= 'Z') {
		if (w->file && sscanf(line, "Rss: %lu kB", &kib) == 1 && kib > 0) {
			w->file->rss += kib * 1024;
			add_frames(w, w->file, &w->mapping);
		}
		if (w->file && sscanf(line, "Pss: %lu kB", &kib) == 1)
			w->file->pss += kib * 1024;
		return;
	}
	w->file = parse_mapping(line, &w->mapping) ? file_of(w, &w->mapping) : NULL;
}

static void walk_process(struct walk *w)
{
	auto_fclose FILE *smaps = NULL;
	auto_free char *line = NULL;
	char path[64];
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)w->pid);
	smaps = fopen(path, "re");
	if (!smaps)
		return;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)w->pid);
	w->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	w->file = NULL;
	w->pages_left = PAGEMAP_MAX;
	while (getline(&line, &room, smaps) > 0)
		take_line(w, line);
	cleanup_close(&w->pagemap);
}

static int by_page(const void *a, const void *b)
{
	const struct memory_page *x = a, *y = b;

	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static void order_pages(struct memory_file *f)
{
	size_t kept = 0;

	if (!f->page_count)
		return;
	qsort(f->pages, f->page_count, sizeof(*f->pages), by_page);
	for (size_t i = 1; i < f->page_count; i++)
		if (f->pages[i].page != f->pages[kept].page)
			f->pages[++kept] = f->pages[i];
	f->page_count = kept + 1;
}

/* Takes the file behind, when directory/path is it: the overlay shows the inode number of the layer's
 * file, which is what tells a hit from a mere name. */
static bool take_real(struct memory_file *f, const char *directory)
{
	auto_close int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = dir < 0 ? -1 : path_open_regular(dir, f->path + 1, false);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != f->inode)
		return false;
	f->real_path = xasprintf("%s%s", directory, f->path);
	f->real_device = st.st_dev;
	f->real_inode = st.st_ino;
	f->size = (uint64_t)st.st_size;
	f->has_resident = memory_resident(fd, &f->resident, &f->by_mincore) == 0;
	return true;
}

static void resolve(struct memory_file *f, int root_fd, const struct layers_mount *root)
{
	auto_close int fd = path_open_regular(root_fd, f->path, true);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return;
	f->device = st.st_dev;
	f->size = (uint64_t)st.st_size;
	f->overlay = (unsigned long)fs.f_type == OVERLAY_MAGIC;
	if (!f->overlay) {
		f->real_path = xstrdup(f->path);
		f->real_device = st.st_dev;
		f->real_inode = st.st_ino;
		f->has_resident = memory_resident(fd, &f->resident, &f->by_mincore) == 0;
		return;
	}
	if (!root || (root->upper && take_real(f, root->upper)))
		return;
	for (size_t i = 0; i < root->lower.count; i++)
		if (take_real(f, root->lower.items[i]))
			return;
}

static int by_rss(const void *a, const void *b)
{
	const struct memory_file *x = a, *y = b;

	return x->rss > y->rss ? -1 : x->rss < y->rss;
}

int memory_read_files(const pid_t *pids, size_t pid_count, const struct layers_mount *root,
		      struct memory_files *out, struct err *err)
{
	struct walk w = {.out = out, .page_size = (uint64_t)sysconf(_SC_PAGESIZE)};
	auto_close int root_fd = -1;
	char path[64];

	*out = (struct memory_files){0};
	if (!pid_count)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "the container has no process");
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pids[0]);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(err, "open %s", path);
	for (size_t i = 0; i < pid_count; i++) {
		w.pid = pids[i];
		walk_process(&w);
	}
	for (size_t i = 0; i < out->count; i++) {
		order_pages(&out->items[i]);
		resolve(&out->items[i], root_fd, root);
	}
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), by_rss);
	return 0;
}

struct memory_overlap memory_compare_files(const struct memory_file *a, const struct memory_file *b)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct memory_overlap o = {0};
	size_t i = 0, j = 0;

	while (i < a->page_count && j < b->page_count) {
		if (a->pages[i].page == b->pages[j].page) {
			o.both += page;
			if (a->pages[i].frame && a->pages[i].frame == b->pages[j].frame)
				o.common += page;
			i++;
			j++;
		} else if (a->pages[i].page < b->pages[j].page) {
			i++;
		} else {
			j++;
		}
	}
	return o;
}

const struct memory_file *memory_find_file(const struct memory_files *f, uint64_t real_device,
					   uint64_t real_inode)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].real_inode && f->items[i].real_inode == real_inode &&
		    f->items[i].real_device == real_device)
			return &f->items[i];
	return NULL;
}
