// Errors of a run, each with a name, counted. One thread each; added up at the end.
#ifndef ECHOLOAD_ERRORS_H
#define ECHOLOAD_ERRORS_H

#include <stdint.h>

#include "config.h"

enum load_error {
#define ERROR(identifier, name, help) LOAD_##identifier,
#include "errors.def"
	LOAD_ERRORS,
};

const char *load_error_name(enum load_error error); // `refused`, `connect_timeout`, …
// What helps against it, one line, or NULL.
const char *load_error_help(enum load_error error);
// The error that `number` means, an errno value or an enum connect_failure; `connecting`: of
// connect.
enum load_error load_error_of(int number, int connecting);

// One kind.
struct load_error_count {
	uint64_t count;
	uint64_t first_at; // ns since the run began
	uint32_t first_connection;
	int first_errno; // or an enum connect_failure; 0: none
};

struct load_errors {
	struct load_error_count of[LOAD_ERRORS];
};

// About the first one, such as `after 1.2 s on connection 7 to 127.0.0.1:7001: Connection refused`;
// empty if there was none. Returns `text`.
#define LOAD_ERROR_TEXT (CONFIG_NAME + 80)
char *load_error_describe(const struct load_error_count *kind, const struct load_config *config,
			  char text[static LOAD_ERROR_TEXT]);

// The kind of the first one; LOAD_ERRORS: there was none.
enum load_error load_errors_first(const struct load_errors *errors);
// What it is, why, and what helps: `refused: Connection refused; is the server running`. Returns
// `text`.
#define LOAD_ERROR_LINE 200
char *load_error_explain(enum load_error error, const struct load_errors *errors,
			 char text[static LOAD_ERROR_LINE]);

void load_errors_note(struct load_errors *errors, enum load_error error, int number,
		      uint32_t connection, uint64_t at);
void load_errors_add(struct load_errors *sum, const struct load_errors *errors);
uint64_t load_errors_total(const struct load_errors *errors);

#endif
