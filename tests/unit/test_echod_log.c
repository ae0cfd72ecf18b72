// The log of a server as a program that embeds it gets it: lib/echod.
#include "expect.h"

#include "embedded.h"
#include "peer.h"
#include "place.h"
#include "process.h"

BEFORE_EACH {
	new_config();
	set("workers", "2");
	set("max-connections", "50");
	set("log-level", "debug");
}

AROUND_EACH(NULL, free_config);

// A server lives: one client comes, is echoed and goes; then it drains. Returns how many lines were
// dropped.
static uint64_t live(void) {
	struct echod *server = start();
	peer_visit(echod_address(server, 0));
	echod_drain(server, 60000);
	assert_int_equal(echod_wait(server, (int)(PATIENCE / NS_PER_MS)), 1);
	uint64_t dropped = counter(server, "log_lines_dropped");
	echod_free(server);
	return dropped;
}

// Of several threads, so in any order.
struct lines {
	pthread_mutex_t lock;
	char text[4096];
};

static int keep_line(void *context, enum echod_log_level level, const char *line) {
	struct lines *lines = context;
	pthread_mutex_lock(&lines->lock);
	size_t used = strlen(lines->text);
	snprintf(lines->text + used, sizeof(lines->text) - used, "%d %s\n", (int)level, line);
	pthread_mutex_unlock(&lines->lock);
	return strstr(line, "draining") == NULL; // drops that one
}

TEST(the_log_tells_of_its_life) {
	static struct lines lines = {.lock = PTHREAD_MUTEX_INITIALIZER};
	set("listen", "127.0.0.1:0");
	echod_config_set_log(config, keep_line, &lines);
	assert_int_equal(live(), 1);
	assert_contains(lines.text,
			"2 started: 2 workers, at most 50 connections, control socket none\n");
	assert_contains(lines.text, "2 listening on 127.0.0.1:");
	assert_contains(lines.text, "3 connection 1 from 127.0.0.1:");
	assert_contains(lines.text, "3 connection 1 closed (peer): 64 bytes received, 64 sent\n");
	assert_contains(lines.text, "2 draining: ");
	assert_contains(lines.text, "2 stopped: 1 connection accepted, 0 aborted\n");
}

// As `event name=value ...` each.
static int keep_entry(void *context, const struct echod_log_entry *entry) {
	struct lines *lines = context;
	pthread_mutex_lock(&lines->lock);
	strcat(lines->text, entry->event);
	for (size_t i = 0; i < entry->field_count; i++) {
		const struct echod_log_field *field = &entry->fields[i];
		char number[24];
		snprintf(number, sizeof(number), "%ju", (uintmax_t)field->number);
		size_t used = strlen(lines->text);
		snprintf(lines->text + used, sizeof(lines->text) - used, " %s=%s", field->name,
			 field->text ? field->text : number);
	}
	strcat(lines->text, "\n");
	pthread_mutex_unlock(&lines->lock);
	return 1;
}

TEST(the_log_has_fields) {
	static struct lines lines = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const char *path = place_address("s");
	set("listen", path);
	echod_config_set_log_entries(config, keep_entry, &lines);
	assert_int_equal(live(), 0);
	assert_contains(lines.text, "started version=");
	assert_contains(lines.text, " workers=2 max_connections=50 control=none\nlistening");
	assert_contains(lines.text, test_text("listening address=%s\n", path));
	assert_contains(lines.text, "accepted connection=1 peer=unix user ");
	assert_contains(lines.text,
			test_text("closed connection=1 peer=unix user %u local=%s reason=peer "
				  "bytes_received=64 bytes_sent=64\n",
				  (unsigned)geteuid(), path));
	assert_contains(lines.text, "draining connections=");
	assert_true(matches(lines.text, " time_left_ms=5[0-9]{4}\n"));
	assert_contains(lines.text, "stopped connections_accepted=1 connections_aborted=0\n");
}
