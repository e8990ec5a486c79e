#ifndef CLI_MQTT_LINES_IO_H
#define CLI_MQTT_LINES_IO_H
/*
 * Lines of a file descriptor for a loop: a thread of its own reads, since reading may block, and only
 * as fast as the lines are taken. On the loop's thread.
 */
#include "net/loop.h"

struct mqtt_lines;

/* more(): there may be a line now. line_max: the longest line. */
struct mqtt_lines *mqtt_lines_open(struct loop *l, int fd, size_t line_max, void (*more)(void *ctx),
                                   void *ctx);
enum mqtt_lines_next {
    LINES_LINE, /* *out: without its line feed, good until the next call */
    LINES_WAIT, /* more() comes */
    LINES_END,
    LINES_TOO_LONG, /* and none after it */
    LINES_FAILED,   /* *out_code */
};
enum mqtt_lines_next mqtt_lines_next(struct mqtt_lines *r, struct str *out, int *out_code);
/* Ends the thread and frees; NULL is legal. */
void mqtt_lines_close(struct mqtt_lines *r);

#endif
