/*
 * What each command does. Reading commands print for people, or with --json for programs; whatever
 * fails says why on standard error and how to go on.
 */
#include "cli/commands_io.h"

#include "base/mem.h"
#include "cli/access_io.h"
#include "cli/ask_io.h"
#include "cli/backlog_io.h"
#include "cli/bench_args.h"
#include "cli/bench_io.h"
#include "cli/journal_io.h"
#include "cli/mqtt_io.h"
#include "cli/sessions_io.h"
#include "cli/show.h"
#include "conf/conf_io.h"
#include "conf/mosquitto_io.h"
#include "node/check_io.h"
#include "node/control_client.h"
#include "node/demo_io.h"
#include "node/run_io.h"
#include "node/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX (16u << 20)

static int fail(const struct fault *f)
{
    char text[1024];

    fprintf(stderr, "wayside: %s\n", fault_text(f, text, sizeof(text)));
    return EXIT_FAILED;
}

static int print(struct buf *b)
{
    int rc = EXIT_DONE;

    if (fwrite(b->p, 1, b->n, stdout) != b->n || fflush(stdout))
        rc = EXIT_FAILED;
    buf_fini(b);
    return rc;
}

#define OPTION_CONFIG                                                                              \
    {                                                                                              \
        "config", 'c', "FILE", "settings laid over the built-in ones (see: wayside config show)"   \
    }
#define OPTION_MOSQUITTO                                                                           \
    {                                                                                              \
        "mosquitto-conf", 0, "FILE", "the configuration of a mosquitto 2, with what it includes"   \
    }

/* ---- running ---- */

static const struct command_option hub_options[] = { OPTION_CONFIG, OPTION_MOSQUITTO, { 0 } };

static int run_preset_named(const struct command_call *c, const char *preset)
{
    struct run_files files = { command_value(c, "config"), NULL };
    struct fault f = { 0 };
    int rc;

    if (c->command->options == hub_options)
        files.mosquitto = command_value(c, "mosquitto-conf");
    rc = run_node(preset, &files, &f);

    if (rc == ERR_VALUE && !f.text[0])
        return EXIT_PROBLEMS; /* the configuration's problems are printed already */
    return rc ? fail(&f) : EXIT_DONE;
}

static int run_hub(const struct command_call *c)
{
    return run_preset_named(c, "hub");
}

static int run_edge(const struct command_call *c)
{
    return run_preset_named(c, "edge");
}

static int run_run(const struct command_call *c)
{
    if (!command_value(c, "config")) {
        fprintf(stderr, "wayside run: needs --config FILE; `wayside hub` and `wayside edge` have "
                        "built-in ones\n");
        return EXIT_USAGE;
    }
    return run_preset_named(c, "run");
}

static int run_demo(const struct command_call *c)
{
    const char *port = command_value(c, "port");
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    struct demo_options o = { .program = self,
                              .dir = command_value(c, "dir"),
                              .keep = command_value(c, "keep") != NULL,
                              .stop_fd = -1 };
    struct fault f = { 0 };
    uint64_t number;
    int rc;

    if (n <= 0) {
        fault_set(&f, -ENOENT, "/proc is not mounted");
        return fail(&f);
    }
    self[n] = '\0';
    if (port && (str_to_u64(str_of(port), &number) || number == 0 || number > 65535)) {
        fprintf(stderr, "wayside demo: --port: '%s' is no port; 1 to 65535\n", port);
        return EXIT_USAGE;
    }
    o.port = port ? (unsigned)number : 0;
    rc = demo_run(&o, &f);
    return rc ? fail(&f) : EXIT_DONE;
}

/* ---- config ---- */

static const char *preset_of(const struct command_call *c)
{
    const char *preset = command_value(c, "preset");

    return preset ? preset : "hub";
}

static int load(const struct command_call *c, const char *file, bool files, struct conf **out)
{
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(TEXT_MAX);
    int rc;

    if (!settings_preset(preset_of(c))) {
        fprintf(stderr, "wayside %s: there is no preset '%s'; hub, edge or run\n", c->command->name,
                preset_of(c));
        return EXIT_USAGE;
    }
    rc = run_load(preset_of(c), &(struct run_files){ file, NULL }, out, &r, NULL);
    if (!rc && files)
        rc = check_files(*out, &r);
    conf_report_render(&r, &b);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    conf_report_fini(&r);
    return rc ? EXIT_PROBLEMS : EXIT_DONE;
}

