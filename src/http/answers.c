#include "http/answers.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "control/lists.h"
#include "http/page_bytes.inc"
#include "stats/render.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_JSON "application/json; charset=utf-8"
#define TYPE_HTML "text/html; charset=utf-8"

#define MOST_CONNECTIONS 1000 // rows of /connections.json
#define PAGE_WORKERS 16	      // up to so many the page shows how busy each is

struct answer {
	struct MHD_Connection *connection;
	const struct resource *resource;
	unsigned status;
	const char *type;
	const char *header, *value; // one more; NULL: none
	FILE *out;		    // of the body
};

struct resource {
	const char *path;
	const char *type;
	void (*write)(struct answers *answers, struct answer *answer);
	enum list_subject subject; // of write_list,
	size_t most;		   // and its rows at most
};

uint64_t answers_sample(struct answers *answers)
{
	server_snapshot(answers->server, &answers->sampled);
	rates_sample(&answers->rates, &answers->sampled);
	history_add(&answers->history, &answers->sampled);
	return answers->sampled.taken;
}

// Whether the value of Accept, or NULL, names OpenMetrics, and not with a quality of 0.
static bool wants_openmetrics(const char *accept)
{
	static const char type[] = "application/openmetrics-text";
	const char *parameters = accept ? strcasestr(accept, type) : NULL;
	if (!parameters || !strchr(",; \t", *(parameters += strlen(type))))
		return false;
	const char *quality = strcasestr(parameters, "q=");
	return !quality || quality > parameters + strcspn(parameters, ",") ||
	       strspn(quality + 2, "0.") < strcspn(quality + 2, ",; \t");
}

