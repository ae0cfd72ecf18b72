// Pictures of results: tools/echoload/result/chart and svg.
#include "base/clock.h"
#include "echoload/result/chart.h"
#include "echoload/result/svg.h"
#include "echoload_runs.h"
#include "place.h"

#define REFUSE(status, text, ...) \
	subcommand_refuses(chart_main, status, text, "report", __VA_ARGS__)
#define RUNS_4 run, run, run, run
#define RUNS_16 RUNS_4, RUNS_4, RUNS_4, RUNS_4
#define RUN(...) subcommand_run(chart_main, stderr, "report", __VA_ARGS__)

static char *run, *empty; // files; in the latter nothing came back

// Makes a second or two of 1,000 messages each, with so many latencies of 1 us and one of `last`.
static void make_files(uint64_t count, uint64_t last) {
	const struct result_interval none = {.from = 2 * NS_PER_S};
	struct result result = {0};
	struct echod_error error;
	run = (char *)place_path("x'`touch y`$(z)<b>@&\\.json");
	empty = (char *)place_path("empty.json");
	made_run_init(&result,
		      &(struct made_run){.started = 1, .seconds = count > 9 ? 1 : 2, .rate = 1000});
	json_array_append_new(result_get(&result, "intervals"),
			      result_pack_interval(&none, result.latency));
	hdr_record_many(result.latency, NS_PER_US, count);
	hdr_record(result.latency, last);
	result_add_error(&result, "reset", 3, "");
	result_set_count(result.json, "faults_found", 2);
	assert_int_equal(result_write(&result, run, &error), 0);
	hdr_reset(result.latency);
	result_set_verdict(&result, "");
	assert_int_equal(result_write(&result, empty, &error), 0);
	result_free(&result);
}

// Wants each part once, with ' in place of ".
static void expect_once(const char *drawn, const char *const *parts) {
	char *text = (char *)test_text("%s", drawn);
	for (char *at = text; (at = strchr(at, '"'));)
		*at = '\'';
	for (const char *at; *parts; parts++)
		if (!(at = strstr(text, *parts)) || strstr(at + 1, *parts))
			fail_msg("not once: %s\n%s", *parts, text);
}

// From the corner to 1,000 times its number.
static void draw_line(struct svg *svg, size_t index, char *label) {
	sprintf(label, "\"line\" %zu", index);
	svg_point(svg, true, 0, 0);
	svg_point(svg, false, 1000.0 * (double)index, svg->place ? 3000 : 4000);
}

static void draw(FILE *file) {
	const struct svg_chart charts[] = {{"one", {"a", "b"}, {NULL, NULL}, draw_line},
					   {"two", {"c", "d"}, {NULL, NULL}, draw_line}};
	svg_draw(file, charts, COUNT_OF(charts), 9, NULL);
}

TEST(all_has_its_place) {
	expect_once(test_output(draw),
		    STRINGS("='1236' viewBox='0 0 900 1236' ", "M287.5 40.0V360.0'",
			    "M90 280.0H880'", "x='287.5' y='380.0' text-anchor='middle'>2 k<",
			    ">500<", ">1.5 k<", "x='90.0' y='380.0' text-anchor='middle'>0<",
			    "x='880.0' y='380.0' text-anchor='middle'>8 k<",
			    "x='82.0' y='285.0' text-anchor='end'>1 k<", "(20 200.0) rotate(-90)",
			    "y='28.0' text-anchor='middle'>one<",
			    "y='1020.0' text-anchor='middle'>c<",
			    "y='658.0' width='790' height='320'",
			    "x='140.0' y='469.0' text-anchor='start'>&quot;line&quot; 2<",
			    "#56b4e9' stroke-width='2' stroke-dasharray='none' d='M90 464.0h40M",
			    "M90.0 360.0h0L287.5 40.0'/",
			    "'6 4' d='M90 1214.0h40M90.0 978.0h0L880.0 658.0'/"));
}

