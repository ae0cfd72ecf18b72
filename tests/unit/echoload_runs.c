// Made-up results of echoload for its tests. One thread.
#include "echoload_runs.h"

#include <math.h>

#include "base/clock.h"
#include "echoload/common/random.h"
#include "place.h"

#define MESSAGE 128 // bytes
#define SPREAD 0.3  // of the latency's logarithm

// Normally distributed (Box and Muller).
static double draw_normal(struct random *random) {
	return sqrt(random_exponential(random, 2.0)) * cos(2.0 * M_PI * random_share(random));
}

static void add_second(struct result *result, const struct made_run *run, unsigned second,
		       double rate, struct random *random) {
	static struct hdr hdr;
	hdr_reset(&hdr);
	for (unsigned i = 0; i < run->samples; i++)
		hdr_record(&hdr, (uint64_t)(run->median * exp(SPREAD * draw_normal(random))));
	uint64_t messages = (uint64_t)fmax(rate, 0.0);
	const struct result_interval interval = {second * NS_PER_S, .length = NS_PER_S,
						 .messages = messages, .bytes = messages * MESSAGE};
	json_array_append_new(result_get(result, "intervals"),
			      result_pack_interval(&interval, &hdr));
	hdr_add(result->latency, &hdr);
	hdr_add(result->uncorrected, &hdr);
}

void made_run_fill(struct result *result, const struct made_run *run) {
	struct random random = {.state = run->seed};
	struct result_run sum = {.started = run->started, .lasted = run->seconds * NS_PER_S};
	double off = 0.0;
	json_t *intervals = result_get(result, "intervals");
	size_t first = json_array_size(intervals);
	for (unsigned i = 0; i < run->seconds; i++) {
		double fresh = sqrt(1.0 - run->memory * run->memory) * draw_normal(&random);
		off = i ? run->memory * off + fresh : draw_normal(&random);
		add_second(result, run, i, run->rate * (1.0 + run->swing * off), &random);
	}
	for (size_t i = first; i < json_array_size(intervals); i++) {
		sum.messages += result_count(json_array_get(intervals, i), "messages");
		sum.bytes += result_count(json_array_get(intervals, i), "bytes");
	}
	assert_int_equal(result_add_run(result, &sum), 0);
	result_set_count(result->json, "bytes_verified",
			 result_count(result->json, "bytes_verified") + sum.bytes);
	result_set_verdict(result, "SERVER-BOUND");
	json_object_set_new(result_get(result, "configuration"), "connections", json_integer(50));
	json_object_set_new(result_get(result, "machine"), "cpus", json_integer(2));
	json_object_set_new(result_get(result, "evidence"), "generator_cpu", json_real(0.25));
}

void made_run_init(struct result *result, const struct made_run *run) {
	result_free(result);
	assert_int_equal(result_init(result), 0);
	made_run_fill(result, run);
}

char *made_run_write(const char *name, const struct made_run *run) {
	struct result result = {0};
	struct echod_error error;
	const char *path = place_path(name);
	made_run_init(&result, run);
	assert_int_equal(result_write(&result, path, &error), 0);
	result_free(&result);
	return (char *)path;
}

char subcommand_said[6000];

int subcommand_run_with(int (*subcommand)(int argc, char **argv), FILE *stream, char **argv) {
	int argc = 0;
	while (argv[argc])
		argc++;
	const char *path = place_file("said", "", 0);
	fflush(stream);
	int fd = fileno(stream), before = dup(fd);
	assert_non_null(freopen(path, "w", stream));
	int status = subcommand(argc, argv);
	fflush(stream);
	assert_int_equal(dup2(before, fd), fd);
	close(before);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	subcommand_said[fread(subcommand_said, 1, sizeof(subcommand_said) - 1, file)] = '\0';
	fclose(file);
	return status;
}

void subcommand_said_line(const char *text) {
	assert_contains(subcommand_said, text);
	assert_string_equal(strchr(subcommand_said, '\n'), "\n");
}
