// Charts of lines as SVG. One thread for each file.
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

// Eight colours that also people who see few of them can tell apart (Okabe and Ito).
static const char *const colours[] = {"#000000", "#d55e00", "#56b4e9", "#e69f00",
				      "#009e73", "#f0e442", "#0072b2", "#cc79a7"};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

static size_t chart_height(size_t lines)
{
	return ABOVE + HEIGHT + BELOW + LEGEND_ROW * lines;
}

static double top_of(const struct svg_plot *plot)
{
	return (double)(plot->place * chart_height(plot->lines)) + ABOVE;
}

static double x_of(const struct svg_plot *plot, double x)
{
	return LEFT + (RIGHT - LEFT) * (x - plot->x_low) / (plot->x_high - plot->x_low);
}

static double y_of(const struct svg_plot *plot, double y)
{
	double share = (y - plot->y_low) / (plot->y_high - plot->y_low);
	return top_of(plot) + HEIGHT * (1 - share);
}

void svg_begin(FILE *file, size_t charts, size_t lines)
{
	size_t height = charts * chart_height(lines);
	fprintf(file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"viewBox=\"0 0 %d %zu\" font-family=\"sans-serif\" font-size=\"14\" "
		"stroke-linecap=\"round\" stroke-linejoin=\"round\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		WIDTH, height, WIDTH, height);
}

void svg_end(FILE *file)
{
	fputs("</svg>\n", file);
}

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

void svg_frame(const struct svg_plot *plot, const char *title, const char *x_label,
	       const char *y_label)
{
	double top = top_of(plot);
	double middle = (LEFT + RIGHT) / 2.0;
	fprintf(plot->file,
		"<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"none\" "
		"stroke=\"black\"/>\n",
		LEFT, top, RIGHT - LEFT, HEIGHT);
	write_text(plot->file, middle, top - 12, "middle", title);
	write_text(plot->file, middle, top + HEIGHT + 42, "middle", x_label);
	fprintf(plot->file,
		"<text transform=\"translate(20 %.1f) rotate(-90)\" text-anchor=\"middle\">%s"
		"</text>\n",
		top + HEIGHT / 2.0, y_label);
}

static void write_grid(FILE *file, double x1, double y1, double x2, double y2)
{
	fprintf(file, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#ddd\"/>\n", x1, y1, x2, y2);
}

void svg_x_tic(const struct svg_plot *plot, double at, const char *label)
{
	if (at < plot->x_low || at > plot->x_high)
		return;
	double x = x_of(plot, at);
	double bottom = top_of(plot) + HEIGHT;
	write_grid(plot->file, x, bottom - HEIGHT, x, bottom);
	write_text(plot->file, x, bottom + 20, "middle", label);
}

void svg_y_tic(const struct svg_plot *plot, double at, const char *label)
{
	if (at < plot->y_low || at > plot->y_high)
		return;
	double y = y_of(plot, at);
	write_grid(plot->file, LEFT, y, RIGHT, y);
	write_text(plot->file, LEFT - 8, y + 5, "end", label);
}

void svg_tics(const struct svg_plot *plot, double low, double high,
	      void (*tic)(const struct svg_plot *plot, double at, const char *label))
{
	static const char *const suffixes[] = {"", " k", " M", " G", " T"};
	double least = (high - low) / 4, power = pow(10.0, floor(log10(least)));
	double step = power * (least < 2 * power ? 1 : (least < 5 * power ? 2 : 5));
	for (double i = ceil(low / step); i * step <= high; i++) {
		double value = i * step;
		size_t thousands = 0;
		for (; value >= 1000 && thousands < 4; thousands++)
			value /= 1000;
		char label[24];
		snprintf(label, sizeof(label), "%.6g%s", value, suffixes[thousands]);
		tic(plot, i * step, label);
	}
}

void svg_line_begin(const struct svg_plot *plot, size_t index, const char *label)
{
	double y = top_of(plot) + HEIGHT + BELOW + LEGEND_ROW * (double)index;
	write_text(plot->file, LEFT + 50, y + 5, "start", label);
	// The sample in the legend is the beginning of the line. After the eight colours dashes
	// follow.
	fprintf(plot->file,
		"<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" "
		"d=\"M%d %.1fh40",
		colours[index % COLOURS], index < COLOURS ? "none" : "6 4", LEFT, y);
}

void svg_point(const struct svg_plot *plot, size_t index, double x, double y)
{
	const char *verb = index ? "L" : "M";
	fprintf(plot->file, "%s%.1f %.1f%s", verb, x_of(plot, x), y_of(plot, y), index ? "" : "h0");
}

void svg_line_end(const struct svg_plot *plot)
{
	fputs("\"/>\n", plot->file);
}
