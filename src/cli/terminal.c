/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode. Whoever calls terminal_make_raw() calls terminal_restore() on every way out. */
#include "cli/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

int terminal_make_raw(struct terminal *t, struct err *err)
{
	struct termios raw;

	t->raw = false;
	if (tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return 0;
	raw = t->saved;
	cfmakeraw(&raw);
	/* The container's own terminal does what output processing there is to do. */
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return err_sys(err, "set the terminal to raw mode");
	t->raw = true;
	return 0;
}

void terminal_restore(struct terminal *t)
{
	int saved = errno;

	/* TCSADRAIN: what the container printed last is shown in raw mode, as it was meant. */
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	t->raw = false;
	errno = saved;
}

void terminal_size(uint16_t *rows, uint16_t *columns)
{
	static const int fds[] = {STDOUT_FILENO, STDIN_FILENO};
	struct winsize size;

	*rows = 0;
	*columns = 0;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (ioctl(fds[i], TIOCGWINSZ, &size) == 0) {
			*rows = size.ws_row;
			*columns = size.ws_col;
			return;
		}
	}
}
