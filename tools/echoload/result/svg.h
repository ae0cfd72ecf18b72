// Charts of lines as SVG, one below the other. One thread for each file.
#ifndef ECHOLOAD_SVG_H
#define ECHOLOAD_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SVG_LABEL 128 // bytes of the label of a line

enum svg_axis { SVG_X, SVG_Y };

// A chart that is being drawn.
struct svg {
	FILE *file;
	const void *context; // of svg_draw
	size_t place;	     // among the charts of the picture, from 0
	bool drawing;	     // false: its axes are being measured, and nothing is drawn
	double top;
	double low[2], high[2]; // of each axis
};

// The content of a chart.
struct svg_chart {
	const char *title;
	const char *label[2]; // of each axis
	// Draws what svg_tic draws on an axis; NULL: multiples of 1, 2 or 5 of a power of ten.
	void (*tics[2])(const struct svg *svg);
	// Names a line, and draws its points. Called twice for each line, in order: before anything
	// is drawn, for the axes, and again. Both axes must reach from one value to another.
	void (*line)(struct svg *svg, size_t index, char *label);
};

// Writes any text into SVG or HTML.
void svg_text(FILE *file, const char *text);

// Draws a picture of `count` charts, each with `lines` lines.
void svg_draw(FILE *file, const struct svg_chart *charts, size_t count, size_t lines,
	      const void *context);

// Draws a line of the grid at `at`, with a label at the axis, if the axis reaches that far.
void svg_tic(const struct svg *svg, enum svg_axis axis, double at, const char *label);

// Extends the axes to a place, as svg_point does, too.
void svg_reach(struct svg *svg, double x, double y);

// Goes on to the next point of the line, or, if that is its `first`, begins there, even if there
// were others. A point alone is a dot.
void svg_point(struct svg *svg, bool first, double x, double y);

#endif
