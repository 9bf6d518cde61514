/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals on the host's side. */
#include "runtime/cli/console.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

int console_check(const struct oci_config *c, const struct make_options *o, struct err *err)
{
	if (c->process.terminal && !o->console_socket && !o->relay)
		return err_set(
			err, ERR_INVALID, EINVAL,
			"cannot allocate tty if runc will detach without setting console socket");
	if (o->console_socket && (!c->process.terminal || o->relay))
		return err_set(err, ERR_INVALID, EINVAL,
			       "cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

int console_send(const char *path, int master, struct err *err)
{
	static const char name[] = "/dev/pts/ptmx";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return err_sys(err, "socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG,
			       "console socket %s: path is too long", path);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "connect to console socket %s", path);
	r = fd_send(fd, name, sizeof(name) - 1, &master, 1);
	return r ? err_set(err, ERR_SYSTEM, -r, "send terminal to console socket %s: %s", path,
			   err_errno_text(-r))
		 : 0;
}

void console_resize(int master)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && ioctl(master, TIOCSWINSZ, &size) < 0)
		errno = 0; /* the container's side is gone: its end is told elsewhere */
}

void console_enter(int master, struct console_mode *mode)
{
	struct termios raw;

	mode->raw = false;
	console_resize(master);
	if (tcgetattr(STDIN_FILENO, &mode->before) < 0)
		return;
	raw = mode->before;
	cfmakeraw(&raw);
	mode->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void console_leave(const struct console_mode *mode)
{
	if (mode->raw && tcsetattr(STDIN_FILENO, TCSANOW, &mode->before) < 0)
		errno = 0;
}
