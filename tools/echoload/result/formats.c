// What --csv, --hlog and --hgrm write. One thread for each file.
#include "formats.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "hdr_v2.h"

#define TICKS_A_HALVING 5

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

void hlog_begin(FILE *file, uint64_t started)
{
	time_t second = (time_t)(started / NS_PER_S);
	struct tm utc;
	char date[64];
	gmtime_r(&second, &utc);
	strftime(date, sizeof(date), "%a %b %d %T UTC %Y", &utc);
	fprintf(file, "#[Logged with echoload %s, values in nanoseconds]\n", ECHOD_VERSION);
	fprintf(file, "#[Histogram log format version 1.3]\n");
	fprintf(file, "#[StartTime: %.3f (seconds since epoch), %s]\n", clock_seconds(started),
		date);
	fprintf(file, "#[BaseTime: %.3f (seconds since epoch)]\n", clock_seconds(started));
	fprintf(file, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		      "\"Interval_Compressed_Histogram\"\n");
}

int hlog_interval(FILE *file, uint64_t from, uint64_t length, const struct hdr *hdr)
{
	char *text = hdr_v2_encode(hdr);
	if (!text)
		return -1;
	fprintf(file, "%.3f,%.3f,%.3f,%s\n", clock_seconds(from), clock_seconds(length),
		(double)hdr->max / (double)NS_PER_MS, text);
	free(text);
	return 0;
}

static double to_us(double ns)
{
	return ns / (double)NS_PER_US;
}

static double next_level(double level)
{
	double halvings = floor(log2(100.0 / (100.0 - level))) + 1.0;
	return level + 100.0 / (TICKS_A_HALVING * exp2(halvings));
}

// A level as a share with twelve decimals. HdrHistogram rounds half up, printf to even.
static double to_share(double level)
{
	return floor(level * 1e10 + 0.5) / 1e12;
}

// One line for each level that the bucket reaches, for the last bucket only the first of them: its
// other line is that of 100 %.
static void write_lines(FILE *file, const struct hdr *hdr)
{
	double level = 0.0;
	uint64_t seen = 0;
	double value = 0.0;
	for (unsigned i = 0; i < HDR_BUCKETS && seen < hdr->count; i++) {
		if (hdr->bucket[i] == 0)
			continue;
		seen += hdr->bucket[i];
		uint64_t highest = hdr_highest(i);
		value = to_us((double)(highest < hdr->max ? highest : hdr->max));
		double reached = 100.0 * (double)seen / (double)hdr->count;
		while (level <= reached && level < 100.0) {
			fprintf(file, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", value,
				to_share(level), seen, 1.0 / (1.0 - level / 100.0));
			level = next_level(level);
			if (seen == hdr->count)
				break;
		}
	}
	if (hdr->count)
		fprintf(file, "%12.3f %2.12f %10" PRIu64 "\n", value, 1.0, seen);
}

// Of the buckets' middles about the exact mean.
static double standard_deviation(const struct hdr *hdr, double mean)
{
	double sum = 0.0;
	for (unsigned i = 0; i < HDR_BUCKETS && hdr->count; i++) {
		if (hdr->bucket[i] == 0)
			continue;
		double highest = i == HDR_BUCKETS - 1 ? (double)hdr->max : (double)hdr_highest(i);
		double off = ((double)hdr_lowest(i) + highest) / 2.0 - mean;
		sum += off * off * (double)hdr->bucket[i];
	}
	return hdr->count ? sqrt(sum / (double)hdr->count) : 0.0;
}

void hgrm_write(FILE *file, const struct hdr *hdr)
{
	double mean = hdr_mean(hdr);
	fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	write_lines(file, hdr);
	fprintf(file, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", to_us(mean),
		to_us(standard_deviation(hdr, mean)));
	fprintf(file, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
		to_us((double)hdr->max), hdr->count);
	fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n",
		BUCKETS_VALUE_BITS - HDR_SUB_BITS, 2 << HDR_SUB_BITS);
	fprintf(file, "#[Unit    = %12s]\n", "us");
}
