/*
 * Lines out of a pipe, whole whatever pieces they come in, no faster than they are taken; and an end at
 * any time. Waiting is turning the loop until something holds, with a deadline.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "cli/mqtt_lines_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEADLINE_MS 10000
#define LINE_MAX    100000

static struct {
    struct loop *loop;
    struct mqtt_lines *lines;
    int to, from;
    unsigned more;
} w;

static void on_more(void *ctx)
{
    (void)ctx;
    w.more++;
}

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    w.from = ends[0];
    w.to = ends[1];
    w.more = 0;
    w.loop = loop_new();
    w.lines = mqtt_lines_open(w.loop, w.from, LINE_MAX, on_more, NULL);
    assert_non_null(w.lines);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mqtt_lines_close(w.lines);
    loop_free(w.loop);
    close(w.from);
    if (w.to >= 0)
        close(w.to);
    return 0;
}

static void say(const char *text)
{
    assert_int_equal(write(w.to, text, strlen(text)), (ssize_t)strlen(text));
}

static void hang_up(void)
{
    close(w.to);
    w.to = -1;
}

/* The next answer that is not "wait". */
static enum mqtt_lines_next next(struct str *line)
{
    uint64_t end = clock_mono_ns() + (uint64_t)DEADLINE_MS * 1000000;
    enum mqtt_lines_next rc;
    int code = 0;

    while ((rc = mqtt_lines_next(w.lines, line, &code)) == LINES_WAIT) {
        assert_true(clock_mono_ns() < end);
        loop_turn(w.loop, false);
        (void)poll(NULL, 0, 1);
    }
    return rc;
}

static void expect(const char *text)
{
    struct str line;

    assert_int_equal(next(&line), LINES_LINE);
    if (!str_eq(line, str_of(text)))
        fail_msg("got \"%.*s\", expected \"%s\"", STR_ARG(line), text);
}

static void pieces_become_lines(void **state)
{
    struct str line;
    int code = 0;

    (void)state;
    say("one\n\ntw");
    expect("one");
    expect("");
    assert_int_equal(mqtt_lines_next(w.lines, &line, &code), LINES_WAIT);
    say("o\nlast");
    expect("two");
    hang_up();
    expect("last");
    assert_int_equal(next(&line), LINES_END);
    assert_int_equal(next(&line), LINES_END);
}

static void the_longest_line_and_one_more_byte(void **state)
{
    static char text[LINE_MAX + 2];
    struct str line;

    (void)state;
    memset(text, 'x', LINE_MAX);
    text[LINE_MAX] = '\n';
    /* A pipe holds less: it is filled while the loop turns. */
    assert_int_equal(fcntl(w.to, F_SETPIPE_SZ, 1 << 20) >= 1 << 20, 1);
    say(text);
    assert_int_equal(next(&line), LINES_LINE);
    assert_int_equal(line.n, LINE_MAX);
    text[LINE_MAX] = 'x';
    say(text);
    assert_int_equal(next(&line), LINES_TOO_LONG);
}

/* Whoever does not take lines is not read for: the pipe fills up. */
static void reads_no_faster_than_lines_are_taken(void **state)
{
    static const char chunk[4096] = { '\n' };
    struct str line;
    size_t sent = 0;
    ssize_t n;

    (void)state;
    assert_int_equal(fcntl(w.to, F_SETFL, O_NONBLOCK), 0);
    say("first\n");
    expect("first");
    for (unsigned tries = 0; tries < 200; tries++) {
        while ((n = write(w.to, chunk, sizeof(chunk))) > 0)
            sent += (size_t)n;
        loop_turn(w.loop, false);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(sent <= 3u * 65536);
    assert_int_equal(next(&line), LINES_LINE);
}

static void ends_while_nothing_comes(void **state)
{
    struct str line;
    int code = 0;

    (void)state;
    assert_int_equal(mqtt_lines_next(w.lines, &line, &code), LINES_WAIT);
    loop_turn(w.loop, false); /* the thread waits for input now, or soon */
}

static void ends_with_a_chunk_on_its_way(void **state)
{
    uint64_t end = clock_mono_ns() + (uint64_t)DEADLINE_MS * 1000000;
    struct str line;
    int code = 0, left = 1;

    (void)state;
    say("x\n");
    assert_int_equal(mqtt_lines_next(w.lines, &line, &code), LINES_WAIT);
    while (left > 0) { /* until the thread has it; the loop never gets it */
        assert_int_equal(ioctl(w.from, FIONREAD, &left), 0);
        assert_true(clock_mono_ns() < end);
    }
}

static void a_broken_input_is_said(void **state)
{
    struct str line;
    int code = 0, fd = open("/", O_RDONLY | O_CLOEXEC);

    (void)state;
    mqtt_lines_close(w.lines);
    w.lines = mqtt_lines_open(w.loop, fd, LINE_MAX, on_more, NULL);
    assert_int_equal(next(&line), LINES_FAILED);
    assert_int_equal(mqtt_lines_next(w.lines, &line, &code), LINES_FAILED);
    assert_int_equal(code, -EISDIR);
    close(fd);
}

#define WITH_PIPE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(pieces_become_lines),
        WITH_PIPE(the_longest_line_and_one_more_byte),
        WITH_PIPE(reads_no_faster_than_lines_are_taken),
        WITH_PIPE(ends_while_nothing_comes),
        WITH_PIPE(ends_with_a_chunk_on_its_way),
        WITH_PIPE(a_broken_input_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
