// Pictures of what `echoload ab` has written.
#include "chart.h"

#include <math.h>

#include "svg.h"

static const struct {
	const char *name, *title;
} measures[] = {
	{"rate", "Messages a second"},
	{"p50", "Latency, p50"},
	{"p99", "Latency, p99"},
	{"cpu", "CPU time of the server for a message"},
};
#define MEASURES (sizeof(measures) / sizeof(measures[0]))

json_t *ratio_chart_read(const char *path)
{
	json_t *json = json_load_file(path, 0, NULL);
	if (json_is_integer(json_object_get(json, "ab_schema")) &&
	    json_array_size(json_object_get(json, "targets")) > 0)
		return json;
	json_decref(json);
	return NULL;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text ? text : "";
}

static double number_of(const json_t *object, const char *member)
{
	const json_t *number = json_object_get(object, member);
	return json_is_number(number) ? json_number_value(number) : NAN;
}

static void draw_names(const struct svg *svg, const void *targets)
{
	for (size_t i = 0; i < json_array_size(targets); i++) {
		char name[11]; // as much as there is room for
		snprintf(name, sizeof(name), "%s", text_of(json_array_get(targets, i), "name"));
		svg_tic(svg, SVG_Y, -(double)i, i == 0 ? "itself" : name);
	}
}

static void draw_ratio(struct svg *svg, const void *targets, size_t index)
{
	const json_t *target = json_array_get(targets, index);
	const json_t *ratio =
		json_object_get(json_object_get(target, "ratio"), measures[svg->place].name);
	double median = number_of(ratio, "median"), low = number_of(ratio, "low"),
	       high = number_of(ratio, "high");
	double y = -(double)index, margin = fmax(0.1 * (high - low), 0.005);
	bool known = !isnan(low + median + high);
	char label[128];
	snprintf(label, sizeof(label),
		 known ? "%.20s%s: %.31s, %.4f, between %.4f and %.4f" : "%.20s%s: %.31s",
		 text_of(target, "name"), index == 0 ? ", itself" : "",
		 text_of(ratio, "conclusion"), median, low, high);
	svg_line(svg, index, label);
	svg_reach(svg, 1 - margin, 1);
	svg_reach(svg, 1 + margin, y - 1);
	if (!known)
		return;
	svg_reach(svg, low - margin, y);
	svg_reach(svg, high + margin, y);
	svg_point(svg, true, low, y);
	svg_point(svg, false, high, y);
	svg_point(svg, true, median, y + 0.2);
	svg_point(svg, false, median, y - 0.2);
}

void ratio_chart_draw(FILE *file, const json_t *comparison)
{
	const json_t *targets = json_object_get(comparison, "targets");
	struct svg_chart charts[MEASURES];
	for (size_t i = 0; i < MEASURES; i++)
		charts[i] = (struct svg_chart){
			.title = measures[i].title,
			.label = {"ratio to the first target, with its 95 % interval", ""},
			.tics = {NULL, draw_names},
			.line = draw_ratio,
		};
	svg_draw(file, charts, MEASURES, json_array_size(targets), targets);
}
