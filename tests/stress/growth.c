#include "growth.h"

#include <math.h>

#define MOST 20000
#define WARM_UP 2	// rounds of a run
#define LEAST 8		// rounds that count, for a judgement
#define BOUND 64.0	// KiB an hour
#define DEVIATIONS 1.96 // of a 95 % interval

struct round {
	long run;
	double hours, kib;
};

// Sums of squares about the means of each run.
struct fit {
	size_t rounds, runs;
	double tt, ty, yy;
};

void growth_note(const char *path, const struct process *server) {
	static uint64_t begun;
	if (!path)
		return;
	begun = begun ? begun : clock_now();
	FILE *file = fopen(path, "ae");
	assert_non_null(file);
	fprintf(file, "%ld %.6f %zu\n", (long)process_pid(server),
		(double)(clock_now() - begun) / 3600e9, process_resident(server) >> 10);
	assert_int_equal(fclose(file), 0);
}

static void add_run(struct fit *fit, const struct round *rounds, size_t count) {
	double t = 0, y = 0;
	for (size_t i = 0; i < count; i++) {
		t += rounds[i].hours / (double)count;
		y += rounds[i].kib / (double)count;
	}
	for (size_t i = 0; i < count; i++) {
		double dt = rounds[i].hours - t, dy = rounds[i].kib - y;
		fit->tt += dt * dt;
		fit->ty += dt * dy;
		fit->yy += dy * dy;
	}
	fit->rounds += count;
	fit->runs += count > 0;
}

static size_t read_rounds(const char *path, struct round *rounds) {
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	size_t count = 0;
	for (struct round *each = rounds;
	     count < MOST && fscanf(file, "%ld %lf %lf", &each->run, &each->hours, &each->kib) == 3;
	     each++)
		count++;
	assert_true(feof(file));
	fclose(file);
	return count;
}

void growth_judge(const char *path, FILE *report) {
	static struct round rounds[MOST];
	if (!path)
		return;
	size_t count = read_rounds(path, rounds);
	struct fit fit = {0};
	for (size_t from = 0, to; from < count; from = to) {
		for (to = from; to < count && rounds[to].run == rounds[from].run;)
			to++;
		if (to - from > WARM_UP)
			add_run(&fit, &rounds[from + WARM_UP], to - from - WARM_UP);
	}
	if (fit.rounds < LEAST + fit.runs)
		fail_msg("%zu rounds are too few to tell how memory grows", count);
	double slope = fit.ty / fit.tt, left = fit.yy - slope * fit.ty;
	double error = sqrt(fmax(left, 0) / (double)(fit.rounds - fit.runs - 1) / fit.tt);
	double least = slope - DEVIATIONS * error, most = slope + DEVIATIONS * error;
	fprintf(report, "  %-22s %.1f KiB an hour, %.1f to %.1f (95 %%), in %zu rounds\n",
		"resident memory", slope, least, most, count);
	if (most >= BOUND)
		fail_msg("memory may grow by %.1f KiB an hour", most);
}
