/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers' connections from the request to packets: a process in a namespace of its own is the
 * container, this program's namespace the host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel/link.h"
#include "network/endpoint.h"
#include "network/script.h"
#include "network_fixture.h"

/* A container: its directory and lock, its request, what it was given, its first process. */
struct container {
	char id[ID_LEN + 1], path[256];
	int dir, lock;
	struct endpoint_request requests[4];
	struct sandbox_request request;
	struct sandbox sandbox;
	struct sandbox_sockets sockets;
	pid_t pid;
	struct err err;
};

/* As its starter does: the lock before anything else. */
static void container_open(struct fixture *f, struct container *c, const char *id)
{
	char path[128];

	*c = (struct container){.err = ERR_INIT};
	memcpy(c->id, id, sizeof(c->id));
	snprintf(path, sizeof(path), "containers/%s", c->id);
	snprintf(c->path, sizeof(c->path), "%s/%s", f->run, path);
	assert_int_equal(file_mkdir_all_at(f->s.run_fd, path, 0700), 0);
	c->dir = openat(f->s.run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c->lock = openat(c->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(c->dir >= 0 && c->lock >= 0);
	assert_int_equal(flock(c->lock, LOCK_EX | LOCK_NB), 0);
	c->request = (struct sandbox_request){
		.container_id = c->id, .container_name = "web", .endpoints = c->requests};
}

static void container_make(struct fixture *f, struct container *c, char letter)
{
	char id[ID_LEN + 1] = "";

	memset(id, letter, ID_LEN);
	container_open(f, c, id);
}

static void container_join(struct container *c, const char *network)
{
	c->requests[c->request.endpoint_count++] =
		(struct endpoint_request){.network = (char *)network};
}

static int container_prepare(struct fixture *f, struct container *c)
{
	return sandbox_prepare(&f->s, &c->request, c->dir, c->path, &c->sandbox, &c->sockets,
			       &c->err);
}

/* Runs network.script in a fresh copy, as the monitor does for each run. */
static int container_run(struct container *c, uint32_t run, struct script_names *names)
{
	int fd = openat(c->dir, SCRIPT_FILE, O_RDONLY | O_CLOEXEC), rc;
	struct script_times times;
	struct stat st;
	void *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_true(bytes != MAP_FAILED);
	close(fd);
	if (!c->pid)
		c->pid = holder_start();
	rc = script_run(bytes, (size_t)st.st_size, c->pid, -1, run, names, &times, &c->err);
	munmap(bytes, (size_t)st.st_size);
	assert_true(rc < 0 || (times.links && times.inside >= times.links));
	return rc;
}

static void container_start(struct fixture *f, struct container *c)
{
	struct script_names names;

	assert_done(container_prepare(f, c), c->err);
	assert_done(container_run(c, 0, &names), c->err);
	if (names.udp >= 0)
		close(names.udp);
	if (names.tcp >= 0)
		close(names.tcp);
}

/* The monitor's end: undone, then the sockets, then the lock. */
static void container_end(struct container *c)
{
	assert_int_equal(script_undo_file(c->dir), 0);
	for (size_t i = 0; i < c->sockets.count; i++)
		close(c->sockets.fds[i]);
	free(c->sockets.fds);
	if (c->pid)
		holder_end(c->pid);
	close(c->lock);
	close(c->dir);
	sandbox_free(&c->sandbox);
}

/* As if the monitor were killed: nothing is undone, its descriptors are closed. */
static void container_lose(struct container *c)
{
	for (size_t i = 0; i < c->sockets.count; i++)
		close(c->sockets.fds[i]);
	free(c->sockets.fds);
	if (c->pid)
		holder_end(c->pid);
	close(c->lock);
	close(c->dir);
	sandbox_free(&c->sandbox);
}

static void make_network(struct fixture *f, const char *name, const char *subnet)
{
	auto_network struct network n;
	struct err err = ERR_INIT;

	network_init(&n);
	n.name = xstrdup(name);
	n.pools = xcalloc(1, sizeof(*n.pools));
	n.pool_count = 1;
	n.pools[0].subnet = prefix_of(subnet);
	n.pools[0].subnet_given = true;
	assert_done(network_create(&f->s, &n, &err), err);
}

static size_t count_addresses(struct fixture *f, const char *network)
{
	auto_network struct network n;
	struct err err = ERR_INIT;
	char path[128];

	assert_done(network_find(&f->s, network, &n, &err), err);
	snprintf(path, sizeof(path), "network/%s/address", n.id);
	return count_in(f, path);
}

static bool inside_says(const struct container *c, const char *command, const char *part)
{
	int back = netns_enter(c->pid);
	char out[4096];

	shell(command, out, sizeof(out));
	netns_leave(back);
	if (!strstr(out, part))
		print_message("%s: %s\n", command, out);
	return strstr(out, part) != NULL;
}

static int inside(const struct container *c, const char *command)
{
	int back = netns_enter(c->pid), rc;
	char out[4096];

	rc = shell(command, out, sizeof(out));
	netns_leave(back);
	return rc;
}

static int connect_to(const char *address, uint16_t port)
{
	struct ip_address a = address_of(address);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	struct timeval patience = {.tv_sec = 5};

	memcpy(&in.sin_addr, a.bytes, 4);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	rc = connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Whether an address answers at all, asked from inside: nobody listens on that port. */
static bool answers_inside(const struct container *c, const struct ip_address *a)
{
	int back = netns_enter(c->pid), rc;
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	rc = connect_to(text, 9);
	netns_leave(back);
	if (rc != -ECONNREFUSED)
		print_message("%s: %s\n", text, strerror(-rc));
	return rc == -ECONNREFUSED;
}

static struct fixture *fixture_of(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* ---- tests ---- */

static void a_container_reaches_its_gateway_and_its_neighbour(void **state)
{
	struct fixture *f = fixture_of(state);
	struct container a, b;

	container_make(f, &a, 'a');
	container_join(&a, NULL);
	container_start(f, &a);
	container_make(f, &b, 'b');
	container_join(&b, "bridge");
	container_start(f, &b);
	assert_true(inside_says(&a, "ip -o link show eth0", "state UP"));
	assert_true(answers_inside(&a, &a.sandbox.endpoints[0].gateway4));
	assert_true(answers_inside(&a, &b.sandbox.endpoints[0].ipv4.address));
	/* No IPv6 on a network without. */
	assert_int_equal(inside(&a, "ip -6 addr show eth0 | grep -q inet6"), 1);
	assert_int_equal(count_addresses(f, "bridge"), 2);
	container_end(&a);
	container_end(&b);
	assert_int_equal(count_addresses(f, "bridge"), 0);
}

static void every_run_has_a_device_of_its_own(void **state)
{
	struct fixture *f = fixture_of(state);
	struct script_names names;
	struct container c;
	pid_t first;

	make_network(f, "user", "10.9.0.0/24");
	container_make(f, &c, 'a');
	container_join(&c, "user");
	assert_done(container_prepare(f, &c), c.err);
	assert_done(container_run(&c, 0, &names), c.err);
	assert_true(names.udp >= 0 && names.tcp >= 0);
	close(names.udp);
	close(names.tcp);
	first = c.pid;
	c.pid = 0;
	assert_done(container_run(&c, 0x1ab, &names), c.err);
	close(names.udp);
	close(names.tcp);
	assert_true(link_index(c.sandbox.endpoints[0].veth) != 0);
	memcpy(c.sandbox.endpoints[0].veth + strlen(c.sandbox.endpoints[0].veth) - 2, "ab", 2);
	assert_true(link_index(c.sandbox.endpoints[0].veth) != 0);
	/* Once more in the same namespace: the kernel's refusal, and which device. */
	assert_true(container_run(&c, 0x1ab, &names) < 0);
	assert_non_null(strstr(c.err.msg, "File exists"));
	assert_non_null(strstr(c.err.msg, c.sandbox.endpoints[0].veth));
	holder_end(first);
	container_end(&c);
}

static void several_networks_and_ipv6(void **state)
{
	struct fixture *f = fixture_of(state);
	auto_network struct network n;
	struct err err = ERR_INIT;
	struct container c;

	make_network(f, "one", "10.9.0.0/24");
	network_init(&n);
	n.name = xstrdup("two");
	n.ipv6 = true;
	strv_add(&n.options, "com.docker.network.driver.mtu=1400");
	strv_add(&n.options, "com.docker.network.bridge.enable_icc=false");
	assert_done(network_create(&f->s, &n, &err), err);
	container_make(f, &c, 'a');
	container_join(&c, "one");
	container_join(&c, "two");
	c.requests[0].ipv4 = (char *)"10.9.0.77";
	c.requests[0].mac = (char *)"02:aa:bb:cc:dd:ee";
	container_start(f, &c);
	assert_true(inside_says(&c, "ip addr show eth0", "10.9.0.77/24"));
	assert_true(inside_says(&c, "ip link show eth0", "02:aa:bb:cc:dd:ee"));
	assert_true(inside_says(&c, "ip link show eth1", "mtu 1400"));
	assert_true(inside_says(&c, "ip -6 addr show eth1", "scope global"));
	assert_true(inside_says(&c, "ip route", "default via 10.9.0.1 dev eth0"));
	assert_true(inside_says(&c, "ip -6 route", "default via fd"));
	assert_int_equal(count_addresses(f, "two"), 2);
	container_end(&c);
	assert_int_equal(count_addresses(f, "two"), 0);
	assert_done(network_remove(&f->s, &n, &err), err);
	assert_int_equal(link_index(n.bridge), 0);
}

static void what_was_given_is_read_back(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct container c;
	struct sandbox back;

	make_network(f, "user", "10.9.0.0/24");
	container_make(f, &c, 'a');
	container_join(&c, "user");
	strv_add(&c.requests[0].aliases, "db");
	strv_add(&c.requests[0].links, "x:y");
	c.request.ports = &port;
	c.request.port_count = 1;
	assert_done(container_prepare(f, &c), c.err);
	assert_int_equal(c.sockets.count, 2);
	assert_done(sandbox_read(c.dir, &back, &c.err), c.err);
	assert_string_equal(back.container_id, c.id);
	assert_string_equal(back.container_name, "web");
	assert_int_equal(back.endpoint_count, 1);
	assert_string_equal(back.endpoints[0].network_name, "user");
	assert_string_equal(back.endpoints[0].device, "eth0");
	assert_memory_equal(back.endpoints[0].mac, "\x02\x42\x0a\x09\x00", 5);
	assert_true(back.endpoints[0].has_names);
	assert_string_equal(back.endpoints[0].aliases.items[0], "db");
	assert_string_equal(back.endpoints[0].request.links.items[0], "x:y");
	assert_int_equal(back.port_count, 2);
	assert_int_equal(back.ports[1].host_address.family, AF_INET6);
	assert_int_equal(back.ports[1].host_port, 8080);
	assert_true(sandbox_port_is_forwarded(&back, &back.ports[1]));
	assert_false(sandbox_port_is_forwarded(&back, &back.ports[0]));
	sandbox_free(&back);
	strv_free(&c.requests[0].aliases);
	strv_free(&c.requests[0].links);
	container_end(&c);
	assert_int_equal(count_in(f, "network/ports"), 0);
}

/* The socket of a listener inside on port 80, made from out here. */
static int listen_inside(const struct container *c, int family)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(80)};
	int back = netns_enter(c->pid), fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(family == AF_INET6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6))
					    : bind(fd, (struct sockaddr *)&a4, sizeof(a4)),
			 0);
	assert_int_equal(listen(fd, 8), 0);
	netns_leave(back);
	return fd;
}

