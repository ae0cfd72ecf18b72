// Every setting of a server with good and bad values: lib/config. A message names the value and
// those that are allowed.
#include "expect.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "embedded.h"
#include "lib/config.h"

AROUND_EACH(new_config, free_config);

static void expect_refused(const char *name, const char *value, const char *message) {
	unsigned char before[sizeof(*config)];
	memcpy(before, config, sizeof(before));
	struct echod_error error = {.kind = ECHOD_ERROR_NONE};
	assert_int_equal(echod_config_set(config, name, value, NULL), -1); // nobody listens
	int result = echod_config_set(config, name, value, &error);
	assert_null(strchr(error.message, '\n'));
	assert_error(result, &error, ECHOD_ERROR_USAGE, message);
	assert_memory_equal(before, config, sizeof(before)); // a refusal changes nothing
}

TEST(the_defaults_are_those_of_the_manual) {
	const struct server_config *server = &config->server;
	assert_int_equal(server->listen_count, 1);
	assert_string_equal(server->listen[0].address.host, "127.0.0.1");
	assert_int_equal(server->listen[0].address.port, 65432);
	unsigned cpus = cpus_usable(pthread_self());
	assert_int_equal(server->workers, cpus > 4 ? cpus : 4);
	assert_int_equal(server->max_connections, 0);
	assert_int_equal(server->max_per_source, 0);
	assert_int_equal(server->source_prefix6, 64);
	assert_int_equal(server->overload, OVERLOAD_WAIT);
	assert_true(server->idle_timeout == CLOCK_NEVER && server->send_timeout == 60 * NS_PER_S);
	assert_int_equal(server->drain_delay, 0);
	assert_true(server->drain_timeout == 10 * NS_PER_S && server->patience == 5 * NS_PER_MS);
	assert_true(server->spin == 50 * NS_PER_US && server->unsent_limit == UINT64_C(64) << 20);
	assert_int_equal(server->backlog, 4096);
	assert_false(server->reuse_port);
	assert_int_equal(server->buffer_size, 256 << 10);
	assert_string_equal(config->control_path, "");
	assert_int_equal(config->log_level, ECHOD_LOG_INFO);
	assert_null(config->log_function);
}

TEST(addresses_add_up_after_the_first_replaced_the_default) {
	set("listen", "[::1]:7000");
	assert_int_equal(config->server.listen_count, 1);
	assert_string_equal(config->server.listen[0].address.host, "::1");
	set("listen", ":0");
	set("listen", "unix:/tmp/s");
	assert_int_equal(config->server.listen_count, 3);
	assert_int_equal(config->server.listen[1].address.port, 0);
	assert_true(config->server.listen[2].address.is_unix);
	for (int i = 3; i < CONFIG_MAX_LISTEN; i++)
		set("listen", "localhost:80");
	expect_refused("listen", "127.0.0.1:7", "'127.0.0.1:7' is one too many: at most 64");
}

TEST(an_address_that_was_refused_keeps_the_default) {
	expect_refused("listen", "nonsense", "'nonsense'");
	expect_refused("listen", "", "''");
	expect_refused("listen", "::1:7000", "::1:7000");
	expect_refused("listen", "127.0.0.1:65536", "65536");
	expect_refused("listen", "127.0.0.1:", "127.0.0.1:");
	expect_refused("listen", "unix:", "unix");
	assert_int_equal(config->server.listen[0].address.port, 65432);
}

// The n-th address expects PROXY headers of this peer, and of that many networks.
static void expect_proxy(size_t n, const char *peer, size_t networks) {
	struct endpoint endpoint = {0};
	const struct listen *listen = &config->server.listen[n];
	assert_int_equal(config->server.listen_count, n + 1);
	assert_true(listen->proxy);
	assert_int_equal(listen->trust.count, networks);
	assert_int_equal(peer ? endpoint_from_ip(peer, &endpoint, NULL) : 0, 0);
	const union inet_end end = inet_end_from(&endpoint);
	assert_true(!peer || trust_covers(&listen->trust, &end));
}

