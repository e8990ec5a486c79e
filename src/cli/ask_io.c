/* One question to the node that runs here, and what to do with its answer. */
#include "cli/ask_io.h"

#include "base/mem.h"
#include "cli/show.h"
#include "node/control_client.h"
#include "node/run_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (16u << 20)

static int ask_fail(const struct fault *f)
{
    char text[1024];

    fprintf(stderr, "wayside: %s\n", fault_text(f, text, sizeof(text)));
    return EXIT_FAILED;
}

int ask_node(const struct command_call *c, const char *request, struct buf *out)
{
    static const char *const presets[] = { "hub", "edge", "run" };
    const char *path = command_value(c, "control");
    struct fault f = { 0 };
    int rc = -ENOENT;

    if (!path)
        path = getenv("WAYSIDE_CONTROL");
    if (path) {
        rc = control_ask(path, str_of(request), 10000, out, &f);
        return rc ? ask_fail(&f) : EXIT_DONE;
    }
    for (size_t i = 0; i < COUNT_OF(presets) && rc; i++) {
        char *standard = run_control_path(presets[i]);
        struct fault other = { 0 };

        buf_clear(out);
        rc = control_ask(standard, str_of(request), 10000, out, &other);
        if (i == 0 || (rc != -ENOENT && rc != -ECONNREFUSED))
            f = other;
        mem_free(standard);
    }
    return rc ? ask_fail(&f) : EXIT_DONE;
}

int ask_show(const struct command_call *c, const char *request,
             int (*text)(struct str json, struct buf *out))
{
    struct buf answer = buf_init(CONTROL_ANSWER_MAX), b = buf_init(TEXT_MAX);
    struct buf why = buf_init(TEXT_MAX);
    int rc = ask_node(c, request, &answer);
    bool failed = false;

    if (rc == EXIT_DONE && command_value(c, "json")) {
        buf_put(&b, buf_str(&answer));
        buf_u8(&b, '\n');
        failed = show_error(buf_str(&answer), &why) == ERR_VALUE;
    } else if (rc == EXIT_DONE && text(buf_str(&answer), &b)) {
        fprintf(stderr, "wayside: %.*s\n", STR_ARG(buf_str(&b)));
        buf_clear(&b);
        rc = EXIT_FAILED;
    }
    if (rc == EXIT_DONE)
        rc = fwrite(b.p, 1, b.n, stdout) == b.n && !fflush(stdout) ? EXIT_DONE : EXIT_FAILED;
    buf_fini(&b);
    buf_fini(&why);
    buf_fini(&answer);
    return failed ? EXIT_FAILED : rc;
}
