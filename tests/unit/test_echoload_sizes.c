// Sizes of messages: tools/echoload/load/load_config.
#include "echoload/load/load_config.h"
#include "process.h"

#define DRAWS 200000

static void assert_near(double value, double wanted, double tolerance) {
	assert_true(value >= wanted - tolerance && value <= wanted + tolerance);
}

static struct sizes parsed(const char *text) {
	struct sizes sizes;
	struct echod_error error;
	if (sizes_parse(text, &sizes, &error) != 0)
		fail_msg("%s: %s", text, error.message);
	return sizes;
}

TEST(a_range_has_both_its_ends) {
	struct random random = {.state = 2};
	struct sizes sizes = parsed("3..7");
	unsigned drawn[11] = {0};
	assert_int_equal(sizes.most, 7);
	assert_near(sizes.mean, 5, 1e-9);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t size = sizes_draw(&sizes, &random);
		assert_in_range(size, 3, 7);
		drawn[size]++;
	}
	for (int size = 3; size <= 7; size++)
		assert_in_range(drawn[size], DRAWS * 0.2 * 0.97, DRAWS * 0.2 * 1.03);
}

TEST(weights_are_shares) {
	struct random random = {.state = 3};
	struct sizes sizes = parsed("16k,64:9");
	unsigned large = 0;
	double sum = 0;
	assert_int_equal(sizes.most, 16384);
	assert_near(sizes.mean, 0.9 * 64 + 0.1 * 16384, 1e-9);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t size = sizes_draw(&sizes, &random);
		assert_true(size == 64 || size == 16384);
		large += size == 16384;
		sum += (double)size;
	}
	assert_in_range(large, DRAWS * 0.1 * 0.97, DRAWS * 0.1 * 1.03);
	assert_near(sum / DRAWS, sizes.mean, sizes.mean * 0.03);
}

TEST(all_forms_go_together) {
	struct sizes sizes = parsed("1..100:3,64k:0.5,1.5m..1g");
	assert_int_equal(sizes.count, 3);
	assert_true(sizes.parts[0].least == 1 && sizes.parts[0].most == 100);
	assert_int_equal(sizes.parts[1].least, 65536);
	assert_true(sizes.parts[2].least == 3 << 19 && sizes.parts[2].most == 1 << 30);
	assert_near(sizes.parts[0].below, 3 / 4.5, 1e-12);
	assert_near(sizes.parts[1].below, 3.5 / 4.5, 1e-12);
	assert_true(sizes.parts[2].below == 1);
	assert_int_equal(sizes.most, 1 << 30);
}

TEST(nonsense_is_refused) {
	const char *const *bad =
		STRINGS("", "0", "-1", "64,", ",64", "64..", "..64", "9..3", "64:", "64:0", "64:-1",
			"64:x", "64:1:2", "64:1e3", "64:1..2", "2g", "1..2..3", "64 ", "1...5",
			"64;65", "0..10", "64:0x10", "k", "64..1gb",
			"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", test_text("%01023d0", 1));
	for (; *bad; bad++) {
		struct sizes sizes = {.most = 1234};
		struct echod_error error = {0};
		if (sizes_parse(*bad, &sizes, &error) == 0)
			fail_msg("'%s' was taken", *bad);
		assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
		assert_true(strlen(error.message) > 0);
		assert_int_equal(sizes.most, 1234);
	}
	assert_int_equal(parsed("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16").count, SIZES_PARTS);
}
