// Bars drawn with characters. Main thread only.
#include "bars.h"

#include <math.h>

#include "base/units.h"

#define STEPS 10
#define LEAST_STEP 1.1 // a smaller factor would not be seen in the numbers
#define LABEL 13
#define CELLS 54

// The left eighths of a cell.
static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

void bars_draw(FILE *file, double share, unsigned cells, bool utf8, bool fill)
{
	unsigned parts = utf8 ? 8 : 1;
	unsigned left = (unsigned)lround(share * cells * parts);
	if (left == 0 && share > 0)
		left = 1;
	unsigned drawn = 0;
	for (; left > 0; drawn++) {
		unsigned part = left < parts ? left : parts;
		fputs(utf8 ? eighths[part] : "#", file);
		left -= part;
	}
	if (fill)
		fprintf(file, "%*s", (int)(cells - drawn), "");
}

// A line of the histogram: the samples up to `to` that are not in a line before it.
struct bar {
	uint64_t to; // ns
	uint64_t count;
};

// Cuts the samples into bars; returns how many.
static size_t cut(const struct hdr *hdr, struct bar bars[static STEPS + 1])
{
	double low = hdr->min > 0 ? (double)hdr->min : 1;
	double high = (double)hdr_percentile(hdr, 99.9);
	double span = high > low ? log(high / low) : 0;
	double room = floor(span / log(LEAST_STEP));
	size_t steps = room < 1 ? 1 : (room < STEPS ? (size_t)room : STEPS);
	uint64_t before = 0;
	for (size_t i = 0; i < steps; i++) {
		double share = (double)(i + 1) / (double)steps;
		bars[i].to = i + 1 == steps ? (uint64_t)high : (uint64_t)(low * exp(span * share));
		uint64_t count = hdr_count_to(hdr, bars[i].to);
		bars[i].count = count - before;
		before = count;
	}
	if (before == hdr->count)
		return steps;
	bars[steps] = (struct bar){.to = hdr->max, .count = hdr->count - before};
	return steps + 1;
}

void bars_histogram(FILE *file, const struct hdr *hdr, bool utf8)
{
	if (hdr->count == 0)
		return;
	struct bar bars[STEPS + 1];
	size_t count = cut(hdr, bars);
	uint64_t most = 0;
	for (size_t i = 0; i < count; i++)
		most = bars[i].count > most ? bars[i].count : most;
	fprintf(file, "%*s\n", LABEL, "up to");
	for (size_t i = 0; i < count; i++) {
		char to[16];
		fprintf(file, "%*s ", LABEL, units_format_duration(bars[i].to, to, sizeof(to)));
		bars_draw(file, (double)bars[i].count / (double)most, CELLS, utf8, false);
		double percent = 100 * (double)bars[i].count / (double)hdr->count;
		if (percent > 0 && percent < 0.05)
			fputs(" <0.1 %\n", file);
		else
			fprintf(file, " %.1f %%\n", percent);
	}
}
