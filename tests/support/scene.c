// Plays the scenes of echoload's verdict. One thread.
#include "scene.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "peer.h"
#include "place.h"
#include "throttle.h"

#define SERVER_CPU 0
#define CLIENT_CPU 1
#define PACE (128 << 10) // bytes a second that the pacing proxy lets through
#define DISTURBED 0.1	 // of a CPU, used by other programs
#define HAPROXY_PROGRAM "/usr/sbin/haproxy"
#define HAPROXY_FILE                                                                            \
	"defaults\n mode tcp\n timeout connect 20s\n timeout client 60s\n timeout server 60s\n" \
	"listen echo\n bind 127.0.0.1:%u\n server echo 127.0.0.1:%u\n"

// The state of a scene that is being played.
struct stage {
	const struct scene *scene;
	struct path *path;
	struct daemon *daemon; // NULL: it is odd
	struct daemon *stranger;
	pid_t server;
	uint16_t port; // where echoload connects
	struct throttle *throttle[4];
	size_t throttles;
	struct process *proxy;
	const char *file;
};

static void add(struct stage *stage, struct throttle *throttle) {
	if (!throttle)
		fail_msg("no cgroup can be made here");
	stage->throttle[stage->throttles++] = throttle;
}

static void slow_down(struct stage *stage, const struct scene_slow *slow, pid_t pid, unsigned cpu) {
	if (slow->limit == QUOTA)
		add(stage, throttle_quota(pid, slow->share));
	else if (slow->limit == STOPS)
		add(stage, throttle_stop_and_go(pid, slow->share));
	else if (slow->limit == NEIGHBOUR)
		add(stage, throttle_neighbour(cpu));
}

static void start_server(struct stage *stage) {
	static const char far_address[] = PATH_FAR ":0";
	const struct scene *scene = stage->scene;
	if (stage->path)
		path_go_far(stage->path);
	if (scene->odd) {
		struct odd_spec spec = *scene->odd;
		spec.at = stage->path ? PATH_FAR : NULL;
		struct odd_server *odd = odd_start(&spec);
		stage->server = odd->pid;
		stage->port = odd->port;
	} else {
		stage->daemon = daemon_start("--listen", stage->path ? far_address : "127.0.0.1:0",
					     "--workers", "4", NULL);
		stage->server = process_pid(stage->daemon->process);
		stage->port = stage->daemon->port;
	}
	if (stage->path)
		path_go_near(stage->path);
	if (scene->stranger)
		stage->stranger = daemon_start("--control", place_path("stranger"), NULL);
	throttle_pin(stage->server, SERVER_CPU);
}

static void start_haproxy(struct stage *stage) {
	uint16_t port = peer_free_port();
	const char *text = test_text(HAPROXY_FILE, (unsigned)port, (unsigned)stage->port);
	const char *address = test_text("127.0.0.1:%u", (unsigned)port);
	stage->proxy = process_start_simple(HAPROXY_PROGRAM, "-db", "-q", "-f",
					    place_file("haproxy", text, strlen(text)));
	int fd;
	wait_until((fd = peer_try_connect(address, NULL)) >= 0 ||
		   !process_is_running(stage->proxy));
	if (fd < 0)
		fail_msg("haproxy: %s", process_errors(stage->proxy, NULL));
	peer_close(fd);
	stage->port = port;
}

static void start_proxy(struct stage *stage) {
	if (stage->scene->proxy == HAPROXY)
		start_haproxy(stage);
	if (stage->scene->proxy == PACER)
		add(stage, throttle_pacing_proxy(&stage->port, PACE));
}

static void hide_proc(void) { process_cover("/proc", 0); }

static const char *control_of(const struct stage *stage) {
	if (stage->stranger)
		return stage->stranger->control;
	bool known = stage->daemon && !stage->scene->blind && !stage->path;
	return known ? stage->daemon->control : NULL;
}

static struct process *start_load(const struct stage *stage) {
	const struct scene *scene = stage->scene;
	const char *target =
		test_text("%s:%u", stage->path ? PATH_FAR : "127.0.0.1", (unsigned)stage->port);
	const char *cpu = test_text("%d", scene->together ? SERVER_CPU : CLIENT_CPU);
	const char *arguments[24] = {"taskset", "-c", cpu,	ECHOLOAD_PROGRAM, target,
				     "-d",	"3s", "--json", stage->file};
	size_t count = 9;
	for (size_t i = 0; i < SCENE_OPTIONS && scene->options[i]; i++)
		arguments[count++] = scene->options[i];
	const char *control = control_of(stage);
	if (control) {
		arguments[count++] = "--control";
		arguments[count++] = control;
	}
	return process_start(
		PROCESS(.arguments = arguments, .prepare = scene->no_proc ? hide_proc : NULL));
}