static void published_ports_lead_inside(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding ports[] = {
		{.container_port = 80, .host_port = 0, .protocol = IPPROTO_TCP},
		{.container_port = 80,
		 .host_port = 8000,
		 .host_port_last = 8010,
		 .protocol = IPPROTO_TCP,
		 .host_address = address_of("127.0.0.1")},
	};
	struct container a, b;
	struct ip_address gateway;
	char text[IP_TEXT_MAX];
	int listener;

	container_make(f, &a, 'a');
	container_join(&a, NULL);
	a.request.ports = ports;
	a.request.port_count = 2;
	container_start(f, &a);
	assert_int_equal(a.sandbox.port_count, 3);
	/* The same number on both families. */
	assert_true(a.sandbox.ports[0].host_port != 0);
	assert_int_equal(a.sandbox.ports[0].host_port, a.sandbox.ports[1].host_port);
	assert_int_equal(a.sandbox.ports[2].host_port, 8000);
	listener = listen_inside(&a, AF_INET);
	gateway = a.sandbox.endpoints[0].gateway4;
	ip_format(&gateway, text);
	assert_int_equal(connect_to(text, a.sandbox.ports[0].host_port), 0);
	assert_int_equal(connect_to("127.0.0.1", a.sandbox.ports[0].host_port), 0);
	assert_int_equal(connect_to("127.0.0.1", 8000), 0);
	assert_true(connect_to(text, 8000) < 0);
	/* The next takes the next of the range. */
	container_make(f, &b, 'b');
	container_join(&b, NULL);
	b.request.ports = &ports[1];
	b.request.port_count = 1;
	assert_done(container_prepare(f, &b), b.err);
	assert_int_equal(b.sandbox.ports[0].host_port, 8001);
	container_end(&b);
	close(listener);
	container_end(&a);
	assert_true(connect_to("127.0.0.1", 8000) < 0);
	assert_int_equal(count_in(f, "network/ports"), 0);
}

