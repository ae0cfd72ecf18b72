// stress_faulty SECONDS SEED PID CONTROL HTTP FLAWED ADDRESS...: faulty clients of every kind at
// once, for SECONDS, of the server at the addresses, at that of its --faulty, at its control socket
// and over HTTP. A process a kind, one thread each; the first waits for them. Each prints how many
// clients it has been. One more takes all free descriptors from the server, again and again; with
// PID 0 there is neither that nor a flood.
#include "ctl.h"
#include "expect.h"
#include "fault.h"
#include "peer.h"
#include "process.h"

#define MAX_FAULTS 32
#define MAX_CLIENTS 64

struct scene {
	uint64_t end; // clock_now then
	uint64_t seed;
	pid_t server;
	const char *control, *http, *flawed;
	char *const *addresses;
	size_t address_count;
};

static const char *address_of(const struct scene *scene, enum fault_target at, uint64_t *numbers) {
	switch (at) {
	case AT_HTTP:
		return scene->http;
	case AT_FLAWED:
		return scene->flawed;
	case AT_ANY:
		return scene->addresses[pattern_number(numbers, 0, scene->address_count - 1)];
	default:
		return scene->addresses[0];
	}
}

// From one of many sources, so that there are always ports.
static int connect_anywhere(const char *address, uint64_t *numbers) {
	bool v4 = strncmp(address, "127.", 4) == 0;
	char source[32];
	snprintf(source, sizeof(source), "127.1.%d.%d", (int)pattern_number(numbers, 0, 255),
		 (int)pattern_number(numbers, 1, 254));
	int fd = peer_try_connect(address, v4 ? source : NULL);
	if (fd < 0)
		fail_msg("cannot connect to %s: %s", address, strerror(errno));
	return fd;
}

// A new client in the place of one that has ended. Returns whether it stays.
static bool begin(const struct scene *scene, const struct fault *fault,
		  struct fault_client *client) {
	uint64_t numbers = client->numbers;
	int fd = fault->at == AT_CONTROL
			 ? ctl_connect(scene->control)
			 : connect_anywhere(address_of(scene, fault->at, &numbers), &numbers);
	uint64_t seed = pattern_number(&numbers, 1, UINT32_MAX);
	*client = (struct fault_client){.fd = fd, .numbers = numbers, .seed = seed};
	return !fault->begin || fault->begin(client);
}

// All clients of a kind, until the end.
_Noreturn static void play(const struct scene *scene, const struct fault *fault, uint64_t seed) {
	struct fault_client clients[MAX_CLIENTS];
	const unsigned count = fault->clients;
	assert_true(count <= MAX_CLIENTS);
	for (unsigned i = 0; i < count; i++)
		clients[i] = (struct fault_client){.fd = -1, .numbers = (seed + i) << 32};
	uint64_t begun = 0;
	while (clock_now() < scene->end) {
		for (unsigned i = 0; i < count; i++) {
			struct fault_client *client = &clients[i];
			begun += client->fd < 0;
			if (!(client->fd < 0 ? begin(scene, fault, client) : fault->go_on(client)))
				client->fd = -1;
		}
		poll(NULL, 0, (int)fault->pause_ms);
	}
	printf("  %-22s %8ju clients\n", fault->name, (uintmax_t)begun);
	exit(0); // clients that are still connected vanish
}

_Noreturn static void flap_descriptors(const struct scene *scene) {
	struct rlimit usual, none;
	unsigned times = 0;
	assert_int_equal(prlimit(scene->server, RLIMIT_NOFILE, NULL, &usual), 0);
	none = (struct rlimit){0, usual.rlim_max};
	for (; clock_now() < scene->end; times++) {
		assert_int_equal(prlimit(scene->server, RLIMIT_NOFILE, &none, NULL), 0);
		poll(NULL, 0, 100);
		assert_int_equal(prlimit(scene->server, RLIMIT_NOFILE, &usual, NULL), 0);
		poll(NULL, 0, 900);
	}
	printf("  %-22s %8u times\n", "no free descriptor", times);
	exit(0);
}

static const struct fault *fault_at(size_t index) {
	return index < echo_fault_count ? &echo_faults[index]
					: &control_faults[index - echo_fault_count];
}

static bool is_wanted(const struct scene *scene, size_t index, size_t count) {
	return scene->server > 0 || (index < count && fault_at(index)->at != AT_FIRST);
}

// Waits for the process of a kind. Returns whether it ended well.
static bool collect(pid_t child, const char *name) {
	bool well = child_status(child) == 0;
	if (!well)
		fprintf(stderr, "the clients '%s' have failed\n", name);
	return well;
}

int main(int argc, char **argv) {
	if (argc < 8) {
		fprintf(stderr,
			"usage: stress_faulty SECONDS SEED PID CONTROL HTTP FLAWED ADDRESS...\n");
		return 2;
	}
	const struct scene scene = {.end = clock_deadline(strtoul(argv[1], NULL, 10) * NS_PER_S),
				    .seed = strtoul(argv[2], NULL, 10),
				    .server = (pid_t)strtol(argv[3], NULL, 10),
				    .control = argv[4],
				    .http = argv[5],
				    .flawed = argv[6],
				    .addresses = &argv[7],
				    .address_count = (size_t)argc - 7};
	const size_t count = echo_fault_count + control_fault_count;
	pid_t children[MAX_FAULTS];
	assert_true(count < MAX_FAULTS);
	for (size_t i = 0; i <= count; i++) {
		children[i] = is_wanted(&scene, i, count) ? process_fork() : 1;
		assert_true(children[i] >= 0);
		if (children[i] == 0 && i == count)
			flap_descriptors(&scene);
		if (children[i] == 0)
			play(&scene, fault_at(i), (scene.seed * MAX_FAULTS + i) * MAX_CLIENTS);
	}
	bool well = true;
	for (size_t i = 0; i <= count; i++)
		if (is_wanted(&scene, i, count))
			well = collect(children[i],
				       i < count ? fault_at(i)->name : "descriptors") &&
			       well;
	return well ? 0 : 1;
}
