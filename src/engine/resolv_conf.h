/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolv.conf of a container, made from the host's and from --dns, --dns-search and --dns-option as Docker
 * does (libnetwork/resolvconf). Pure but for resolv_conf_host(). resolv.conf(5).
 */
#ifndef CLOCHE_ENGINE_RESOLV_CONF_H
#define CLOCHE_ENGINE_RESOLV_CONF_H

#include "base/str.h"
#include "base/strv.h"

enum resolv_kind {
	RESOLV_HOST,   /* the host's network: its file as it is */
	RESOLV_OWN,    /* another network: without resolvers that are the host's alone */
	RESOLV_SERVICE /* the name service of a user network, 127.0.0.11 */
};

/* The host's file that has real resolvers: that of systemd-resolved behind its stub, for networks of
 * their own. *text is heap-owned, "" when there is none. */
int must_check resolv_conf_host(enum resolv_kind kind, char **text, struct err *err);
/* Appends the container's text. dns, search and options as given, each empty for the host's. */
void resolv_conf_build(enum resolv_kind kind, const char *host, const struct strv *dns,
		       const struct strv *search, const struct strv *options, struct strbuf *out);

#endif