static void taken_ports_are_refused_in_dockers_words(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(8081)};
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct container a, b;

	assert_int_equal(bind(other, (struct sockaddr *)&in, sizeof(in)), 0);
	container_make(f, &a, 'a');
	container_join(&a, NULL);
	a.request.ports = &port;
	a.request.port_count = 1;
	assert_done(container_prepare(f, &a), a.err);
	container_make(f, &b, 'b');
	container_join(&b, NULL);
	b.request.ports = &port;
	b.request.port_count = 1;
	assert_true(container_prepare(f, &b) < 0);
	assert_non_null(strstr(b.err.msg, "driver failed programming external connectivity on "
					  "endpoint web ("));
	assert_non_null(strstr(b.err.msg, "): Bind for 0.0.0.0:8080 failed: port is already "
					  "allocated"));
	port.host_address = address_of("127.0.0.1");
	assert_true(container_prepare(f, &b) < 0);
	assert_non_null(strstr(b.err.msg, "Bind for 127.0.0.1:8080 failed: port is already "
					  "allocated"));
	port.host_address.family = 0;
	port.host_port = 8081;
	assert_true(container_prepare(f, &b) < 0);
	assert_non_null(
		strstr(b.err.msg, "): listen tcp4 0.0.0.0:8081: bind: address already in use"));
	port.host_address = address_of("10.99.99.99");
	assert_true(container_prepare(f, &b) < 0);
	assert_non_null(strstr(b.err.msg, "listen tcp4 10.99.99.99:8081: bind: cannot assign "
					  "requested address"));
	/* What was taken before is given back. */
	assert_int_equal(count_addresses(f, "bridge"), 1);
	assert_int_equal(count_in(f, "network/ports"), 2);
	port.protocol = IPPROTO_UDP;
	port.host_address.family = 0;
	assert_done(container_prepare(f, &b), b.err);
	container_end(&b);
	close(other);
	container_end(&a);
}

