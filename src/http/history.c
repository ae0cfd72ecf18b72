#include "http/history.h"

#include <inttypes.h>

#include "base/clock.h"

// The percentile of the samples that `now` has and `then` has not yet.
static uint64_t percentile_since(const struct histogram_sum *then, const struct histogram_sum *now,
				 double percent)
{
	struct histogram_sum grown = {.max = now->max};
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		grown.bucket[i] = now->bucket[i] - then->bucket[i];
		grown.count += grown.bucket[i];
	}
	return grown.count ? histogram_percentile(&grown, percent) : STATS_UNKNOWN;
}

void history_add(struct history *history, const struct snapshot *snapshot)
{
	uint64_t messages = snapshot->counter[COUNTER_messages];
	uint64_t span = snapshot->taken - history->taken;
	if (history->taken && span) {
		struct history_row *row = &history->row[history->rows++ % HISTORY_ROWS];
		double rate =
			(double)(messages - history->messages) * (double)NS_PER_S / (double)span;
		row->uptime_ms = snapshot->gauge[GAUGE_uptime_seconds] / NS_PER_MS;
		row->messages = (uint64_t)(rate + 0.5);
		for (int h = 0; h < HISTOGRAM_COUNT; h++) {
			const struct histogram_sum *then = &history->histogram[h];
			const struct histogram_sum *now = &snapshot->histogram[h];
			row->time[h].p50 = percentile_since(then, now, 50.0);
			row->time[h].p99 = percentile_since(then, now, 99.0);
		}
	}
	history->taken = snapshot->taken;
	history->messages = messages;
	for (int h = 0; h < HISTOGRAM_COUNT; h++)
		history->histogram[h] = snapshot->histogram[h];
}

static void write_time(uint64_t ns, FILE *out)
{
	if (ns == STATS_UNKNOWN)
		fputs(",null", out);
	else
		fprintf(out, ",%" PRIu64, ns);
}

void history_write(const struct history *history, uint64_t after, FILE *out)
{
	uint64_t first = history->rows > HISTORY_ROWS ? history->rows - HISTORY_ROWS : 0;
	const char *separator = "";
	fputc('[', out);
	for (uint64_t i = first; i < history->rows; i++) {
		const struct history_row *row = &history->row[i % HISTORY_ROWS];
		if (row->uptime_ms <= after)
			continue;
		fprintf(out, "%s[%" PRIu64 ",%" PRIu64, separator, row->uptime_ms, row->messages);
		for (int h = 0; h < HISTOGRAM_COUNT; h++) {
			write_time(row->time[h].p50, out);
			write_time(row->time[h].p99, out);
		}
		fputc(']', out);
		separator = ",";
	}
	fputc(']', out);
}
