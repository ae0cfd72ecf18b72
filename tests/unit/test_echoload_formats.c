// What is written of a run besides its result: tools/echoload/result/formats.
// tests/check/hdr_formats.sh compares two of them with HdrHistogram's own.
#include "test.h"

#include <endian.h>
#include <inttypes.h>
#include <zlib.h>

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

static const struct row {
	const char *name; // the line
	struct result_interval interval;
	uint64_t samples; // of 1, 2, … ns, which have buckets of their own
	unsigned connections;
} rows[] = {
	{"4.000,1000,1000.0,128000,500,900,990,999,1000,2,50\n",
	 {3 * NS_PER_S, NS_PER_S, 1000, 128000, 2},
	 1000,
	 50},
	{"2.250,10,40.0,0,1,1,1,1,1,0,1\n", {2 * NS_PER_S, NS_PER_S / 4, 10, 0, 0}, 1, 1},
	{"2.000,10,0.0,0,1,1,1,1,1,0,1\n", {2 * NS_PER_S, .messages = 10}, 1, 1},
	// Where nothing came back there is no latency, rather than one of 0.
	{"1.000,0,0.0,0,,,,,,3,8\n", {.length = NS_PER_S, .errors = 3}, 0, 8},
	{"4611686019.427,18446744073709551615,18446744073709551616.0,18446744073709551615,,,,,,"
	 "18446744073709551615,4294967295\n",
	 {UINT64_MAX / 4, NS_PER_S, UINT64_MAX, UINT64_MAX, UINT64_MAX},
	 0,
	 UINT32_MAX},
};

// It is there when its interval ends. The first has the heading before it.
TEST_ROWS(a_line_has_what_the_interval_counted, const struct row *row, rows) {
	const char *first = row->interval.from == 0 ? heading : "";
	for (uint64_t ns = 1; ns <= row->samples; ns++)
		hdr_record(&hdr, ns);
	csv_interval(file, &row->interval, &hdr, row->connections);
	assert_string_equal(text, test_text("%s%s", first, row->name));
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

TEST(a_level_that_is_just_reached_has_its_line) {
	hdr_record(&hdr, 1000);
	hdr_record(&hdr, 2000);
	write_percentiles();
	assert_contains(text, "\n       1.000 0.500000000000          1           2.00\n");
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

#define HEADERS 40 // bytes before the counts

// Decodes such bytes, deflated, after an outer header.
static int decode_payload(const unsigned char *payload, size_t all) {
	static unsigned char bytes[8 + 2 * HDR_BUCKETS];
	uLongf length = sizeof(bytes) - 8;
	assert_int_equal(compress(bytes + 8, &length, payload, all), Z_OK);
	const uint32_t outer[] = {htobe32(0x1c849314), htobe32((uint32_t)length)};
	memcpy(bytes, outer, 8);
	return decode(test_keep(base64_encode(bytes, 8 + length)));
}

// It either decodes or is refused, and the sanitizers find nothing.
TEST(damage_does_no_harm) {
	static unsigned char payload[HEADERS + HDR_BUCKETS + 1];
	struct random random = {.state = 3};
	uLongf all = sizeof(payload);
	size_t length;
	for (unsigned i = 0; i < 1000; i++)
		hdr_record(&hdr, (uint64_t)random_exponential(&random, 1e5));
	unsigned char *bytes = test_keep(base64_decode(test_keep(hdr_v2_encode(&hdr)), &length));
	assert_int_equal(uncompress(payload, &all, bytes + 8, length - 8), Z_OK);
	assert_memory_equal(
		payload + 8, // as at the encoder: offset, digits, range and ratio
		"\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\1\0\0\3\xff\xff\xff\xff\xff\x3f\xf0\0\0\0\0\0", 32);
	for (size_t i = 0; i < 5000; i++) {
		unsigned char *at = &payload[i % all], was = *at;
		*at ^= (unsigned char)(1 + random_next(&random) % 255);
		assert_true(decode_payload(payload, all) != 0 || i % all >= HEADERS);
		*at = was;
	}
	for (size_t bit = 0; bit < 64; bit++) { // of the outer header
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
		assert_int_equal(decode(test_keep(base64_encode(bytes, length))), -1);
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	assert_int_equal(decode(""), -1);
	// As many counts as there are buckets, and one more.
	memset(payload + HEADERS, 2, HDR_BUCKETS + 1);
	for (unsigned count = HDR_BUCKETS; count <= HDR_BUCKETS + 1; count++) {
		const uint32_t counts = htobe32(count);
		memcpy(payload + 4, &counts, 4);
		assert_int_equal(decode_payload(payload, HEADERS + count),
				 count > HDR_BUCKETS ? -1 : 0);
	}
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
