/* SPDX-License-Identifier: Apache-2.0 */
/* Ports between the record, requests and what users see. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "engine/ports.h"

static void add(struct strv *list, const char *const *items)
{
	for (; *items; items++)
		strv_add(list, *items);
}
#define ADD(list, ...) add(list, (const char *const[]){__VA_ARGS__, NULL})

static void test_requests(void **state)
{
	struct container c;
	struct port_binding *list;
	struct err err;
	size_t n;

	(void)state;
	container_init(&c);
	ADD(&c.config.publish, ":8080:80/tcp", "[::1]:8000-8010:53/udp", "::90/tcp", "::90/tcp");
	ADD(&c.config.exposed_ports, "80/tcp", "53/udp", "99/tcp");
	c.config.publish_all = true;
	assert_int_equal(container_port_requests(&c.config, &list, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_true(list[0].container_port == 80 && list[0].host_port == 8080 &&
		    list[0].host_port_last == 8080 && list[0].protocol == IPPROTO_TCP &&
		    !list[0].host_address.family);
	assert_true(list[1].container_port == 53 && list[1].host_port == 8000 &&
		    list[1].host_port_last == 8010 && list[1].protocol == IPPROTO_UDP &&
		    ip_is_loopback(&list[1].host_address));
	assert_true(list[2].container_port == 90 && !list[2].host_port);
	assert_true(list[3].container_port == 99 && !list[3].host_port);
	free(list);
	strv_add(&c.config.publish, "80");
	assert_int_not_equal(container_port_requests(&c.config, &list, &n, &err), 0);
	assert_int_equal(err.kind, ERR_INVALID);
	container_free(&c);
}

static void add_port(struct sandbox *s, const char *ip, uint16_t host, uint16_t port,
		     uint8_t protocol)
{
	struct port_binding *b;

	s->ports = xrealloc(s->ports, (s->port_count + 1) * sizeof(*s->ports));
	b = &s->ports[s->port_count++];
	*b = (struct port_binding){.container_port = port, .host_port = host, .protocol = protocol};
	assert_int_equal(ip_parse(ip, &b->host_address), 0);
}

static void add_both(struct sandbox *s, uint16_t host, uint16_t port, uint8_t protocol)
{
	add_port(s, "0.0.0.0", host, port, protocol);
	add_port(s, "::", host, port, protocol);
}

static void test_shown(void **state)
{
	struct container c;
	struct sandbox s;
	struct shown_port *list;
	struct strbuf text = {0}, json = {0};
	struct json_writer w = {.out = &json};
	size_t n;

	(void)state;
	container_init(&c);
	sandbox_init(&s);
	ADD(&c.config.exposed_ports, "9000/udp", "80/tcp", "9001/udp", "9003/udp");
	add_both(&s, 18080, 80, IPPROTO_TCP);
	add_both(&s, 8001, 8001, IPPROTO_TCP);
	add_both(&s, 8000, 8000, IPPROTO_TCP);
	add_port(&s, "127.0.0.1", 53, 53, IPPROTO_UDP);
	container_shown_ports(&c.config, &s, &list, &n);
	ports_format(list, n, &text);
	assert_string_equal(
		strbuf_str(&text),
		"9000-9001/udp, 127.0.0.1:53->53/udp, 0.0.0.0:8000-8001->8000-8001/tcp, "
		"[::]:8000-8001->8000-8001/tcp, 9003/udp, 0.0.0.0:18080->80/tcp, [::]:18080->80/tcp");
	json_write_begin(&w, NULL, '{');
	ports_write_shown(&w, "Ports", list, n);
	json_write_end(&w, '}');
	assert_string_equal(
		strbuf_str(&json),
		"{\"Ports\":{\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"53\"}],"
		"\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18080\"},{\"HostIp\":\"::\","
		"\"HostPort\":\"18080\"}],\"8000/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8000\"},"
		"{\"HostIp\":\"::\",\"HostPort\":\"8000\"}],\"8001/tcp\":[{\"HostIp\":\"0.0.0.0\","
		"\"HostPort\":\"8001\"},{\"HostIp\":\"::\",\"HostPort\":\"8001\"}],\"9000/udp\":null,"
		"\"9001/udp\":null,\"9003/udp\":null}}");
	free(list);
	strbuf_free(&text);
	strbuf_free(&json);
	sandbox_free(&s);
	container_free(&c);
}

static void test_bindings(void **state)
{
	struct container c;
	struct strbuf json = {0};
	struct json_writer w = {.out = &json};

	(void)state;
	container_init(&c);
	ADD(&c.config.publish, ":8080:80/tcp", "[::1]:8000-8010:53/udp", "1.2.3.4::80/tcp");
	json_write_begin(&w, NULL, '{');
	ports_write_bindings(&w, "PortBindings", &c);
	json_write_end(&w, '}');
	assert_string_equal(
		strbuf_str(&json),
		"{\"PortBindings\":{\"53/udp\":[{\"HostIp\":\"::1\",\"HostPort\":\"8000-8010\"}],"
		"\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"},{\"HostIp\":\"1.2.3.4\","
		"\"HostPort\":\"\"}]}}");
	strbuf_free(&json);
	container_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_bindings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