TEST(a_page_has_the_figures_and_the_picture) {
	char *html = (char *)place_path("out.html"), *svg = (char *)place_path("out.svg");
	make_files(9, 100 * NS_PER_US);
	assert_int_equal(RUN(run, empty, "--output", html), 0);
	assert_string_equal(subcommand_said, "");
	const char *text = place_read(html);
	assert_ptr_equal(strstr(text, "<!DOCTYPE html>"), text);
	expect_once(text,
		    STRINGS("<!DOCTYPE", "<svg", "</svg>\n</body>\n",
			    "x'`touch y`$(z)&lt;b&gt;@&amp;\\, SERVER-BOUND</th><td>1000</td>",
			    "125.0 KiB</td><td>1.0 us</td><td>100.0 us<",
			    "100.0 us</td><td>100.0 us</td><td>3</td><td>2</td>",
			    "<tr><th>empty</th>", ">Latency by percentile<",
			    ">percentile of the messages<", ">latency<", ">50 %<", ">90 %<",
			    ">2 us<", "h40M90.0 345.5h0L105.8 345.5L", "L864.2 345.5L880.0 54.5'/>",
			    ">50 us<", ">Throughput over time<", ">seconds<", ">messages a second<",
			    "M90 884.0h40M287.5 533.1h0L682.5 533.1'/>\n"));
	assert_true(!strstr(text, ">99 %<") && !strstr(text, ">500 ns<"));
	make_files(99999999, 10 * NS_PER_S);
	assert_int_equal(RUN("-o", svg, run), 0);
	expect_once(place_read(svg),
		    STRINGS(">99.999999 %<", ">1 us<", ">10 s<", "M485.0 511.1h0'/>"));
	assert_null(strstr(place_read(svg), ">2 us<"));
}

TEST(a_comparison_has_a_ratio_for_each_target) {
	static const char json[] =
		"{\"ab_schema\": 1, \"targets\": [{\"name\": \"a\", \"ratio\": {\"rate\": "
		"{\"conclusion\": \"no difference\", \"median\": null}}}, {\"name\": \"b\", "
		"\"ratio\": {\"rate\": {\"conclusion\": \"50 % less\", \"median\": 0.5, "
		"\"low\": 0.4, \"high\": 0.6}, \"p50\": {\"conclusion\": \"\", "
		"\"median\": 1, \"low\": 1, \"high\": 1}}}]}";
	char *svg = (char *)place_path("out.svg");
	assert_int_equal(RUN((char *)place_file("ab.json", json, strlen(json)), "-o", svg), 0);
	expect_once(place_read(svg),
		    STRINGS(">Messages a second<", ">a, itself: no difference<", ">0.7<",
			    ">b: 50 % less, 0.5000, between 0.4000 and 0.6000<",
			    ">b: , 1.0000, between 1.0000 and 1.0000<",
			    "y='151.7' text-anchor='end'>itself<", "y='258.3' text-anchor='end'>b<",
			    "M114.7 253.3h0L361.6 253.3M238.1 232.0h0L238.1 274.7"));
	assert_null(strstr(place_read(svg), "nan")); // where both ends of an interval are 1
}

TEST(what_is_missing_or_cannot_be_written_is_said_in_one_line) {
	char *svg = (char *)place_path("out.svg"), *link = (char *)place_path("full.svg");
	make_files(1, 1);
	REFUSE(2, "echoload report: where to? -o FILE.svg or -o FILE.html is needed\n", run);
	REFUSE(2, "echoload report: nothing to draw", "-o", svg);
	REFUSE(2, "echoload report: --output: 'x.png' ends neither in .svg nor in .html\n", "-o",
	       "x.png", run);
	REFUSE(2, "no message came back in any run\n", empty, "-o", svg);
	REFUSE(2, "is read, so that it cannot be the output", (char *)place_file("a.svg", "{}", 2),
	       "-o", (char *)place_path("a.svg"));
	REFUSE(2, "more than 16 runs\n", RUNS_16, run, "-o", svg);
	assert_false(place_exists(svg));
	assert_int_equal(RUN(RUNS_16, "-o", svg), 0);
	// /dev/full takes no output.
	assert_int_equal(symlink("/dev/full", link), 0);
	REFUSE(3, "full.svg': No space left on device\n", "-o", link, run);
}
