// Pictures of what `echoload ab` has written.
#include "chart.h"

#include <math.h>
#include <stdbool.h>

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

static double number_of(const json_t *object, const char *member)
{
	const json_t *number = json_object_get(object, member);
	return json_is_number(number) ? json_number_value(number) : NAN;
}

struct ratio {
	char name[32], said[32];
	double median, low, high; // NAN: not known
};

static struct ratio read_ratio(const json_t *comparison, size_t index, const char *measure)
{
	const json_t *target = json_array_get(json_object_get(comparison, "targets"), index);
	const json_t *json = json_object_get(json_object_get(target, "ratio"), measure);
	const char *name = json_string_value(json_object_get(target, "name"));
	const char *said = json_string_value(json_object_get(json, "conclusion"));
	struct ratio ratio = {.median = number_of(json, "median"),
			      .low = number_of(json, "low"),
			      .high = number_of(json, "high")};
	snprintf(ratio.name, sizeof(ratio.name), "%.20s%s", name ? name : "",
		 index == 0 ? ", itself" : "");
	snprintf(ratio.said, sizeof(ratio.said), "%s", said ? said : "");
	return ratio;
}

static void draw_ratio(const struct svg_plot *plot, const struct ratio *ratio, size_t index)
{
	char label[128];
	double y = -(double)index;
	bool known = !isnan(ratio->low + ratio->median + ratio->high);
	snprintf(label, sizeof(label), known ? "%s: %s, %.4f, between %.4f and %.4f" : "%s: %s",
		 ratio->name, ratio->said, ratio->median, ratio->low, ratio->high);
	svg_line_begin(plot, index, label);
	if (known) {
		svg_point(plot, 0, ratio->low, y);
		svg_point(plot, 1, ratio->high, y);
		svg_line_end(plot);
		svg_line_begin(plot, index, "");
		svg_point(plot, 0, ratio->median, y + 0.2);
		svg_point(plot, 1, ratio->median, y - 0.2);
	}
	svg_line_end(plot);
}

static void draw_measure(struct svg_plot *plot, const json_t *comparison, size_t measure)
{
	plot->x_low = plot->x_high = 1;
	plot->y_low = -(double)plot->lines;
	plot->y_high = 1;
	for (size_t i = 0; i < plot->lines; i++) {
		struct ratio ratio = read_ratio(comparison, i, measures[measure].name);
		plot->x_low = fmin(plot->x_low, ratio.low);
		plot->x_high = fmax(plot->x_high, ratio.high);
		ratio.name[10] = '\0'; // as much as there is room for
		svg_y_tic(plot, -(double)i, i == 0 ? "itself" : ratio.name);
	}
	double margin = fmax(0.1 * (plot->x_high - plot->x_low), 0.005);
	plot->x_low -= margin;
	plot->x_high += margin;
	svg_tics(plot, plot->x_low, plot->x_high, svg_x_tic);
	svg_frame(plot, measures[measure].title,
		  "ratio to the first target, with its 95 % interval", "");
	for (size_t i = 0; i < plot->lines; i++) {
		struct ratio ratio = read_ratio(comparison, i, measures[measure].name);
		draw_ratio(plot, &ratio, i);
	}
}

void ratio_chart_draw(FILE *file, const json_t *comparison)
{
	struct svg_plot plot = {.file = file};
	plot.lines = json_array_size(json_object_get(comparison, "targets"));
	svg_begin(file, MEASURES, plot.lines);
	for (; plot.place < MEASURES; plot.place++)
		draw_measure(&plot, comparison, plot.place);
	svg_end(file);
}