// Whether the value of Host, or NULL, can only stand for this host. A page from elsewhere that has
// its own name resolved to a loopback address (DNS rebinding) comes with that name.
static bool is_own_host(const char *host)
{
	char name[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (!host)
		return true;
	bool is_v6 = *host == '[';
	size_t length = strcspn(host + is_v6, is_v6 ? "]" : ":");
	if (length >= sizeof(name))
		return false;
	memcpy(name, host + is_v6, length);
	name[length] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	       inet_pton(is_v6 ? AF_INET6 : AF_INET, name, &address) == 1;
}

static const char *header_of(const struct answer *answer, const char *name)
{
	return mhd.lookup_connection_value(answer->connection, MHD_HEADER_KIND, name);
}

static void write_metrics(struct answers *answers, struct answer *answer)
{
	bool openmetrics = wants_openmetrics(header_of(answer, MHD_HTTP_HEADER_ACCEPT));
	if (openmetrics)
		answer->type = TYPE_OPENMETRICS;
	server_snapshot(answers->server, &answers->now);
	render_prometheus(answer->out, &answers->now, openmetrics);
}

static void write_health(struct answers *answers, struct answer *answer)
{
	(void)answers;
	fputs("ok\n", answer->out);
}

static void write_ready(struct answers *answers, struct answer *answer)
{
	const char *reason;
	if (!server_ready(answers->server, &reason))
		answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	fprintf(answer->out, "%s\n", reason ? reason : "ready");
}

static void write_json(json_t *object, struct answer *answer)
{
	if (!object || json_dumpf(object, answer->out, JSON_REAL_PRECISION(15)) != 0)
		answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	json_decref(object);
}

static void write_stats(struct answers *answers, struct answer *answer)
{
	server_snapshot(answers->server, &answers->now);
	write_json(render_json(&answers->now, &answers->rates), answer);
	fputc('\n', answer->out);
}

static void write_list(struct answers *answers, struct answer *answer)
{
	struct list list;
	list_begin(&list, answer->resource->subject, true, answer->out);
	list.most = answer->resource->most;
	while (list_goes_on(&list))
		list_write(&list, answers->server, answer->out);
	if (list.failed)
		answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
}

// For the page, once a second: the last sample, a letter for the state of each worker, how long the
// first few have held connections so far (except the one that they hold), and the rows of the
// history that the page does not have yet.
static void write_pool(struct answers *answers, struct answer *answer)
{
	static const char letters[WORKER_STATES] = {'w', 'l', 's', 'p', 'b'};
	const struct worker *workers = answers->server->pool.workers;
	const unsigned count = answers->server->config.workers;
	const char *given =
		mhd.lookup_connection_value(answer->connection, MHD_GET_ARGUMENT_KIND, "after");
	const char *reason = NULL;
	uint64_t after = 0;
	if (given && units_parse_count(given, 0, UINT64_MAX, &after, NULL) != 0)
		after = 0;
	bool ready = server_ready(answers->server, &reason);
	fprintf(answer->out, "{\"reason\":%s%s%s,\"workers\":\"", ready ? "null" : "\"",
		ready ? "" : reason, ready ? "" : "\"");
	for (unsigned i = 0; i < count; i++)
		fputc(letters[atomic_load(&workers[i].state)], answer->out);
	fputs("\",\"busy\":[", answer->out);
	for (unsigned i = 0; i < count && i < PAGE_WORKERS; i++)
		fprintf(answer->out, "%s%" PRIu64, i ? "," : "",
			workers[i].stats->histogram[HISTOGRAM_service_time_seconds].sum /
				NS_PER_US);
	fprintf(answer->out, "],\"uptime_us\":%" PRIu64 ",\"history\":",
		(clock_now() - answers->server->started_at) / NS_PER_US);
	history_write(&answers->history, after, answer->out);
	fputs(",\"stats\":", answer->out);
	write_json(render_json(&answers->sampled, &answers->rates), answer);
	fputs("}\n", answer->out);
}

static void write_page(struct answers *answers, struct answer *answer)
{
	(void)answers;
	answer->header = "Content-Security-Policy";
	answer->value = PAGE_POLICY;
	fwrite(page_bytes, 1, sizeof(page_bytes), answer->out);
}

static const struct resource resources[] = {
	{"/", TYPE_HTML, write_page, 0, 0},
	{"/metrics", TYPE_PROMETHEUS, write_metrics, 0, 0},
	{"/healthz", TYPE_TEXT, write_health, 0, 0},
	{"/readyz", TYPE_TEXT, write_ready, 0, 0},
	{"/stats.json", TYPE_JSON, write_stats, 0, 0},
	{"/workers.json", TYPE_JSON, write_list, LIST_WORKERS, SIZE_MAX},
	{"/connections.json", TYPE_JSON, write_list, LIST_CONNECTIONS, MOST_CONNECTIONS},
	{"/pool.json", TYPE_JSON, write_pool, 0, 0},
};
#define RESOURCE_COUNT (sizeof(resources) / sizeof(resources[0]))

static void refuse(struct answer *answer, unsigned status, const char *line)
{
	answer->status = status;
	answer->type = TYPE_TEXT;
	fprintf(answer->out, "%s\n", line);
}

static void write_answer(struct answers *answers, const char *path, const char *method,
			 const char *version, struct answer *answer)
{
	const char *host = header_of(answer, MHD_HTTP_HEADER_HOST);
	if (!host && strcmp(version, MHD_HTTP_VERSION_1_0) != 0) {
		refuse(answer, MHD_HTTP_BAD_REQUEST, "a Host is missing");
		return;
	}
	if (answers->on_loopback && !is_own_host(host)) {
		refuse(answer, MHD_HTTP_FORBIDDEN, "use localhost or an address as the host");
		return;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		answer->header = MHD_HTTP_HEADER_ALLOW;
		answer->value = "GET, HEAD";
		refuse(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are allowed");
		return;
	}
	for (size_t i = 0; i < RESOURCE_COUNT; i++) {
		if (strcmp(resources[i].path, path) != 0)
			continue;
		answer->resource = &resources[i];
		answer->type = resources[i].type;
		resources[i].write(answers, answer);
		return;
	}
	refuse(answer, MHD_HTTP_NOT_FOUND, "there is no such page; there are:");
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		fprintf(answer->out, "%s\n", resources[i].path);
}

static enum MHD_Result queue_answer(const struct answer *answer, char *body, size_t size)
{
	const char *const headers[][2] = {
		{MHD_HTTP_HEADER_CONTENT_TYPE, answer->type},
		{MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
		{"X-Content-Type-Options", "nosniff"},
		{answer->header, answer->value},
	};
	struct MHD_Response *response =
		mhd.create_response_from_buffer(size, body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = response ? MHD_YES : MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i][0] && result == MHD_YES)
			result = mhd.add_response_header(response, headers[i][0], headers[i][1]);
	}
	if (result == MHD_YES)
		result = mhd.queue_response(answer->connection, answer->status, response);
	mhd.destroy_response(response); // which may be NULL
	return result;
}

enum MHD_Result answers_give(struct answers *answers, struct MHD_Connection *connection,
			     const char *path, const char *method, const char *version)
{
	struct thread_stats *stats = &answers->server->stats.threads[SERVER_THREAD_HTTP];
	struct answer answer = {.connection = connection, .status = MHD_HTTP_OK};
	char *body = NULL;
	size_t size = 0;
	counter_add(stats, COUNTER_http_requests, 1);
	answer.out = open_memstream(&body, &size);
	if (!answer.out)
		return MHD_NO;
	write_answer(answers, path, method, version, &answer);
	enum MHD_Result result = fclose(answer.out) == 0 ? MHD_YES : MHD_NO;
	if (answer.status != MHD_HTTP_OK && answer.status != MHD_HTTP_SERVICE_UNAVAILABLE)
		counter_add(stats, COUNTER_http_errors, 1);
	if (result == MHD_YES)
		result = queue_answer(&answer, body, size);
	free(body);
	return result;
}
