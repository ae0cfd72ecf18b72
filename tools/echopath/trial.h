// Trials of a behaviour: what the cases do with the path, and what they tell of it. Main thread
// only.
#ifndef ECHOPATH_TRIAL_H
#define ECHOPATH_TRIAL_H

#include "path.h"

enum verdict { // from good to bad
	VERDICT_KEPT,
	VERDICT_INFO,	 // a figure, without judgement
	VERDICT_CHANGED, // something else arrived, and nothing was lost
	VERDICT_BROKEN,	 // bytes lost, stuck, or an end not seen
	VERDICT_NOT_RUN, // it could not be tried
	VERDICT_COUNT,
};

struct trial {
	const struct path *path;
	struct pair pair;	   // at first without connections; closed after the trial
	struct end *first, *other; // of the pair, as the row says
	uint64_t delay, count;	   // of the row, less if the path is brief
	enum verdict verdict;
	char seen[160];
};

// A row of cases.def, which explains the fields.
struct behaviour {
	const char *id;
	void (*run)(struct trial *trial);
	enum { CLIENT, SERVER } first;
	uint64_t delay, count;
	int repeats;
	bool slow;
	const char *title, *source;
};

struct result {
	const struct behaviour *behaviour;
	bool selected;	      // else nothing of the rest is valid
	enum verdict verdict; // the worst of the trials
	int runs, of[VERDICT_COUNT];
	char seen[200];
	uint64_t duration; // ns
};

extern const struct behaviour behaviours[];
extern const unsigned behaviour_count;
extern const char *const verdict_words[VERDICT_COUNT];

// Runs a row, `repeats` times or, if that is 0, as often as the row says.
void result_find(struct result *result, const struct behaviour *behaviour, const struct path *path,
		 int repeats);

// The rest is for the cases.

// Notes what was seen; of several notes the worst stands, and the first of these.
void tell(struct trial *trial, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Opens the pair, with HELLO_FIRST or as said. If that fails the trial is broken, and the case
// returns.
bool trial_open(struct trial *trial);
bool trial_open_with(struct trial *trial, enum hello hello);

// play() with the path's time-out.
void trial_play(struct trial *trial);

// One end sends bytes, and the other gets them.
void trial_pass(struct trial *trial, struct end *from, struct end *to);

// From the first end to the other, and back.
void trial_exchange(struct trial *trial);

// Nothing is sent for `duration` ns. Returns false, and tells so, if an end has ended before.
bool trial_silence(struct trial *trial, uint64_t duration);

// Compares what an end has seen with all the bytes that it waits for and this ending.
void judge(struct trial *trial, const struct end *end, enum ending expected);

#define CASE(id, function, ...) void function(struct trial *trial);
#include "cases.def"
#undef CASE

#endif
