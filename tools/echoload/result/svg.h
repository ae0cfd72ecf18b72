// Charts of lines as SVG, one below the other. One thread for each file.
#ifndef ECHOLOAD_SVG_H
#define ECHOLOAD_SVG_H

#include <stddef.h>
#include <stdio.h>

struct svg_plot {
	FILE *file;
	size_t place; // among the charts of the picture, from 0
	size_t lines; // room for so many in the legend of each chart
	double x_low, x_high, y_low, y_high;
};

// Writes text into SVG or HTML, whatever is in it.
void svg_text(FILE *file, const char *text);

// Begins and ends a picture of so many charts, with room for so many lines in each.
void svg_begin(FILE *file, size_t charts, size_t lines);
void svg_end(FILE *file);

// Draws the frame of a chart and what is written at it.
void svg_frame(const struct svg_plot *plot, const char *title, const char *x_label,
	       const char *y_label);

// Draws a line of the grid, with a label at the axis, at `at` if that is within the frame.
void svg_x_tic(const struct svg_plot *plot, double at, const char *label);
void svg_y_tic(const struct svg_plot *plot, double at, const char *label);

// Draws some four to ten such lines, at multiples of 1, 2 or 5 of a power of ten.
void svg_tics(const struct svg_plot *plot, double low, double high,
	      void (*tic)(const struct svg_plot *plot, double at, const char *label));

// Draws the line at `index` through the points between begin and end, which count from 0, and names
// it in the legend. A point alone is a dot.
void svg_line_begin(const struct svg_plot *plot, size_t index, const char *label);
void svg_point(const struct svg_plot *plot, size_t index, double x, double y);
void svg_line_end(const struct svg_plot *plot);

#endif
