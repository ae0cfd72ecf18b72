// Scenario: thousands of connections from two addresses of one process.
#include "base/cmdline.h"
#include "crowd.h"
#include "daemon.h"
#include "load.h"
#include "stats.h"

// A sanitizer makes so many wake-ups a second too many.
#define CROWD (sizeof(ECHOD_SANITIZE) > 1 ? 1000 : 5000)

TEST(thousands) {
	size_t crowd = crowd_room(CROWD, 0);
	struct daemon *daemon = daemon_start(NULL);
	char connections[24];
	char rate[24];
	snprintf(connections, sizeof(connections), "%zu", crowd);
	snprintf(rate, sizeof(rate), "%zu", crowd / 2);
	// Each connection is woken every two seconds, thus at least once in three.
	json_t *result =
		load_run(EXIT_OK, daemon->address[0], "-c", connections, "-t", "2", "--rate", rate,
			 "--ramp", "1s", "-d", "3s", "--source", "127.0.0.2,127.0.0.3");
	assert_int_equal(load_errors(result, NULL), 0);
	assert_int_equal(load_count(result, "evidence.unanswered"), 0);
	assert_int_equal(load_count(result, "faults_found"), 0);
	assert_true(load_count(result, "messages") >= crowd);

	stats_wait_at_rest(daemon);
	json_t *snapshot = stats_take(daemon);
	assert_int_equal(stats_get(snapshot, "connections_accepted"), crowd);
	assert_int_equal(stats_get(snapshot, "connections_closed_peer"), crowd);
	assert_int_equal(stats_get(snapshot, "connections_silent"), 0);
	// What came while they were being connected is in no figure.
	assert_int_equal(load_count(result, "bytes_verified"), load_count(result, "bytes"));
	assert_true(stats_get(snapshot, "bytes_received") >= load_count(result, "bytes"));
	assert_int_equal(stats_get(snapshot, "bytes_sent"), stats_get(snapshot, "bytes_received"));
	json_decref(snapshot);
	daemon_stop(daemon);
}
