#include "formats.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/clock.h"

#define TICKS_A_HALVING 5

// Both headers are big-endian. The outer one: cookie, length of the deflated bytes that follow. The
// inner one, deflated with the counts: cookie, length of the counts, and what `inner` says.
#define OUTER_COOKIE UINT32_C(0x1c849314)
#define INNER_COOKIE UINT32_C(0x1c849313)
#define HEADER 8     // bytes of the cookie and the length
#define COUNT_SIZE 9 // bytes that a count takes at most

// What follows the length in the inner header, the same for each of our histograms.
static const unsigned char inner[] = {
	0,    0,    0,	  0,				// no offset of the first bucket
	0,    0,    0,	  3,				// digits
	0,    0,    0,	  0,	0,    0,    0,	  1,	// the least value that differs from 0
	0x00, 0x00, 0x03, 0xff, 0xff, 0xff, 0xff, 0xff, // the largest value, 2^42 - 1
	0x3f, 0xf0, 0,	  0,	0,    0,    0,	  0,	// 1.0: the factor of all values
};
#define INNER_SIZE (HEADER + sizeof(inner))
#define PAYLOAD_MAX (INNER_SIZE + HDR_BUCKETS * COUNT_SIZE)
_Static_assert(BUCKETS_VALUE_BITS == 42 && HDR_SUB_BITS == 10, "as in the inner header");

// Of base64, and the padding of its last group.
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

