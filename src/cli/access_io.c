/*
 * Users and rules from the command line. The running node makes the change and has it hold before it
 * answers; with --file this process changes a file by itself, in the same safe way, for a node that
 * is not running or cannot write there.
 *
 * A password is typed without being shown, or is the first line of standard input. As an argument it is
 * taken, since scripts of mosquitto_passwd -b do so, but everybody on the machine can see it there.
 */
#include "cli/access_io.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cli/ask_io.h"
#include "cli/show_access.h"
#include "conf/conf_io.h"
#include "node/access_ask.h"
#include "node/files_io.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024u
#define ANSWER_MAX     (16u << 20)

/* clang-format off */
#define OPTION_JSON    { "json", 0, NULL, "for programs" }
#define OPTION_CONTROL { "control", 0, "SOCKET", "control socket of the node; also WAYSIDE_CONTROL" }
#define OPTION_FILE    { "file", 0, "FILE", "change this file by yourself; a node that runs takes it with `wayside reload`" }

const struct command_option user_list_options[] = { OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 } };
const struct command_option user_change_options[] = { OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 } };
const struct command_option user_add_options[] = {
    { "password-stdin", 0, NULL, "the password is the first line of standard input" },
    { "password", 'b', "TEXT", "the password, which everybody on this machine can see; rather not" },
    { "create", 'c', NULL, "with --file: make the file when it is not there" },
    OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 }
};
const struct command_option acl_list_options[] = { OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 } };
const struct command_option acl_change_options[] = { OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 } };
const struct command_option acl_check_options[] = {
    { "client", 'i', "ID", "with this client id (%c of patterns); the user's name when absent" },
    OPTION_CONTROL, OPTION_FILE, OPTION_JSON, { 0 }
};
/* clang-format on */

const char user_list_more[] = "Those of mqtt.users and of the password file, with the line.";
const char user_add_more[] =
    "The node writes its password file (mqtt.password_file, as mosquitto_passwd writes it) and lets the\n"
    "user in at once. The password is asked for twice.\n\n"
    "  wayside user add ann\n"
    "  pass show mqtt/ann | wayside user add ann --password-stdin\n"
    "  wayside user add ann --file /etc/wayside/passwd --create    # without a running node";
const char user_passwd_more[] =
    "Whoever is connected with the old one is disconnected at once (MQTT 5: 0x87).\n\n"
    "  wayside user passwd ann";
const char user_remove_more[] =
    "Its connections end at once (MQTT 5: 0x87) and so do its sessions. Its rules stay in the access file.";
const char acl_list_more[] =
    "All rules as they hold, with the line of the access file; with NAME those that are about a user:\n"
    "its own, and patterns.";
const char acl_check_more[] =
    "TOPIC is a topic or a filter; USER - is a client without a user name. Exit status 3 when nothing of\n"
    "it is allowed.\n\n"
    "  wayside acl check ann plant/7/setpoint\n"
    "  wayside acl check - 'wayside/#'\n"
    "  wayside acl check pi dev/cam-7/state --client cam-7";
const char acl_add_more[] =
    "WHO is a user's name, - for clients without one, % for everybody (a pattern: %c is the client id, %u\n"
    "the user name). ACCESS: read, write, readwrite or deny. The rule holds at once, for open connections\n"
    "as well; comments and order of the file stay.\n\n"
    "  wayside acl add ann readwrite 'plant/+/setpoint'\n"
    "  wayside acl add - read 'wayside/#'\n"
    "  wayside acl add % write 'dev/%c/#'";
const char acl_remove_more[] =
    "Named as `wayside acl list` shows it. What it granted ends at once: publications are refused,\n"
    "subscriptions that are no longer allowed end.\n\n"
    "  wayside acl remove ann readwrite 'plant/+/setpoint'";

static int say(const char *text)
{
    fprintf(stderr, "wayside: %s\n", text);
    return EXIT_FAILED;
}

static int fail(const struct fault *f)
{
    char text[sizeof(*f) + 32];

    return say(fault_text(f, text, sizeof(text)));
}

/* ---- passwords ---- */

