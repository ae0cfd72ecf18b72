// Every setting of a server with good and bad values: lib/config. A message names what was given
// and what is allowed.
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lib/config.h"
#include "pool/cpus.h"

static struct echod_config *config;

static int make(void **state)
{
	config = echod_config_new();
	return config ? 0 : -1;
}

static int drop(void **state)
{
	echod_config_free(config);
	return 0;
}

#define CONFIG(test) cmocka_unit_test_setup_teardown(test, make, drop)

static void set(const char *name, const char *value)
{
	struct echod_error error = {.kind = ECHOD_ERROR_NONE};
	if (echod_config_set(config, name, value, &error) != 0)
		fail_msg("%s %s: %s", name, value, error.message);
	assert_int_equal(error.kind, ECHOD_ERROR_NONE); // left alone
}

static void expect_refused(const char *name, const char *value, const char *message)
{
	unsigned char before[sizeof(*config)];
	memcpy(before, config, sizeof(before));
	struct echod_error error = {.kind = ECHOD_ERROR_NONE};
	assert_int_equal(echod_config_set(config, name, value, NULL), -1); // nobody listens
	assert_int_equal(echod_config_set(config, name, value, &error), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	if (!strstr(error.message, message))
		fail_msg("%s: '%s' does not say '%s'", name, error.message, message);
	assert_null(strchr(error.message, '\n'));
	assert_memory_equal(before, config, sizeof(before)); // what was refused changed nothing
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	const struct server_config *server = &config->server;
	assert_int_equal(server->listen_count, 1);
	assert_string_equal(server->listen[0].host, "127.0.0.1");
	assert_int_equal(server->listen[0].port, 65432);
	unsigned cpus = cpus_usable(pthread_self());
	assert_int_equal(server->workers, cpus > 4 ? cpus : 4);
	assert_int_equal(server->max_connections, 0);
	assert_int_equal(server->max_per_source, 0);
	assert_int_equal(server->source_prefix6, 64);
	assert_int_equal(server->overload, OVERLOAD_WAIT);
	assert_true(server->idle_timeout == CLOCK_NEVER);
	assert_true(server->send_timeout == 60 * NS_PER_S);
	assert_true(server->drain_timeout == 10 * NS_PER_S);
	assert_true(server->patience == 5 * NS_PER_MS);
	assert_true(server->spin == 50 * NS_PER_US);
	assert_true(server->pending_limit == UINT64_C(64) << 20);
	assert_int_equal(server->backlog, 4096);
	assert_int_equal(server->buffer_size, 65536);
	assert_string_equal(config->control_path, "");
	assert_int_equal(config->log_level, ECHOD_LOG_INFO);
	assert_null(config->log_function);
}

static void addresses_add_up_after_the_first_replaced_the_default(void **state)
{
	set("listen", "[::1]:7000");
	assert_int_equal(config->server.listen_count, 1);
	assert_string_equal(config->server.listen[0].host, "::1");
	set("listen", ":0");
	set("listen", "unix:/tmp/s");
	assert_int_equal(config->server.listen_count, 3);
	assert_int_equal(config->server.listen[1].port, 0);
	assert_true(config->server.listen[2].is_unix);
	for (int i = 3; i < CONFIG_MAX_LISTEN; i++)
		set("listen", "localhost:80");
	expect_refused("listen", "127.0.0.1:7", "'127.0.0.1:7' is one too many: at most 64");
}

static void an_address_that_was_refused_keeps_the_default(void **state)
{
	expect_refused("listen", "nonsense", "'nonsense'");
	expect_refused("listen", "", "''");
	expect_refused("listen", "::1:7000", "::1:7000");
	expect_refused("listen", "127.0.0.1:65536", "65536");
	expect_refused("listen", "127.0.0.1:", "127.0.0.1:");
	expect_refused("listen", "unix:", "unix");
	assert_int_equal(config->server.listen[0].port, 65432);
}

static void workers_are_1_to_4096(void **state)
{
	set("workers", "1");
	assert_int_equal(config->server.workers, 1);
	set("workers", "4096");
	assert_int_equal(config->server.workers, 4096);
	static const char *const bad[] = {
		"0", "4097", "-1", "", "4x", " 4", "4.5", "four", "99999999999999999999999"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char message[200];
		snprintf(message, sizeof(message), "'%s' is not a whole number from 1 to 4096",
			 bad[i]);
		expect_refused("workers", bad[i], message);
	}
}

static void the_control_socket_is_a_path_or_none(void **state)
{
	set("control", "/run/x.sock");
	assert_string_equal(config->control_path, "/run/x.sock");
	set("control", "none");
	assert_string_equal(config->control_path, "");
	char path[109];
	memset(path, 'p', sizeof(path));
	path[107] = '\0';
	set("control", path);
	assert_string_equal(config->control_path, path);
	path[107] = 'p';
	path[108] = '\0';
	expect_refused("control", path, "has 108 bytes, a socket's at most 107");
	expect_refused("control", "", "'' names no socket: ");
	set("control", "@name");
	assert_string_equal(config->control_path, "@name");
	expect_refused("control", "@", "'@' names no socket: ");
	set("control", "unix:@name");
	assert_string_equal(config->control_path, "@name");
	set("control", "unix:/run/x.sock");
	assert_string_equal(config->control_path, "/run/x.sock");
	expect_refused("control", "unix:", "'' names no socket: ");
}

static void numbers_of_connections_have_their_limits(void **state)
{
	set("max-connections", "1");
	assert_int_equal(config->server.max_connections, 1);
	set("max-connections", "1048576");
	assert_int_equal(config->server.max_connections, 1048576);
	expect_refused("max-connections", "0", "'0' is not a whole number from 1 to 1048576");
	expect_refused("max-connections", "1048577", "'1048577' is not a whole number from 1 to");
	expect_refused("max-connections", "1k", "'1k' is not a whole number");
	set("max-per-source", "5");
	assert_int_equal(config->server.max_per_source, 5);
	set("max-per-source", "0");
	assert_int_equal(config->server.max_per_source, 0);
	set("source-prefix6", "128");
	assert_int_equal(config->server.source_prefix6, 128);
	expect_refused("source-prefix6", "0", "'0' is not a whole number from 1 to 128");
	expect_refused("source-prefix6", "129", "'129' is not a whole number from 1 to 128");
	expect_refused("max-per-source", "-1", "'-1' is not a whole number from 0 to 1048576");
	set("backlog", "65535");
	assert_int_equal(config->server.backlog, 65535);
	set("backlog", "1");
	assert_int_equal(config->server.backlog, 1);
	expect_refused("backlog", "0", "'0' is not a whole number from 1 to 65535");
	expect_refused("backlog", "65536", "'65536' is not a whole number from 1 to 65535");
}

static void overload_is_wait_or_reset(void **state)
{
	set("overload", "reset");
	assert_int_equal(config->server.overload, OVERLOAD_RESET);
	set("overload", "wait");
	assert_int_equal(config->server.overload, OVERLOAD_WAIT);
	expect_refused("overload", "drop", "'drop' is not one of wait|reset");
	expect_refused("overload", "", "'' is not one of wait|reset");
	expect_refused("overload", "Wait", "'Wait' is not one of wait|reset");
}

// The time-outs after which a connection ends: more than 0, or never.
static void check_limit(const char *name, const uint64_t *setting)
{
	set(name, "250us");
	assert_true(*setting == 250 * NS_PER_US);
	set(name, "5ms");
	assert_true(*setting == 5 * NS_PER_MS);
	set(name, "1.5s");
	assert_true(*setting == 1500 * NS_PER_MS);
	set(name, "10m");
	assert_true(*setting == 600 * NS_PER_S);
	set(name, "2h");
	assert_true(*setting == 7200 * NS_PER_S);
	set(name, "never");
	assert_true(*setting == CLOCK_NEVER);
	static const char *const bad[] = {"5", "5x", "-5s", "s", "", "soon", "Never"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char message[200];
		snprintf(message, sizeof(message),
			 "'%s' is not a duration (a number and one of us, ms, s, m, h) nor 'never'",
			 bad[i]);
		expect_refused(name, bad[i], message);
	}
}

static void time_outs_are_durations_or_never(void **state)
{
	check_limit("idle-timeout", &config->server.idle_timeout);
	check_limit("send-timeout", &config->server.send_timeout);
	check_limit("drain-timeout", &config->server.drain_timeout);
	expect_refused("idle-timeout", "0", "'0' is not longer than 0; 'never' means no limit");
	expect_refused("idle-timeout", "0s", "'0s' is not longer than 0");
	expect_refused("send-timeout", "0", "'0' is not longer than 0; 'never' means no limit");
	set("drain-timeout", "0"); // cut at once
	assert_true(config->server.drain_timeout == 0);
}

static void patience_is_a_duration_or_never(void **state)
{
	check_limit("patience", &config->server.patience);
	set("patience", "0"); // park at once
	assert_true(config->server.patience == 0);
}

static void spinning_lasts_1_ms_at_most(void **state)
{
	set("spin", "1ms");
	assert_true(config->server.spin == NS_PER_MS);
	set("spin", "20us");
	assert_true(config->server.spin == 20 * NS_PER_US);
	set("spin", "0");
	assert_true(config->server.spin == 0);
	expect_refused("spin", "1.001ms", "'1.001ms' is longer than 1ms");
	expect_refused("spin", "1h", "'1h' is longer than 1ms");
	expect_refused("spin", "never", "'never' is not a duration");
	expect_refused("spin", "50", "'50' is not a duration");
}

static void the_pending_limit_is_a_size(void **state)
{
	set("pending-limit", "0"); // nothing is kept
	assert_true(config->server.pending_limit == 0);
	set("pending-limit", "1g");
	assert_true(config->server.pending_limit == UINT64_C(1) << 30);
	set("pending-limit", "1024g");
	assert_true(config->server.pending_limit == UINT64_C(1) << 40);
	expect_refused("pending-limit", "1025g", "'1025g' is not a size from 0 to");
	expect_refused("pending-limit", "-1", "'-1' is not a size from 0 to");
	expect_refused("pending-limit", "never", "'never' is not a size from 0 to");
}

static void the_buffer_has_1_byte_to_16_mib(void **state)
{
	set("buffer-size", "1");
	assert_int_equal(config->server.buffer_size, 1);
	set("buffer-size", "16k");
	assert_int_equal(config->server.buffer_size, 16384);
	set("buffer-size", "16m");
	assert_int_equal(config->server.buffer_size, 16 << 20);
	expect_refused("buffer-size", "0", "'0' is not a size from 1 to 16m");
	expect_refused("buffer-size", "16777217", "'16777217' is not a size from 1 to 16m");
	expect_refused("buffer-size", "1g", "'1g' is not a size from 1 to 16m");
	expect_refused("buffer-size", "64q", "'64q' is not a size from 1 to 16m");
}

static void log_levels_have_names(void **state)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		set("log-level", levels[i]);
		assert_int_equal(config->log_level, i);
	}
	expect_refused("log-level", "loud", "'loud' is not one of error|warning|info|debug");
}

