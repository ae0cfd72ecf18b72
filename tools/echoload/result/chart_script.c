// The gnuplot script for results. Main thread.
#include "chart_script.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"

#define HEIGHT 900
#define HEIGHT_RUN 44
#define NINES_STEP 0.02
#define NINES_MAX 8.0
#define DECADES_MANY 5.0
#define COLOURS 8 // of podo; then the next kind of dashes

// The x axis counts nines: 1 is 90 %, 2 is 99 %, … up to where there is one sample left.
static double nines_of(const struct hdr *hdr)
{
	return fmin(log10((double)hdr->count), NINES_MAX);
}

bool chart_run_draws(const struct chart_run *run)
{
	return run->result.latency->count > 0 && run->result.interval_count > 0;
}

static void write_percentiles(FILE *file, const struct hdr *hdr, size_t index)
{
	double nines = nines_of(hdr);
	fprintf(file, "$percentiles%zu << END\n", index);
	for (int i = 0; i * NINES_STEP < nines; i++) {
		double percent = 100.0 * (1.0 - pow(10.0, -i * NINES_STEP));
		fprintf(file, "%.2f %.9f\n", i * NINES_STEP,
			clock_seconds(hdr_percentile(hdr, percent)));
	}
	fprintf(file, "%.4f %.9f\nEND\n", nines, clock_seconds(hdr->max));
}

static void write_rates(FILE *file, const struct result *result, size_t index, bool bytes)
{
	fprintf(file, "$rates%zu << END\n", index);
	for (size_t i = 0; i < result->interval_count; i++) {
		const struct result_interval *interval = &result->intervals[i];
		double length = clock_seconds(interval->length);
		uint64_t count = bytes ? interval->bytes : interval->messages;
		if (interval->length)
			fprintf(file, "%.3f %.3f\n", clock_seconds(interval->from) + length / 2.0,
				(double)count / length);
	}
	fprintf(file, "END\n");
}

// Labels at 1, 2 and 5 of each decade, so that any range has some; at 1 only where there are many
// decades.
static void write_latency_tics(FILE *file, double decades)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	static const int steps[] = {1, 2, 5};
	const char *comma = "";
	fprintf(file, "set ytics (");
	for (int decade = 0; decade < 12; decade++) {
		for (int i = 0; i < (decades > DECADES_MANY ? 1 : 3); i++) {
			fprintf(file, "%s'%.0f %s' %de%d", comma, steps[i] * pow(10.0, decade % 3),
				units[decade / 3], steps[i], decade - 9);
			comma = ", ";
		}
	}
	fprintf(file, ", '1000 s' 1e3, '5000 s' 5e3)\n");
}

static void write_plot(FILE *file, const struct chart_run *runs, size_t count, const char *data,
		       const char *style)
{
	const char *before = "plot";
	for (size_t i = 0; i < count; i++) {
		if (!chart_run_draws(&runs[i]))
			continue;
		fprintf(file, "%s $%s%zu using 1:2 with %s linewidth 2 dashtype %zu title '%s'",
			before, data, i, style, i / COLOURS + 1, runs[i].label);
		before = ",";
	}
	fprintf(file, "\n");
}

static void write_latency_chart(FILE *file, const struct chart_run *runs, size_t count)
{
	double nines = 1.0;
	uint64_t least = UINT64_MAX;
	uint64_t most = 0;
	for (size_t i = 0; i < count; i++) {
		const struct hdr *hdr = runs[i].result.latency;
		if (!chart_run_draws(&runs[i]))
			continue;
		nines = fmax(nines, nines_of(hdr));
		least = hdr->min < least ? hdr->min : least;
		most = hdr->max > most ? hdr->max : most;
	}
	double low = fmax(clock_seconds(least), 1e-9) * 0.8;
	double high = fmax(clock_seconds(most), 1e-9) * 1.25;
	fprintf(file, "set title 'Latency by percentile'\nset logscale y\nset ylabel 'latency'\n");
	fprintf(file, "set xrange [0:%.4f]\nset yrange [%.9g:%.9g]\n", nines, low, high);
	// A label is a format to gnuplot. Below the axes' names a line is left free.
	fputs("set xtics ('0' 0, '50 %%' 0.30103, '90 %%' 1, '99 %%' 2, '99.9 %%' 3, "
	      "'99.99 %%' 4, '99.999 %%' 5, '99.9999 %%' 6, '99.99999 %%' 7, "
	      "'99.999999 %%' 8)\nset xlabel \"percentile of the messages\\n \"\n",
	      file);
	write_latency_tics(file, log10(high / low));
	write_plot(file, runs, count, "percentiles", "lines");
}

static void write_rate_chart(FILE *file, const struct chart_run *runs, size_t count, bool bytes)
{
	const char *what = bytes ? "bytes" : "messages";
	fprintf(file, "set title 'Throughput over time'\nset ylabel '%s a second'\n", what);
	fputs("unset logscale y\nset xrange [0:*]\nset yrange [0:*]\nset xtics auto\n"
	      "set ytics auto\nset format y '%.1s%c'\nset offsets 0, 0, graph 0.1, 0\n"
	      "set xlabel \"seconds\\n \"\n",
	      file);
	write_plot(file, runs, count, "rates", "linespoints pointtype 7 pointsize 0.3");
}

// A run of streams counts no messages: then the bytes of all are drawn.
static bool compare_bytes(const struct chart_run *runs, size_t count)
{
	bool bytes = false;
	for (size_t i = 0; i < count; i++)
		bytes = bytes || (chart_run_draws(&runs[i]) && runs[i].result.messages == 0);
	return bytes;
}

void chart_script_write(FILE *file, const struct chart_run *runs, size_t count)
{
	bool bytes = compare_bytes(runs, count);
	// Higher by what the names of the runs may take below both charts.
	fprintf(file,
		"set terminal svg size 900,%zu dynamic font 'sans-serif,14' noenhanced "
		"background 'white'\nset colorsequence podo\n",
		HEIGHT + count * HEIGHT_RUN);
	for (size_t i = 0; i < count; i++) {
		if (!chart_run_draws(&runs[i]))
			continue;
		write_percentiles(file, runs[i].result.latency, i);
		write_rates(file, &runs[i].result, i, bytes);
	}
	fputs("set multiplot layout 2,1\nset grid\nset key below\n", file);
	write_latency_chart(file, runs, count);
	write_rate_chart(file, runs, count, bytes);
	fputs("unset multiplot\n", file);
}
