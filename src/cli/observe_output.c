/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/observe_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"
#include "observe/report/report.h"

#define EXIT_INTERRUPTED 130

static bool is_dumb(void)
{
	const char *terminal = getenv("TERM");

	return !terminal || !*terminal || str_eq(terminal, "dumb");
}

bool observe_has_styles(void)
{
	const char *none = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !is_dumb() && !(none && *none);
}

bool observe_has_progress(void)
{
	return isatty(STDERR_FILENO) && !is_dumb();
}

void observe_show_progress(const char *what, size_t done, size_t of)
{
	fprintf(stderr, "\r\033[K%.60s %zu of %zu", what, done, of);
}

void observe_clear_progress(void)
{
	fputs("\r\033[K", stderr);
}

int observe_hand_down_roots(const struct cli_context *ctx, struct err *err)
{
	if ((ctx->root && setenv("CLOCHE_ROOT", ctx->root, 1) < 0) ||
	    (ctx->run_root && setenv("CLOCHE_RUN_ROOT", ctx->run_root, 1) < 0))
		return err_sys(err, "set the roots");
	return 0;
}

int observe_exit_code(const struct report *r)
{
	if (r->interrupted)
		return EXIT_INTERRUPTED;
	for (size_t i = 0; i < r->test_count; i++) {
		if (r->tests[i]->status == REPORT_FAILED)
			return EXIT_FAILED;
	}
	return 0;
}