TEST(addresses_that_expect_proxy_headers_trust_loopback_unless_told) {
	set("listen-proxy", "[::1]:7000");
	assert_string_equal(config->server.listen[0].address.host, "::1");
	expect_proxy(0, "127.1.2.3", 2);
	expect_proxy(0, "::1", 2);
	set("listen-proxy", ":7001,trust=10.0.0.0/8");
	expect_proxy(1, "10.1.2.3", 1);
	assert_int_equal(config->server.listen[1].address.port, 7001);
	set("listen-proxy", ":7002,trust=10.0.0.0/8,::1,192.0.2.1");
	expect_proxy(2, "192.0.2.1", 3);
	set("listen-proxy", "unix:/a,b");
	expect_proxy(3, NULL, 0);
	assert_string_equal(config->server.listen[3].address.path, "/a,b");
	set("listen", ":7003");
	assert_false(config->server.listen[4].proxy);
	expect_refused("listen-proxy", "", "''");
	expect_refused("listen-proxy", ":7,10.0.0.0/8", "port '7,10.0.0.0/8'");
	expect_refused("listen-proxy", ":7,trust=", "'' is not a network, such as");
	expect_refused("listen-proxy", ":7,trust=::1,", "'' is not a network, such as");
	expect_refused("listen-proxy", ":7,trust=10.0.0.1/8", "'10.0.0.1/8' is not a network");
	expect_refused("listen-proxy", ":7,trust=any", "'any' is not a network");
	expect_refused("listen-proxy", "unix:/a,trust=::1", "trust= is for TCP");
}

// Sets it to the text; then the field has the value.
#define TAKES(name, text, field, value)                       \
	do {                                                  \
		set(name, text);                              \
		assert_true(config->server.field == (value)); \
	} while (0)

TEST(an_address_ends_where_its_faults_begin) {
	set("faulty", "127.0.0.1:7012=delay=20ms,reset-after=4k");
	set("faulty", "unix:/a=b=delay=30ms");
	const struct listen *listen = config->server.listen;
	assert_true(listen[0].is_faulty && listen[1].is_faulty);
	assert_int_equal(listen[0].address.port, 7012);
	assert_string_equal(listen[1].address.path, "/a=b");
}

TEST(good_values_are_taken) {
	TAKES("workers", "1", workers, 1);
	TAKES("workers", "4096", workers, 4096);
	TAKES("max-connections", "1", max_connections, 1);
	TAKES("max-connections", "1048576", max_connections, 1048576);
	TAKES("max-per-source", "5", max_per_source, 5);
	TAKES("max-per-source", "0", max_per_source, 0);
	TAKES("source-prefix6", "128", source_prefix6, 128);
	TAKES("backlog", "65535", backlog, 65535);
	TAKES("backlog", "1", backlog, 1);
	TAKES("reuse-port", "yes", reuse_port, true);
	TAKES("reuse-port", "no", reuse_port, false);
	TAKES("reuse-port", NULL, reuse_port, true); // as echod has it from its command line
	TAKES("overload", "reset", overload, OVERLOAD_RESET);
	TAKES("overload", "wait", overload, OVERLOAD_WAIT);
	TAKES("drain-delay", "5s", drain_delay, 5 * NS_PER_S);
	TAKES("drain-delay", "1h", drain_delay, 3600 * NS_PER_S);
	TAKES("drain-timeout", "0", drain_timeout, 0); // abort at once
	TAKES("patience", "0", patience, 0);	       // park at once
	TAKES("spin", "1ms", spin, NS_PER_MS);
	TAKES("spin", "20us", spin, 20 * NS_PER_US);
	TAKES("spin", "0", spin, 0);
	TAKES("unsent-limit", "0", unsent_limit, 0); // nothing is kept
	TAKES("unsent-limit", "1g", unsent_limit, UINT64_C(1) << 30);
	TAKES("unsent-limit", "1024g", unsent_limit, UINT64_C(1) << 40);
	TAKES("buffer-size", "1", buffer_size, 1);
	TAKES("buffer-size", "16k", buffer_size, 16384);
	TAKES("buffer-size", "16m", buffer_size, 16 << 20);
}

