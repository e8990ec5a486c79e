/*
 * What a terminal may be shown of a stranger's bytes. Escaping is for eyes, not for reading back: a
 * backslash stays a backslash, so JSON looks like JSON; programs ask for --json.
 */
#include "cli/safe_text.h"

#include "store/leaves.h"

/* Length of the UTF-8 character at the start of s, which is not empty; 0: none. */
static size_t character(struct str s, uint32_t *out)
{
    static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    unsigned char first = (unsigned char)s.p[0];
    size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c;

    if (n > s.n || !utf8_valid(str_sub(s, 0, n)))
        return 0;
    c = n == 1 ? first : (uint32_t)(first - marks[n]);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    *out = c;
    return n;
}

/* Unicode: C1 controls, line and paragraph separators, marks and overrides of direction, the byte
 * order mark, and tags, which are text that nobody sees. */
static bool hides(uint32_t c)
{
    return (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
           (c >= 0xe0000 && c <= 0xe007f);
}

static void put_control(unsigned char c, struct buf *out)
{
    switch (c) {
    case '\n':
        buf_put(out, STR("\\n"));
        break;
    case '\t':
        buf_put(out, STR("\\t"));
        break;
    case '\r':
        buf_put(out, STR("\\r"));
        break;
    case 0x1b:
        buf_put(out, STR("\\e"));
        break;
    default:
        buf_printf(out, "\\x%02x", c);
    }
}

void safe_text(struct str s, struct buf *out)
{
    while (s.n > 0) {
        uint32_t c = 0;
        size_t n = character(s, &c);

        if (n == 0 || c < 0x20 || c == 0x7f) {
            put_control((unsigned char)s.p[0], out);
            n = 1;
        } else if (hides(c)) {
            buf_printf(out, "\\u{%x}", (unsigned)c);
        } else {
            buf_put(out, str_sub(s, 0, n));
        }
        s = str_skip(s, n);
    }
}

bool safe_word(struct str s, struct buf *out)
{
    for (struct str rest = s; rest.n > 0;) {
        uint32_t c = 0;
        size_t n = character(rest, &c);

        if (n == 0 || c < 0x20 || c == 0x7f || hides(c))
            return false;
        rest = str_skip(rest, n);
    }
    buf_u8(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'')
            buf_put(out, STR("'\\'"));
        buf_u8(out, (uint8_t)s.p[i]);
    }
    buf_u8(out, '\'');
    return true;
}

bool safe_is_json(struct str s)
{
    return s.n > 0 && leaves_each(s, NULL, NULL, NULL) == 0;
}

/* ---- JSON ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the string that begins at `at`. */
static size_t string_end(struct str s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++)
        if (s.p[at] == '\\')
            at++;
    return at < s.n ? at + 1 : s.n;
}

static size_t word_end(struct str s, size_t at)
{
    while (at < s.n && !is_space(s.p[at]) && !strchr(",:{}[]\"", s.p[at]))
        at++;
    return at;
}

static bool is_name(struct str s, size_t end)
{
    while (end < s.n && is_space(s.p[end]))
        end++;
    return end < s.n && s.p[end] == ':';
}

static void put_piece(struct str piece, const char *colour, struct buf *out)
{
    if (colour)
        buf_put(out, str_of(colour));
    safe_text(piece, out);
    if (colour)
        buf_put(out, STR(COLOUR_OFF));
}

void safe_json(struct str s, bool colour, struct buf *out)
{
    size_t at = 0, end;

    while (at < s.n) {
        char c = s.p[at];
        const char *kind = COLOUR_WORD;

        if (is_space(c)) {
            at++;
            continue;
        }
        if (c == '\0' || strchr(",:{}[]", c)) {
            safe_text(str_sub(s, at, 1), out);
            if (c == ',' || c == ':')
                buf_u8(out, ' ');
            at++;
            continue;
        }
        end = c == '"' ? string_end(s, at) : word_end(s, at);
        if (c == '"')
            kind = is_name(s, end) ? COLOUR_NAME : COLOUR_STRING;
        else if (c == '-' || (c >= '0' && c <= '9'))
            kind = COLOUR_NUMBER;
        put_piece(str_sub(s, at, end - at), colour ? kind : NULL, out);
        at = end;
    }
}
