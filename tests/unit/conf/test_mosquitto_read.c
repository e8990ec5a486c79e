/* Lines: what is a comment, where a value ends, whom a line is about, in which order files come. */
#include "unit/conf/broker_case.h"

static const struct broker_case lines[] = {
    /* Comments and blanks. */
    { "#port 1\n\n   \t \nautosave_interval 5\r\n", "m.conf:4: autosave_interval 5: ignored", NULL,
      NULL },
    { "#port 1\n", "m.conf: 0 understood, 0 ignored", "127.0.0.1:1883", NULL },
    { "  port \t 1884   \n", "m.conf:1: port 1884: understood", "\"0.0.0.0:1884\"", NULL },
    { "port 1884", NULL, "\"0.0.0.0:1884\"", NULL },
    { "port 1884 # the old one\n", NULL, "\"0.0.0.0:1884\"", NULL },
    { " # x\n", NULL, NULL, "m.conf:1:2: unknown directive '#'; a comment has its #" },
    { "port\t1884\n", NULL, "1884", NULL },
    /* A text goes on to the end of the line. */
    { "listener 1884\nmount_point a b # c \n", "mount_point a b # c: a mistake", NULL,
      "may hold no + and no #" },
    { "listener 1884\nmount_point a b/ \n", NULL, "mount_point: \"a b/\"", NULL },
    { "listener 1884\nmount_point a\"b\\\n", NULL, "mount_point: \"a\\\"b\\\\\"", NULL },
    /* Values. */
    { "port\n", "a mistake", NULL, "m.conf:1:1: 'port' has no value" },
    { "port 18a\n", NULL, NULL, "m.conf:1:6: 'port' must be a whole number, not '18a'" },
    { "port 0\n", NULL, NULL, "'port' must be a number from 1 to 65535, not 0" },
    { "port -1\n", NULL, NULL, "not -1" },
    { "port 99999999999999999999\n", NULL, NULL, "whole number" },
    { "set_tcp_nodelay yes\n", NULL, NULL, "must be true or false, not 'yes'" },
    { "set_tcp_nodelay 1\npersistence 0\n", "persistence 0: ignored: sessions and retained", NULL,
      NULL },
    { "port 1884 127.0.0.1\n", NULL, NULL, "'port' takes one word, not '1884 127.0.0.1'" },
    { "max_qeued_messages 1\n", NULL, NULL, "did you mean 'max_queued_messages'?" },
    { "connection a\naddress h\nremote_passwort geheim\n", "!geheim", "!geheim", "!geheim" },
    { "remote_passwort geheim\n", "m.conf:1: remote_passwort: a mistake", NULL,
      "m.conf:1:1: unknown directive 'remote_passwort'; did you mean 'remote_password'?" },
    { "remote_password=geheim\n", "!geheim", NULL, "!geheim" },
    { " # password geheim\n", "!geheim", NULL, "!geheim" },
    { "connection a\naddress user:geheim@h\n", "!geheim", NULL, "!geheim" },
    { "connection a\naddress mqtt://user:geheim@h\n", "!geheim", NULL, "!geheim" },
    { "\xef\xbb\xbfport 1\n", NULL, NULL, "m.conf:1: this line is not text" },
    { "user \xc2\x85x\n", NULL, NULL, "not text" },
    { "user \xff\n", NULL, NULL, "not text" },
    { "user a\tb\n", "user a", NULL, NULL },
    { "user J\xc3\xbcrgen \xe2\x82\xac\n", "user J\xc3\xbcrgen", NULL, NULL },
    /* The last one counts; texts may not come twice. */
    { "max_queued_messages 5\nmax_queued_messages 6\n",
      "m.conf:1: max_queued_messages 5: ignored: given once more in line 2", "messages: 6", NULL },
    { "retain_available false\nretain_available true\n", "line 2", "!retain_available", NULL },
    { "max_packet_size 500\nmax_packet_size 600\n", "line 2", "mqtt_packet_max: 600", NULL },
    { "maximum_qos 0\nmax_qos 1\n", "line 2", "qos_max: 1", NULL },
    { "acl_file a\nacl_file b\n", NULL, NULL,
      "m.conf:2:10: 'acl_file' is given already, in line 1" },
    /* Parts of what is refused anyway are silent, and without it a mistake. */
    { "plugin a\nplugin_opt_x y\n", "!plugin_opt_x", NULL, "'plugin a' is refused" },
    { "connection a\naddress x\ntopic # both\n", "topic # both: understood", "bridges:", NULL },
    { "address x\n", NULL, NULL, "'address' belongs to a connection, and there is none above it" },
    { "plugin_opt_x geheim\n", "plugin_opt_x ***", NULL, "belongs to a plugin" },
    { "password geheim\n", "!geheim", NULL, "belongs to a connection" },
    { "connection a\npassword geheim\n", "!geheim", NULL, "!geheim" },
    /* per_listener_settings */
    { "allow_anonymous true\nper_listener_settings true\n", NULL, NULL,
      "m.conf:2:23: 'per_listener_settings' stands below 'allow_anonymous' of line 1" },
    { "per_listener_settings false\nallow_anonymous true\n", NULL, "anonymous: allow", NULL },
    { "per_listener_settings true\nper_listener_settings false\nlistener 1884 ::1\n"
      "allow_anonymous true\nlistener 1885 ::1\n",
      "a listener stands below it", "anonymous: deny", NULL },
};