static void a_lost_containers_ports_and_addresses_are_free_again(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct container a, b, c;
	char table[4096], command[96];

	make_network(f, "tiny", "10.9.0.0/30");
	container_make(f, &a, 'a');
	container_join(&a, "tiny");
	a.request.ports = &port;
	a.request.port_count = 1;
	container_start(f, &a);
	/* One address, and it is held. */
	container_make(f, &c, 'c');
	container_join(&c, "tiny");
	assert_true(container_prepare(f, &c) < 0);
	assert_non_null(strstr(c.err.msg, "no available IPv4 addresses on this network's address "
					  "pools: tiny ("));
	container_end(&c);
	container_lose(&a);
	container_make(f, &b, 'b');
	container_join(&b, "tiny");
	b.requests[0].ipv4 = (char *)"10.9.0.2";
	b.request.ports = &port;
	b.request.port_count = 1;
	container_start(f, &b);
	assert_int_equal(count_addresses(f, "tiny"), 1);
	assert_int_equal(count_in(f, "network/ports"), 2);
	assert_true(faccessat(b.dir, SCRIPT_FILE, F_OK, 0) == 0);
	container_end(&b);
	snprintf(command, sizeof(command), "nft list map inet %s ports4", f->s.table);
	assert_int_equal(shell(command, table, sizeof(table)), 0);
	assert_null(strstr(table, "8080"));
}