/* One line of fd, without its end. */
static int read_line(int fd, struct buf *out)
{
    char c;
    ssize_t n;

    while ((n = read(fd, &c, 1)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (c == '\n')
            break;
        buf_u8(out, (uint8_t)c);
    }
    if (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    return buf_check(out);
}

/* Until a line can be read of tty, or (-EINTR) a signal waits. */
static int wait_line(int tty, int signals)
{
    struct pollfd p[] = { { .fd = tty, .events = POLLIN }, { .fd = signals, .events = POLLIN } };

    while (poll(p, COUNT_OF(p), -1) < 0)
        if (errno != EINTR)
            return -errno;
    return p[1].revents ? -EINTR : 0;
}

/* Echo is off from before the question until the line is there: what is typed ahead is not shown either. */
static int type_quietly(int tty, int signals, const char *question, struct buf *out)
{
    struct termios was, quiet;
    int rc;

    if (tcgetattr(tty, &was))
        return -errno;
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(tty, TCSAFLUSH, &quiet))
        return -errno;
    dprintf(tty, "%s: ", question);
    rc = wait_line(tty, signals);
    if (!rc)
        rc = read_line(tty, out);
    tcsetattr(tty, TCSAFLUSH, &was);
    dprintf(tty, "\n");
    return rc;
}

/* A signal takes effect when the terminal is as it was: who interrupts or stops this has a shell that shows
 * what he types. Whoever comes back is asked again. */
static int type(int tty, const char *question, struct buf *out)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
    sigset_t held, before;
    int signals, rc;

    sigemptyset(&held);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        sigaddset(&held, numbers[i]);
    signals = signalfd(-1, &held, SFD_CLOEXEC);
    if (signals < 0)
        return -errno;
    do {
        sigprocmask(SIG_BLOCK, &held, &before);
        rc = type_quietly(tty, signals, question, out);
        sigprocmask(SIG_SETMASK, &before, NULL);
    } while (rc == -EINTR);
    close(signals);
    return rc;
}

static int type_twice(struct buf *out)
{
    struct buf again = buf_init(LINE_MAX_BYTES);
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), rc;

    if (tty < 0)
        return say(
            "there is no terminal to ask for the password; hand it in with --password-stdin");
    rc = type(tty, "Password", out);
    if (!rc)
        rc = type(tty, "Again", &again);
    close(tty);
    if (rc)
        rc = say("the password could not be read from the terminal");
    else if (!str_eq(buf_str(out), buf_str(&again)))
        rc = say("the two are not the same; nothing was changed");
    buf_fini(&again);
    return rc;
}

static int password_of(const struct command_call *c, struct buf *out)
{
    const char *given = command_value(c, "password");

    if (given) {
        fprintf(stderr, "wayside: a password on the command line is seen by everybody on this "
                        "machine (ps) and kept by shells; rather use --password-stdin\n");
        buf_put(out, str_of(given));
        return EXIT_DONE;
    }
    if (!command_value(c, "password-stdin"))
        return type_twice(out);
    if (read_line(STDIN_FILENO, out) || out->n == 0)
        return say("--password-stdin: the first line of standard input is empty or too long");
    return EXIT_DONE;
}

/* ---- a file without a node ---- */

struct by_hand {
    const struct access_ask *ask;
    const char *path;
    unsigned line;
};

static int change_users(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    struct by_hand *h = ctx;
    struct access_means m = { .iterations_max = limits_default().password_iterations_max };
    struct access_blame b = { 0 };
    int rc;

    random_bytes(m.salt, sizeof(m.salt));
    rc = access_edit_users(h->ask, &m, text, h->path, out, &b);
    *f = b.fault;
    return rc;
}

static int change_rules(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    struct by_hand *h = ctx;
    struct access_blame b = { 0 };
    int rc = access_edit_rules(h->ask, text, h->path, out, &h->line, &b);

    *f = b.fault;
    return rc;
}

static bool is_about_users(const struct access_ask *a)
{
    return a->op == ACCESS_USERS || access_ask_edits_users(a);
}

/* What the file says, as if a node had it. */
static int load(const char *path, bool users, struct access **out, struct fault *f)
{
    struct limits l = limits_default();
    struct buf text = buf_init(l.access_file_max_bytes);
    struct passwd *passwd = NULL;
    struct acl *acl = NULL;
    int rc = conf_io_read(path, &text, f);

    if (!rc && users)
        rc = passwd_read(buf_str(&text), path, l.password_iterations_max, &passwd, f);
    else if (!rc)
        rc = acl_read(buf_str(&text), path, &acl, f);
    if (!rc)
        *out = access_new(NULL, 0, acl, passwd);
    buf_fini(&text);
    return rc;
}

static int by_hand(const struct command_call *c, const struct access_ask *a, struct buf *answer)
{
    bool users = access_ask_edits_users(a), rules = access_ask_edits_rules(a);
    bool create = a->op == ACCESS_USER_ADD && command_value(c, "create");
    struct by_hand h = { a, command_value(c, "file"), 0 };
    struct access_blame b = { 0 };
    struct access *now = NULL;
    int rc = access_ask_check(a, &b);

    if (!rc && (users || rules))
        rc = files_edit(h.path, limits_default().access_file_max_bytes, create,
                        users ? change_users : change_rules, &h, &b.fault);
    if (!rc)
        rc = load(h.path, is_about_users(a), &now, &b.fault);
    if (rc)
        return fail(&b.fault);
    if (users || rules)
        access_put_done(a, now, h.line, false, answer);
    else if (a->op == ACCESS_USERS)
        access_put_users(now, answer);
    else if (a->op == ACCESS_RULES)
        access_put_rules(a, now, answer);
    else
        access_put_why(a, now, answer);
    access_free(now);
    return EXIT_DONE;
}

