// Faulty clients of the control socket and of HTTP. Together they leave some of the 16 and 64
// places to proper clients, which must always be answered. One thread.
#include "ctl.h"
#include "fault.h"
#include "peer.h"
#include "test.h"

// Sends what is left of its share of random bytes. Returns false once the server has closed.
static bool go_on_garbage(struct fault_client *client) {
	char bytes[4096];
	pattern_fill(client->seed, client->sent, bytes, sizeof(bytes));
	size_t size = pattern_number(&client->numbers, 1, sizeof(bytes));
	bool open = peer_send_some(client->fd, bytes, size) >= 0;
	return (open && client->sent++ < 5) || fault_leave(client);
}

static bool begin_half_line(struct fault_client *client) {
	peer_send_some(client->fd, "stats js", pattern_number(&client->numbers, 1, 8));
	return true;
}

// Stays until it is closed, or has had enough.
static bool go_on_waiting(struct fault_client *client) {
	return peer_is_readable(client->fd) ? fault_close(client) : fault_stay(client);
}

// Asks for as much as possible, and reads none of it.
static bool go_on_deaf(struct fault_client *client) {
	static const char requests[] = "connections json\nstats prometheus\n";
	int64_t sent = peer_send_some(client->fd, requests, sizeof(requests) - 1);
	return sent < 0 ? fault_close(client) : fault_stay(client);
}

static bool begin_vanish(struct fault_client *client) {
	static const char requests[] = "stats json\nworkers\nconnections\nno-such";
	peer_send_some(client->fd, requests,
		       pattern_number(&client->numbers, 0, sizeof(requests) - 1));
	return fault_leave(client);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"

static bool begin_half_request(struct fault_client *client) {
	static const char request[] = GET("/stats.json") "X: ";
	peer_send_some(client->fd, request,
		       pattern_number(&client->numbers, 1, sizeof(request) - 1));
	return true;
}

// A byte at a time, for ever: no time-out of silence ends it.
static bool go_on_dribbling(struct fault_client *client) {
	return peer_send_some(client->fd, "x", 1) < 0 ? fault_close(client) : fault_stay(client);
}

static bool begin_deaf_http(struct fault_client *client) {
	static const char request[] = GET("/connections.json") "\r\n";
	peer_send_some(client->fd, request, sizeof(request) - 1);
	return true;
}

static bool begin_vanish_http(struct fault_client *client) {
	static const char request[] = GET("/metrics") "\r\n";
	peer_send_some(client->fd, request,
		       pattern_number(&client->numbers, 0, sizeof(request) - 1));
	return fault_leave(client);
}

const struct fault control_faults[] = {
	{"control: silent", AT_CONTROL, 1, 50, NULL, go_on_waiting},
	{"control: garbage", AT_CONTROL, 1, 50, NULL, go_on_garbage},
	{"control: half a line", AT_CONTROL, 2, 50, begin_half_line, go_on_waiting},
	{"control: never reads", AT_CONTROL, 2, 20, NULL, go_on_deaf},
	{"control: vanishes", AT_CONTROL, 1, 50, begin_vanish, NULL},
	{"http: silent", AT_HTTP, 20, 50, NULL, go_on_waiting},
	{"http: garbage", AT_HTTP, 4, 50, NULL, go_on_garbage},
	{"http: byte by byte", AT_HTTP, 20, 20, begin_half_request, go_on_dribbling},
	{"http: never reads", AT_HTTP, 20, 20, begin_deaf_http, fault_stay},
	{"http: vanishes", AT_HTTP, 4, 50, begin_vanish_http, NULL},
};
const size_t control_fault_count = sizeof(control_faults) / sizeof(control_faults[0]);
