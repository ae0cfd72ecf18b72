#include "counters.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "base/units.h"
#include "net/connect.h"
#include "net/errno_class.h"

const struct load_error_row load_error_rows[LOAD_ERRORS] = {
#define ERROR(identifier, name, help) {name, help},
#include "errors.def"
};

enum load_error load_error_of(int number, bool connecting)
{
	switch (number) {
	case ECONNREFUSED:
	case ENOENT: // no socket at this path
		return LOAD_REFUSED;
	case CONNECT_TO_ITSELF:
		return LOAD_SELF_CONNECT;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		return LOAD_OUT_OF_PORTS;
	}
	switch (errno_classify(number)) {
	case ERRNO_TRY_AGAIN: // a Unix-domain socket's backlog has been full for --timeout
		return connecting ? LOAD_CONNECT_TIMEOUT : LOAD_OTHER;
	case ERRNO_PEER_GONE:
		return LOAD_EARLY_CLOSE;
	case ERRNO_TIMED_OUT:
		return connecting ? LOAD_CONNECT_TIMEOUT : LOAD_TIMEOUT;
	case ERRNO_NETWORK:
		return LOAD_UNREACHABLE;
	case ERRNO_NO_DESCRIPTORS:
		return LOAD_OUT_OF_DESCRIPTORS;
	case ERRNO_NO_MEMORY:
		return LOAD_OUT_OF_MEMORY;
	default:
		return LOAD_OTHER;
	}
}

char *load_error_describe(const struct load_error_count *kind, const struct load_config *config,
			  char text[static LOAD_ERROR_TEXT])
{
	char at[16], name[CONFIG_NAME];
	int number = kind->first_errno;
	text[0] = '\0';
	if (kind->count > 0)
		snprintf(text, LOAD_ERROR_TEXT, "after %s on %s%s%s",
			 units_format_duration(kind->first_at, at, sizeof(at)),
			 config_name(config, kind->first_connection, name), number ? ": " : "",
			 number ? connect_reason(number) : "");
	return text;
}

void load_errors_note(struct load_errors *errors, enum load_error error, int number,
		      uint32_t connection, uint64_t at)
{
	struct load_error_count *kind = &errors->of[error];
	if (kind->count++ > 0)
		return;
	kind->first_at = at;
	kind->first_connection = connection;
	kind->first_errno = number;
}

void load_errors_add(struct load_errors *sum, const struct load_errors *errors)
{
	for (size_t i = 0; i < LOAD_ERRORS; i++) {
		struct load_error_count *to = &sum->of[i];
		const struct load_error_count *from = &errors->of[i];
		if (from->count == 0)
			continue;
		uint64_t count = to->count + from->count;
		if (to->count == 0 || from->first_at < to->first_at)
			*to = *from;
		to->count = count;
	}
}

uint64_t load_errors_total(const struct load_errors *errors)
{
	uint64_t total = 0;
	for (size_t i = 0; i < LOAD_ERRORS; i++)
		total += errors->of[i].count;
	return total;
}

enum load_error load_errors_first(const struct load_errors *errors)
{
	size_t first = LOAD_ERRORS;
	for (size_t i = 0; i < LOAD_ERRORS; i++) {
		if (errors->of[i].count > 0 &&
		    (first == LOAD_ERRORS || errors->of[i].first_at < errors->of[first].first_at))
			first = i;
	}
	return (enum load_error)first;
}

char *load_error_explain(enum load_error error, const struct load_errors *errors,
			 char text[static LOAD_ERROR_LINE])
{
	const struct load_error_row *row = &load_error_rows[error];
	int number = errors->of[error].first_errno;
	snprintf(text, LOAD_ERROR_LINE, "%s%s%s%s%s", row->name, number ? ": " : "",
		 number ? connect_reason(number) : "", row->help ? "; " : "",
		 row->help ? row->help : "");
	return text;
}

void counters_add(struct counters *sum, const struct counters *counters)
{
	hdr_add(&sum->latency, &counters->latency);
	hdr_add(&sum->uncorrected, &counters->uncorrected);
	hdr_add(&sum->lateness, &counters->lateness);
	sum->messages += counters->messages;
	sum->answered += counters->answered;
	sum->last = counters->last > sum->last ? counters->last : sum->last;
	sum->bytes += counters->bytes;
	sum->verified += counters->verified;
	sum->visits += counters->visits;
	sum->due += counters->due;
	sum->unanswered += counters->unanswered;
	load_errors_add(&sum->errors, &counters->errors);
	for (uint64_t i = 0; i < counters->fault_count && i < COUNTERS_FAULTS; i++) {
		if (sum->fault_count + i < COUNTERS_FAULTS)
			sum->faults[sum->fault_count + i] = counters->faults[i];
	}
	sum->fault_count += counters->fault_count;
}
