/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published and exposed ports: a record's words as requests for network/endpoint.h, and what became of
 * them as `inspect`, `ps` and `port` show it.
 */
#ifndef CLOCHE_ENGINE_PORTS_H
#define CLOCHE_ENGINE_PORTS_H

#include "base/ip.h"
#include "base/json_writer.h"
#include "engine/container.h"

/* What -p and, with -P, the exposed ports ask for, each binding once; the caller frees *out. */
int must_check container_port_requests(const struct container_config *c, struct port_binding **out,
				       size_t *count, struct err *err);

/* A port as lists show it. */
struct shown_port {
	uint16_t container_port, host_port; /* host_port 0: not published */
	const char *protocol;               /* "tcp" */
	char host_ip[IP_TEXT_MAX];          /* "" when not published */
};
/* Those of a running container, in Docker's order: published ones of its sandbox (NULL: none) and the
 * exposed rest. The caller frees *out. */
void container_shown_ports(const struct container_config *c, const struct sandbox *sandbox,
			   struct shown_port **out, size_t *count);
/* "0.0.0.0:8000-8002->8000-8002/tcp, 9000/udp" */
void ports_format(const struct shown_port *ports, size_t count, struct strbuf *out);
/* "[::]:80" */
void ports_format_host(const struct shown_port *port, struct strbuf *out);
/* {"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"}],"90/udp":null} */
void ports_write_shown(struct json_writer *w, const char *key, const struct shown_port *ports,
		       size_t count);

/* HostConfig.PortBindings; base is a struct container (engine/fields.h). */
void ports_write_bindings(struct json_writer *w, const char *key, const void *base);

#endif
