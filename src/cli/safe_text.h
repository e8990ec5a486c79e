#ifndef CLI_SAFE_TEXT_H
#define CLI_SAFE_TEXT_H
/*
 * Bytes of other people on a terminal: nothing of them moves the cursor, rings, renames the window
 * or turns the line around, and one text is one line. Pure.
 */
#include "base/buf.h"

/* Appends s: control characters as \n, \t, \r, \e or \xNN, bytes that are no UTF-8 as \xNN, invisible
 * characters that change how the rest is read (direction, C1 controls, line separators) as \u{NNNN}.
 * All else stays as it is. */
void safe_text(struct str s, struct buf *out);
/* Appends s as one word of a shell, in single quotes. False, with nothing appended, when it holds what safe_text()
 * would not leave as it is: then there is no command that could be copied. */
bool safe_word(struct str s, struct buf *out);
/* s is one JSON value: appends it on one line with a space behind each colon and comma; numbers and
 * strings stay as they were written. colour: with ANSI colours for names, strings, numbers and words. */
void safe_json(struct str s, bool colour, struct buf *out);
/* Whether s is one JSON value by RFC 8259. */
bool safe_is_json(struct str s);

/* ANSI colours: 8 colours only, so that they fit every theme. */
#define COLOUR_OFF    "\x1b[0m"
#define COLOUR_TOPIC  "\x1b[36m"
#define COLOUR_DIM    "\x1b[2m"
#define COLOUR_NAME   "\x1b[34m"
#define COLOUR_STRING "\x1b[32m"
#define COLOUR_NUMBER "\x1b[33m"
#define COLOUR_WORD   "\x1b[35m"

#endif