static void an_unknown_name_is_named(void **state)
{
	expect_refused("worker", "5", "there is no setting 'worker'");
	expect_refused("--workers", "5", "there is no setting '--workers'");
	expect_refused("", "5", "there is no setting ''");
	expect_refused("log-format", "json", "there is no setting 'log-format'"); // echod's own
}

// However long the value, the message is one line that fits.
static void long_values_are_cut_in_messages(void **state)
{
	static const char *const names[] = {
		"listen",	  "workers",	    "control",	"max-connections",
		"max-per-source", "source-prefix6", "overload", "idle-timeout",
		"send-timeout",	  "drain-timeout",  "backlog",	"buffer-size",
		"log-level",	  "patience",	    "spin",	"pending-limit"};
	static char value[5000];
	memset(value, 'x', sizeof(value) - 1);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		expect_refused(names[i], value, "xxxxxxxx");
	expect_refused(value, "5", "there is no setting 'xxxx");
}

static int take_line(void *context, enum echod_log_level level, const char *line)
{
	return 1;
}

static int take_entry(void *context, const struct echod_log_entry *entry)
{
	return 1;
}

static void the_log_goes_where_it_is_told(void **state)
{
	echod_config_set_log(config, take_line, &config);
	assert_ptr_equal(config->log_function, take_line);
	assert_ptr_equal(config->log_context, &config);
	echod_config_set_log_entries(config, take_entry, NULL);
	assert_ptr_equal(config->log_entry_function, take_entry);
	assert_null(config->log_function);
	assert_null(config->log_context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG(the_defaults_are_those_of_the_manual),
		CONFIG(addresses_add_up_after_the_first_replaced_the_default),
		CONFIG(an_address_that_was_refused_keeps_the_default),
		CONFIG(workers_are_1_to_4096),
		CONFIG(the_control_socket_is_a_path_or_none),
		CONFIG(numbers_of_connections_have_their_limits),
		CONFIG(overload_is_wait_or_reset),
		CONFIG(time_outs_are_durations_or_never),
		CONFIG(patience_is_a_duration_or_never),
		CONFIG(spinning_lasts_1_ms_at_most),
		CONFIG(the_pending_limit_is_a_size),
		CONFIG(the_buffer_has_1_byte_to_16_mib),
		CONFIG(log_levels_have_names),
		CONFIG(an_unknown_name_is_named),
		CONFIG(long_values_are_cut_in_messages),
		CONFIG(the_log_goes_where_it_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
