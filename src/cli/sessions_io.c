/*
 * The clients of a node, which may be more than one answer holds: they are asked for a page at a time and
 * printed as they come. Whoever comes or goes meanwhile may be missed; nobody is shown twice.
 */
#include "cli/sessions_io.h"

#include "cli/ask_io.h"
#include "cli/show.h"
#include "node/control_client.h"
#include "wire/json.h"

#include <stdio.h>

#define CLIENT_ID_MAX 65535
/* A page as text; in JSON it is as large as it came. */
#define PAGE_MAX (2 * CONTROL_ANSWER_MAX)

/* {"cmd": cmd, …} with the options of that name that are given. after: NULL: not a page. */
static void put_request(struct buf *out, const struct command_call *c, const char *cmd,
                        const char *const *options, const struct buf *after)
{
    struct json_writer w = json_writer_init(out);

    buf_clear(out);
    json_begin_object(&w);
    json_key(&w, "cmd");
    json_text(&w, cmd);
    for (; *options; options++) {
        const char *value = command_value(c, *options);

        if (!value)
            continue;
        json_key(&w, strcmp(*options, "kick") == 0 ? "client" : *options);
        json_text(&w, value);
    }
    if (after) {
        json_key(&w, "after");
        json_str(&w, buf_str(after));
    }
    json_end_object(&w);
}

static int show_kicked(struct str json, struct buf *out)
{
    int rc = show_error(json, out);

    if (!rc)
        buf_put(out, STR("its connection is ended\n"));
    return rc;
}

static int show_session_ended(struct str json, struct buf *out)
{
    int rc = show_error(json, out);

    if (!rc)
        buf_put(out, STR("its connection and its session are ended\n"));
    return rc;
}

static int print(const struct buf *b)
{
    return fwrite(b->p, 1, b->n, stdout) == b->n && !fflush(stdout) ? EXIT_DONE : EXIT_FAILED;
}

/* One page, from *next on. With --json an error is an answer as well, but none that may stand within another. */
static int page(const struct command_call *c, bool first, struct buf *next)
{
    static const char *const options[] = { "search", NULL };
    struct buf request = buf_init(CONTROL_ANSWER_MAX), answer = buf_init(CONTROL_ANSWER_MAX);
    struct buf out = buf_init(PAGE_MAX);
    bool json = command_value(c, "json");
    int rc;

    put_request(&request, c, "sessions", options, next);
    rc = ask_node(c, buf_cstr(&request), &answer);
    if (rc != EXIT_DONE)
        goto out;
    if (json && first)
        buf_put(&out, STR("{\"sessions\":["));
    if (json ? show_session_items(buf_str(&answer), first, &out, next)
             : show_session_page(buf_str(&answer), first, &out, next)) {
        rc = EXIT_FAILED;
        if (json && first)
            printf("%s\n", buf_cstr(&answer));
        else
            fprintf(stderr, "wayside: %s\n", buf_cstr(&out));
        goto out;
    }
    if (json && next->n == 0)
        buf_put(&out, STR("]}\n"));
    rc = print(&out);
out:
    buf_fini(&request);
    buf_fini(&answer);
    buf_fini(&out);
    return rc;
}

static int list(const struct command_call *c)
{
    struct buf next = buf_init(CLIENT_ID_MAX + 1);
    int rc = page(c, true, &next);

    while (rc == EXIT_DONE && next.n > 0)
        rc = page(c, false, &next);
    buf_fini(&next);
    return rc;
}

int sessions_run(const struct command_call *c)
{
    static const char *const kick[] = { "kick", "session", NULL };
    static const char *const look[] = { "client", "search", NULL };
    bool ends = command_value(c, "kick"), all = command_value(c, "session");
    struct buf request = buf_init(CONTROL_ANSWER_MAX);
    int rc;

    if (all && !ends) {
        fprintf(stderr, "wayside sessions: --session goes with --kick CLIENT\n");
        return EXIT_USAGE;
    }
    if (!ends && !command_value(c, "client"))
        return list(c);
    put_request(&request, c, ends ? "kick" : "sessions", ends ? kick : look, NULL);
    rc = ask_show(c, buf_cstr(&request),
                  all    ? show_session_ended
                  : ends ? show_kicked
                         : show_client);
    buf_fini(&request);
    return rc;
}
