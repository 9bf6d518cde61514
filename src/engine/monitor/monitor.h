/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor: one process per container. Makes the container from its plan, owns its stdio and its
 * log, reaps it, records how it died and sweeps up. Parses no text, never allocates; all buffers are
 * in struct monitor, of which only touched pages cost memory.
 */
#ifndef CLOCHE_ENGINE_MONITOR_MONITOR_H
#define CLOCHE_ENGINE_MONITOR_MONITOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/monitor/forward.h"
#include "engine/monitor/health.h"
#include "engine/monitor/network.h"
#include "engine/monitor/protocol.h"
#include "kernel/cgroup.h"
#include "runtime/plan.h"

#define MONITOR_CLIENTS_MAX 64
#define MONITOR_CONTROL_MAX 16 /* largest payload of a frame that is not STDIN */

/* Files that commands leave in the run directory for the monitor. */
#define STOPPED_FILE "stopped"     /* stopped on a user's behalf: not to be restarted */
#define SIGNALLED_FILE "signalled" /* this run is not to be followed by another */
#define PAUSED_FILE "paused"

/* One attached front end. */
struct client {
	int fd; /* -1: free */
	bool wants_output, wants_stdin;
	bool launcher, ready; /* ready: its ATTACH came (the launcher needs none) */
	/* the EXIT frame; once it has been taken, the connection is closed */
	unsigned char answer[sizeof(struct frame_header) + sizeof(struct frame_exit)];
	size_t answer_len, answer_sent;
	struct frame_header header;
	size_t header_got;
	uint32_t payload_left;
	unsigned char control[MONITOR_CONTROL_MAX];
	size_t control_got;
	size_t sent; /* bytes of the current output frame, header included */
};

#define LOG_ENTRY_MAX 16384 /* bytes of output in one entry of the log, as Docker cuts them */
#define LOG_OUT_BYTES (256u << 10)

/* Docker's json-file log. */
struct log_writer {
	int fd;      /* -1: not opened yet */
	bool failed; /* the last write failed: what it held is not in the log */
	bool used;   /* the buffers hold memory that an idle monitor gives back */
	uint64_t size;
	char partial[2][LOG_ENTRY_MAX]; /* line begun but not ended, per stream */
	size_t partial_len[2];
	size_t out_len;
	_Alignas(4096) char out[LOG_OUT_BYTES];
};

/* What is between two runs of a container with a restart policy. */
struct restart {
	enum plan_restart policy;
	uint32_t max, count;
	bool again;         /* the run that has just ended is followed by another */
	bool waiting;       /* for due_ns */
	bool waiting_ended; /* the wait was broken off, not a run */
	int watch_fd;       /* inotify on the run directory while waiting; -1 */
	int peak_fd;        /* see cgroup_reset_peak() */
	uint64_t delay_ns, due_ns, next_wall_ns;
	/* the group's counters when this run began */
	struct cgroup_stats before;
	uint64_t pids_max_before, pressure_before_us;
};

/* The connection to the keeper of the run root. */
struct keeper_link {
	int fd;          /* -1: none */
	uint64_t due_ns; /* when to try (again) */
	uint64_t retry_ms;
	size_t names_sent; /* how many of this run's network.names it has */
};

