// stress_faulty SECONDS SEED CONTROL ADDRESS...: faulty clients of every kind at once, for SECONDS,
// of the server at the addresses and at its control socket. A process a kind, one thread each; the
// first waits for them. Each prints how many clients it has been.
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
	const char *control;
	char *const *addresses;
	size_t address_count;
};

// From one of many sources, so that there are always ports.
static int connect_anywhere(const struct scene *scene, uint64_t *numbers) {
	const char *address =
		scene->addresses[pattern_number(numbers, 0, scene->address_count - 1)];
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
	int fd = fault->control ? ctl_connect(scene->control) : connect_anywhere(scene, &numbers);
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

static const struct fault *fault_at(size_t index) {
	return index < echo_fault_count ? &echo_faults[index]
					: &control_faults[index - echo_fault_count];
}

// Waits for the process of a kind. Returns whether it ended well.
static bool collect(pid_t child, const struct fault *fault) {
	bool well = child_status(child) == 0;
	if (!well)
		fprintf(stderr, "the clients '%s' have failed\n", fault->name);
	return well;
}

int main(int argc, char **argv) {
	if (argc < 5) {
		fprintf(stderr, "usage: stress_faulty SECONDS SEED CONTROL ADDRESS...\n");
		return 2;
	}
	const struct scene scene = {.end = clock_deadline(strtoul(argv[1], NULL, 10) * NS_PER_S),
				    .seed = strtoul(argv[2], NULL, 10),
				    .control = argv[3],
				    .addresses = &argv[4],
				    .address_count = (size_t)argc - 4};
	const size_t count = echo_fault_count + control_fault_count;
	pid_t children[MAX_FAULTS];
	assert_true(count <= MAX_FAULTS);
	for (size_t i = 0; i < count; i++) {
		children[i] = process_fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			play(&scene, fault_at(i), (scene.seed * MAX_FAULTS + i) * MAX_CLIENTS);
	}
	bool well = true;
	for (size_t i = 0; i < count; i++)
		well = collect(children[i], fault_at(i)) && well;
	return well ? 0 : 1;
}
