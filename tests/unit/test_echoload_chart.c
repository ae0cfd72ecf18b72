// Pictures of results: tools/echoload/result/chart and svg.
#include "base/clock.h"
#include "echoload/result/chart.h"
#include "echoload_runs.h"
#include "place.h"

#define REFUSE(status, text, ...) \
	subcommand_refuses(chart_main, status, text, "report", __VA_ARGS__)
#define RUN(...) subcommand_run(chart_main, stderr, "report", __VA_ARGS__)

static char *make_file(const char *name, uint64_t seed) {
	const struct made_run run =
		MADE_RUN(.seed = seed, .started = seed * NS_PER_S, .seconds = 20, .rate = 100000.0,
			 .swing = 0.05, .median = 20000.0 * (double)seed, .samples = 5000);
	return made_run_write(name, &run);
}

static unsigned count_of(const char *text, const char *what) {
	unsigned count = 0;
	for (; (text = strstr(text, what)); text += strlen(what))
		count++;
	return count;
}

TEST(several_runs_lie_over_each_other) {
	char *svg = (char *)place_path("out.svg");
	assert_int_equal(RUN(make_file("first.json", 1), make_file("second.json", 2), "-o", svg),
			 0);
	assert_string_equal(subcommand_said, "");
	const char *text = place_read(svg);
	assert_contains(text, "<svg");
	assert_string_equal(strstr(text, "</svg>"), "</svg>\n");
	assert_contains(text, "Latency by percentile");
	assert_contains(text, "99.9 %");
	assert_contains(text, "Throughput over time");
	static const char *const axes[] = {">percentile of the messages<", ">latency<", ">50 us<",
					   ">seconds<", ">messages a second<"};
	for (size_t i = 0; i < COUNT_OF(axes); i++)
		assert_int_equal(count_of(text, axes[i]), 1);
	// In both charts.
	assert_int_equal(count_of(text, ">first, SERVER-BOUND<"), 2);
	assert_int_equal(count_of(text, ">second, SERVER-BOUND<"), 2);
}

TEST(a_page_has_the_figures_and_the_picture) {
	char *html = (char *)place_path("out.html");
	assert_int_equal(RUN("--output", html, make_file("only.json", 1)), 0);
	const char *text = place_read(html);
	assert_ptr_equal(strstr(text, "<!DOCTYPE html>"), text);
	assert_int_equal(count_of(text, "<!DOCTYPE"), 1);
	assert_int_equal(count_of(text, "<?xml"), 0);
	assert_int_equal(count_of(text, "<svg"), 1);
	assert_contains(text, "<tr><th>only, SERVER-BOUND</th><td>");
}

TEST(a_hostile_name_is_only_a_name) {
	char *svg = (char *)place_path("out.svg"),
	     *file = make_file("x'\"`touch y`$(z)<b>@&\\.json", 1);
	assert_int_equal(RUN("-o", svg, file), 0);
	assert_int_equal(
		count_of(place_read(svg), ">x'&quot;`touch y`$(z)&lt;b&gt;@&amp;\\, SERVER-BOUND<"),
		2);
}

TEST(what_is_missing_or_cannot_be_written_is_said_in_one_line) {
	char *file = make_file("run.json", 1);
	char *svg = (char *)place_path("out.svg");
	REFUSE(2, "echoload report: where to? -o FILE.svg or -o FILE.html is needed\n", file);
	REFUSE(2, "echoload report: ", "-o", svg);
	REFUSE(2, "echoload report: --output: 'x.png' ends neither in .svg nor in .html\n", "-o",
	       "x.png", file);
	assert_false(place_exists(svg));
	// /dev/full takes no output.
	char *link = (char *)place_path("full.svg");
	assert_int_equal(symlink("/dev/full", link), 0);
	REFUSE(3, "full.svg': No space left on device\n", "-o", link, file);
}
