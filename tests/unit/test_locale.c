// A host program of the library may have set a locale that writes 1,5 for 1.5: nothing that we read
// or write changes (field case C1).
#include "expect.h"

#include <locale.h>

#include "ctl.h"
#include "embedded.h"
#include "place.h"
#include "process.h"

static char log_lines[4096];

static int keep_line(void *context, enum echod_log_level level, const char *line) {
	size_t used = strlen(log_lines);
	snprintf(log_lines + used, sizeof(log_lines) - used, "%s\n", line);
	return 1;
}

// Makes the locale, so that the test does not depend on those that are installed.
BEFORE_ALL {
	struct process *localedef;
	place_path(".");
	int status = process_run_simple(&localedef, "/usr/bin/localedef", "-i", "de_DE", "-f",
					"UTF-8", place_path("comma"));
	assert_int_equal(status, 0);
	setenv("LOCPATH", place_path("."), 1);
	assert_non_null(setlocale(LC_ALL, "comma"));
	assert_string_equal(test_text("%.1f", 1.5), "1,5");
}

TEST(a_server_answers_with_points) {
	static const char *const cases[][2] = {
		{"stats", "\nuptime_seconds +[0-9]+\\.[0-9]+\n"},
		{"stats json", "\"uptime_seconds\": [0-9]+\\.[0-9]+"},
		{"stats prometheus", "\nechod_uptime_seconds [0-9]+\\.[0-9]+\n"},
		{"stats prometheus", "le=\"0\\.000001024\""},
		{"connections json", "\"connections\""},
		{"workers json", "\"for_seconds\": [0-9]+\\.[0-9]+"},
		{"drain 150m", "at most 2\\.5 h"},
	};
	new_config();
	set("control", place_path("c"));
	set("listen", "127.0.0.1:0");
	set("drain-timeout", "1.5s");
	echod_config_set_log(config, keep_line, NULL);
	struct echod *server = start();
	free_config();
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *body;
		const char *request = cases[i][0];
		assert_int_equal(ctl_request(place_path("c"), request, &body), 200);
		if (!matches(body, cases[i][1]) || matches(body, "[0-9],[0-9]"))
			fail_msg("%s: %s", request, body);
		if (strstr(request, "json"))
			json_from(body);
		free(body);
	}
	assert_int_equal(echod_wait(server, -1), 1); // nobody is connected
	echod_free(server);
	assert_true(matches(log_lines, "time left: 2\\.5 h"));
	assert_false(matches(log_lines, "[0-9],[0-9]"));
}
