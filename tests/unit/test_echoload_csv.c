// The intervals of a run as comma-separated values: tools/echoload/result/csv.
#include "test.h"

#include "base/clock.h"
#include "echoload/result/formats.h"

static const char heading[] = "seconds,messages,messages_per_second,bytes,p50_ns,p90_ns,p99_ns,"
			      "p99_9_ns,max_ns,errors,connections\n";

static struct hdr hdr;
static FILE *file;
static char *text;
static size_t size;

static void open_file(void) {
	hdr_reset(&hdr);
	file = open_memstream(&text, &size);
	assert_non_null(file);
}

static void close_file(void) {
	int status = fclose(file);
	free(text);
	assert_int_equal(status, 0);
}

FIXTURE(open_file, close_file);

static const char *last_line(void) {
	assert_true(size > 0 && text[size - 1] == '\n');
	const char *before = memrchr(text, '\n', size - 1);
	return before ? before + 1 : text;
}

TEST(the_first_line_names_the_columns) {
	csv_interval(file, &(struct result_interval){0}, &hdr, 0);
	assert_memory_equal(text, heading, strlen(heading));
	csv_interval(file, &(struct result_interval){.from = 1}, &hdr, 0);
	assert_null(strstr(text + 1, heading));
}

TEST(a_line_has_what_the_interval_counted) {
	const struct result_interval interval = {.from = 3 * NS_PER_S,
						 .length = NS_PER_S,
						 .messages = 1000,
						 .bytes = 128000,
						 .errors = 2};
	// Every value below 1024 ns has a bucket of its own.
	for (uint64_t ns = 1; ns <= 1000; ns++)
		hdr_record(&hdr, ns);
	csv_interval(file, &interval, &hdr, 50);
	assert_string_equal(last_line(), "4.000,1000,1000.0,128000,500,900,990,999,1000,2,50\n");
}

TEST(the_rate_is_over_the_time_that_the_interval_took) {
	struct result_interval interval = {
		.from = 2 * NS_PER_S, .length = NS_PER_S / 4, .messages = 10};
	hdr_record(&hdr, 7);
	csv_interval(file, &interval, &hdr, 1);
	assert_string_equal(last_line(), "2.250,10,40.0,0,7,7,7,7,7,0,1\n");
	interval.length = 0;
	csv_interval(file, &interval, &hdr, 1);
	assert_string_equal(last_line(), "2.000,10,0.0,0,7,7,7,7,7,0,1\n");
}

TEST(where_nothing_came_back_there_is_no_latency_rather_than_none_at_all) {
	const struct result_interval interval = {.length = NS_PER_S, .errors = 3};
	csv_interval(file, &interval, &hdr, 8);
	assert_string_equal(last_line(), "1.000,0,0.0,0,,,,,,3,8\n");
}

TEST(each_line_is_there_when_its_interval_ends) {
	struct result_interval interval = {.length = NS_PER_S, .messages = 1};
	hdr_record(&hdr, 5);
	size_t before = 0;
	for (unsigned i = 0; i < 3; i++) {
		interval.from = i * NS_PER_S;
		csv_interval(file, &interval, &hdr, 1);
		assert_true(strlen(text) > before);
		assert_int_equal(atoi(last_line()), i + 1);
		before = strlen(text);
	}
}

static unsigned commas_in(const char *line) {
	unsigned commas = 0;
	for (; *line && *line != '\n'; line++)
		commas += *line == ',';
	return commas;
}

TEST(every_line_has_the_columns_of_the_heading_also_for_the_largest) {
	const struct result_interval empty = {0};
	const struct result_interval huge = {.from = UINT64_MAX / 4,
					     .length = 1,
					     .messages = UINT64_MAX,
					     .bytes = UINT64_MAX,
					     .errors = UINT64_MAX};
	csv_interval(file, &empty, &hdr, 0);
	assert_int_equal(commas_in(last_line()), commas_in(heading));
	hdr_record(&hdr, UINT64_MAX);
	csv_interval(file, &huge, &hdr, UINT32_MAX);
	assert_int_equal(commas_in(last_line()), commas_in(heading));
	assert_contains(last_line(), ",18446744073709551615,18446744073709551615,"
				     "4294967295\n");
}

TEST(what_could_not_be_written_is_known) {
	FILE *full = fopen("/dev/full", "we");
	assert_non_null(full);
	csv_interval(full, &(struct result_interval){.length = NS_PER_S}, &hdr, 1);
	assert_true(ferror(full));
	fclose(full);
}
