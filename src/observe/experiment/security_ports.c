/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports of a container that was there before: at which addresses of the host they are, by its
 * engine's record, and, for Cloche's, who gets there by the rules in force.
 */
#include <json-c/json.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine.h"
#include "observe/experiment/security.h"
#include "observe/network/debug.h"

static bool is_loopback(const char *address)
{
	return str_starts(address, "127.") || str_eq(address, "::1");
}

static bool is_every(const char *address)
{
	return !*address || str_eq(address, "0.0.0.0") || str_eq(address, "::");
}

static void find_open(struct experiment_context *x, const char *port, const char *address,
		      const char *host_port)
{
	int digits = (int)strcspn(port, "/");
	auto_free char *flag = xasprintf("-p 127.0.0.1:%s:%.*s", host_port, digits, port);
	struct report_finding *f = report_finding(
		x->report, is_every(address) ? REPORT_MEDIUM : REPORT_LOW, 0.6, x->test->key,
		x->container->name, "Port %s is published at %s, port %s", port,
		is_every(address) ? "every address of the host" : address, host_port);

	report_reason(f, "who reaches the host reaches it (CIS 5.14)");
	report_recommend(f, flag,
			 "publish it where it is needed: on loopback behind a proxy, or at one "
			 "address");
}

static void take_binding(struct experiment_context *x, struct report_claim *c, const char *port,
			 struct json_object *binding)
{
	const char *address = "", *host_port = "";

	if (json_get_string(binding, "HostIp", &address) < 0)
		address = "";
	if (json_get_string(binding, "HostPort", &host_port) < 0 || !host_port)
		host_port = "?";
	address = address ? address : "";
	report_evidence(c, "%s at %s, port %s", port, is_every(address) ? "every address" : address,
			host_port);
	if (is_loopback(address))
		return;
	c->verdict = REPORT_BROKEN;
	find_open(x, port, address, host_port);
}

static void take_ports(struct experiment_context *x, struct report_claim *c,
		       struct json_object *ports)
{
	json_object_object_foreach(ports, port, bindings) {
		size_t count = json_object_is_type(bindings, json_type_array)
				       ? json_object_array_length(bindings)
				       : 0;

		for (size_t i = 0; i < count; i++)
			take_binding(x, c, port, json_object_array_get_idx(bindings, i));
	}
}

/* Who gets there, by the rules that are loaded now. */
static void follow_rules(struct experiment_context *x, struct report_claim *c)
{
	auto_network_debug struct network_debug d = {0};
	struct err err = ERR_INIT;

	if (network_debug_read(x->engine, x->container->id, NULL, &d, &err) < 0) {
		report_evidence(c, "who gets there could not be followed: %s", err.msg);
		return;
	}
	for (size_t i = 0; i < d.claim_count; i++) {
		const struct debug_claim *claim = &d.claims[i];
		auto_strbuf struct strbuf port = {0}, rule = {0};

		network_debug_port_text(&d.subject->sandbox.ports[claim->port], &port);
		network_debug_decider(&d, &claim->result, &rule);
		report_evidence(c, "%s: %s for %s (%s%s)%s%s", strbuf_str(&port),
				path_end_text(claim->result.end), claim->who,
				claim->direct ? "directly, " : "", claim->via,
				rule.len ? ", by " : "", strbuf_str(&rule));
	}
}

void security_ports(struct experiment_context *x)
{
	struct json_object *settings = NULL, *ports = NULL;
	struct report_claim *c;

	if (x->container->engine == TARGET_PROCESS || !x->container->inspect)
		return;
	c = report_claim(x->test, x->container->name, "security.ports", REPORT_HOLDS,
			 "Its published ports are reached from this host alone");
	if (json_object_object_get_ex(x->container->inspect, "NetworkSettings", &settings) &&
	    json_object_object_get_ex(settings, "Ports", &ports) &&
	    json_object_is_type(ports, json_type_object))
		take_ports(x, c, ports);
	if (!c->evidence.count)
		report_evidence(c, "none is published, by the record of %s",
				target_engine_name(x->container->engine));
	else if (x->container->engine == TARGET_CLOCHE && x->engine)
		follow_rules(x, c);
}
