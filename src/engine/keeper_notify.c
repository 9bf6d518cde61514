/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/keeper_notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "engine/keeper/protocol.h"

void keeper_notify_reload(const struct engine *e, const char *id)
{
	struct keeper_reload message = {.kind = KEEPER_RELOAD};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* By descriptor: the path of the run root may be longer than an address. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" KEEPER_SOCKET,
		 e->run_fd);
	memcpy(message.id, id, sizeof(message.id));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return;
	/* A new connection has room for so little. */
	if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
		return;
}