/* ---- asking ---- */

static void put_member(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_str(w, value);
}

static int by_node(const struct command_call *c, const struct access_ask *a, struct buf *answer)
{
    struct buf request = buf_init(ANSWER_MAX);
    struct json_writer w = json_writer_init(&request);
    int rc;

    json_begin_object(&w);
    put_member(&w, "cmd", str_of(c->command->name));
    if (a->has_user)
        put_member(&w, "user", a->user);
    if (a->pattern)
        put_member(&w, "pattern", STR("yes"));
    if (a->password.n > 0)
        put_member(&w, "password", a->password);
    if (a->access.n > 0)
        put_member(&w, "access", a->access);
    if (a->topic.n > 0)
        put_member(&w, "topic", a->topic);
    if (a->client.n > 0)
        put_member(&w, "client", a->client);
    json_end_object(&w);
    rc = ask_node(c, buf_cstr(&request), answer);
    buf_fini(&request);
    return rc;
}

typedef int show_text(struct str json, struct buf *out);

static int run(const struct command_call *c, const struct access_ask *a, show_text *text)
{
    struct buf answer = buf_init(ANSWER_MAX), out = buf_init(ANSWER_MAX);
    int rc = command_value(c, "file") ? by_hand(c, a, &answer) : by_node(c, a, &answer);

    if (rc)
        goto out;
    if (text(buf_str(&answer), &out)) {
        rc = EXIT_FAILED;
        if (!command_value(c, "json")) {
            say(buf_cstr(&out));
            goto out;
        }
    }
    if (command_value(c, "json"))
        printf("%s\n", buf_cstr(&answer));
    else
        printf("%s", buf_cstr(&out));
    if (!rc && a->op == ACCESS_WHY && !show_why_allows(buf_str(&answer)))
        rc = EXIT_PROBLEMS;
out:
    buf_fini(&answer);
    buf_fini(&out);
    return rc;
}

static int run_with_password(const struct command_call *c, enum access_op op, show_text *text)
{
    struct buf password = buf_init(LINE_MAX_BYTES);
    struct access_ask a = { .op = op, .has_user = true, .user = str_of(c->args[0]) };
    int rc = password_of(c, &password);

    a.password = buf_str(&password);
    if (rc == EXIT_DONE)
        rc = run(c, &a, text);
    buf_fini(&password);
    return rc;
}

int user_list(const struct command_call *c)
{
    return run(c, &(struct access_ask){ .op = ACCESS_USERS }, show_users);
}

int user_add(const struct command_call *c)
{
    return run_with_password(c, ACCESS_USER_ADD, show_user_added);
}

int user_passwd(const struct command_call *c)
{
    return run_with_password(c, ACCESS_USER_PASSWD, show_user_passwd);
}

int user_remove(const struct command_call *c)
{
    const struct access_ask a = { .op = ACCESS_USER_REMOVE,
                                  .has_user = true,
                                  .user = str_of(c->args[0]) };

    return run(c, &a, show_user_removed);
}

/* "-": a client without a user name. */
static void set_user(struct access_ask *a, const char *name)
{
    a->has_user = strcmp(name, "-") != 0;
    a->user = a->has_user ? str_of(name) : STR_NONE;
}

int acl_list(const struct command_call *c)
{
    struct access_ask a = { .op = ACCESS_RULES };

    if (c->arg_count > 0)
        set_user(&a, c->args[0]);
    return run(c, &a, show_rules);
}

int acl_check(const struct command_call *c)
{
    struct access_ask a = { .op = ACCESS_WHY,
                            .topic = str_of(c->args[1]),
                            .client = str_of(command_value(c, "client")) };

    set_user(&a, c->args[0]);
    return run(c, &a, show_why);
}

static int change_rule(const struct command_call *c, enum access_op op, show_text *text)
{
    struct access_ask a = { .op = op,
                            .pattern = strcmp(c->args[0], "%") == 0,
                            .access = str_of(c->args[1]),
                            .topic = str_of(c->args[2]) };

    if (!a.pattern)
        set_user(&a, c->args[0]);
    return run(c, &a, text);
}

int acl_add(const struct command_call *c)
{
    return change_rule(c, ACCESS_RULE_ADD, show_rule_added);
}

int acl_remove(const struct command_call *c)
{
    return change_rule(c, ACCESS_RULE_REMOVE, show_rule_removed);
}
