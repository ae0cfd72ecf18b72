// Who answers at an address of this machine: tools/echoload/judge/processes and listening, with
// real sockets.
#include "unit.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "echoload/common/cpu_time.h"
#include "echoload/judge/processes.h"
#include "listeners.h"

// The one process that answers there; 0: nobody is known.
static int answering(const char *address)
{
	struct processes processes;
	const struct endpoint endpoint = listeners_at(address);
	processes_listening(&processes, &endpoint);
	assert_in_range(processes.count, 0, 1);
	return processes.count > 0 ? processes.pid[0] : 0;
}

static void nobody_answers_where_nobody_listens(void **state)
{
	assert_int_equal(answering("127.0.0.1"), 0);
	assert_int_equal(answering("::1"), 0);
	assert_int_equal(answering("/nobody/listens/here"), 0);
}

static void of_one_port_each_address_has_its_own(void **state)
{
	pid_t child = listeners_child("127.0.0.9");
	listeners_here("127.0.0.1");
	assert_int_equal(answering("127.0.0.1"), getpid());
	assert_int_equal(answering("127.0.0.9"), child);
	assert_int_equal(answering("127.0.0.8"), 0);
	assert_int_equal(answering("::1"), 0);
	assert_int_equal(answering("::ffff:127.0.0.9"), child);
	assert_int_equal(answering("0.0.0.0"), getpid()); // as connect(2) takes it
}

static void whoever_listens_everywhere_answers_everywhere(void **state)
{
	listeners_here("0.0.0.0");
	assert_int_equal(answering("127.0.0.1"), getpid());
	assert_int_equal(answering("127.1.2.3"), getpid());
	assert_int_equal(answering("::ffff:127.0.0.1"), getpid());
	assert_int_equal(answering("::1"), 0);
}

static void but_not_on_other_machines(void **state)
{
	listeners_here("::");
	assert_int_equal(answering("192.0.2.1"), 0); // kept for examples: nobody's
	assert_int_equal(answering("2001:db8::1"), 0);
	assert_int_equal(answering("128.0.0.1"), 0);
}

static void on_all_addresses_of_this_machine(void **state)
{
	struct ifaddrs *all;
	char text[NI_MAXHOST];
	listeners_here("::");
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *each = all; each; each = each->ifa_next) {
		int family = each->ifa_addr ? each->ifa_addr->sa_family : AF_UNSPEC;
		if (family != AF_INET && family != AF_INET6)
			continue;
		socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6);
		assert_int_equal(getnameinfo(each->ifa_addr, size, text, sizeof(text), NULL, 0,
					     NI_NUMERICHOST),
				 0);
		text[strcspn(text, "%")] = '\0'; // a link-local one has its interface behind it
		assert_int_equal(answering(text), getpid());
	}
	freeifaddrs(all);
}

static void this_very_address_comes_before_all(void **state)
{
	pid_t child = listeners_child("127.0.0.2");
	pid_t other = listeners_child("0.0.0.0");
	listeners_here("::");
	assert_int_equal(answering("127.0.0.2"), child);
	assert_int_equal(answering("127.0.0.1"), other);
	assert_int_equal(answering("::1"), getpid());
	pid_t six = listeners_child("::1");
	assert_int_equal(answering("::1"), six);
}

static void six_takes_four_too(void **state)
{
	pid_t child = listeners_child("::ffff:127.0.0.3");
	listeners_here("::");
	assert_int_equal(answering("127.0.0.3"), child);
	assert_int_equal(answering("127.0.0.1"), getpid());
	assert_int_equal(answering("::1"), getpid());
	assert_int_equal(answering("::"), getpid());
}

static void a_path_has_its_own(void **state)
{
	char folder[] = "/tmp/echod-unit-XXXXXX", path[64], other[64];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a socket", folder);
	snprintf(other, sizeof(other), "%s/a", folder);
	pid_t child = listeners_child(other); // before there is something to inherit
	listeners_here(path);
	int here = answering(path), there = answering(other);
	unlink(path);
	unlink(other);
	rmdir(folder);
	assert_int_equal(here, getpid());
	assert_int_equal(there, child);
}

static void who_is_stopped_is_seen(void **state)
{
	pid_t child = listeners_child("127.0.0.1");
	const struct processes processes = {.pid = {getpid(), child}, .count = 2};
	assert_false(processes_stopped(&processes));
	listeners_stop(child);
	assert_true(processes_stopped(&processes));
	const struct processes self = {.pid = {getpid()}, .count = 1};
	assert_false(processes_stopped(&self));
}

static void cpus_are_those_of_all_together(void **state)
{
	cpu_set_t own, one;
	size_t first = 0;
	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	while (!CPU_ISSET(first, &own))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	pid_t child = listeners_child("127.0.0.1");
	assert_int_equal(sched_setaffinity(child, sizeof(one), &one), 0);
	const struct processes nobody = {.count = 0};
	struct processes processes = {.pid = {child}, .count = 1};
	assert_int_equal(processes_cpus(&nobody), 1);
	assert_int_equal(processes_cpus(&processes), 1);
	processes.pid[processes.count++] = getpid();
	assert_int_equal(processes_cpus(&processes), CPU_COUNT(&own));
}

static void what_we_do_is_wanted_of_the_cpus(void **state)
{
	uint64_t before, wanted, stolen_before, stolen;
	cpu_time_of_machine(&before, &stolen_before);
	for (uint64_t until = clock_deadline(20 * NS_PER_S);;) {
		cpu_time_of_machine(&wanted, &stolen);
		if (wanted - before >= 50 * NS_PER_MS)
			break;
		assert_true(clock_now() < until);
	}
	assert_true(stolen >= stolen_before && stolen - stolen_before <= wanted - before);
}

static void each_is_united_once(void **state)
{
	struct processes sum = {.pid = {1, 2}, .count = 2};
	const struct processes more = {.pid = {2, 3}, .count = 2}, other = {.pid = {4}, .count = 1};
	assert_true(processes_overlap(&sum, &more));
	assert_false(processes_overlap(&sum, &other));
	processes_unite(&sum, &more);
	assert_int_equal(sum.count, 3);
	assert_int_equal(sum.pid[2], 3);
	struct processes many = {0};
	for (int i = 0; i < PROCESSES; i++)
		many.pid[many.count++] = 10 + i;
	processes_unite(&many, &sum); // as many as there is room for
	assert_int_equal(many.count, PROCESSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTENERS_TEST(nobody_answers_where_nobody_listens),
		LISTENERS_TEST(of_one_port_each_address_has_its_own),
		LISTENERS_TEST(whoever_listens_everywhere_answers_everywhere),
		LISTENERS_TEST(but_not_on_other_machines),
		LISTENERS_TEST(on_all_addresses_of_this_machine),
		LISTENERS_TEST(this_very_address_comes_before_all),
		LISTENERS_TEST(six_takes_four_too),
		LISTENERS_TEST(a_path_has_its_own),
		LISTENERS_TEST(who_is_stopped_is_seen),
		LISTENERS_TEST(cpus_are_those_of_all_together),
		cmocka_unit_test(what_we_do_is_wanted_of_the_cpus),
		cmocka_unit_test(each_is_united_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
