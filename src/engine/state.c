/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a container stands: what its monitor wrote last (state.json) against whether the monitor still
 * lives (it holds flock(2) on <run>/containers/<id>/lock, and the kernel drops that lock with it).
 *
 * flock has no query, so looking means taking the lock shared for a moment. Lookers do not disturb
 * each other; a starter that wants it exclusively could meet one and must not believe that the
 * container is alive: container_lock() tells the two apart by trying shared itself, which only a
 * living monitor (or another starter) refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "base/json_writer.h"
#include "engine/marker.h"
#include "engine/revive.h"

#define STATE_MAX_BYTES 65536
#define LOCK_TRIES 5000 /* at least five seconds */
#define LOCK_YIELDS 100

static const struct {
	const char *text;
	enum container_status status;
} statuses[] = {
	{"created", CONTAINER_CREATED},   {"running", CONTAINER_RUNNING},
	{"paused", CONTAINER_PAUSED},     {"restarting", CONTAINER_RESTARTING},
	{"removing", CONTAINER_REMOVING}, {"exited", CONTAINER_EXITED},
	{"dead", CONTAINER_DEAD},
};

const char *container_status_text(enum container_status status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].text;
	}
	return "dead";
}

static int parse_status(struct json_object *o, enum container_status *out)
{
	const char *text;
	int rc = json_get_string(o, "Status", &text);

	for (size_t i = 0; rc == 0 && i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (str_eq(statuses[i].text, text)) {
			*out = statuses[i].status;
			return 0;
		}
	}
	return -EINVAL;
}

static int get_int(struct json_object *o, const char *key, int *out)
{
	int64_t v;
	int rc = json_get_i64(o, key, &v);

	if (rc == 0 && (v < 0 || v > INT32_MAX))
		rc = -ERANGE;
	if (rc == 0)
		*out = (int)v;
	return rc == -ENOENT ? 0 : rc;
}

/* A text of bounded length; missing is empty. */
static int get_short(struct json_object *o, const char *key, char *out, size_t size)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == 0)
		rc = str_format(out, size, "%s", text);
	return rc == -ENOENT ? 0 : rc;
}

