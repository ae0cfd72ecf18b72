// What is written of a run besides its result: tools/echoload/result/formats.
// tests/check/hdr_formats.sh compares two of them with HdrHistogram's own.
#include "test.h"

#include <inttypes.h>

#include "base/clock.h"
#include "echoload/common/hdr.h"
#include "echoload/common/random.h"
#include "echoload/result/formats.h"

#define INTERVAL(...) (&(const struct result_interval){__VA_ARGS__})

static struct hdr hdr, back;
static struct echod_error error;

static FILE *file; // what is written to it is in `text` after a flush
static char *text;
static size_t size;

BEFORE_EACH {
	hdr_reset(&hdr);
	file = open_memstream(&text, &size);
	assert_non_null(file);
}

AFTER_EACH {
	int status = fclose(file);
	free(text);
	assert_int_equal(status, 0);
}

// The intervals as comma-separated values.

static const char heading[] = "seconds,messages,messages_per_second,bytes,p50_ns,p90_ns,p99_ns,"
			      "p99_9_ns,max_ns,errors,connections\n";

static const char *last_line(void) {
	assert_true(size > 0 && text[size - 1] == '\n');
	const char *before = memrchr(text, '\n', size - 1);
	return before ? before + 1 : text;
}

TEST(the_first_line_names_the_columns) {
	csv_interval(file, INTERVAL(0), &hdr, 0);
	assert_memory_equal(text, heading, strlen(heading));
	csv_interval(file, INTERVAL(.from = 1), &hdr, 0);
	assert_null(strstr(text + 1, heading));
}

TEST(a_line_has_what_the_interval_counted) {
	// Every value below 1024 ns has a bucket of its own.
	for (uint64_t ns = 1; ns <= 1000; ns++)
		hdr_record(&hdr, ns);
	csv_interval(file,
		     INTERVAL(.from = 3 * NS_PER_S, .length = NS_PER_S, .messages = 1000,
			      .bytes = 128000, .errors = 2),
		     &hdr, 50);
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
	csv_interval(file, INTERVAL(.length = NS_PER_S, .errors = 3), &hdr, 8);
	assert_string_equal(last_line(), "1.000,0,0.0,0,,,,,,3,8\n");
}

