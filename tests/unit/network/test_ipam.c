/* SPDX-License-Identifier: Apache-2.0 */
/* Giving addresses: which ones, in which order, to many at once, and to those who are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#include "network/ipam.h"
#include "network_fixture.h"

#define NETWORK_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WORKERS 8
#define EACH 25 /* of 253 addresses of the /24: the killed ones' are needed soon */
#define KILLS 48
#define ROUNDS_LEFT 40

static void network_of(struct network *n, struct network_pool *p, const char *subnet)
{
	*n = (struct network){.id = NETWORK_ID,
			      .name = (char *)"net",
			      .driver = (char *)"bridge",
			      .ipv6 = true,
			      .pools = p,
			      .pool_count = 1};
	*p = (struct network_pool){.subnet = prefix_of(subnet)};
	p->gateway = ip_prefix_first(&p->subnet);
	p->gateway = ip_add(&p->gateway, 1);
}

static void id_of(unsigned int number, char id[static ID_LEN + 1])
{
	snprintf(id, ID_LEN + 1, "%064x", number);
}

/* The lock that a container's starter holds; a descriptor. */
static int live(struct fixture *f, unsigned int number)
{
	char path[128], id[ID_LEN + 1];
	int fd;

	id_of(number, id);
	snprintf(path, sizeof(path), "containers/%s", id);
	if (file_mkdir_all_at(f->s.run_fd, path, 0700) < 0)
		return -1;
	strcat(path, "/lock");
	fd = openat(f->s.run_fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? fd : -1;
}

static int take(struct fixture *f, const struct network *n, unsigned int number, const char *wanted,
		struct ip_address *out, struct err *err)
{
	struct ipam_request r = {.network = n, .pool = &n->pools[0]};

	if (wanted)
		r.wanted = address_of(wanted);
	id_of(number, r.holder.container_id);
	snprintf(r.holder.veth, sizeof(r.holder.veth), "veth%07x00", number & 0xfffffff);
	return ipam_take(&f->s, &r, out, err);
}

static void release(struct fixture *f, unsigned int number, const struct ip_address *a)
{
	char id[ID_LEN + 1];

	id_of(number, id);
	ipam_release(&f->s, NETWORK_ID, a, id);
}

static size_t count_taken(struct fixture *f)
{
	int fd = openat(f->s.run_fd, "network/" NETWORK_ID "/address", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void assert_given(struct fixture *f, const struct network *n, unsigned int number,
			 const char *expected)
{
	struct err err = ERR_INIT;
	struct ip_address a;
	char text[IP_TEXT_MAX];

	assert_done(take(f, n, number, NULL, &a, &err), err);
	ip_format(&a, text);
	assert_string_equal(text, expected);
}

static void only_usable_addresses_are_given(void **state)
{
	struct fixture *f = *state;
	struct network_pool p;
	struct err err = ERR_INIT;
	struct ip_address a;
	struct network n;
	int lock = live(f, 1);

	network_of(&n, &p, "10.1.2.0/29");
	strv_add(&p.aux, "router=10.1.2.3");
	/* .0 the network's, .1 the gateway's, .3 set aside, .7 everybody's. */
	assert_given(f, &n, 1, "10.1.2.2");
	assert_given(f, &n, 1, "10.1.2.4");
	assert_given(f, &n, 1, "10.1.2.5");
	a = address_of("10.1.2.4");
	release(f, 1, &a);
	/* What was given back rests until the others were given. */
	assert_given(f, &n, 1, "10.1.2.6");
	assert_given(f, &n, 1, "10.1.2.4");
	assert_int_equal(count_taken(f), 4);
	close(lock);
	assert_true((lock = live(f, 1)) >= 0);
	assert_true(take(f, &n, 1, "10.1.2.1", &a, &err) < 0);
	assert_string_equal(err.msg, "Address already in use");
	assert_true(take(f, &n, 1, "10.1.2.3", &a, &err) < 0);
	strv_free(&p.aux);
	close(lock);
}

static void ranges_and_ipv6_are_followed(void **state)
{
	struct fixture *f = *state;
	int lock = live(f, 1), other = live(f, 2);
	struct network_pool p;
	struct err err = ERR_INIT;
	struct ip_address a;
	struct network n;

	network_of(&n, &p, "192.168.100.0/24");
	p.range = prefix_of("192.168.100.128/31");
	assert_given(f, &n, 1, "192.168.100.128");
	assert_given(f, &n, 1, "192.168.100.129");
	assert_true(take(f, &n, 2, NULL, &a, &err) < 0);
	assert_string_equal(err.msg, "no available IPv4 addresses on this network's address pools: "
				     "net (" NETWORK_ID ")");
	/* Outside of the range, but of the subnet. */
	assert_done(take(f, &n, 2, "192.168.100.7", &a, &err), err);
	network_of(&n, &p, "fd00:1::/64");
	assert_given(f, &n, 1, "fd00:1::2");
	assert_given(f, &n, 1, "fd00:1::3");
	network_of(&n, &p, "fd00:2::/127");
	p.gateway = address_of("fd00:2::1");
	assert_given(f, &n, 1, "fd00:2::");
	assert_true(take(f, &n, 2, NULL, &a, &err) < 0);
	assert_non_null(strstr(err.msg, "no available IPv6 addresses"));
	close(lock);
	close(other);
}

static void the_living_keep_what_they_have(void **state)
{
	struct fixture *f = *state;
	int one = live(f, 1), two = live(f, 2);
	struct network_pool p;
	struct err err = ERR_INIT;
	struct ip_address a;
	struct network n;

	network_of(&n, &p, "10.1.2.0/30");
	assert_given(f, &n, 1, "10.1.2.2");
	assert_true(take(f, &n, 2, "10.1.2.2", &a, &err) < 0);
	assert_string_equal(err.msg, "Address already in use");
	/* Not its own to give back. */
	release(f, 2, &a);
	assert_int_equal(count_taken(f), 1);
	close(one);
	assert_done(take(f, &n, 2, "10.1.2.2", &a, &err), err);
	/* The one that was given up belongs to another now. */
	release(f, 1, &a);
	assert_int_equal(count_taken(f), 1);
	close(two);
}

static void an_address_waits_for_the_device_that_has_it(void **state)
{
	struct fixture *f = *state;
	int one = live(f, 1), two = live(f, 2);
	struct network_pool p;
	struct err err = ERR_INIT;
	struct ip_address a;
	struct network n;
	char text[256];

	if (shell("ip link add veth00000015e type bridge", text, sizeof(text)) != 0)
		skip();
	network_of(&n, &p, "10.1.2.0/30");
	assert_given(f, &n, 1, "10.1.2.2");
	close(one);
	/* The dead one's, of its run 0x5e. */
	assert_true(take(f, &n, 2, NULL, &a, &err) < 0);
	assert_non_null(strstr(err.msg, "no available IPv4 addresses"));
	assert_int_equal(shell("ip link del veth00000015e", text, sizeof(text)), 0);
	assert_given(f, &n, 2, "10.1.2.2");
	close(two);
}

/* ---- many at once, and killed ---- */

struct shared {
	atomic_uint
		owners[256]; /* number of the container that has it, by the last byte; 0 nobody */
	atomic_uint doubled, failed;
};

struct worker {
	struct fixture *f;
	struct network *n;
	struct shared *shared;
	unsigned int first; /* number of its first container */
	struct ip_address have[EACH];
};

static void worker_take(struct worker *w, unsigned int i)
{
	unsigned int number = w->first + i, before;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	if (take(w->f, w->n, number, NULL, &w->have[i], &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		atomic_fetch_add(&w->shared->failed, 1);
		return;
	}
	before = atomic_exchange(&w->shared->owners[w->have[i].bytes[3]], number);
	id_of(before, id);
	if (before && holder_lives(&w->f->s, id))
		atomic_fetch_add(&w->shared->doubled, 1);
}

static void worker_release(struct worker *w, unsigned int i)
{
	unsigned int own = w->first + i;

	if (!w->have[i].family)
		return;
	atomic_compare_exchange_strong(&w->shared->owners[w->have[i].bytes[3]], &own, 0);
	release(w->f, w->first + i, &w->have[i]);
	w->have[i].family = 0;
}

/* rounds: how often it gives one back and takes another; 0: until it is killed. */
static _Noreturn void work(struct fixture *f, struct network *n, struct shared *shared,
			   unsigned int first, unsigned int rounds)
{
	struct worker w = {.f = f, .n = n, .shared = shared, .first = first};
	unsigned int seed = first;

	for (unsigned int i = 0; i < EACH; i++)
		if (live(f, first + i) < 0)
			_exit(3);
	for (unsigned int i = 0; i < EACH; i++)
		worker_take(&w, i);
	for (unsigned int k = 0; rounds == 0 || k < rounds; k++) {
		unsigned int i = (unsigned int)rand_r(&seed) % EACH;

		worker_release(&w, i);
		worker_take(&w, i);
	}
	_exit(0);
}

static void ignore_finding(void *context, const char *kind, const char *what, const char *id,
			   int rc)
{
	(void)kind;
	(void)what;
	(void)id;
	*(int *)context += rc < 0;
}

static void nothing_is_lost_or_doubled_by_killing(void **state)
{
	struct fixture *f = *state;
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int spawned = 0, seed = 4711;
	pid_t pids[WORKERS] = {0};
	struct err err = ERR_INIT;
	struct network_pool p;
	struct network n;
	int unswept = 0;

	assert_true(shared != MAP_FAILED);
	network_of(&n, &p, "10.1.2.0/24");
	for (unsigned int k = 0; k < KILLS + WORKERS; k++) {
		unsigned int i = k % WORKERS;
		/* Anywhere in what it does: the delay is the point, not a wait for anything. */
		struct timespec moment = {.tv_nsec = rand_r(&seed) % 6000000};

		if (pids[i]) {
			nanosleep(&moment, NULL);
			holder_end(pids[i]);
		}
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			work(f, &n, shared, 1 + EACH * spawned, k < KILLS ? 0 : ROUNDS_LEFT);
		spawned++;
	}
	await_children(WORKERS);
	assert_int_equal(atomic_load(&shared->doubled), 0);
	assert_int_equal(atomic_load(&shared->failed), 0);
	assert_done(network_sweep(&f->s, true, ignore_finding, &unswept, &err), err);
	assert_int_equal(unswept, 0);
	assert_int_equal(count_taken(f), 0);
	/* All of them can be given again, and no more. */
	assert_true(live(f, 1) >= 0);
	for (int i = 0; i < 253; i++) {
		struct ip_address a;

		assert_true(live(f, 100000u + (unsigned int)i) >= 0);
		assert_done(take(f, &n, 100000u + (unsigned int)i, NULL, &a, &err), err);
	}
	assert_int_equal(count_taken(f), 253);
	assert_true(take(f, &n, 1, NULL, &(struct ip_address){0}, &err) < 0);
	munmap(shared, sizeof(*shared));
}

#define address_test(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		address_test(only_usable_addresses_are_given),
		address_test(ranges_and_ipv6_are_followed),
		address_test(the_living_keep_what_they_have),
		address_test(an_address_waits_for_the_device_that_has_it),
		address_test(nothing_is_lost_or_doubled_by_killing),
	};

	/* For devices; addresses alone need neither that nor root. */
	if (unshare(CLONE_NEWNET) < 0)
		print_message("# in the host's network namespace\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