static void test_lines(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, lines);
}

/* A file that is included begins with the default listener, and the main file goes on with its own. */
static const struct broker_case files[] = {
    { "include_dir /etc/conf.d\n", "include_dir /etc/conf.d: understood: 6 files", "[::]:9001",
      NULL },
    { "include_dir conf.d\n", "conf.d/00.conf:2: autosave_interval 7", NULL, NULL },
    { "include_dir conf.d/\n", "conf.d/00.conf:2: ", NULL, NULL },
    { "include_dir conf.d\n", "A.conf:6: include_dir more: ignored: only the main file", NULL,
      NULL },
    { "listener 1884 127.0.0.1\ninclude_dir d\nmax_qos 1\n", NULL,
      "    - address: \"127.0.0.1:1884\"\n      qos_max: 1\n", NULL },
    { "include_dir /gone\n", NULL, NULL, "m.conf:1:13: cannot open /gone" },
    { "include_dir /many\n", NULL, NULL, "more than 100 files are included" },
    { "include_dir\n", NULL, NULL, "has no value" },
};

static void test_files(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, files);
}

static void test_order_of_files(void **state)
{
    static const char *const want[] = { "00", "01", "A", "a", "B", "b" };
    struct conf_report r = conf_report_init();
    struct mosquitto *m;
    size_t n = 0;
    const struct conf_source *before = NULL;

    (void)state;
    m = mosquitto_new(&broker_schema, &(struct conf_source){ "m.conf", STR("include_dir d\n") },
                      &broker_world, &r);
    before = m->lines->at.source;
    for (const struct mosquitto_line *l = m->lines; l; l = l->next) {
        char name[64];

        if (l->at.source == before)
            continue;
        before = l->at.source;
        assert_true(n < COUNT_OF(want));
        snprintf(name, sizeof(name), "d/%s.conf", want[n++]);
        assert_string_equal(before->name, name);
    }
    assert_int_equal(n, COUNT_OF(want));
    mosquitto_free(m);
    conf_report_fini(&r);
}

static void test_too_many_lines(void **state)
{
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(1 << 20);
    struct mosquitto *m;

    (void)state;
    for (unsigned i = 0; i <= MOSQUITTO_LINES_MAX + 5; i++)
        buf_put(&b, STR("pid_file x\n"));
    m = mosquitto_new(&broker_schema, &(struct conf_source){ "m.conf", buf_str(&b) }, &broker_world,
                      &r);
    assert_int_equal(r.errors, 1);
    assert_string_equal(r.items[0].at.text, "more than 10000 directives");
    assert_int_equal(r.items[0].at.line, MOSQUITTO_LINES_MAX + 1);
    mosquitto_free(m);
    conf_report_fini(&r);
    buf_fini(&b);
}

RUN(TEST(test_lines), TEST(test_files), TEST(test_order_of_files), TEST(test_too_many_lines))
