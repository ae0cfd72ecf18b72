#include "svg.h"

#include <math.h>

// Of a chart, in pixels.
#define WIDTH 900
#define LEFT 90
#define RIGHT 880
#define ABOVE 40
#define HEIGHT 320
#define BELOW 60
#define LEGEND_ROW 22

// Eight colours that colour-blind people can distinguish, too (Okabe and Ito).
static const char *const colours[] = {"#000000", "#d55e00", "#56b4e9", "#e69f00",
				      "#009e73", "#f0e442", "#0072b2", "#cc79a7"};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

void svg_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		const char *name = *text == '<'	  ? "&lt;"
				   : *text == '>' ? "&gt;"
				   : *text == '&' ? "&amp;"
				   : *text == '"' ? "&quot;"
						  : NULL;
		if (name)
			fputs(name, file);
		else
			fputc(*text, file);
	}
}

static void write_text(FILE *file, double x, double y, const char *anchor, const char *text)
{
	fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	svg_text(file, text);
	fputs("</text>\n", file);
}

static double place_of(const struct svg *svg, enum svg_axis axis, double at)
{
	double share = (at - svg->low[axis]) / (svg->high[axis] - svg->low[axis]);
	return axis == SVG_X ? LEFT + (RIGHT - LEFT) * share : svg->top + HEIGHT * (1 - share);
}

void svg_tic(const struct svg *svg, enum svg_axis axis, double at, const char *label)
{
	if (at < svg->low[axis] || at > svg->high[axis])
		return;
	double place = place_of(svg, axis, at), bottom = svg->top + HEIGHT;
	if (axis == SVG_X) {
		fprintf(svg->file, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"#ddd\"/>\n", place,
			svg->top, bottom);
		write_text(svg->file, place, bottom + 20, "middle", label);
	} else {
		fprintf(svg->file, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, place,
			RIGHT);
		write_text(svg->file, LEFT - 8, place + 5, "end", label);
	}
}

// About four to ten.
static void draw_tics(const struct svg *svg, enum svg_axis axis)
{
	static const char *const suffixes[] = {"", " k", " M", " G", " T"};
	double low = svg->low[axis], high = svg->high[axis];
	double least = (high - low) / 4, power = pow(10.0, floor(log10(least)));
	double step = power * (least < 2 * power ? 1 : (least < 5 * power ? 2 : 5));
	for (double i = ceil(low / step) + 0.0; i * step <= high; i++) { // no -0
		double value = i * step;
		size_t thousands = 0;
		for (; value >= 1000 && thousands < 4; thousands++)
			value /= 1000;
		char label[24];
		snprintf(label, sizeof(label), "%.6g%s", value, suffixes[thousands]);
		svg_tic(svg, axis, i * step, label);
	}
}

static void draw_frame(const struct svg *svg, const struct svg_chart *chart)
{
	double middle = (LEFT + RIGHT) / 2.0;
	fprintf(svg->file,
		"<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"none\" "
		"stroke=\"black\"/>\n",
		LEFT, svg->top, RIGHT - LEFT, HEIGHT);
	write_text(svg->file, middle, svg->top - 12, "middle", chart->title);
	write_text(svg->file, middle, svg->top + HEIGHT + 42, "middle", chart->label[SVG_X]);
	fprintf(svg->file,
		"<text transform=\"translate(20 %.1f) rotate(-90)\" text-anchor=\"middle\">%s"
		"</text>\n",
		svg->top + HEIGHT / 2.0, chart->label[SVG_Y]);
}

void svg_reach(struct svg *svg, double x, double y)
{
	const double at[] = {x, y};
	for (enum svg_axis axis = SVG_X; axis <= SVG_Y; axis++) {
		svg->low[axis] = fmin(svg->low[axis], at[axis]);
		svg->high[axis] = fmax(svg->high[axis], at[axis]);
	}
}

void svg_point(struct svg *svg, bool first, double x, double y)
{
	if (svg->drawing)
		fprintf(svg->file, first ? "M%.1f %.1fh0" : "L%.1f %.1f", place_of(svg, SVG_X, x),
			place_of(svg, SVG_Y, y));
	else
		svg_reach(svg, x, y);
}

// With its sample in the legend, which is the beginning of the line. After the eight colours dashes
// follow.
static void draw_line(struct svg *svg, const struct svg_chart *chart, size_t index)
{
	char label[SVG_LABEL];
	double y = svg->top + HEIGHT + BELOW + LEGEND_ROW * (double)index;
	fprintf(svg->file,
		"<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" "
		"d=\"M%d %.1fh40",
		colours[index % COLOURS], index < COLOURS ? "none" : "6 4", LEFT, y);
	chart->line(svg, index, label);
	fputs("\"/>\n", svg->file);
	write_text(svg->file, LEFT + 50, y + 5, "start", label);
}

static void draw_chart(struct svg *svg, const struct svg_chart *chart, size_t lines)
{
	char label[SVG_LABEL];
	for (size_t i = 0; i < lines; i++)
		chart->line(svg, i, label);
	svg->drawing = true;
	for (enum svg_axis axis = SVG_X; axis <= SVG_Y; axis++) {
		if (chart->tics[axis])
			chart->tics[axis](svg);
		else
			draw_tics(svg, axis);
	}
	draw_frame(svg, chart);
	for (size_t i = 0; i < lines; i++)
		draw_line(svg, chart, i);
}

void svg_draw(FILE *file, const struct svg_chart *charts, size_t count, size_t lines,
	      const void *context)
{
	size_t height = ABOVE + HEIGHT + BELOW + LEGEND_ROW * lines;
	fprintf(file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"viewBox=\"0 0 %d %zu\" font-family=\"sans-serif\" font-size=\"14\" "
		"stroke-linecap=\"round\" stroke-linejoin=\"round\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, count * height, WIDTH, count * height);
	for (size_t i = 0; i < count; i++) {
		struct svg svg = {
			.file = file,
			.context = context,
			.place = i,
			.top = (double)(i * height + ABOVE),
			.low = {HUGE_VAL, HUGE_VAL},
			.high = {-HUGE_VAL, -HUGE_VAL},
		};
		draw_chart(&svg, &charts[i], lines);
	}
	fputs("</svg>\n", file);
}
