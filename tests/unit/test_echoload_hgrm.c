// The percentile distribution as text: tools/echoload/result/hgrm. tests/check/hdr_formats.sh
// compares it with HdrHistogram's own.
#include "test.h"

#include <inttypes.h>

#include "echoload/common/hdr.h"
#include "echoload/common/random.h"
#include "echoload/result/formats.h"

static struct hdr hdr;

static void clear(void) {
	hdr_reset(&hdr);
}

FIXTURE(clear, NULL);

// The text, which the caller frees.
static char *write_text(void) {
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	assert_non_null(file);
	hgrm_write(file, &hdr);
	assert_int_equal(fclose(file), 0);
	return text;
}

TEST(a_single_sample_has_two_lines) {
	hdr_record(&hdr, 1234567);
	char *text = write_text();
	assert_string_equal(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
				  "\n"
				  "    1234.567 0.000000000000          1           1.00\n"
				  "    1234.567 1.000000000000          1\n"
				  "#[Mean    =     1234.567, StdDeviation   =        0.136]\n"
				  "#[Max     =     1234.567, Total count    =            1]\n"
				  "#[Buckets =           32, SubBuckets     =         2048]\n"
				  "#[Unit    =           us]\n");
	free(text);
}

TEST(without_samples_there_are_no_lines) {
	char *text = write_text();
	assert_contains(text, "Percentile)\n\n#[Mean    =        0.000, ");
	assert_contains(text, "Total count    =            0]");
	free(text);
}

// Reads the lines between the head and the foot.
static unsigned check_lines(const char *text) {
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
	char *text = write_text();
	// Five for each halving from 100,000 down to 1, and some at the ends.
	assert_in_range(check_lines(text), 75, 95);
	free(text);
}