static void count_finding(void *context, const char *kind, const char *what, const char *id, int rc)
{
	(void)kind;
	(void)what;
	(void)id;
	*(int *)context += rc == 0 ? 1 : 100;
}

static void a_sweep_finds_what_a_crash_left(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct container a, b;
	struct err err = ERR_INIT;
	int found = 0;

	container_make(f, &a, 'a');
	container_join(&a, NULL);
	a.request.ports = &port;
	a.request.port_count = 1;
	assert_done(container_prepare(f, &a), a.err);
	container_make(f, &b, 'b');
	container_join(&b, NULL);
	assert_done(container_prepare(f, &b), b.err);
	/* As if killed before its script stood. */
	assert_int_equal(unlinkat(a.dir, SCRIPT_FILE, 0), 0);
	container_lose(&a);
	assert_done(network_sweep(&f->s, false, count_finding, &found, &err), err);
	assert_int_equal(found, 3);
	found = 0;
	assert_done(network_sweep(&f->s, true, count_finding, &found, &err), err);
	assert_int_equal(found, 3);
	found = 0;
	assert_done(network_sweep(&f->s, true, count_finding, &found, &err), err);
	assert_int_equal(found, 0);
	assert_int_equal(count_addresses(f, "bridge"), 1);
	container_end(&b);
}

/* A life from the first file to the last, over and over; each of another container. A byte goes to
 * `lived` once the first is over. */
static _Noreturn void live_until_killed(struct fixture *f, unsigned int first, int lived)
{
	struct port_binding ports[2] = {{.container_port = 80,
					 .host_port = 9000,
					 .host_port_last = 9040,
					 .protocol = IPPROTO_TCP},
					{.container_port = 53, .protocol = IPPROTO_UDP}};

	for (unsigned int i = first;; i++) {
		struct script_names names;
		struct container c;
		char id[ID_LEN + 1];

		snprintf(id, sizeof(id), "%064x", i);
		container_open(f, &c, id);
		container_join(&c, NULL);
		c.request.ports = ports;
		c.request.port_count = 2;
		if (container_prepare(f, &c) < 0 || container_run(&c, 0, &names) < 0) {
			fprintf(stderr, "%s\n", c.err.msg);
			_exit(3);
		}
		container_end(&c);
		if (i == first && write(lived, "", 1) != 1)
			_exit(4);
	}
}

static void nothing_is_left_by_killing(void **state)
{
	struct fixture *f = fixture_of(state);
	unsigned int seed = 815;
	struct err err = ERR_INIT;
	int found = 0;
	char table[4096], command[96];
	pid_t pids[4] = {0};
	int lived[4] = {0};

	for (unsigned int k = 0; k < 40; k++) {
		/* Anywhere in what it does: the delay is the point, not a wait for anything. */
		struct timespec moment = {.tv_nsec = rand_r(&seed) % 10000000};
		pid_t *pid = &pids[k % 4];
		int status = SIGKILL, ends[2];

		if (*pid) {
			/* Nothing comes from one that has ended. */
			assert_int_equal(read(lived[k % 4], &(char){0}, 1), 1);
			close(lived[k % 4]);
			nanosleep(&moment, NULL);
			kill(*pid, SIGKILL);
			waitpid(*pid, &status, 0);
			assert_true(WIFSIGNALED(status));
		}
		*pid = 0;
		if (k >= 36)
			continue;
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		*pid = fork();
		if (*pid == 0)
			live_until_killed(f, 1 + k * 1000, ends[1]);
		close(ends[1]);
		lived[k % 4] = ends[0];
	}
	assert_done(network_sweep(&f->s, true, count_finding, &found, &err), err);
	/* Devices go with their namespaces, a moment after their processes. */
	for (int i = 0; i < 2000 && count_addresses(f, "bridge"); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
		assert_done(network_sweep(&f->s, true, count_finding, &found, &err), err);
	}
	assert_true(found > 0);
	assert_int_equal(count_addresses(f, "bridge"), 0);
	assert_int_equal(count_in(f, "network/ports"), 0);
	snprintf(command, sizeof(command), "nft list table inet %s", f->s.table);
	assert_int_equal(shell(command, table, sizeof(table)), 0);
	assert_null(strstr(table, "elements = { tcp"));
	assert_null(strstr(table, "elements = { udp"));
}

