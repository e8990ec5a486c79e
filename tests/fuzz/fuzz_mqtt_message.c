/*
 * What `mqtt sub` prints of a stranger's message. The first byte cuts the input into topic and payload;
 * whatever they are, a line for people has no control character but its line feed and is UTF-8, and a
 * line for programs is one JSON object on one line.
 */
#include "fuzz/fuzz.h"

#include "cli/mqtt_message.h"
#include "cli/mqtt_template.h"
#include "cli/safe_text.h"
#include "wire/json.h"
#include "wire/mqtt_topic.h"

static void check_line(struct str line)
{
    FUZZ_CHECK(line.n > 0 && line.p[line.n - 1] == '\n');
    FUZZ_CHECK(utf8_valid(line));
    for (size_t i = 0; i + 1 < line.n; i++)
        FUZZ_CHECK((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);
}

static void check_json(struct str line)
{
    static const struct json_limits limits = { .depth_max = 2000, .values_max = 2000000 };
    struct json_t *v = NULL;
    struct fault f;

    FUZZ_CHECK(str_find(line, '\n') == line.n - 1);
    /* The payload may be JSON that this parser refuses: a name twice, numbers beyond 64 bits, depth. */
    if (json_parse(line, &limits, &v, NULL, &f) == 0) {
        FUZZ_CHECK(json_kind(v) == JSON_KIND_OBJECT && json_member(v, "topic"));
        json_free(v);
    } else {
        FUZZ_CHECK(safe_is_json(str_sub(line, 0, line.n - 1)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str text =
        STR("{topic} {topic.2} {payload} {json} {json.a} {json.a.0.b} {type} {user.x}");
    struct mqtt_props none = { 0 };
    struct str in = str_from(data, size);
    size_t cut = size > 0 ? data[0] : 0;
    struct mqtt_message m = { .props = &none, .retain = cut & 1, .wall_ns = 1 };
    struct mqtt_template *t = NULL;
    struct buf b = buf_init((size_t)1 << 26);

    in = str_skip(in, 1);
    m.topic = str_sub(in, 0, cut);
    m.payload = str_skip(in, cut);
    if (!mqtt_topic_valid(m.topic))
        m.topic = STR("t");
    mqtt_message_line(&m, false, &b);
    check_line(buf_str(&b));
    buf_clear(&b);
    mqtt_message_line(&m, true, &b);
    buf_clear(&b);
    mqtt_message_json(&m, &b);
    check_json(buf_str(&b));
    buf_clear(&b);
    FUZZ_CHECK(mqtt_template_new(text, &t, NULL) == 0);
    mqtt_template_put(t, &m, &b);
    buf_u8(&b, '\n');
    check_line(buf_str(&b));
    mqtt_template_free(t);
    /* The payload as a template: it is read or refused. */
    if (mqtt_template_new(m.payload, &t, NULL) == 0) {
        mqtt_template_put(t, &m, &b);
        mqtt_template_free(t);
    }
    buf_fini(&b);
    return 0;
}