struct monitor {
	struct plan *plan;
	int run_dir; /* <run>/containers/<id> */
	int pidfd, report_fd, listen_fd;
	pid_t pid;
	int input;     /* write end of the container's stdin, or the terminal's master; -1 closed */
	int output[2]; /* read ends of stdout and stderr; with a terminal only [0], the master */
	bool input_end; /* close input once the buffer is written */
	bool released, started, exited, timeline_stored;
	bool terminal_idle; /* nobody holds the terminal's other side: look again after a while */
	struct client clients[MONITOR_CLIENTS_MAX];
	/* how it ended */
	int exit_code, exit_signal;
	uint64_t started_wall_ns, finished_wall_ns;
	const char *signal_sender; /* static text for state.json */
	int client_signal;         /* the last signal that a client sent to PID 1 */
	struct cgroup_stats stats;
	struct cgroup_oom_watch oom;
	uint64_t oom_told; /* victims that the journal knows of, since the group was made */
	uint64_t oom_announced_ns;
	uint64_t oom_look_ns; /* one was announced, and is to be looked for then; 0: none */
	uint64_t pids_max_hits, pressure_us;
	struct err start_error;
	uint32_t runs;         /* before this one */
	uint64_t run_began_ns; /* monotonic, at the exec of this run */
	struct restart restart;
	struct keeper_link keeper;
	char boot_id[40];
	/* the output frame under way: read once, sent to every client before the next is read */
	struct frame_header frame;
	size_t frame_len; /* payload; 0: none under way */
	_Alignas(4096) unsigned char frame_bytes[FRAME_PAYLOAD_MAX];
	unsigned char input_bytes[FRAME_PAYLOAD_MAX];
	struct client *input_owner; /* whose STDIN frame is under way; NULL */
	size_t input_len, input_sent;
	struct log_writer log;
	int event_fd;           /* the journal of events, -1 until the first one */
	char event_text[16384]; /* attributes of events that have changed since the plan was made */
	struct health_check health;
	/* plan_early.foreign */
	int console_fd;    /* where the runtime sends the terminal's master, -1 */
	bool foreign_made; /* the runtime knows the container */
	pid_t guard_pid;   /* ends the container when we die; 0 none */
	struct monitor_network network;
	const char *groups; /* of the container, for a process of an exec: child_context.groups */
	/* The same, open, from the second exec on. A supervisor has them at PLAN_FD_COUNT and above. */
	int group_fds[PLAN_MAX_CGROUPS];
	uint32_t group_count; /* 0: not open */
	uint32_t supervisors; /* of execs: processes of ours that have not been reaped */
	struct forwarding forwarding;
};

/* main.c */
/* The plan behind a descriptor, mapped; NULL. */
struct plan *monitor_map_plan(int fd);
/* From the first step to the last. forked: by another monitor, so that nothing of a caller is left. */
_Noreturn void monitor_main(struct monitor *m, bool forked);
/* supervise.c */
/* Makes a supervisor for the process that m->network.pending brings the plan of, if it can; control is
 * the connection to whoever asked. */
void supervise_begin(struct monitor *m, int control);
void supervise_reap(struct monitor *m);
/* Lets go of the groups that were opened for execs. */
void supervise_forget(struct monitor *m);

/* caller.c */
void caller_leave_descriptors(const struct monitor *m);
void caller_leave_session(void);
void caller_leave_groups(struct monitor *m);
void caller_leave_limits(void);
/* exec.c: when one process in a running container is watched over, instead of a container. */
void exec_on_report_end(struct monitor *m);
void exec_reap(struct monitor *m);
/* The process could not be made, or (pidfd -1) there is none. */
_Noreturn void exec_refuse(struct monitor *m);
_Noreturn void exec_finish(struct monitor *m);
/* exec_sweep.c */
void exec_sweep(struct monitor *m);
/* spawn.c: pipes, clone, and the child's side until child_run(). */
int must_check monitor_spawn_child(struct monitor *m, struct err *err);
/* In a process that goes into a container: keeps of the plan at this place of the file only times and
 * results in common, a copy of the rest, and closes the file. Whoever may trace it in there changes nothing
 * by it that those outside go by. */
void monitor_keep_copy(struct plan *p, int fd, off_t at);
/* The process that OP_CLONE made, 0 if there is none. Its number comes through memory that it has in
 * common with us, so that it counts only if it is a child of ours. */
pid_t monitor_made_child(const struct monitor *m, const struct plan *p);
/* client.c: frames in, frames out. */
void client_init_all(struct monitor *m);
struct client *client_add(struct monitor *m, int fd, bool launcher);
void client_drop(struct monitor *m, struct client *c);
/* Takes in all that have connected so far. */
void client_accept(struct monitor *m);
/* Reads what came; may close the client. */
void client_receive(struct monitor *m, struct client *c);
/* Sends as much of the current output frame as the socket takes. */
void client_push(struct monitor *m, struct client *c);
/* Whole small frame to one client or to all; a client that cannot take it is dropped. */
void client_send(struct monitor *m, struct client *c, enum frame_type type, const void *payload,
		 size_t n);
void client_send_all(struct monitor *m, enum frame_type type, const void *payload, size_t n);
/* Tells the end of this run to everybody, as far as their sockets take it; client_push() sends the
 * rest, and closes. */
