// What people write: addresses, numbers, options, faults, checks.
#include "base/clock.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/units.h"
#include "echoload/judge/expect.h"
#include "echoload/run/run_options.h"
#include "fuzz.h"
#include "http/http.h"
#include "lib/config.h"
#include "proxy/trust.h"

static struct echod_error error;

// What is formatted is parsed again, to the same address.
TEXT_PARSER(address) {
	struct address address, again;
	struct endpoint found, found_again;
	struct trust trust = {0};
	char written[ADDRESS_WRITTEN_SIZE], formatted[ADDRESS_TEXT_SIZE];
	if (address_parse(text, &address, &error) == 0) {
		ensure(address_parse(address_format(&address, written), &again, &error) == 0);
		ensure(fuzz_is_same(&address, &again, sizeof(again)));
		if (address_resolve(&address, &found, 1, &error) == 1) {
			ensure(address_parse(endpoint_format(&found, formatted), &again, &error) ==
			       0);
			ensure(address_resolve(&again, &found_again, 1, &error) == 1);
			ensure(endpoint_is_same(&found, &found_again));
		}
	}
	http_parse(text, &address, &error);
	endpoint_from_ip(text, &found, &error);
	if (trust_add(&trust, text, &error) == 0)
		ensure(trust.count == 1 && trust.networks[0].bits <= 128);
	char *port = strchr(text, ' ');
	if (port)
		*port++ = '\0';
	address_from_host(text, port ? port : "7", &address, &error);
}

TEXT_PARSER(units) {
	uint64_t value = 0, again = 0;
	double number;
	char made[32], line[64];
	if (units_parse_size(text, 0, UINT64_MAX, &value, &error) == 0)
		ensure(units_parse_size(units_exact_size(value, made, sizeof(made)), value, value,
					&again, &error) == 0);
	ensure(strlen(units_format_size(value, made, sizeof(made))) < 16);
	if (units_parse_timeout(text, &value, &error) == 0 && value != CLOCK_NEVER)
		ensure(units_parse_duration(units_exact_duration(value, made, sizeof(made)), &again,
					    &error) == 0 &&
		       again == value / NS_PER_US * NS_PER_US);
	ensure(strlen(units_format_duration(value, made, sizeof(made))) < 16);
	if (units_parse_rate(text, &number, &error) == 0)
		ensure(strlen(units_format_rate(number, made, sizeof(made))) < 16);
	units_read_number(text, &number);
	json_t *json = json_text(text);
	char *dumped = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	ensure(dumped && dumped[strspn(dumped, "\t\n\r")]);
	log_escape(text, strlen(text), line, sizeof(line));
	for (const char *at = line; *at; at++)
		ensure(*at >= ' ' && *at < 0x7f);
	free(dumped);
	json_decref(json);
}

// Lines NAME=VALUE.
TEXT_PARSER(config) {
	fuzz_files("\n"); // of the kernel: reading them takes time
	struct echod_config *config = echod_config_new();
	for (char *line; (line = strsep(&text, "\n"));) {
		char *value = strchr(line, '=');
		if (value)
			*value++ = '\0';
		echod_config_set(config, line, value ? value : "", &error);
	}
	const struct server_config *server = &config->server;
	ensure(server->workers >= 1 && server->workers <= CONFIG_MAX_WORKERS);
	ensure(server->listen_count >= 1 && server->listen_count <= CONFIG_MAX_LISTEN);
	for (size_t i = 0; i < server->listen_count; i++)
		ensure(!server->listen[i].is_faulty || server->listen[i].faults.kinds);
	echod_config_free(config);
}

// What is formatted is parsed to what formats alike, and every fault has a place in the stream.
TEXT_PARSER(faults) {
	struct fault_set set, again;
	struct fault_plan plan;
	char once[FAULT_SET_TEXT_SIZE], twice[FAULT_SET_TEXT_SIZE];
	uint64_t bytes;
	if (fault_set_parse(text, &set, &error) != 0 || !set.kinds)
		return;
	ensure(fault_set_parse(fault_set_format(&set, once), &again, &error) == 0);
	ensure(strcmp(fault_set_format(&again, twice), once) == 0);
	for (uint64_t number = 0; number < 3; number++) {
		uint32_t kinds = fault_plan_make(&plan, &set, number);
		ensure((kinds & ~set.kinds) == 0);
		for (int kind = INJECT_flip; kind <= INJECT_repeat; kind++) {
			uint64_t each = set.value[kind], at = number * each + 1;
			if (fault_in(kinds, (enum injection)kind))
				ensure(fault_stretch(&plan, (enum injection)kind, at) / each ==
				       number);
		}
		if (fault_in(kinds, INJECT_delay))
			ensure(fault_draw_due(&plan, 0) <= set.delay_most);
		fault_next_cut(&plan, &bytes);
	}
}

// A check, or a list of sizes.
TEXT_PARSER(expect) {
	static struct load_config config;
	static struct counters counters;
	const struct engine_result result = {&config, .counters = &counters, .lasted = NS_PER_S};
	struct expect expect;
	struct sizes sizes;
	struct random random = {0};
	char line[EXPECT_LINE] = "";
	counters_reset(&counters);
	hdr_record_many(&counters.latency, NS_PER_MS, 1000);
	if (expect_parse(text, &expect, &error) == 0) {
		expect_judge(&expect, &result, line);
		expect_never(&expect, true, false);
		ensure(strlen(line) < EXPECT_LINE - 1);
	}
	for (int i = 0; i < 9 && sizes_parse(text, &sizes, &error) == 0; i++) {
		uint64_t size = sizes_draw(&sizes, &random);
		ensure(size >= 1 && size <= sizes.most && sizes.most <= SIZES_BYTES);
	}
}
