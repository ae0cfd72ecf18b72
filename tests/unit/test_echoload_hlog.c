// The interval log and the encoding in it: tools/echoload/result/formats.
// tests/check/hdr_formats.sh has them read by HdrHistogram.
#include "test.h"

#include "echoload/common/hdr.h"
#include "echoload/common/random.h"
#include "echoload/result/formats.h"

static struct hdr hdr, back;
static struct echod_error error;

static void clear(void) {
	hdr_reset(&hdr);
}

FIXTURE(clear, NULL);

static int decode(const char *text) {
	hdr_reset(&back);
	return hdr_v2_add(&back, text, &error);
}

static void expect_buckets(const char *text) {
	assert_int_equal(decode(text), 0);
	assert_memory_equal(back.bucket, hdr.bucket, sizeof(hdr.bucket));
}

static void check_round_trip(void) {
	char *text = hdr_v2_encode(&hdr);
	assert_non_null(text);
	expect_buckets(text);
	assert_int_equal(back.count, hdr.count);
	if (hdr.count) {
		assert_int_equal(hdr_index(back.min), hdr_index(hdr.min));
		assert_int_equal(hdr_index(back.max), hdr_index(hdr.max));
		assert_true(hdr_mean(&back) >= hdr_mean(&hdr) * 0.999);
		assert_true(hdr_mean(&back) <= hdr_mean(&hdr) * 1.001);
	}
	free(text);
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
		char *text = hdr_v2_encode(&hdr);
		expect_buckets(text);
		free(text);
	}
}

static void refuse(const char *text) {
	error = (struct echod_error){0};
	assert_int_equal(decode(text), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
}

TEST(what_is_no_histogram_is_refused) {
	static const char *const wrong[] = {
		"", "H", "HIST", "HISTFAAAAA==", "####", "HISTFAAAACJ42pNpmSzMwMDADAAB"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		refuse(wrong[i]);
	hdr_record(&hdr, 1000);
	char *text = hdr_v2_encode(&hdr);
	text[strlen(text) - 4] = '\0';
	refuse(text);
	free(text);
}

// It either decodes or is refused, and the sanitizers find nothing.
TEST(damaged_text_does_no_harm) {
	struct random random = {.state = 3};
	for (unsigned i = 0; i < 1000; i++)
		hdr_record(&hdr, (uint64_t)random_exponential(&random, 1e5));
	char *text = hdr_v2_encode(&hdr);
	size_t length;
	unsigned char *bytes = base64_decode(text, &length);
	unsigned refused = 0;
	for (unsigned i = 0; i < 5000; i++) {
		size_t at = random_next(&random) % length;
		unsigned char was = bytes[at];
		bytes[at] ^= (unsigned char)(1 + random_next(&random) % 255);
		char *damaged = base64_encode(bytes, length);
		refused += decode(damaged) != 0;
		bytes[at] = was;
		free(damaged);
	}
	// zlib's checksum does not cover its level of compression.
	assert_in_range(refused, 4900, 5000);
	free(bytes);
	free(text);
}

TEST(base64_is_that_of_the_standard) {
	static const char *const pairs[][2] = {{"f", "Zg=="},		{"fo", "Zm8="},
					       {"foo", "Zm9v"},		{"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},	{"foobar", "Zm9vYmFy"},
					       {"\xfb\xff\xfe", "+//+"}};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		size_t length = strlen(pairs[i][0]);
		char *text = base64_encode((const unsigned char *)pairs[i][0], length);
		assert_string_equal(text, pairs[i][1]);
		size_t decoded;
		unsigned char *bytes = base64_decode(text, &decoded);
		assert_int_equal(decoded, length);
		assert_memory_equal(bytes, pairs[i][0], length);
		free(bytes);
		free(text);
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
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	hdr_record(&hdr, 2769000);
	hlog_interval(file, UINT64_C(1441812279474000000),
		      &(struct result_interval){.length = 1000000000}, &hdr);
	hdr_record(&hdr, 5000000);
	hlog_interval(file, 0, &(struct result_interval){.from = 1000000000, .length = 250000000},
		      &hdr);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(strncmp(text, head, strlen(head)), 0);
	char *second = strstr(text, "\n1.000,0.250,5.000,");
	assert_non_null(second);
	char *histogram = strrchr(second, ',') + 1;
	*strchr(histogram, '\n') = '\0';
	expect_buckets(histogram);
	free(text);
}