// Ends all that is left. What has been used is then in RUSAGE_CHILDREN.
static void clear(struct stage *stage) {
	while (stage->throttles > 0)
		throttle_end(stage->throttle[--stage->throttles]);
	if (stage->path)
		path_close(stage->path);
	if (stage->proxy)
		process_kill(stage->proxy);
	if (stage->stranger)
		process_kill(stage->stranger->process);
	if (stage->daemon)
		process_kill(stage->daemon->process);
	test_clean_up();
	while (wait(NULL) > 0) // what an odd server has forked has been killed with it
		;
}

static double seconds_of(const struct rusage *usage) {
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       1e-6 * (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

// The CPU time, in s, that others have used since the machine started, its hypervisor included.
static double used_by_others(void) {
	unsigned long long user, nice, system, idle, wait, irq, soft, steal;
	FILE *file = fopen("/proc/stat", "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
				&system, &idle, &wait, &irq, &soft, &steal),
			 8);
	fclose(file);
	struct rusage own, children;
	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &children);
	return (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK) -
	       seconds_of(&own) - seconds_of(&children);
}

// Whether `verdict` is one of the words of `list`.
static bool is_among(const char *verdict, const char *list) {
	size_t length = strlen(verdict);
	for (const char *at = list; at && (at = strstr(at, verdict)); at += length) {
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	}
	return false;
}

// Other programs take CPU time from ours too: then that is the limit, and such a verdict is true.
static bool is_excused(const struct scene *scene, const char *verdict) {
	const char *open = is_among("RATE-LIMITED", scene->verdicts[0]) ? "OVERLOADED" : NULL;
	return is_among(verdict, "CLIENT-BOUND SERVER-BOUND") || is_among(verdict, open);
}

static enum scene_outcome judge(const struct scene *scene, const char *verdict, bool disturbed) {
	if (is_among(verdict, scene->verdicts[0]))
		return SCENE_RIGHT;
	if (is_among(verdict, scene->verdicts[1]))
		return SCENE_WEAK;
	if (strcmp(verdict, "INCONCLUSIVE") == 0)
		return SCENE_UNDECIDED;
	return disturbed && is_excused(scene, verdict) ? SCENE_EXCUSED : SCENE_WRONG;
}

static const char *dump(const json_t *result, const char *verdict, double others) {
	const char *evidence = test_keep(json_dumps(load_member(result, "evidence"), JSON_COMPACT));
	return test_text("%s, others %.0f %% of a CPU, %s", verdict, 100 * others, evidence);
}

bool scene_is_possible(const struct scene *scene) {
	return (!scene->path || path_is_possible()) &&
	       (scene->proxy != HAPROXY || access(HAPROXY_PROGRAM, X_OK) == 0) &&
	       (!scene->no_proc || geteuid() == 0);
}

struct scene_call scene_play(const struct scene *scene) {
	struct stage stage = {.scene = scene, .file = place_path("run.json")};
	prctl(PR_SET_CHILD_SUBREAPER, 1UL);
	uint64_t began = clock_now();
	double before = used_by_others();
	stage.path = scene->path ? path_open(scene->path) : NULL;
	start_server(&stage);
	slow_down(&stage, &scene->server, stage.server, SERVER_CPU);
	start_proxy(&stage);
	struct process *load = start_load(&stage);
	slow_down(&stage, &scene->client, process_pid(load), CLIENT_CPU);
	int status = process_wait(load);
	if (status != EXIT_OK && status != EXIT_CHECK_FAILED && status != EXIT_INCONCLUSIVE)
		fail_msg("status %d: %s", status, process_errors(load, NULL));
	json_t *result = json_incref(load_result_of_file(stage.file)); // clear() forgets it
	clear(&stage);
	double others = (used_by_others() - before) * 1e9 / (double)(clock_now() - began);
	const char *verdict = json_string_value(load_member(result, "verdict"));
	struct scene_call call = {
		.disturbed = others > DISTURBED,
		.outcome = judge(scene, verdict, others > DISTURBED),
		.said = dump(result, verdict, others),
	};
	json_decref(result);
	return call;
}
