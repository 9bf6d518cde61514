/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-systemd: asks systemd for the scope of a container.
 *
 *	cloche-systemd start PID UNIT PROPERTY=VALUE...	PID is in the scope when this ends
 *	cloche-systemd set UNIT PROPERTY=VALUE...	changes limits until the scope ends
 *	cloche-systemd stop UNIT			ends what is left of it; gone already is fine
 *
 * Speaks to systemd's own socket, which only root may, and to the system bus where there is none. Says
 * on standard error what went wrong, in one line. Never waits longer than WAIT_MS.
 * Source: org.freedesktop.systemd1(5).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/systemd/properties.h"

#define WAIT_MS 25000
#define RETRY_MS 20
#define PRIVATE_SOCKET "/run/systemd/private"
#define MANAGER \
	"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

/* The job that was asked for, and how it ended. */
struct job {
	char path[256];
	char result[64]; /* "" until it has */
};

static int on_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct job *job = arg;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (str_eq(path, job->path))
		snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

static int fail(struct err *err, int rc, const char *what, const sd_bus_error *e)
{
	return err_set(err, ERR_SYSTEM, -rc, "systemd: %s: %s", what,
		       e && e->message ? e->message : err_errno_text(-rc));
}

static int connect_to_systemd(sd_bus **out, struct err *err)
{
	sd_bus *bus = NULL;
	int rc = sd_bus_new(&bus);

	if (rc >= 0)
		rc = sd_bus_set_address(bus, "unix:path=" PRIVATE_SOCKET);
	if (rc >= 0)
		rc = sd_bus_start(bus);
	if (rc < 0) {
		sd_bus_unref(bus);
		bus = NULL;
		rc = sd_bus_open_system(&bus);
	}
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc,
			       "connect to systemd: %s (is it PID 1 of this host? else use the "
			       "cgroupfs driver)",
			       err_errno_text(-rc));
	*out = bus;
	return 0;
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_now_ns() / 1000000);
}

static int await_job(sd_bus *bus, struct job *job, const char *unit, struct err *err)
{
	int64_t end = now_ms() + WAIT_MS;

	while (!*job->result) {
		int rc = sd_bus_process(bus, NULL);

		if (rc == 0)
			rc = sd_bus_wait(bus, 100000);
		if (rc < 0 && rc != -EINTR)
			return fail(err, rc, "wait for the job", NULL);
		if (now_ms() > end)
			return err_set(err, ERR_SYSTEM, ETIMEDOUT,
				       "systemd: %s was not done within %d s", unit,
				       WAIT_MS / 1000);
	}
	if (str_eq(job->result, "done"))
		return 0;
	return err_set(err, ERR_SYSTEM, ECANCELED, "systemd: the job of %s ended: %s", unit,
		       job->result);
}

/* One method whose reply is a job, or nothing (job NULL). */
static int call(sd_bus *bus, sd_bus_message *m, struct job *job, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	const char *path;
	int rc = sd_bus_call(bus, m, (uint64_t)WAIT_MS * 1000, error, &reply);

	if (rc >= 0 && job) {
		rc = sd_bus_message_read(reply, "o", &path);
		if (rc >= 0)
			snprintf(job->path, sizeof(job->path), "%s", path);
	}
	sd_bus_message_unref(reply);
	return rc < 0 ? rc : 0;
}

static int add_properties(sd_bus_message *m, const char *pid, char **words, struct err *err)
{
	int rc = sd_bus_message_open_container(m, 'a', "(sv)");
	uint64_t n;

	if (rc >= 0 && pid) {
		if (str_to_u64(pid, &n) < 0 || !n || n > INT32_MAX)
			return err_set(err, ERR_INVALID, EINVAL, "%s is no process", pid);
		rc = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)n);
	}
	if (rc < 0)
		return fail(err, rc, "make the message", NULL);
	for (; *words; words++) {
		rc = property_append(m, *words, err);
		if (rc < 0)
			return rc;
	}
	rc = sd_bus_message_close_container(m);
	return rc < 0 ? fail(err, rc, "make the message", NULL) : 0;
}

