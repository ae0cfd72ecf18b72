// A terminal's window that the same text is drawn into again and again. Main thread only.
#ifndef ECHOD_BASE_SCREEN_H
#define ECHOD_BASE_SCREEN_H

#include <stdbool.h>

// Whether standard output is a terminal that can be drawn on.
bool screen_available(void);

// Draws `text` from the top left corner over what was there, cut to the window.
void screen_draw(const char *text);

#endif
