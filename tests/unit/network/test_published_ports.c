/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that keep published ports: what they exclude, which of them listen, and old connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "network/sandbox.h"
#include "network/script.h"
#include "network_fixture.h"

static const char id_text[] = "00000000000000000000000000000000000000000000000000000000000000ab";

static struct fixture *fixture_of(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* A container with one endpoint that has IPv4 alone. */
static void sandbox_make(struct sandbox *s)
{
	struct endpoint *e;

	sandbox_init(s);
	memcpy(s->container_id, id_text, sizeof(s->container_id));
	s->container_name = xstrdup("web");
	e = sandbox_add_endpoint(s);
	memcpy(e->id, id_text, sizeof(e->id));
	e->network_name = xstrdup("net");
	e->ipv4 = prefix_of("10.1.0.2/24");
}

static struct port_binding port(uint8_t protocol, uint16_t number, const char *address)
{
	struct port_binding p = {.container_port = 80, .host_port = number, .protocol = protocol};

	if (address)
		p.host_address = address_of(address);
	return p;
}

static bool listens(int fd)
{
	socklen_t n = sizeof(int);
	int yes = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n), 0);
	return yes != 0;
}

static struct sockaddr_in loopback(uint16_t number)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(number),
				    .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* Somebody else's attempt, with what servers usually set; listening where that makes sense. */
static int try_other(int type, uint16_t number)
{
	struct sockaddr_in a = loopback(number);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), rc = 0;

	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0))
		rc = -errno;
	close(fd);
	return rc;
}

static void finish(struct fixture *f, struct sandbox *s, struct sandbox_sockets *sockets)
{
	ports_release(&f->s, s);
	sandbox_sockets_close(sockets);
	sandbox_free(s);
}

static void ports_are_kept_from_everybody(void **state)
{
	struct port_binding wanted[] = {port(IPPROTO_TCP, 8080, NULL),
					port(IPPROTO_UDP, 8053, NULL)};
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct sandbox s;

	sandbox_make(&s);
	assert_done(ports_bind(&f->s, &s, wanted, 2, &sockets, &err), err);
	assert_int_equal(sockets.count, 4);
	assert_int_equal(s.port_count, 4);
	/* In their order: 0.0.0.0 and [::] of each; only the TCP of IPv6 is the monitor's to serve. */
	assert_int_equal(s.ports[0].host_address.family, AF_INET);
	assert_int_equal(s.ports[1].host_address.family, AF_INET6);
	assert_false(listens(sockets.fds[0]));
	assert_true(listens(sockets.fds[1]));
	assert_int_equal(s.ports[3].protocol, IPPROTO_UDP);
	assert_int_equal(try_other(SOCK_STREAM, 8080), -EADDRINUSE);
	assert_int_equal(try_other(SOCK_DGRAM, 8053), -EADDRINUSE);
	assert_int_equal(try_other(SOCK_STREAM, 8053), 0);
	finish(f, &s, &sockets);
	assert_int_equal(try_other(SOCK_STREAM, 8080), 0);
	assert_int_equal(try_other(SOCK_DGRAM, 8053), 0);
}

static void ipv6_of_an_endpoint_that_has_it_is_translated(void **state)
{
	struct port_binding wanted[] = {port(IPPROTO_TCP, 8080, "fd00:9::1"),
					port(IPPROTO_TCP, 8081, "::1"),
					port(IPPROTO_TCP, 8082, "::")};
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct sandbox s;

	sandbox_make(&s);
	s.endpoints[0].ipv6 = prefix_of("fd00::2/64");
	assert_int_equal(shell("ip addr add fd00:9::1/128 dev lo nodad", NULL, 0), 0);
	assert_done(ports_bind(&f->s, &s, wanted, 3, &sockets, &err), err);
	assert_int_equal(sockets.count, 3);
	/* For when the network with IPv6 is left. */
	assert_true(listens(sockets.fds[0]));
	assert_false(sandbox_port_is_forwarded(&s, &s.ports[0]));
	assert_true(listens(sockets.fds[1]));
	/* For what comes to [::1]. */
	assert_true(listens(sockets.fds[2]));
	assert_false(sandbox_port_is_forwarded(&s, &s.ports[2]));
	/* IPv6 alone was asked for. */
	assert_int_equal(try_other(SOCK_STREAM, 8082), 0);
	finish(f, &s, &sockets);
}