static int parse_state(struct json_object *o, struct container_state *s)
{
	const struct {
		const char *key;
		uint64_t *value;
	} counters[] = {
		{"StartedNs", &s->started_ns},
		{"FinishedNs", &s->finished_ns},
		{"OomKills", &s->oom_kills},
		{"PeakMemoryBytes", &s->peak_memory_bytes},
		{"ThrottledPeriods", &s->throttled_periods},
		{"ThrottledNs", &s->throttled_ns},
		{"CpuUsageNs", &s->cpu_usage_ns},
		{"PidsMaxHits", &s->pids_max_hits},
		{"PressureUs", &s->pressure_us},
		{"RestartCount", &s->restart_count},
		{"NextStartNs", &s->next_start_ns},
	};
	const struct {
		const char *key;
		bool *value;
	} flags[] = {
		{"OomKilled", &s->oom_killed},
		{"MonitorLost", &s->monitor_lost},
		{"HostRestarted", &s->host_restarted},
	};
	const char *error;
	int rc;

	if (parse_status(o, &s->status) < 0 || get_int(o, "Pid", &s->pid) < 0 ||
	    get_int(o, "MonitorPid", &s->monitor_pid) < 0 ||
	    get_int(o, "ExitCode", &s->exit_code) < 0 ||
	    get_int(o, "ExitSignal", &s->exit_signal) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		rc = json_get_bool(o, flags[i].key, flags[i].value);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	if (get_short(o, "SignalSender", s->signal_sender, sizeof(s->signal_sender)) < 0 ||
	    get_short(o, "BootId", s->boot_id, sizeof(s->boot_id)) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		rc = json_get_u64(o, counters[i].key, counters[i].value);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	rc = json_get_string(o, "Error", &error);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && *error)
		s->error = xstrdup(error);
	return 0;
}

/* Reads <dirfd>/state.json into *s, which must be empty. *mtime_ns: when it was written. */
static int read_state_at(int dirfd, struct container_state *s, uint64_t *mtime_ns, struct err *err)
{
	auto_json struct json_object *o = NULL;
	struct stat st;
	int rc = json_read_at(dirfd, STATE_FILE, STATE_MAX_BYTES, &o, err);

	if (rc < 0)
		return rc;
	if (fstatat(dirfd, STATE_FILE, &st, 0) == 0)
		*mtime_ns =
			(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	if (parse_state(o, s) < 0)
		return err_set(err, ERR_CORRUPT, EUCLEAN, "%s: not a container's state",
			       STATE_FILE);
	return 0;
}

static void clear_state(struct container_state *s)
{
	free(s->error);
	*s = (struct container_state){.status = CONTAINER_CREATED};
}

int container_run_dir(const struct engine *e, const char *id)
{
	char path[sizeof("containers/") + NAME_MAX];
	int fd;

	if (str_format(path, sizeof(path), "containers/%s", id) < 0)
		return -ENAMETOOLONG;
	fd = openat(e->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A missing lock file is a free lock. */
static bool lock_is_held_at(int run_dir)
{
	auto_close int fd = openat(run_dir, LOCK_FILE, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

bool container_lock_is_held(const struct engine *e, const char *id)
{
	auto_close int run_dir = container_run_dir(e, id);

	return run_dir >= 0 && lock_is_held_at(run_dir);
}

/* One look: -ENOENT when neither place has a state. */
static int read_newest(int run_dir, int record_dir, struct container_state *s, uint64_t *mtime_ns,
		       struct err *err)
{
	int rc = -ENOENT;

	if (run_dir >= 0)
		rc = read_state_at(run_dir, s, mtime_ns, err);
	if (rc == -ENOENT && record_dir >= 0)
		rc = read_state_at(record_dir, s, mtime_ns, err);
	return rc;
}

static bool claims_life(enum container_status status)
{
	return status == CONTAINER_RUNNING || status == CONTAINER_PAUSED ||
	       status == CONTAINER_RESTARTING;
}

/* Whether the state was written before the host was started last. Unknown is no. */
static bool is_of_earlier_boot(const struct container_state *s)
{
	char now[sizeof(s->boot_id)];

	if (!*s->boot_id ||
	    file_read_small_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", now, sizeof(now)) < 0)
		return false;
	now[strcspn(now, "\n")] = '\0';
	return *now && !str_eq(now, s->boot_id);
}

/* PID 1 dies with its monitor by its parent-death signal, hence 137; with the host it died of nothing
 * that a code could tell, hence Docker's 255. When is not known: not before the state was written. */
static void set_lost(struct container_state *s, uint64_t mtime_ns)
{
	/* Between two runs: how the last one ended is known. */
	bool ended = s->status == CONTAINER_RESTARTING;

	s->host_restarted = s->host_restarted || is_of_earlier_boot(s);
	s->monitor_lost = !s->host_restarted;
	s->status = CONTAINER_EXITED;
	s->pid = 0;
	s->monitor_pid = 0;
	if (!ended) {
		s->exit_code = s->host_restarted ? HOST_RESTARTED_EXIT_CODE
						 : MONITOR_LOST_EXIT_CODE;
		s->exit_signal = s->host_restarted ? 0 : MONITOR_LOST_EXIT_CODE - 128;
		s->finished_ns = mtime_ns;
	}
	free(s->error);
	s->error = xstrdup(s->host_restarted ? "host was restarted" : "monitor lost");
}

/* True if a launch got as far as the container's files and no monitor ever said what came of it:
 * the command line or the monitor was killed. One that failed took them away again. */
static bool launch_was_under_way(int run_dir, uint64_t *when_ns)
{
	struct stat st;

	if (run_dir < 0 || fstatat(run_dir, HOSTNAME_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*when_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return true;
}

int container_state_read(struct engine *e, struct container *c, struct err *err)
{
	bool persistent;
	auto_close int run_dir = container_run_dir(e, c->id);
	auto_close int record_dir = container_record_dir(e, c->id, &persistent);
	struct container_state *s = &c->state;
	uint64_t mtime_ns = 0;

	/* A monitor writes "exited" before it lets go of the lock: what still claims life after the
	 * lock was seen free is wrong, but it must be read after that look. */
	for (int look = 0; look < 2; look++) {
		bool held = run_dir >= 0 && lock_is_held_at(run_dir);
		int rc;

		clear_state(s);
		rc = read_newest(run_dir, record_dir, s, &mtime_ns, err);
		if (rc == -ENOENT && !held && launch_was_under_way(run_dir, &mtime_ns)) {
			/* Unless the launch began after the look at the lock. */
			if (look == 0)
				continue;
			set_lost(s, mtime_ns);
		}
		if (rc == -ENOENT)
			return 0;
		/* On a full file system the monitor writes in place: a torn one is whole at once. */
		if (rc < 0 && look == 0)
			continue;
		if (rc < 0)
			return err_wrap(err, "state of %.12s", c->id);
		if (held || !claims_life(s->status))
			break;
		if (look == 1)
			set_lost(s, mtime_ns);
	}
	if (s->monitor_lost)
		revive_note_lost(e, c);
	if (!claims_life(s->status))
		s->pid = 0;
	if (s->status == CONTAINER_RUNNING && run_dir >= 0 &&
	    faccessat(run_dir, MARKER_PAUSED, F_OK, 0) == 0)
		s->status = CONTAINER_PAUSED;
	c->restart_count = s->restart_count;
	return 0;
}

int container_state_stored(const struct engine *e, const char *id, struct container_state *s,
			   struct err *err)
{
	bool persistent;
	auto_close int run_dir = container_run_dir(e, id);
	auto_close int record_dir = container_record_dir(e, id, &persistent);
	uint64_t mtime_ns;
	int rc = read_newest(run_dir, record_dir, s, &mtime_ns, err);

	if (rc != -ENOENT || !launch_was_under_way(run_dir, &mtime_ns))
		return rc;
	s->status = CONTAINER_RUNNING;
	return 0;
}

static void write_lost_state(const struct container_state *s, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	json_write_i64(&w, "SchemaVersion", 1);
	json_write_string(&w, "Status", "exited");
	json_write_i64(&w, "Pid", 0);
	json_write_i64(&w, "MonitorPid", 0);
	json_write_u64(&w, "StartedNs", s->started_ns);
	json_write_u64(&w, "FinishedNs", s->finished_ns);
	json_write_i64(&w, "ExitCode", s->exit_code);
	json_write_i64(&w, "ExitSignal", s->exit_signal);
	json_write_bool(&w, "OomKilled", false);
	json_write_bool(&w, "MonitorLost", s->monitor_lost);
	json_write_bool(&w, "HostRestarted", s->host_restarted);
	json_write_u64(&w, "RestartCount", s->restart_count);
	json_write_string(&w, "BootId", s->boot_id);
	json_write_string(&w, "Error", s->error);
	json_write_end(&w, '}');
	strbuf_putc(out, '\n');
}

int container_state_write_lost(struct engine *e, struct container *c, struct err *err)
{
	bool persistent = false;
	auto_close int run_dir = container_run_dir(e, c->id);
	auto_close int record_dir = container_record_dir(e, c->id, &persistent);
	auto_strbuf struct strbuf text = {0};
	int rc = 0;

	set_lost(&c->state, clock_wall_ns());
	write_lost_state(&c->state, &text);
	if (run_dir >= 0)
		rc = file_replace_at(run_dir, STATE_FILE, text.data, text.len, 0644, FILE_VOLATILE);
	if (rc == 0 && record_dir >= 0 && persistent)
		rc = file_replace_at(record_dir, STATE_FILE, text.data, text.len, 0644,
				     FILE_DURABLE);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "record the end of %.12s: %s", c->id,
			       err_errno_text(-rc));
	return 0;
}

/* True if the open lock file is still the one in the directory (nobody removed it meanwhile). */
static bool is_linked(int lock_fd)
{
	struct stat st;

	return fstat(lock_fd, &st) == 0 && st.st_nlink > 0;
}

/* 0 locked, -EBUSY when somebody holds it in earnest. A looker holds it for microseconds, but may be
 * taken off the processor just then. */
static int lock_exclusively(int fd)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (flock(fd, LOCK_SH | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		flock(fd, LOCK_UN);
		if (i < LOCK_YIELDS)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
	return -EBUSY;
}

int container_lock(struct engine *e, const char *id, bool make, int *lock_fd)
{
	char dir[sizeof("containers/") + NAME_MAX], path[sizeof(dir) + sizeof("/" LOCK_FILE)];

	if (str_format(dir, sizeof(dir), "containers/%s", id) < 0 ||
	    str_format(path, sizeof(path), "%s/" LOCK_FILE, dir) < 0)
		return -ENAMETOOLONG;
	for (int i = 0; i < LOCK_TRIES; i++) {
		auto_close int fd = -1;
		int rc;

		if (make && mkdirat(e->run_fd, dir, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(e->run_fd, path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
		if (fd < 0 && errno == ENOENT && make)
			continue;
		if (fd < 0)
			return -errno;
		rc = lock_exclusively(fd);
		if (rc < 0)
			return rc;
		if (is_linked(fd)) {
			*lock_fd = take_fd(&fd);
			return 0;
		}
	}
	return -EBUSY;
}