static int config_check(const struct command_call *c)
{
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(TEXT_MAX);
    struct conf *conf = NULL;
    int rc;

    if (!command_value(c, "json")) {
        rc = load(c, c->args[0], true, &conf);
        if (rc == EXIT_DONE)
            printf("%s: no mistakes\n", c->args[0]);
        conf_free(conf);
        buf_fini(&b);
        return rc;
    }
    rc = run_load(preset_of(c), &(struct run_files){ c->args[0], NULL }, &conf, &r, NULL);
    if (!rc)
        rc = check_files(conf, &r);
    rc = rc ? EXIT_PROBLEMS : EXIT_DONE;
    conf_report_json(&r, &b);
    buf_u8(&b, '\n');
    print(&b);
    conf_report_fini(&r);
    conf_free(conf);
    return rc;
}

static int config_show(const struct command_call *c)
{
    struct conf *conf = NULL;
    struct buf b = buf_init(TEXT_MAX);
    int rc = load(c, c->arg_count ? c->args[0] : NULL, false, &conf);

    if (rc == EXIT_DONE) {
        conf_dump(conf,
                  (command_value(c, "help-texts") ? CONF_DUMP_HELP : 0u) |
                      (command_value(c, "changed") ? CONF_DUMP_CHANGED : 0u),
                  &b);
        print(&b);
    }
    conf_free(conf);
    return rc;
}

/* The translation to standard output, what is wrong to standard error. It is made in any case: what was
 * refused stands in it as a comment, so that a person can go on from there. */
static int config_import(const struct command_call *c)
{
    const char *file = command_value(c, "mosquitto-conf");
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(TEXT_MAX), problems = buf_init(TEXT_MAX);
    struct conf *conf = NULL;
    struct mosquitto *m;
    int rc;

    if (!file) {
        fprintf(stderr, "wayside config import: needs --mosquitto-conf FILE\n");
        return EXIT_USAGE;
    }
    m = mosquitto_io_read(&settings_schema, file, &r);
    if (m) {
        mosquitto_import(m, &b);
        print(&b);
        /* What the ordinary loader would say of it is said at once. */
        if (conf_load(&settings_schema, mosquitto_yaml(m), 1, &conf_io_reader, &conf, &r) == 0)
            conf_free(conf);
    }
    conf_report_render(&r, &problems);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&problems)));
    buf_fini(&problems);
    mosquitto_free(m);
    rc = r.errors ? EXIT_PROBLEMS : EXIT_DONE;
    conf_report_fini(&r);
    return rc;
}

static int config_schema(const struct command_call *c)
{
    struct buf b = buf_init(TEXT_MAX);

    (void)c;
    conf_schema_json(&settings_schema, &b);
    buf_u8(&b, '\n');
    return print(&b);
}

static int config_manual(const struct command_call *c)
{
    struct buf b = buf_init(TEXT_MAX);

    (void)c;
    conf_manual(&settings_schema, &b);
    return print(&b);
}

/* ---- asking a running node ---- */

/* What the node says, and what waits in its journal by device. */
static int status_text(struct str json, struct buf *out)
{
    char dir[4096];
    uint64_t after = 0;
    int rc = show_status(json, out);

    if (rc == 0 && show_waiting(json, dir, sizeof(dir), &after) == 0)
        (void)!backlog_show(dir, after, out); /* another user's folder: then without it */
    return rc;
}

static int run_status(const struct command_call *c)
{
    return ask_show(c, "{\"cmd\":\"status\"}", status_text);
}

static int run_reload(const struct command_call *c)
{
    struct buf answer = buf_init(CONTROL_ANSWER_MAX), why = buf_init(TEXT_MAX);
    int rc = ask_node(c, "{\"cmd\":\"reload\"}", &answer);

    if (rc == EXIT_DONE && show_error(buf_str(&answer), &why)) {
        fprintf(stderr, "wayside: not reloaded: %.*s\n", STR_ARG(buf_str(&why)));
        rc = EXIT_FAILED;
    } else if (rc == EXIT_DONE) {
        printf("reloaded; the log says what changed\n");
    }
    buf_fini(&why);
    buf_fini(&answer);
    return rc;
}