static void addresses_asked_for_are_checked(void **state)
{
	static const struct {
		const char *network, *address, *text;
	} cases[] = {
		{"bridge", "172.17.0.9",
		 "user specified IP address is supported on user defined networks only"},
		{"user", "10.8.0.1",
		 "Invalid address 10.8.0.1: It does not belong to any of this network's subnets"},
		{"user", "10.9.0.1", "Address already in use"},
		{"user", "10.9.0.0", "Address already in use"},
		{"user", "10.9.0.255", "Address already in use"},
		{"user", "10.9.0.999", "invalid IPv4 address: 10.9.0.999"},
		{"user", "10.9.0.9", NULL},
		{"nowhere", NULL, "network nowhere not found"},
	};
	struct fixture *f = fixture_of(state);

	make_network(f, "user", "10.9.0.0/24");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct container c;

		container_make(f, &c, 'a');
		container_join(&c, cases[i].network);
		c.requests[0].ipv4 = (char *)cases[i].address;
		assert_int_equal(container_prepare(f, &c) < 0, cases[i].text != NULL);
		if (cases[i].text)
			assert_string_equal(c.err.msg, cases[i].text);
		container_end(&c);
	}
	assert_int_equal(count_addresses(f, "user"), 0);
}

static void a_running_container_is_connected_and_disconnected(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct endpoint_request request = {.network = (char *)"two"};
	auto_network struct network one, two;
	struct err err = ERR_INIT;
	struct script_names names;
	struct container c;
	int listener;

	make_network(f, "one", "10.9.0.0/24");
	make_network(f, "two", "10.10.0.0/24");
	assert_done(network_find(&f->s, "one", &one, &err), err);
	assert_done(network_find(&f->s, "two", &two, &err), err);
	container_make(f, &c, 'a');
	container_join(&c, "one");
	c.request.ports = &port;
	c.request.port_count = 1;
	container_start(f, &c);
	listener = listen_inside(&c, AF_INET);
	assert_done(sandbox_connect(&f->s, &c.sandbox, &request, c.dir, c.path, c.pid, -1, &err),
		    err);
	assert_true(inside_says(&c, "ip addr show eth1", "10.10.0.2/24"));
	assert_int_equal(count_addresses(f, "two"), 1);
	assert_true(sandbox_connect(&f->s, &c.sandbox, &request, c.dir, c.path, c.pid, -1, &err) <
		    0);
	assert_string_equal(err.msg, "endpoint with name web already exists in network two");
	assert_true(network_remove(&f->s, &two, &err) < 0);
	assert_int_equal(err.kind, ERR_FORBIDDEN);
	assert_non_null(strstr(err.msg, "has active endpoints"));
	/* Ports and the default route go over to what is left. */
	assert_done(sandbox_disconnect(&f->s, &c.sandbox, one.id, c.dir, c.path, c.pid, -1, &err),
		    err);
	assert_int_equal(inside(&c, "ip link show eth0"), 1);
	assert_true(inside_says(&c, "ip route", "default via 10.10.0.1 dev eth1"));
	assert_int_equal(connect_to("127.0.0.1", 8080), 0);
	assert_int_equal(count_addresses(f, "one"), 0);
	assert_done(network_remove(&f->s, &one, &err), err);
	assert_done(sandbox_open_names(c.pid, -1, &names, &err), err);
	close(names.udp);
	close(names.tcp);
	close(listener);
	container_end(&c);
	assert_int_equal(count_addresses(f, "two"), 0);
	assert_done(network_remove(&f->s, &two, &err), err);
}

