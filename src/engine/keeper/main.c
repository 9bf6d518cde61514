/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-keeper: at most one per run root, while some container there has a restart policy or networks.
 * It holds a connection to each such container's monitor; when one breaks without a farewell the
 * monitor was lost, and a helper (this program, `--heal ID`) starts the container again through the
 * engine; how it ends says what came of it (enum keeper_helper_status). It answers containers' questions
 * for names, and has a helper (`--restore`) put rules back that others have removed. It holds nothing
 * that could not be had again: should it be killed, the monitors start another, which looks for what
 * was lost meanwhile.
 *
 * `--boot` is for the host's start: it starts what is to run by its policy, and ends.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/keeper/keeper.h"
#include "engine/keeper/protocol.h"
#include "engine/network.h"
#include "engine/revive.h"

static int usage(void)
{
	static const char text[] =
		"Usage:  cloche-keeper [--root DIR] [--run-root DIR] [--boot]\n\n"
		"Starts containers again by their restart policies: after a boot of the host (--boot),\n"
		"or, started by a container's monitor, while the host is up.\n";

	return fd_write_all(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? 126 : 125;
}

static int parse(struct keeper_options *o, int argc, char **argv)
{
	const struct {
		const char *name;
		const char **slot;
	} known[] = {{"--root", &o->root}, {"--run-root", &o->run_root}, {"--heal", &o->heal}};

	for (int i = 1; i < argc; i++) {
		size_t k = 0;

		if (str_eq(argv[i], "--boot") || str_eq(argv[i], "--restore")) {
			o->boot = o->boot || argv[i][2] == 'b';
			o->restore = o->restore || argv[i][2] == 'r';
			continue;
		}
		while (k < 3 && !str_eq(argv[i], known[k].name))
			k++;
		if (k == 3 || i + 1 == argc)
			return -1;
		*known[k].slot = argv[++i];
	}
	return 0;
}

/* 1: it was started. */
static int heal_one(struct engine *e, const char *id, struct err *err)
{
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_record_read(e, id, &c, err);
	if (rc < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : rc;
	return revive_container(e, &c, err);
}

/* What others have taken away of the packet filter's rules. */
static int restore_networks(struct engine *e, struct err *err)
{
	struct network_store store;
	int rc;

	engine_network_store(e, &store);
	rc = network_restore(&store, err);
	program_log(&e->log, rc < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, NULL, "%s%s",
		    rc < 0 ? "the rules of networks are not put back: "
			   : "the rules of networks are put back where others have changed them",
		    rc < 0 ? err->msg : "");
	return rc;
}

/* One thing to do, then the end: an enum keeper_helper_status. */
static int work(const struct keeper_options *o)
{
	struct err err = ERR_INIT;
	struct engine e;
	int rc = engine_open(&e, o->root, o->run_root, &err);

	if (rc < 0) {
		dprintf(STDERR_FILENO, "cloche-keeper: %s\n", err.msg);
		return KEEPER_HELPER_FAILED;
	}
	if (o->boot)
		rc = revive_after_boot(&e, &err);
	else if (o->restore)
		rc = restore_networks(&e, &err);
	else if (str_eq(o->heal, KEEPER_HEAL_ALL))
		rc = revive_lost(&e, &err);
	else
		rc = heal_one(&e, o->heal, &err);
	if (rc < 0)
		dprintf(STDERR_FILENO, "cloche-keeper: %s\n", err.msg);
	engine_close(&e);
	if (rc < 0)
		return KEEPER_HELPER_FAILED;
	return rc > 0 ? KEEPER_HELPER_STARTED : KEEPER_HELPER_DONE;
}

int main(int argc, char **argv)
{
	struct keeper_options o = {0};

	if (parse(&o, argc, argv) < 0)
		return usage();
	/* A monitor writes with SIGXFSZ ignored; our child's end is waited for. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN);
	if (o.boot || o.heal || o.restore)
		return work(&o);
	if (!o.run_root)
		return usage();
	return keeper_serve(&o);
}