/* Takes a unit out of the way: it may have failed, or still be ending. */
static int stop_unit(sd_bus *bus, const char *unit)
{
	sd_bus_call_method(bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
	return sd_bus_call_method(bus, MANAGER, "StopUnit", NULL, NULL, "ss", unit, "replace");
}

static int start_once(sd_bus *bus, const char *pid, const char *unit, char **words, struct job *job,
		      sd_bus_error *error, struct err *err)
{
	sd_bus_message *m = NULL;
	int rc = sd_bus_message_new_method_call(bus, &m, MANAGER, "StartTransientUnit");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "ss", unit, "replace");
	if (rc < 0) {
		sd_bus_message_unref(m);
		return fail(err, rc, "make the message", NULL);
	}
	rc = add_properties(m, pid, words, err);
	if (rc == 0)
		rc = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (rc >= 0) {
		rc = call(bus, m, job, error);
		if (rc < 0)
			fail(err, rc, "StartTransientUnit", error);
	}
	sd_bus_message_unref(m);
	return rc < 0 ? rc : 0;
}

/* The scope of the container's last life may only just be going. */
static int start_scope(sd_bus *bus, const char *pid, const char *unit, char **words,
		       struct job *job, struct err *err)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	int64_t end = now_ms() + WAIT_MS;

	for (;;) {
		sd_bus_error error = SD_BUS_ERROR_NULL;
		int rc = start_once(bus, pid, unit, words, job, &error, err);
		bool exists = sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists");

		sd_bus_error_free(&error);
		if (rc == 0 || !exists || now_ms() > end)
			return rc;
		stop_unit(bus, unit);
		nanosleep(&pause, NULL);
	}
}

static int cmd_start(sd_bus *bus, char **args, struct err *err)
{
	struct job job = {.path = ""};
	int rc = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/systemd1",
				     "org.freedesktop.systemd1.Manager", "JobRemoved", on_removed,
				     &job);

	if (rc < 0)
		return fail(err, rc, "listen for jobs", NULL);
	/* On the bus nothing is told to who has not subscribed. */
	sd_bus_call_method(bus, MANAGER, "Subscribe", NULL, NULL, NULL);
	rc = start_scope(bus, args[0], args[1], args + 2, &job, err);
	return rc < 0 ? rc : await_job(bus, &job, args[1], err);
}

static int cmd_set(sd_bus *bus, char **args, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int rc = sd_bus_message_new_method_call(bus, &m, MANAGER, "SetUnitProperties");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "sb", args[0], 1);
	if (rc < 0) {
		sd_bus_message_unref(m);
		return fail(err, rc, "make the message", NULL);
	}
	rc = add_properties(m, NULL, args + 1, err);
	if (rc == 0) {
		rc = call(bus, m, NULL, &error);
		if (rc < 0)
			fail(err, rc, "SetUnitProperties", &error);
	}
	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	return rc;
}

static int cmd_stop(sd_bus *bus, char **args, struct err *err)
{
	(void)err;
	/* What does not exist need not be stopped; what cannot be is seen by its group. */
	stop_unit(bus, args[0]);
	return 0;
}

static const struct {
	const char *name;
	int least; /* arguments */
	int (*run)(sd_bus *bus, char **args, struct err *err);
} commands[] = {{"start", 2, cmd_start}, {"set", 1, cmd_set}, {"stop", 1, cmd_stop}};

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	sd_bus *bus = NULL;
	int rc = -EINVAL;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || !str_eq(argv[1], commands[i].name) || argc - 2 < commands[i].least)
			continue;
		rc = connect_to_systemd(&bus, &err);
		if (rc == 0)
			rc = commands[i].run(bus, argv + 2, &err);
		sd_bus_flush_close_unref(bus);
		if (rc < 0)
			fprintf(stderr, "%s\n", err.msg);
		return rc < 0;
	}
	fputs("cloche-systemd is run by cloche, not by hand\n", stderr);
	return 125;
}
