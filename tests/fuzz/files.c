// What is read from files and from the environment; and command lines.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "echoload/result/compare.h"
#include "echoload/result/formats.h"
#include "echoload/result/merge.h"
#include "echoload/run/run_options.h"
#include "fuzz.h"
#include "manager/activation.h"

static struct echod_error error;

// A result that is read is written, read again, merged with one like it, and compared.
TEXT_PARSER(result) {
	struct result one, other;
	fuzz_files(text);
	if (result_read(&one, "one", &error) == 0) {
		const json_t *faults = result_get(&one, "faults"), *fault;
		for (size_t i = 0; (fault = json_array_get(faults, i)); i++)
			ensure(result_count(fault, "run") <
			       json_array_size(result_get(&one, "runs")));
		char *written = json_dumps(one.json, JSON_REAL_PRECISION(15));
		fuzz_files(written);
		ensure(written && result_read(&other, "other", &error) == 0);
		ensure(fuzz_is_same(one.latency, other.latency, sizeof(*one.latency)));
		json_t *run = json_array_get(result_get(&other, "runs"), 0);
		json_object_set_new(run, "run", json_integer(0x7f0000007f));
		struct result sides[] = {one, other};
		struct comparison comparison;
		if (compare_check(&one, &error) == 0)
			compare_results(&comparison, sides, (const size_t[]){1, 1});
		uint64_t count = one.latency->count + other.latency->count;
		ensure(merge_add(&one, &other, &error) != 0 || one.latency->count == count);
		result_free(&other);
		free(written);
	}
	result_free(&one);
}

// The deflated counts of a histogram. What is added is written, and added again to the same.
PARSER(histogram) {
	static const unsigned char cookie[] = {0x1c, 0x84, 0x93, 0x14};
	static unsigned char outer[1 << 16];
	static struct hdr hdr, again;
	uLongf length = sizeof(outer) - 8;
	if (size > 60000 || compress(outer + 8, &length, (const Bytef *)bytes, size) != Z_OK)
		return;
	const unsigned char head[] = {0, 0, (unsigned char)(length >> 8), (unsigned char)length};
	memcpy(mempcpy(outer, cookie, sizeof(cookie)), head, sizeof(head));
	char *text = base64_encode(outer, 8 + length), *written = NULL;
	hdr = again = (struct hdr){.min = UINT64_MAX};
	if (hdr_v2_add(&hdr, text, &error) == 0) {
		ensure((written = hdr_v2_encode(&hdr)) && hdr_v2_add(&again, written, &error) == 0);
		ensure(fuzz_is_same(&hdr, &again, sizeof(hdr)));
		ensure(hdr_percentile(&hdr, 50) <= hdr.max);
	}
	free(written);
	free(text);
}

// Each file of the kernel holds this.
TEXT_PARSER(cpus) {
	fuzz_files(text);
	ensure(cpus_usable(pthread_self()) >= 1);
}

static void begin_activation(void) {
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ensure(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0);
	for (int i = 3; i < 6; i++)
		ensure(i == fd || dup2(fd, i) == i);
}

// $LISTEN_FDS in a line, $LISTEN_FDNAMES in the next; three descriptors are there.
TEXT_PARSER(activation, .begin = begin_activation) {
	struct activation activation;
	char pid[16], *names = text, *count = strsep(&names, "\n");
	size_t listed = 1;
	for (const char *at = names; at && *at; at++)
		listed += *at == ':';
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	if (activation_take(&activation, &error) == 0) {
		size_t roles = activation.control >= 0;
		roles += activation.http >= 0;
		ensure(activation.count + roles == strtoul(count, NULL, 10));
		ensure(!names || activation.count + roles == listed);
	}
	ensure(!getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	for (int i = 3; i < 6; i++)
		fcntl(i, F_SETFD, 0);
}

static int read_options(int argc, char **argv) {
	static struct run_options options;
	int status = run_options_read(&options, argc, argv);
	const struct load_config *config = &options.load.config;
	ensure(status != -1 || config->connections >= config->target_count);
	return status;
}

TEXT_PARSER(echoload) { fuzz_command_line(text, read_options); }
