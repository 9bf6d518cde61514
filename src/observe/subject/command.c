/* SPDX-License-Identifier: Apache-2.0 */
/* A command run to its end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "observe/subject/session.h"
#include "observe/subject/spawn.h"

#define OUTPUT_MAX ((size_t)1 << 20)
#define ERRORS_MAX 4096
#define END_BY_ITSELF_MS 3000
#define END_WHEN_TOLD_MS 5000

void command_run_free(struct command_run *r)
{
	free(r->output);
	free(r->errors);
	*r = (struct command_run){0};
}

/* What there is to read now; true at the end of the stream. */
static bool read_some(int fd, struct strbuf *output, uint64_t *first_ns)
{
	char bytes[16384];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n < 0)
		return errno != EINTR;
	if (n == 0)
		return true;
	if (!*first_ns)
		*first_ns = clock_now_ns();
	if (output->len < OUTPUT_MAX)
		strbuf_add(output, bytes, (size_t)n);
	return false;
}

/* The child's end is the end: something it left behind may keep the pipe open. */
static int follow(struct spawned *p, uint64_t deadline_ns, struct strbuf *output,
		  uint64_t *first_ns)
{
	bool open = true;

	for (;;) {
		int rc = spawn_wait_fds(open ? p->out : -1, p->pidfd, deadline_ns);

		if (rc < 0)
			return rc;
		if (rc == 2) {
			rc = spawned_wait(p, 1000);
			while (rc == 0 && open && spawn_wait_fds(p->out, -1, 0) == 1)
				open = !read_some(p->out, output, first_ns);
			return rc;
		}
		open = !read_some(p->out, output, first_ns);
	}
}

/* A command that is ended in the middle of making a container may leave half of one. It gets the time to
 * come to its end by itself, then the chance to tidy up. */
static void end_well(struct spawned *p)
{
	if (spawned_wait_anyway(p, END_BY_ITSELF_MS) == 0)
		return;
	kill(p->pid, SIGTERM);
	if (spawned_wait_anyway(p, END_WHEN_TOLD_MS) < 0)
		spawned_end(p, SIGKILL);
}

int command_execute(const struct subject *s, const struct strv *argv, int timeout_ms,
		    struct command_run *out, struct err *err)
{
	auto_strbuf struct strbuf output = {0};
	struct spawned p;
	int rc = spawn(s, argv, false, &p, err);

	*out = (struct command_run){0};
	if (rc < 0)
		return rc;
	rc = follow(&p, spawn_deadline(timeout_ms), &output, &out->first_output_ns);
	if (rc < 0) {
		end_well(&p);
		err_set(err, ERR_SYSTEM, -rc, "%s: %s", argv->items[0],
			rc == -EINTR ? "interrupted" : err_errno_text(-rc));
	}
	out->exit_code = p.exit_code;
	out->spawned_ns = p.spawned_ns;
	out->ended_ns = p.ended_ns;
	/* Read after the end, it was written before. */
	if (rc == 0 && out->first_output_ns > out->ended_ns)
		out->first_output_ns = out->ended_ns;
	out->usage = p.usage;
	out->output = strbuf_take(&output);
	out->errors = spawned_errors(&p, ERRORS_MAX);
	spawned_close(&p);
	return rc;
}