/* Ends a connection from the server's side, which then keeps the port for a minute. */
static void leave_old_connection(uint16_t number)
{
	struct sockaddr_in a = loopback(number);
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), fd;
	char byte;

	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(server, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	fd = accept(server, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
	close(server);
}

static void old_connections_are_no_obstacle(void **state)
{
	struct port_binding wanted = port(IPPROTO_TCP, 8080, NULL);
	struct sockaddr_in a = loopback(8080);
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct sandbox s;
	int plain = socket(AF_INET, SOCK_STREAM, 0);

	leave_old_connection(8080);
	assert_true(bind(plain, (struct sockaddr *)&a, sizeof(a)) < 0);
	close(plain);
	sandbox_make(&s);
	assert_done(ports_bind(&f->s, &s, &wanted, 1, &sockets, &err), err);
	/* And still nobody else gets it. */
	assert_int_equal(try_other(SOCK_STREAM, 8080), -EADDRINUSE);
	finish(f, &s, &sockets);
}

static void ranges_and_any_port_give_one_number_to_both(void **state)
{
	struct port_binding wanted[3] = {port(IPPROTO_TCP, 0, NULL), port(IPPROTO_UDP, 0, NULL),
					 port(IPPROTO_TCP, 8000, NULL)};
	struct sockaddr_in6 taken = {.sin6_family = AF_INET6, .sin6_port = htons(8000)};
	int other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct sandbox s;

	/* Of the first of the range, one family is taken. */
	assert_int_equal(setsockopt(other, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(other, (struct sockaddr *)&taken, sizeof(taken)), 0);
	wanted[2].host_port_last = 8001;
	sandbox_make(&s);
	assert_done(ports_bind(&f->s, &s, wanted, 3, &sockets, &err), err);
	assert_int_equal(s.port_count, 6);
	for (size_t i = 0; i < 6; i += 2) {
		assert_int_not_equal(s.ports[i].host_port, 0);
		assert_int_equal(s.ports[i].host_port, s.ports[i + 1].host_port);
	}
	assert_int_equal(s.ports[4].host_port, 8001);
	assert_int_equal(try_other(SOCK_STREAM, 8000), 0);
	finish(f, &s, &sockets);
	/* Without a range it is the taken one that is named, and nothing is kept. */
	sandbox_make(&s);
	assert_true(ports_bind(&f->s, &s, (struct port_binding[]){port(IPPROTO_TCP, 8000, NULL)}, 1,
			       &sockets, &err) < 0);
	assert_non_null(strstr(err.msg, ": listen tcp6 [::]:8000: bind: address already in use"));
	assert_int_equal(s.port_count, 0);
	assert_int_equal(sockets.count, 0);
	assert_int_equal(try_other(SOCK_STREAM, 8000), 0);
	sandbox_free(&s);
	close(other);
}

static void many_ports_pass_a_small_soft_limit(void **state)
{
	enum { COUNT = 300 };
	struct port_binding wanted[COUNT];
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct rlimit limit;
	struct sandbox s;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * COUNT + 200)
		skip();
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (uint16_t i = 0; i < COUNT; i++)
		wanted[i] = port(IPPROTO_TCP, (uint16_t)(9000 + i), NULL);
	sandbox_make(&s);
	assert_done(ports_bind(&f->s, &s, wanted, COUNT, &sockets, &err), err);
	assert_int_equal(sockets.count, 2 * COUNT);
	finish(f, &s, &sockets);
	/* One that occurs twice takes nothing from itself, and gives all back. */
	wanted[COUNT - 1] = wanted[0];
	sandbox_make(&s);
	assert_true(ports_bind(&f->s, &s, wanted, COUNT, &sockets, &err) < 0);
	assert_int_equal(try_other(SOCK_STREAM, 9000), 0);
	sandbox_free(&s);
}

/* A process that has the container's lock, and a moment later ends: its sockets went first. */
static pid_t die_slowly(struct fixture *f, const char *id)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	char path[128];
	int ready[2], lock;
	pid_t pid;

	snprintf(path, sizeof(path), "containers/%s", id);
	assert_int_equal(file_mkdir_all_at(f->s.run_fd, path, 0700), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		snprintf(path, sizeof(path), "containers/%s/lock", id);
		lock = openat(f->s.run_fd, path, O_RDWR | O_CREAT, 0600);
		if (lock < 0 || flock(lock, LOCK_EX) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		nanosleep(&moment, NULL);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &(char){0}, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void a_port_of_somebody_who_is_just_dying_is_free(void **state)
{
	static const char dying[] =
		"00000000000000000000000000000000000000000000000000000000000000cd";
	struct port_binding wanted = port(IPPROTO_TCP, 8080, NULL);
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct sandbox s;

	sandbox_make(&s);
	memcpy(s.container_id, dying, sizeof(dying));
	assert_done(ports_bind(&f->s, &s, &wanted, 1, &sockets, &err), err);
	sandbox_sockets_close(&sockets);
	sandbox_free(&s);
	die_slowly(f, dying);
	sandbox_make(&s);
	assert_done(ports_bind(&f->s, &s, &wanted, 1, &sockets, &err), err);
	await_children(1);
	finish(f, &s, &sockets);
}

static int leads_to(struct fixture *f, uint8_t protocol, const char *address, uint16_t number,
		    struct script_forward *out)
{
	struct script_port from = {.protocol = protocol, .port = htons(number)};

	assert_int_equal(inet_pton(AF_INET6, address, from.address), 1);
	return script_forward_find(f->s.run_fd, &from, out);
}

static void what_cannot_be_translated_is_found_in_the_script(void **state)
{
	struct port_binding wanted[] = {
		port(IPPROTO_TCP, 8080, NULL), port(IPPROTO_UDP, 8080, NULL),
		port(IPPROTO_TCP, 8081, "::1"), port(IPPROTO_TCP, 8082, "127.0.0.1")};
	struct fixture *f = fixture_of(state);
	struct sandbox_sockets sockets;
	struct err err = ERR_INIT;
	struct script_forward to;
	struct sandbox s;

	for (uint8_t i = 0; i < 4; i++)
		wanted[i].container_port = 80 + i;
	sandbox_make(&s);
	s.endpoints[0].bridge_index = 1;
	assert_done(ports_bind(&f->s, &s, wanted, 4, &sockets, &err), err);
	assert_done(sandbox_script_write(&f->s, &s, f->s.run_fd, &err), err);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::", 8080, &to), 0);
	assert_int_equal(to.family, AF_INET);
	assert_int_equal(ntohs(to.port), 80);
	assert_memory_equal(to.address, s.endpoints[0].ipv4.address.bytes, 4);
	assert_int_equal(leads_to(f, IPPROTO_UDP, "::", 8080, &to), 0);
	assert_int_equal(ntohs(to.port), 81);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::1", 8081, &to), 0);
	assert_int_equal(ntohs(to.port), 82);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::1", 8080, &to), -ENOENT);
	assert_int_equal(leads_to(f, IPPROTO_UDP, "::1", 8081, &to), -ENOENT);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::", 8082, &to), -ENOENT);
	/* It may have IPv6 after a `network connect`: that is what [::1] leads to then. */
	s.endpoints[0].ipv6 = prefix_of("fd00::2/64");
	assert_done(sandbox_script_write(&f->s, &s, f->s.run_fd, &err), err);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::", 8080, &to), 0);
	assert_int_equal(to.family, AF_INET6);
	assert_int_equal(script_undo_file(f->s.run_fd), 0);
	assert_int_equal(leads_to(f, IPPROTO_TCP, "::", 8080, &to), -ENOENT);
	finish(f, &s, &sockets);
}

static int setup(void **state)
{
	*state = NULL;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespace of its own (needs root)\n");
		return 0;
	}
	return shell("ip link set lo up", NULL, 0) == 0 ? fixture_setup(state) : -1;
}

static int teardown(void **state)
{
	return *state ? fixture_teardown(state) : 0;
}

#define port_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		port_test(ports_are_kept_from_everybody),
		port_test(ipv6_of_an_endpoint_that_has_it_is_translated),
		port_test(old_connections_are_no_obstacle),
		port_test(ranges_and_any_port_give_one_number_to_both),
		port_test(many_ports_pass_a_small_soft_limit),
		port_test(a_port_of_somebody_who_is_just_dying_is_free),
		port_test(what_cannot_be_translated_is_found_in_the_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