static void a_flushed_ruleset_is_restored(void **state)
{
	struct fixture *f = fixture_of(state);
	struct port_binding port = {
		.container_port = 80, .host_port = 8080, .protocol = IPPROTO_TCP};
	struct err err = ERR_INIT;
	struct container c, stopped;
	int listener;
	char text[64];

	container_make(f, &c, 'a');
	container_join(&c, NULL);
	c.request.ports = &port;
	c.request.port_count = 1;
	container_start(f, &c);
	listener = listen_inside(&c, AF_INET);
	/* One that is being undone must not come back. */
	container_make(f, &stopped, 'b');
	container_join(&stopped, NULL);
	port.host_port = 8081;
	stopped.request.ports = &port;
	stopped.request.port_count = 1;
	container_start(f, &stopped);
	assert_int_equal(renameat(stopped.dir, SCRIPT_FILE, stopped.dir, SCRIPT_UNDONE_FILE), 0);
	assert_int_equal(shell("nft flush ruleset", text, sizeof(text)), 0);
	assert_true(connect_to("127.0.0.1", 8080) < 0);
	assert_done(network_restore(&f->s, &err), err);
	assert_int_equal(connect_to("127.0.0.1", 8080), 0);
	assert_true(connect_to("127.0.0.1", 8081) < 0);
	/* Again, though nothing is missing. */
	assert_done(network_restore(&f->s, &err), err);
	assert_int_equal(connect_to("127.0.0.1", 8080), 0);
	close(listener);
	container_end(&stopped);
	container_end(&c);
}

static void a_damaged_script_is_refused(void **state)
{
	struct fixture *f = fixture_of(state);
	struct script_names names;
	struct err err = ERR_INIT;
	struct container c;
	char *bytes;
	size_t n;

	container_make(f, &c, 'a');
	container_join(&c, NULL);
	assert_done(container_prepare(f, &c), c.err);
	assert_int_equal(file_read_at(c.dir, SCRIPT_FILE, SCRIPT_BYTES_MAX, &bytes, &n), 0);
	for (size_t cut = 0; cut < n; cut += 4) {
		struct script_header h = {.version = SCRIPT_VERSION, .bytes = (uint32_t)cut};
		char *copy = malloc(cut + 1);

		memcpy(copy, bytes, cut);
		if (cut >= sizeof(h))
			memcpy(copy, &h, sizeof(h));
		/* Of no process: what is whole up to the cut is tried, and refused by the kernel. */
		if (script_run(copy, cut, INT32_MAX, -1, 0, &names, NULL, &err) == 0)
			fail_msg("%zu of %zu bytes are taken for a script", cut, n);
		free(copy);
	}
	free(bytes);
	container_end(&c);
}

static int setup(void **state)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespace of its own (needs root)\n");
		*state = NULL;
		return 0;
	}
	if (shell("ip link set lo up", NULL, 0) != 0)
		return -1;
	return fixture_setup(state);
}

static int teardown(void **state)
{
	return *state ? fixture_teardown(state) : 0;
}

#define network_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		network_test(a_container_reaches_its_gateway_and_its_neighbour),
		network_test(every_run_has_a_device_of_its_own),
		network_test(several_networks_and_ipv6),
		network_test(what_was_given_is_read_back),
		network_test(published_ports_lead_inside),
		network_test(taken_ports_are_refused_in_dockers_words),
		network_test(a_lost_containers_ports_and_addresses_are_free_again),
		network_test(a_sweep_finds_what_a_crash_left),
		network_test(nothing_is_left_by_killing),
		network_test(addresses_asked_for_are_checked),
		network_test(a_running_container_is_connected_and_disconnected),
		network_test(a_flushed_ruleset_is_restored),
		network_test(a_damaged_script_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