char *base64_encode(const unsigned char *bytes, size_t length)
{
	char *text = malloc((length + 2) / 3 * 4 + 1), *at = text;
	for (size_t i = 0; i < length && text; i += 3) {
		size_t left = length - i;
		uint32_t group = 0;
		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (k < left ? bytes[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			*at++ = digits[k <= left ? group >> (18 - 6 * k) & 63 : 64];
	}
	if (text)
		*at = '\0';
	return text;
}

unsigned char *base64_decode(const char *text, size_t *length)
{
	size_t size = strlen(text), count = strcspn(text, "=");
	if (size == 0 || size % 4 != 0 || size - count > 2 || strspn(text, digits) != size ||
	    strspn(text + count, "=") != size - count) {
		errno = EINVAL;
		return NULL;
	}
	unsigned char *bytes = malloc(size / 4 * 3);
	uint32_t bits = 0;
	*length = 0;
	for (size_t i = 0; i < count && bytes; i++) {
		bits = bits << 6 | (uint32_t)(strchr(digits, text[i]) - digits);
		if (i % 4 != 0) // the first digit of a group alone is no byte
			bytes[(*length)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	return bytes;
}

static void put_header(unsigned char *at, uint32_t cookie, size_t length)
{
	const uint32_t header[] = {htobe32(cookie), htobe32((uint32_t)length)};
	memcpy(at, header, HEADER);
}

static bool has_header(const unsigned char *at, uint32_t cookie, size_t length)
{
	unsigned char header[HEADER];
	put_header(header, cookie, length);
	return memcmp(at, header, HEADER) == 0;
}

// LEB128, except for its ninth byte, which has eight bits, of a number in zig-zag form: the sign is
// its lowest bit.
static unsigned char *put_number(unsigned char *at, int64_t number)
{
	uint64_t rest = (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
	for (int i = 1; i < COUNT_SIZE && rest >= 0x80; i++) {
		*at++ = (unsigned char)(rest | 0x80);
		rest >>= 7;
	}
	*at++ = (unsigned char)rest;
	return at;
}

// Returns the byte after the number, or NULL if it does not end before `end`.
static const unsigned char *get_number(const unsigned char *at, const unsigned char *end,
				       int64_t *number)
{
	uint64_t value = 0;
	for (int i = 1; at < end; i++) {
		uint64_t byte = *at++;
		bool last = byte < 0x80 || i == COUNT_SIZE;
		value |= (last ? byte : byte & 0x7f) << 7 * (i - 1);
		*number = (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
		if (last)
			return at;
	}
	return NULL;
}

// The counts up to the last that is not 0, or that of the first bucket; several zeros are their
// number, negative.
static unsigned char *put_counts(unsigned char *at, const struct hdr *hdr)
{
	unsigned zeros = 0;
	for (unsigned i = 0; i < HDR_BUCKETS; i++) {
		if (hdr->bucket[i] == 0) {
			zeros++;
			continue;
		}
		if (zeros)
			at = put_number(at, zeros > 1 ? -(int64_t)zeros : 0);
		at = put_number(at, (int64_t)hdr->bucket[i]);
		zeros = 0;
	}
	return hdr->count ? at : put_number(at, 0);
}

char *hdr_v2_encode(const struct hdr *hdr)
{
	unsigned char *payload = malloc(PAYLOAD_MAX);
	unsigned char *bytes = malloc(HEADER + compressBound(PAYLOAD_MAX));
	uLongf size = compressBound(PAYLOAD_MAX);
	char *text = NULL;
	if (payload && bytes) {
		size_t length = (size_t)(put_counts(payload + INNER_SIZE, hdr) - payload);
		put_header(payload, INNER_COOKIE, length - INNER_SIZE);
		memcpy(payload + HEADER, inner, sizeof(inner));
		if (compress(bytes + HEADER, &size, payload, length) == Z_OK) {
			put_header(bytes, OUTER_COOKIE, size);
			text = base64_encode(bytes, HEADER + size);
		}
	}
	free(bytes);
	free(payload);
	return text;
}

static double middle_of(unsigned index)
{
	double width = (double)buckets_width(HDR_SUB_BITS, index);
	return (double)hdr_lowest(index) + (width - 1) / 2;
}

// Returns -1 when the bytes are not the counts of a histogram.
static int get_counts(struct hdr *hdr, const unsigned char *at, const unsigned char *end)
{
	unsigned index = 0;
	while (at < end) {
		int64_t number = 0;
		at = get_number(at, end, &number);
		if (!at || index >= HDR_BUCKETS || number < -(int64_t)(HDR_BUCKETS - index))
			return -1;
		if (number > 0)
			hdr_record_many(hdr, (uint64_t)middle_of(index), (uint64_t)number);
		index += number < 0 ? (unsigned)-number : 1;
	}
	return 0;
}

int hdr_v2_add(struct hdr *hdr, const char *text, struct echod_error *error)
{
	size_t size;
	uLongf length = PAYLOAD_MAX;
	int status = 0;
	unsigned char *payload = malloc(PAYLOAD_MAX);
	unsigned char *bytes = payload ? base64_decode(text, &size) : NULL;
	if (!bytes && errno == ENOMEM)
		status = error_set(error, ECHOD_ERROR_SYSTEM, "out of memory");
	else if (!bytes || size <= HEADER || !has_header(bytes, OUTER_COOKIE, size - HEADER) ||
		 uncompress(payload, &length, bytes + HEADER, size - HEADER) != Z_OK ||
		 length <= INNER_SIZE || !has_header(payload, INNER_COOKIE, length - INNER_SIZE) ||
		 memcmp(payload + HEADER, inner, sizeof(inner)) != 0 ||
		 get_counts(hdr, payload + INNER_SIZE, payload + length) != 0)
		status = error_set(error, ECHOD_ERROR_USAGE,
				   "'%.24s%s' is no histogram of echoload's", text,
				   strlen(text) > 24 ? "..." : "");
	free(bytes);
	free(payload);
	return status;
}

void csv_interval(FILE *file, const struct result_interval *interval, const struct hdr *latency,
		  unsigned connections)
{
	static const double percents[] = {50.0, 90.0, 99.0, 99.9, 100.0};
	double length = clock_seconds(interval->length);
	if (interval->from == 0)
		fputs("seconds,messages,messages_per_second,bytes,p50_ns,p90_ns,p99_ns,p99_9_ns,"
		      "max_ns,errors,connections\n",
		      file);
	fprintf(file, "%.3f,%" PRIu64 ",%.1f,%" PRIu64, clock_seconds(interval->from) + length,
		interval->messages, interval->length ? (double)interval->messages / length : 0.0,
		interval->bytes);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		fprintf(file, latency->count ? ",%" PRIu64 : ",",
			hdr_percentile(latency, percents[i]));
	fprintf(file, ",%" PRIu64 ",%u\n", interval->errors, connections);
	fflush(file);
}

static void begin_hlog(FILE *file, uint64_t started)
{
	time_t second = (time_t)(started / NS_PER_S);
	struct tm utc;
	char date[64];
	strftime(date, sizeof(date), "%a %b %d %T UTC %Y", gmtime_r(&second, &utc));
	fprintf(file,
		"#[Logged with echoload %s, values in nanoseconds]\n"
		"#[Histogram log format version 1.3]\n"
		"#[StartTime: %.3f (seconds since epoch), %s]\n"
		"#[BaseTime: %.3f (seconds since epoch)]\n"
		"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		"\"Interval_Compressed_Histogram\"\n",
		ECHOD_VERSION, clock_seconds(started), date, clock_seconds(started));
}

void hlog_interval(FILE *file, uint64_t started, const struct result_interval *interval,
		   const struct hdr *latency)
{
	char *text = hdr_v2_encode(latency);
	if (interval->from == 0)
		begin_hlog(file, started);
	if (text)
		fprintf(file, "%.3f,%.3f,%.3f,%s\n", clock_seconds(interval->from),
			clock_seconds(interval->length), (double)latency->max / (double)NS_PER_MS,
			text);
	free(text);
}

static double to_us(double ns)
{
	return ns / (double)NS_PER_US;
}

static double next_level(double level)
{
	double halvings = floor(log2(100.0 / (100.0 - level))) + 1.0;
	return level + 100.0 / (TICKS_A_HALVING * exp2(halvings));
}

// A level as a share with twelve decimals. HdrHistogram rounds half up, printf to even.
static double to_share(double level)
{
	return floor(level * 1e10 + 0.5) / 1e12;
}

// One line for each level that the bucket reaches, for the last bucket only the first of them: its
// other line is that of 100 %.
static void write_lines(FILE *file, const struct hdr *hdr)
{
	double level = 0, value = 0;
	uint64_t seen = 0;
	for (unsigned i = 0; i < HDR_BUCKETS && seen < hdr->count; i++) {
		if (hdr->bucket[i] == 0)
			continue;
		seen += hdr->bucket[i];
		uint64_t highest = hdr_highest(i);
		value = to_us((double)(highest < hdr->max ? highest : hdr->max));
		double reached = 100.0 * (double)seen / (double)hdr->count;
		while (level <= reached && level < 100.0) {
			fprintf(file, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", value,
				to_share(level), seen, 1.0 / (1.0 - level / 100.0));
			level = next_level(level);
			if (seen == hdr->count)
				break;
		}
	}
	if (hdr->count)
		fprintf(file, "%12.3f %2.12f %10" PRIu64 "\n", value, 1.0, seen);
}

int hgrm_write(FILE *file, const void *context)
{
	const struct hdr *hdr = context;
	double mean = hdr_mean(hdr), squares = 0.0; // of the buckets' middles about the mean
	for (unsigned i = 0; i < HDR_BUCKETS; i++)
		squares += pow(middle_of(i) - mean, 2) * (double)hdr->bucket[i];
	fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	write_lines(file, hdr);
	fprintf(file,
		"#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
		"#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n"
		"#[Buckets = %12d, SubBuckets     = %12d]\n"
		"#[Unit    = %12s]\n",
		to_us(mean), to_us(hdr->count ? sqrt(squares / (double)hdr->count) : 0),
		to_us((double)hdr->max), hdr->count, BUCKETS_VALUE_BITS - HDR_SUB_BITS,
		2 << HDR_SUB_BITS, "us");
	return 0;
}
