/*
 * Topic names and filters: the rules of MQTT 5 section 4.7 and 4.8.2, for the codec, the broker
 * and the configuration. A name is looked at once per PUBLISH, so its check reads eight bytes at a
 * time and only falls back to the slow UTF-8 walk when a byte is not ASCII.
 *
 * Refuses nothing beyond the standard: control characters and non-characters in a name are "should
 * not", and devices send them.
 */
#include "wire/mqtt_topic.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* The high bit of some byte is set when v has a byte that is zero. */
static inline uint64_t has_zero(uint64_t v)
{
    return (v - EACH_BYTE(0x01)) & ~v & EACH_BYTE(0x80);
}

/* 0: ASCII without NUL and wildcards. 1: not ASCII, else the same. -1: NUL or wildcard. */
static int name_scan(struct str s)
{
    uint64_t high = 0, bad = 0, v;
    size_t i = 0;

    for (; s.n - i >= 8; i += 8) {
        memcpy(&v, s.p + i, 8);
        high |= v;
        bad |= has_zero(v) | has_zero(v ^ EACH_BYTE('+')) | has_zero(v ^ EACH_BYTE('#'));
    }
    for (; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        high |= c;
        bad |= c == '\0' || c == '+' || c == '#';
    }
    if (bad)
        return -1;
    return (high & EACH_BYTE(0x80)) != 0;
}

bool mqtt_topic_valid(struct str topic)
{
    int kind;

    if (topic.n == 0 || topic.n > UINT16_MAX)
        return false;
    kind = name_scan(topic);
    return kind == 0 || (kind > 0 && utf8_valid(topic));
}

bool mqtt_filter_valid(struct str filter)
{
    if (filter.n == 0 || filter.n > UINT16_MAX || !utf8_valid_mqtt(filter))
        return false;
    for (size_t i = 0; i < filter.n; i++) {
        char c = filter.p[i];
        bool whole_level =
            (i == 0 || filter.p[i - 1] == '/') && (i + 1 == filter.n || filter.p[i + 1] == '/');

        if ((c == '+' || c == '#') && !whole_level)
            return false;
        if (c == '#' && i + 1 != filter.n)
            return false;
    }
    return true;
}

bool mqtt_filter_is_plain(struct str filter)
{
    return str_find(filter, '+') == filter.n && str_find(filter, '#') == filter.n;
}

size_t mqtt_levels(struct str topic_or_filter)
{
    size_t levels = 1;

    for (size_t i = 0; i < topic_or_filter.n; i++)
        levels += topic_or_filter.p[i] == '/';
    return levels;
}

bool mqtt_topic_fits(struct str topic_or_filter, uint64_t max_bytes, uint64_t max_levels)
{
    return topic_or_filter.n <= max_bytes && mqtt_levels(topic_or_filter) <= max_levels;
}

bool mqtt_filter_matches(struct str filter, struct str topic)
{
    struct str f = filter, t = topic;

    /* 4.7.2: names of the server's own are not found by a leading wildcard. */
    if (t.n > 0 && t.p[0] == '$' && f.n > 0 && (f.p[0] == '+' || f.p[0] == '#'))
        return false;
    while (f.p) {
        struct str level = str_cut(&f, '/');

        if (str_eq(level, STR("#")))
            return true; /* also the parent level, since t may have ended: 4.7.1.2 */
        if (!t.p)
            return false;
        if (str_eq(level, STR("+")))
            (void)str_cut(&t, '/');
        else if (!str_eq(level, str_cut(&t, '/')))
            return false;
    }
    return !t.p;
}

enum mqtt_share mqtt_share_split(struct str filter, struct str *out_name, struct str *out_filter)
{
    struct str rest, name;

    if (!str_starts(filter, STR("$share/")))
        return MQTT_SHARE_NO;
    rest = str_skip(filter, 7);
    name = str_cut(&rest, '/');
    if (name.n == 0 || !mqtt_filter_is_plain(name) || !utf8_valid_mqtt(name) || !rest.p ||
        !mqtt_filter_valid(rest))
        return MQTT_SHARE_BAD;
    *out_name = name;
    *out_filter = rest;
    return MQTT_SHARE_YES;
}