TEST(bad_values_are_refused) {
	static const struct {
		const char *name, *values[10], *message; // after the value in quotes
	} rows[] = {
		{"workers",
		 {"0", "4097", "-1", "", "4x", " 4", "4.5", "four", "99999999999999999999999"},
		 "is not a whole number from 1 to 4096"},
		{"max-connections", {"0", "1048577"}, "is not a whole number from 1 to 1048576"},
		{"max-connections", {"1k"}, "is not a whole number from 1 to 1048576"},
		{"source-prefix6", {"0", "129"}, "is not a whole number from 1 to 128"},
		{"max-per-source", {"-1"}, "is not a whole number from 0 to 1048576"},
		{"backlog", {"0", "65536"}, "is not a whole number from 1 to 65535"},
		{"reuse-port", {"", "on", "Yes"}, "is not one of no|yes"},
		{"overload", {"drop", "", "Wait"}, "is not one of wait|reset"},
		{"idle-timeout", {"0", "0s"}, "must be longer than 0; 'never' means no limit"},
		{"send-timeout", {"0"}, "must be longer than 0; 'never' means no limit"},
		{"drain-delay", {"3601s"}, "is longer than 1h"},
		{"drain-delay", {"never", "5"}, "is not a duration"},
		{"spin", {"1.001ms", "1h"}, "is longer than 1ms"},
		{"spin", {"never", "50"}, "is not a duration"},
		{"unsent-limit", {"1025g", "-1", "never"}, "is not a size from 0 to"},
		{"buffer-size", {"0", "16777217", "1g", "64q"}, "is not a size from 1 to 16m"},
		{"log-level", {"loud"}, "is not one of error|warning|info|debug"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t j = 0; rows[i].values[j]; j++) {
			const char *value = rows[i].values[j];
			expect_refused(rows[i].name, value,
				       test_text("'%s' %s", value, rows[i].message));
		}
	}
}

TEST(the_control_socket_is_a_path_or_none) {
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

// The time-outs after which a connection ends: more than 0, or never.
static void check_limit(const char *name, const uint64_t *setting) {
	static const struct {
		const char *value;
		uint64_t ns;
	} good[] = {{"250us", 250 * NS_PER_US}, {"5ms", 5 * NS_PER_MS},	 {"1.5s", 1500 * NS_PER_MS},
		    {"10m", 600 * NS_PER_S},	{"2h", 7200 * NS_PER_S}, {"never", CLOCK_NEVER}};
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		set(name, good[i].value);
		assert_true(*setting == good[i].ns);
	}
	for (const char *const *bad = STRINGS("5", "5x", "-5s", "s", "", "soon", "Never"); *bad;
	     bad++)
		expect_refused(name, *bad,
			       test_text("'%s' is not a duration (a number and one of us, ms, s, "
					 "m, h) nor 'never'",
					 *bad));
}

TEST(time_outs_are_durations_or_never) {
	check_limit("idle-timeout", &config->server.idle_timeout);
	check_limit("send-timeout", &config->server.send_timeout);
	check_limit("drain-timeout", &config->server.drain_timeout);
	check_limit("patience", &config->server.patience);
}

TEST(log_levels_have_names) {
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		set("log-level", levels[i]);
		assert_int_equal(config->log_level, i);
	}
}

TEST(an_unknown_name_is_named) {
	expect_refused("worker", "5", "there is no setting 'worker'");
	expect_refused("--workers", "5", "there is no setting '--workers'");
	expect_refused("", "5", "there is no setting ''");
	expect_refused("log-format", "json", "there is no setting 'log-format'"); // echod's own
}

static int take_line(void *context, enum echod_log_level level, const char *line) { return 1; }

static int take_entry(void *context, const struct echod_log_entry *entry) { return 1; }

TEST(the_log_goes_to_the_last_that_is_set) {
	echod_config_set_log(config, take_line, &config);
	assert_ptr_equal(config->log_function, take_line);
	assert_ptr_equal(config->log_context, &config);
	echod_config_set_log_entries(config, take_entry, NULL);
	assert_ptr_equal(config->log_entry_function, take_entry);
	assert_null(config->log_function);
	assert_null(config->log_context);
	echod_config_set_log(config, take_line, NULL);
	assert_null(config->log_entry_function);
}