/* ---- about wayside itself ---- */

static int run_version(const struct command_call *c)
{
    printf(command_value(c, "json") ? "{\"version\":\"%s\"}\n" : "wayside %s\n", WAYSIDE_VERSION);
    return EXIT_DONE;
}

static int run_completion(const struct command_call *c)
{
    struct buf b = buf_init(TEXT_MAX);

    if (command_completion(c->table, c->args[0], &b)) {
        fprintf(stderr, "wayside completion: '%s' is no shell that is known; bash, zsh or fish\n",
                c->args[0]);
        buf_fini(&b);
        return EXIT_USAGE;
    }
    return print(&b);
}

static int run_manual(const struct command_call *c)
{
    struct buf b = buf_init(TEXT_MAX);

    if (command_value(c, "man"))
        command_man(c->table, &b);
    else
        command_manual(c->table, &b);
    return print(&b);
}

/* ---- the table ---- */

static const struct command_option run_options[] = { OPTION_CONFIG, { 0 } };
static const struct command_option import_options[] = { OPTION_MOSQUITTO, { 0 } };
static const struct command_option manual_options[] = {
    { "man", 0, NULL, "a page for man(1) instead of Markdown" },
    { 0 },
};
static const struct command_option demo_options[] = {
    { "port", 'p', "PORT", "port of the page; 8000, or a free one when that is taken" },
    { "dir", 0, "DIR", "use and keep this folder instead of a scratch one" },
    { "keep", 0, NULL, "do not remove the scratch folder at the end" },
    { 0 },
};
#define OPTION_PRESET                                                                              \
    {                                                                                              \
        "preset", 0, "NAME", "what the file is laid over: hub (default), edge, run"                \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", 0, NULL, "for programs"                                                            \
    }
#define OPTION_CONTROL                                                                             \
    {                                                                                              \
        "control", 0, "SOCKET", "control socket of the node; also WAYSIDE_CONTROL"                 \
    }
static const struct command_option check_options[] = { OPTION_PRESET, OPTION_JSON, { 0 } };
static const struct command_option show_options[] = {
    OPTION_PRESET,
    { "help-texts", 0, NULL, "with what each setting means" },
    { "changed", 0, NULL, "only what differs from the defaults" },
    { 0 },
};
static const struct command_option ask_options[] = {
    OPTION_CONTROL,
    OPTION_JSON,
    { 0 },
};
static const struct command_option sessions_options[] = {
    OPTION_CONTROL,
    OPTION_JSON,
    { "search", 's', "TEXT", "only with this in the client id, the user or the peer" },
    { "client", 'i', "CLIENT", "this one, with its subscriptions" },
    { "kick", 0, "CLIENT", "end the connection of this client" },
    { "session", 0, NULL, "with --kick: end its session as well, also when it is away" },
    { 0 },
};
static const struct command_option json_options[] = { OPTION_JSON, { 0 } };
#define OPTIONS_WANTED                                                                             \
    { "device", 0, "DEVICE", "only of this device" },                                              \
        { "stream", 0, "STREAM", "only of this stream" },                                          \
        { "from", 0, "PLACE", "from this number, day or time (RFC 3339) on" },                     \
    {                                                                                              \
        "to", 0, "PLACE", "up to this number, or before this day or time"                          \
    }
static const struct command_option cat_options[] = {
    OPTIONS_WANTED,
    { "after", 0, "CURSOR", "only what the sink of this cursor has not yet" },
    { "follow", 'f', NULL, "wait for more, until it is ended" },
    { "json", 0, NULL, "for programs; it always is" },
    { 0 },
};
static const struct command_option export_options[] = {
    { "out", 'o', "FILE",
      "the file to make; it has its name only when it is whole. - is standard output" },
    { "format", 0, "FORMAT", "jsonl (default): one JSON object a line; csv: RFC 4180" },
    OPTIONS_WANTED,
    { "force", 0, NULL, "replace the file if it is there" },
    { "json", 0, NULL, "the summary for programs" },
    { 0 },
};
static const struct command_option repair_options[] = {
    { "into", 0, "NEWDIR", "folder of the new journal; made when it is not there" },
    OPTION_JSON,
    { 0 },
};
static const struct command_option reload_options[] = { OPTION_CONTROL, { 0 } };

static const struct command rows[] = {
    { "demo", "", "Run a hub and an edge on this machine and show the page",
      "Everything lives in a scratch folder and on loopback ports. Kill a process and watch it\n"
      "come back without a gap; Ctrl-C ends it.",
      demo_options, run_demo },
    { "hub", "", "Take readings by MQTT and HTTP, keep them, show them",
      "Without a file: MQTT on 127.0.0.1:1883 and 9001 (WebSocket), REST and dashboard on\n"
      "127.0.0.1:8000, health on 127.0.0.1:8080.\n\n"
      "  wayside hub -c /etc/wayside/hub.yaml\n"
      "  wayside mqtt pub -t wayside/pi-1/reading/door -m 1 -q 1\n\n"
      "With --mosquitto-conf it is the broker that a mosquitto.conf describes, and says at its start what\n"
      "became of each line. A line without which it would be less safe or lose something keeps it from\n"
      "starting. Both files may be given; --config is laid over the other one.",
      hub_options, run_hub },
    { "edge", "", "Read this machine and local programs, send all to a hub",
      "What is read is kept in the journal until the hub has it, however long it is away.\n\n"
      "  edge:\n"
      "    uplink: {hub: \"hub.example.org:1883\"}\n\n"
      "  echo '{\"stream\":\"door\",\"value\":1}' | socat - UNIX-CONNECT:DATA/ingest.sock",
      run_options, run_edge },
    { "run", "", "Run exactly the services that a file names", NULL, run_options, run_run },
    { "config check", "FILE", "Check a configuration file",
      "Every mistake is named with its line and column and how to mend it. The files that a start would "
      "read are read as well, so run it as the user of the node. Exit status 3 when there are any.",
      check_options, config_check },
    { "config show", "[FILE]", "Print the effective configuration", NULL, show_options,
      config_show },
    { "config import", "", "Translate a mosquitto.conf and print it",
      "Each value stands with the line that it comes from, and what was refused as a comment. Exit\n"
      "status 3 when something was refused without which the hub would be less safe or lose something.\n\n"
      "  wayside config import --mosquitto-conf /etc/mosquitto/mosquitto.conf > hub.yaml",
      import_options, config_import },
    { "config schema", "", "Print the JSON Schema of the configuration", NULL, NULL,
      config_schema },
    { "config manual", "", "Print the manual of all settings (Markdown)", NULL, NULL,
      config_manual },
    { "status", "", "Show how a running node is",
      "Services, journal, store, uplink; on an edge what waits for the hub, by device; on a hub the\n"
      "nodes that send their journals to it, with backlog, drops and the error of their clocks.",
      ask_options, run_status },
    { "sessions", "", "List the MQTT clients of a running node",
      "With those that are away and whose sessions are kept. QUEUED: messages that wait for the client,\n"
      "INFLIGHT: sent and not acknowledged, DROPPED: on their way to it, IN and OUT: since it connected,\n"
      "SINCE: connected, or away. --kick ends a connection: the client is told so (MQTT 5: 0x98), and its\n"
      "session is kept as after any broken connection. It may come back; keep it out with\n"
      "`wayside user remove`.\n\n"
      "  wayside sessions --client camera-7\n"
      "  wayside sessions --json | jq -r '.sessions[] | select(.queued > 0) | .client'\n"
      "  wayside sessions --kick camera-7",
      sessions_options, sessions_run },
    { "user list", "", "List who may log in by name", user_list_more, user_list_options,
      user_list },
    { "user add", "NAME", "Add a user to the password file", user_add_more, user_add_options,
      user_add },
    { "user passwd", "NAME", "Give a user another password", user_passwd_more, user_add_options,
      user_passwd },
    { "user remove", "NAME", "Take a user out of the password file", user_remove_more,
      user_change_options, user_remove },
    { "acl list", "[NAME]", "List the rules of the access file", acl_list_more, acl_list_options,
      acl_list },
    { "acl check", "USER TOPIC", "Say what a user may do with a topic, and by which rule",
      acl_check_more, acl_check_options, acl_check },
    { "acl add", "WHO ACCESS FILTER", "Add a rule to the access file", acl_add_more,
      acl_change_options, acl_add },
    { "acl remove", "WHO ACCESS FILTER", "Take a rule out of the access file", acl_remove_more,
      acl_change_options, acl_remove },
    { "reload", "", "Have a running node read its file again; 1 if it refuses", NULL,
      reload_options, run_reload },
    { "mqtt pub", "[URL] [TOPIC…]", "Publish to an MQTT server", mqtt_pub_more, mqtt_pub_options,
      mqtt_pub },
    { "mqtt sub", "[URL] [FILTER…]", "Print what an MQTT server sends", mqtt_sub_more,
      mqtt_sub_options, mqtt_sub },
    { "bench mqtt", "MODE [URL]", "Measure an MQTT server under load", bench_more, bench_options,
      bench_mqtt },
    { "journal ls", "[DIR]", "List the segments and cursors of a journal",
      "Reads only, and only headers and the newest segment, also while a node runs on it. DIR is the\n"
      "folder `journal` in the data folder; without it that of the hub or edge that runs here by\n"
      "default. Exit status 3 when something is damaged.\n\n"
      "  wayside journal ls /var/lib/wayside/edge/journal\n"
      "  wayside journal ls --json | jq '.cursors[] | {name, waiting}'",
      json_options, journal_ls },
    { "journal verify", "[DIR]", "Check every byte of a journal",
      "Says exactly what a sink would get, and what it would not. Reads only, also while a node runs on\n"
      "it. Exit status 3 when something is damaged.\n\n"
      "  wayside journal verify || wayside journal repair DIR --into NEWDIR",
      json_options, journal_verify },
    { "journal cat", "[DIR]", "Print the records of a journal, one JSON object a line",
      "Where records are lost there is one of the kind `gap`, with the numbers `first` to\n"
      "`origin_seq`.\n\n"
      "  wayside journal cat | jq .payload\n"
      "  wayside journal cat --device pi-1 --from 2026-01-31 --to 2026-02-01\n"
      "  wayside journal cat --after hub | wc -l",
      cat_options, journal_cat },
    { "journal export", "[DIR]", "Write the records of a journal to a file",
      "Also while a node runs on it. Gaps are in the file, and in the summary; exit status 3 when records\n"
      "of this journal are lost.\n\n"
      "  wayside journal export --out readings.csv --format csv --device pi-1\n"
      "  wayside journal export --out - --from 1000 | zstd > readings.jsonl.zst",
      export_options, journal_export },
    { "journal repair", "DIR", "Salvage a damaged journal into a new one",
      "Takes every whole record out of every segment that it can find in DIR and in DIR/damaged, also\n"
      "when journal.id or headers are lost or files were renamed, and never changes them. The node must\n"
      "be stopped. Says what was salvaged, what was lost, and how to put the new journal in place.\n"
      "Exit status 3 when something was lost.\n\n"
      "Records keep the identity that they had. Sinks begin again with the first one and drop what they\n"
      "have; what was lost comes to them as a gap. A node starts on a damaged journal by itself and\n"
      "skips what is damaged: repair gets more out of it.\n\n"
      "  cd /var/lib/wayside/edge\n"
      "  wayside journal repair journal --into journal.new\n"
      "  mv journal journal.damaged && mv journal.new journal",
      repair_options, journal_repair },
    { "completion", "SHELL", "Print completion for bash, zsh or fish",
      "  source <(wayside completion bash)", NULL, run_completion },
    { "manual", "", "Print the manual of all commands", "  wayside manual --man | man -l -",
      manual_options, run_manual },
    { "version", "", "Print the version", NULL, json_options, run_version },
};

const struct command_table wayside_commands = {
    "wayside",
    "what a device has handed over is never lost, live video is live, one file describes it all",
    rows, COUNT_OF(rows)
};
