/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/keeper_notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "engine/keeper/protocol.h"

/* False: nobody listens. */
static bool say(const struct engine *e, char kind, const char *id)
{
	struct keeper_word message = {.kind = kind};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* By descriptor: the path of the run root may be longer than an address. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" KEEPER_SOCKET,
		 e->run_fd);
	memcpy(message.id, id, sizeof(message.id));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return errno != ENOENT && errno != ECONNREFUSED;
	/* A new connection has room for so little. */
	return send(fd, &message, sizeof(message), MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

void keeper_notify_reload(const struct engine *e, const char *id)
{
	(void)say(e, KEEPER_RELOAD, id);
}

void keeper_notify_stopped(const struct engine *e, const char *id)
{
	(void)say(e, KEEPER_STOPPED, id);
}

bool keeper_notify_lost(const struct engine *e, const char *id)
{
	return say(e, KEEPER_LOST, id);
}