TEST(each_line_is_there_when_its_interval_ends) {
	hdr_record(&hdr, 5);
	size_t before = 0;
	for (unsigned i = 0; i < 3; i++) {
		csv_interval(file,
			     INTERVAL(.from = i * NS_PER_S, .length = NS_PER_S, .messages = 1),
			     &hdr, 1);
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
	csv_interval(file, INTERVAL(0), &hdr, 0);
	assert_int_equal(commas_in(last_line()), commas_in(heading));
	hdr_record(&hdr, UINT64_MAX);
	csv_interval(file,
		     INTERVAL(.from = UINT64_MAX / 4, .length = 1, .messages = UINT64_MAX,
			      .bytes = UINT64_MAX, .errors = UINT64_MAX),
		     &hdr, UINT32_MAX);
	assert_int_equal(commas_in(last_line()), commas_in(heading));
	assert_contains(last_line(), ",18446744073709551615,18446744073709551615,"
				     "4294967295\n");
}

TEST(what_could_not_be_written_is_known) {
	FILE *full = fopen("/dev/full", "we");
	assert_non_null(full);
	csv_interval(full, INTERVAL(.length = NS_PER_S), &hdr, 1);
	assert_true(ferror(full));
	fclose(full);
}

// The percentile distribution.

static void write_percentiles(void) {
	hgrm_write(file, &hdr);
	assert_int_equal(fflush(file), 0);
}

TEST(a_single_sample_has_two_lines) {
	hdr_record(&hdr, 1234567);
	write_percentiles();
	assert_string_equal(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
				  "\n"
				  "    1234.567 0.000000000000          1           1.00\n"
				  "    1234.567 1.000000000000          1\n"
				  "#[Mean    =     1234.567, StdDeviation   =        0.136]\n"
				  "#[Max     =     1234.567, Total count    =            1]\n"
				  "#[Buckets =           32, SubBuckets     =         2048]\n"
				  "#[Unit    =           us]\n");
}

TEST(without_samples_there_are_no_lines) {
	write_percentiles();
	assert_contains(text, "Percentile)\n\n#[Mean    =        0.000, ");
	assert_contains(text, "Total count    =            0]");
}

// Reads the lines between the head and the foot.
static unsigned check_lines(void) {
	unsigned lines = 0;
	double last_value = 0.0, last_share = -1.0;
	uint64_t last_count = 0;
	for (const char *line = strstr(text, "\n\n") + 2; *line != '#';
	     line = strchr(line, '\n') + 1) {
		double value, share;
		uint64_t count;
		assert_int_equal(sscanf(line, "%lf %lf %" SCNu64, &value, &share, &count), 3);
		assert_true(value >= last_value && share > last_share && count >= last_count);
		// The line says that `count` are at most `value`.
		uint64_t ns = (uint64_t)(value * 1000.0 + 0.5);
		assert_int_equal(hdr_count_to(&hdr, ns), count);
		assert_true((double)count >= share * (double)hdr.count * (1.0 - 1e-12));
		last_value = value;
		last_share = share;
		last_count = count;
		lines++;
	}
	assert_true(last_share == 1.0);
	assert_int_equal(last_count, hdr.count);
	assert_int_equal((uint64_t)(last_value * 1000.0 + 0.5), hdr.max);
	return lines;
}

TEST(each_line_is_true_and_the_last_is_the_maximum) {
	struct random random = {.state = 1};
	for (unsigned i = 0; i < 100000; i++)
		hdr_record(&hdr, (uint64_t)random_exponential(&random, 50000.0));
	write_percentiles();
	// Five for each halving from 100,000 down to 1, and some at the ends.
	assert_in_range(check_lines(), 75, 95);
}

// The encoding of histograms, and the interval log that has it.

static int decode(const char *encoded) {
	hdr_reset(&back);
	return hdr_v2_add(&back, encoded, &error);
}

static void expect_buckets(const char *encoded) {
	assert_int_equal(decode(encoded), 0);
	assert_memory_equal(back.bucket, hdr.bucket, sizeof(hdr.bucket));
}

static void check_round_trip(void) {
	expect_buckets(test_keep(hdr_v2_encode(&hdr)));
	assert_int_equal(back.count, hdr.count);
	if (hdr.count) {
		assert_int_equal(hdr_index(back.min), hdr_index(hdr.min));
		assert_int_equal(hdr_index(back.max), hdr_index(hdr.max));
		assert_true(hdr_mean(&back) >= hdr_mean(&hdr) * 0.999);
		assert_true(hdr_mean(&back) <= hdr_mean(&hdr) * 1.001);
	}
}

TEST(what_is_encoded_comes_back) {
	struct random random = {.state = 1};
	check_round_trip();
	hdr_record(&hdr, 0);
	check_round_trip();
	for (unsigned samples = 1; samples <= 100000; samples *= 10) {
		hdr_reset(&hdr);
		for (unsigned i = 0; i < samples; i++)
			hdr_record(&hdr, (uint64_t)random_exponential(&random, 1e6));
		check_round_trip();
	}
	hdr_record(&hdr, (UINT64_C(1) << BUCKETS_VALUE_BITS) - 1);
	check_round_trip();
	for (unsigned i = 0; i < HDR_BUCKETS - 1; i++)
		hdr_record(&hdr, hdr_lowest(i));
	check_round_trip();
}

TEST(counts_of_any_size_come_back) {
	for (unsigned bits = 0; bits < 62; bits++) {
		uint64_t count = UINT64_C(1) << bits;
		hdr_reset(&hdr);
		for (unsigned i = 0; i < 3; i++)
			hdr_record_many(&hdr, hdr_lowest(100 + i), count + i - 1);
		expect_buckets(test_keep(hdr_v2_encode(&hdr)));
	}
}

static void refuse(const char *encoded) {
	error = (struct echod_error){0};
	assert_int_equal(decode(encoded), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
}

TEST(what_is_no_histogram_is_refused) {
	static const char *const wrong[] = {
		"", "H", "HIST", "HISTFAAAAA==", "####", "HISTFAAAACJ42pNpmSzMwMDADAAB"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		refuse(wrong[i]);
	hdr_record(&hdr, 1000);
	char *encoded = test_keep(hdr_v2_encode(&hdr));
	encoded[strlen(encoded) - 4] = '\0';
	refuse(encoded);
}

// It either decodes or is refused, and the sanitizers find nothing.
TEST(damaged_text_does_no_harm) {
	struct random random = {.state = 3};
	for (unsigned i = 0; i < 1000; i++)
		hdr_record(&hdr, (uint64_t)random_exponential(&random, 1e5));
	size_t length;
	unsigned char *bytes = test_keep(base64_decode(test_keep(hdr_v2_encode(&hdr)), &length));
	unsigned refused = 0;
	for (unsigned i = 0; i < 5000; i++) {
		size_t at = random_next(&random) % length;
		unsigned char was = bytes[at];
		bytes[at] ^= (unsigned char)(1 + random_next(&random) % 255);
		refused += decode(test_keep(base64_encode(bytes, length))) != 0;
		bytes[at] = was;
	}
	// zlib's checksum does not cover its level of compression.
	assert_in_range(refused, 4900, 5000);
}

TEST(base64_is_that_of_the_standard) {
	static const char *const pairs[][2] = {{"f", "Zg=="},		{"fo", "Zm8="},
					       {"foo", "Zm9v"},		{"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},	{"foobar", "Zm9vYmFy"},
					       {"\xfb\xff\xfe", "+//+"}};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		size_t length = strlen(pairs[i][0]);
		const char *encoded =
			test_keep(base64_encode((const unsigned char *)pairs[i][0], length));
		assert_string_equal(encoded, pairs[i][1]);
		size_t decoded;
		assert_memory_equal(test_keep(base64_decode(encoded, &decoded)), pairs[i][0],
				    length);
		assert_int_equal(decoded, length);
	}
	static const char *const wrong[] = {
		"", "Z", "Zg=", "Zg===", "====", "Z===", "Zm9v\n", "Zg=v"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		size_t length;
		assert_null(base64_decode(wrong[i], &length));
		assert_int_equal(errno, EINVAL);
	}
}

TEST(a_log_has_its_head_and_a_line_for_each_interval) {
	static const char head[] =
		"#[Logged with echoload " ECHOD_VERSION ", values in nanoseconds]\n"
		"#[Histogram log format version 1.3]\n"
		"#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 15:24:39 UTC 2015]\n"
		"#[BaseTime: 1441812279.474 (seconds since epoch)]\n"
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		"\"Interval_Compressed_Histogram\"\n"
		"0.000,1.000,2.769,HISTFAAAA";
	hdr_record(&hdr, 2769000);
	hlog_interval(file, UINT64_C(1441812279474000000), INTERVAL(.length = NS_PER_S), &hdr);
	hdr_record(&hdr, 5000000);
	hlog_interval(file, 0, INTERVAL(.from = NS_PER_S, .length = NS_PER_S / 4), &hdr);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(strncmp(text, head, strlen(head)), 0);
	char *second = strstr(text, "\n1.000,0.250,5.000,");
	assert_non_null(second);
	char *histogram = strrchr(second, ',') + 1;
	*strchr(histogram, '\n') = '\0';
	expect_buckets(histogram);
}