void client_answer_all(struct monitor *m);
bool client_frame_pending(const struct monitor *m);
/* Whether anybody wants the container's output. */
bool client_listens(const struct monitor *m);
/* Returns once everybody has taken the answer, or has gone. */
void client_linger(struct monitor *m);
/* relay.c: container's streams. */
void relay_output(struct monitor *m, int stream);
void relay_input(struct monitor *m);
/* True while the child has not made the container's terminal yet: what is typed waits for it. */
bool relay_awaits_terminal(const struct monitor *m);
void relay_close_output(struct monitor *m, int stream);
/* log.c */
void log_write(struct monitor *m, int stream, const unsigned char *bytes, size_t n);
void log_flush(struct monitor *m, bool end);
/* Gives the memory of the buffers back; nothing may be in them. */
void log_rest(struct monitor *m);
/* restart.c */
void restart_init(struct monitor *m);
/* Whether a command has stopped the container on a user's behalf. */
bool restart_is_stopped(const struct monitor *m);
/* Sets restart.again and what follows from it: PID 1 has ended, its exit code is known. */
void restart_decide(struct monitor *m);
/* The run is over and all of its output read: answers, and waits for the next. */
void restart_pause(struct monitor *m);
/* While waiting: how long poll may wait, and what to do after it. */
int restart_timeout_ms(const struct monitor *m);
void restart_tick(struct monitor *m);
/* keeper_link.c: connects when it is time to; how long poll may wait (-1: for ever); what came from
 * the keeper; something that it knows has changed; a run has begun, which nobody has heard of yet; the
 * farewell. */
void keeper_tick(struct monitor *m);
int keeper_timeout_ms(const struct monitor *m);
void keeper_hear(struct monitor *m);
void keeper_tell(struct monitor *m);
void keeper_hear_of_start(struct monitor *m);
void keeper_leave(struct monitor *m);
/* oom.c: tells of processes killed for memory, now and, by oom_hear(), when there is something to hear, and
 * by oom_tick() after oom_timeout_ms() (-1: never); oom_end() of those that were not told of, once m->stats
 * are read. */
void oom_begin(struct monitor *m);
void oom_hear(struct monitor *m);
int oom_timeout_ms(const struct monitor *m);
void oom_tick(struct monitor *m);
void oom_end(struct monitor *m);
/* tell.c: the program log. */
void tell_started(struct monitor *m);
void tell_ended(struct monitor *m);
void tell_refused(struct monitor *m);
void tell_stopped_restarting(struct monitor *m);
void tell_log_failed(struct monitor *m);
void tell_forward(struct monitor *m, unsigned port, const char *why);
/* store.c: state.json and timeline.json. */
/* 0 or -errno: the state that stands is then not the true one. */
int store_state(struct monitor *m, const char *status);
/* That it runs, beside a persistent record: what a reboot leaves of it. */
void store_running_in_record(struct monitor *m);
void store_read_boot_id(struct monitor *m);
void store_timeline(struct monitor *m);
void store_timeline_in_record(struct monitor *m);
/* end.c: after PID 1 has ended. */
size_t end_cgroup_dirs(const struct monitor *m, struct cgroup_dir out[PLAN_MAX_CGROUPS]);
void end_reap(struct monitor *m);
void end_read_stats(struct monitor *m);
/* The child did not become the container's program, or (pidfd -1) there is none. */
_Noreturn void end_start_failed(struct monitor *m);
/* Says why there is no container (m->start_error), and sweeps. */
_Noreturn void end_refuse(struct monitor *m);
/* The program runs, but that cannot be recorded: rc says why. */
_Noreturn void end_unrecorded(struct monitor *m, int rc);
_Noreturn void end_finish(struct monitor *m);
/* Removes what a launch that was never released left. */
_Noreturn void end_abandon(struct monitor *m);

/* foreign.c: a container that another OCI runtime makes. Nothing without plan_early.foreign. */
/* Before the clone: what the runtime's `create` needs of us. */
int must_check foreign_prepare(struct monitor *m, struct err *err);
/* `RUNTIME create` runs in m->pid: waits for it, takes the container's PID 1 over and starts it.
 * -1 with m->start_error. */
int must_check foreign_start(struct monitor *m);
/* The runtime forgets the container, whatever state it is in. */
void foreign_remove(struct monitor *m);
/* foreign_error.c: the runtime's own words from its log file (JSON lines), into Docker's. */
void foreign_error(struct monitor *m, const char *command, int wait_status);

/* scope.c: before the clone: the child will wait for its scope. */
void scope_hold(struct monitor *m);
/* Puts the waiting child into a scope of systemd's, when the plan says so. On failure the child
 * is gone. */
int must_check scope_start(struct monitor *m, struct err *err);
/* Has systemd forget the scope: it may miss that one is empty when its group is removed at once. */
void scope_stop(struct monitor *m);

#endif
