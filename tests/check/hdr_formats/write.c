// Writes histograms in HdrHistogram's formats, and what is in them, for check.js to compare: into
// the folder that is its argument, NAME.hlog, NAME.hgrm and NAME.json. Main thread.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "echoload/common/hdr.h"
#include "echoload/common/random.h"
#include "echoload/result/formats.h"

#define STARTED (UINT64_C(1795365243) * NS_PER_S + 250 * NS_PER_MS)
#define LARGEST ((UINT64_C(1) << BUCKETS_VALUE_BITS) - 1)

// Three intervals of one distribution each.
#define INTERVALS 3

struct distribution {
	const char *name;
	unsigned samples; // in each interval
	uint64_t (*draw)(struct random *random);
};

static uint64_t draw_one(struct random *random) {
	(void)random;
	return 22222;
}

static uint64_t draw_exponential(struct random *random) {
	return (uint64_t)random_exponential(random, 50000.0);
}

static uint64_t draw_any_magnitude(struct random *random) {
	return (uint64_t)exp2(random_share(random) * BUCKETS_VALUE_BITS);
}

// A stall of 200 ms once in a while.
static uint64_t draw_stalled(struct random *random) {
	double stall = random_share(random) < 0.002 ? random_share(random) * 200e6 : 0.0;
	return (uint64_t)(20000.0 + random_exponential(random, 3000.0) + stall);
}

static uint64_t draw_ends(struct random *random) {
	return random_share(random) < 0.5 ? 0 : LARGEST;
}

static const struct distribution distributions[] = {
	{"nothing", 0, draw_one},
	{"one", 1, draw_one},
	{"same", 1000, draw_one},
	{"exponential", 100000, draw_exponential},
	{"magnitudes", 50000, draw_any_magnitude},
	{"stalled", 200000, draw_stalled},
	{"ends", 10, draw_ends},
};

static FILE *create(const char *folder, const char *name, const char *type) {
	char path[400];
	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, type);
	FILE *file = fopen(path, "we");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

// The counts by the least value of their bucket, and percentiles.
static void describe(FILE *file, const struct hdr *hdr) {
	static const double percents[] = {0.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0};
	const char *comma = "";
	fprintf(file,
		"{\"count\": %" PRIu64 ", \"mean\": %.9g, \"max\": %" PRIu64 ", \"buckets\": [",
		hdr->count, hdr_mean(hdr), hdr->max);
	for (unsigned i = 0; i < HDR_BUCKETS; i++) {
		if (hdr->bucket[i] == 0)
			continue;
		fprintf(file, "%s[%" PRIu64 ", %" PRIu64 "]", comma, hdr_lowest(i), hdr->bucket[i]);
		comma = ", ";
	}
	fprintf(file, "], \"percentiles\": [");
	comma = "";
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fprintf(file, "%s[%g, %" PRIu64 "]", comma, percents[i],
			hdr_percentile(hdr, percents[i]));
		comma = ", ";
	}
	fprintf(file, "]}\n");
}

static void write_all(const char *folder, const struct distribution *distribution) {
	static struct hdr all;
	static struct hdr interval;
	struct random random = {.state = 1};
	FILE *log = create(folder, distribution->name, "hlog");
	FILE *facts = create(folder, distribution->name, "json");
	hdr_reset(&all);
	fprintf(facts, "{\"intervals\": [");
	for (unsigned i = 0; i < INTERVALS; i++) {
		hdr_reset(&interval);
		for (unsigned s = 0; s < distribution->samples; s++)
			hdr_record(&interval, distribution->draw(&random));
		const struct result_interval second = {.from = i * NS_PER_S, .length = NS_PER_S};
		hlog_interval(log, STARTED, &second, &interval);
		fprintf(facts, "%s", i ? ", " : "");
		describe(facts, &interval);
		hdr_add(&all, &interval);
	}
	fprintf(facts, "], \"all\": ");
	describe(facts, &all);
	fprintf(facts, "}\n");
	FILE *distribution_file = create(folder, distribution->name, "hgrm");
	hgrm_write(distribution_file, &all);
	if (fclose(log) != 0 || fclose(facts) != 0 || fclose(distribution_file) != 0)
		exit(1);
}

int main(int argc, char **argv) {
	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(distributions) / sizeof(distributions[0]); i++) {
		write_all(argv[1], &distributions[i]);
		puts(distributions[i].name);
	}
	return 0;
}
