// The intervals of a run as comma-separated values. One thread for each file.
#include "csv.h"

#include <inttypes.h>

#include "base/clock.h"

void csv_begin(FILE *file)
{
	fputs("seconds,messages,messages_per_second,bytes,p50_ns,p90_ns,p99_ns,p99_9_ns,max_ns,"
	      "errors,connections\n",
	      file);
	fflush(file);
}

static void write_latencies(FILE *file, const struct hdr *latency)
{
	static const double percents[] = {50.0, 90.0, 99.0, 99.9, 100.0};
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fputc(',', file);
		if (latency->count)
			fprintf(file, "%" PRIu64, hdr_percentile(latency, percents[i]));
	}
}

void csv_interval(FILE *file, const struct result_interval *interval, const struct hdr *latency,
		  unsigned connections)
{
	double length = clock_seconds(interval->length);
	fprintf(file, "%.3f,%" PRIu64 ",%.1f,%" PRIu64, clock_seconds(interval->from) + length,
		interval->messages, interval->length ? (double)interval->messages / length : 0.0,
		interval->bytes);
	write_latencies(file, latency);
	fprintf(file, ",%" PRIu64 ",%u\n", interval->errors, connections);
	fflush(file);
}
