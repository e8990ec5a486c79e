/*
 * A JSON scanner that names the numbers in a payload. For the store's writer, which notes what a
 * stream can chart, and for its readers, which pick one number out of each of many rows: both walk
 * the text once and build nothing.
 *
 * It refuses what RFC 8259 does not allow, and beyond that lone surrogates (section 8.2 calls what
 * readers make of them unpredictable) and U+0000, as the parser does. It does not look for duplicate names: ingest/ has refused
 * those; here the first one counts.
 *
 * Invariants: `at` never passes `n`; each function leaves `at` behind what it has read or returns
 * a code; recursion is bounded by LEAVES_DEPTH_MAX.
 */
#include "store/leaves.h"

#include <math.h>

#define PLAIN_NAMES_MAX  128        /* names of open objects; more are not plain */
#define PLAIN_NUMBER_MAX 15         /* characters: fits a double and 64 bits, whatever they are */
#define PLAIN_BYTES_MAX  (64 << 10) /* comparing names costs their square */

/* A path whose digits are passed on; returning other than 0 ends the scan with that code. */
typedef int leaf_fn(void *ctx, struct str path, struct str number);

struct scan {
    const char *p;
    size_t n, at;
    size_t depth_max;
    leaf_fn *leaf;
    void *ctx;
    char path[LEAVES_NAME_MAX];
    size_t path_len;
    unsigned unnamed;    /* > 0: inside an array, or below a name that is too long or has escapes */
    struct plain *plain; /* leaves_plain: everything in doubt ends the scan */
};

/* The names of the objects that are open, one behind the other; those from base on are of the
 * innermost. */
struct plain {
    struct str names[PLAIN_NAMES_MAX];
    size_t count, base;
};

static int scan_value(struct scan *s, unsigned depth, enum leaf_kind *out);

/* Not one initialiser: zeroing the path each time would cost more than most scans. */
static struct scan scan_init(struct str json)
{
    struct scan s;

    s.p = json.p;
    s.n = json.n;
    s.at = 0;
    s.depth_max = LEAVES_DEPTH_MAX;
    s.leaf = NULL;
    s.ctx = NULL;
    s.path_len = 0;
    s.unnamed = 0;
    s.plain = NULL;
    return s;
}

static inline char peek(const struct scan *s)
{
    return s->at < s->n ? s->p[s->at] : '\0';
}

static void skip_space(struct scan *s)
{
    while (s->at < s->n) {
        char c = s->p[s->at];

        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
        s->at++;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The four digits behind \u. */
static int scan_hex4(struct scan *s, unsigned *out)
{
    uint64_t v = 0;

    if (s->n - s->at < 4 || str_to_hex(str_from(s->p + s->at, 4), &v) < 0)
        return ERR_SYNTAX;
    s->at += 4;
    *out = (unsigned)v;
    return 0;
}

/* Behind the backslash. */
static int scan_escape(struct scan *s)
{
    unsigned hi = 0, lo = 0;
    char c = peek(s);

    s->at += s->at < s->n;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) ? 0 : ERR_SYNTAX;
    if (scan_hex4(s, &hi) < 0 || hi == 0 || (hi >= 0xdc00 && hi <= 0xdfff))
        return ERR_SYNTAX;
    if (hi < 0xd800 || hi > 0xdbff)
        return 0;
    if (s->n - s->at < 2 || s->p[s->at] != '\\' || s->p[s->at + 1] != 'u')
        return ERR_SYNTAX;
    s->at += 2;
    if (scan_hex4(s, &lo) < 0 || lo < 0xdc00 || lo > 0xdfff)
        return ERR_SYNTAX;
    return 0;
}

/* A string from its opening quote on; *raw is what stands between the quotes. */
static int scan_string(struct scan *s, struct str *raw, bool *escaped)
{
    size_t start = s->at + 1;

    *escaped = false;
    if (peek(s) != '"')
        return ERR_SYNTAX;
    s->at++;
    while (s->at < s->n) {
        unsigned char c = (unsigned char)s->p[s->at++];

        if (c == '"') {
            *raw = str_from(s->p + start, s->at - 1 - start);
            return 0;
        }
        if (c < 0x20)
            return ERR_SYNTAX;
        if (c == '\\') {
            *escaped = true;
            if (scan_escape(s) < 0)
                return ERR_SYNTAX;
        }
    }
    return ERR_SYNTAX;
}

static int scan_digits(struct scan *s)
{
    if (!is_digit(peek(s)))
        return ERR_SYNTAX;
    while (is_digit(peek(s)))
        s->at++;
    return 0;
}

/* RFC 8259, section 6: no leading zero, digits on both sides of the point. */
static int scan_number(struct scan *s)
{
    size_t start = s->at;
    int rc = 0;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else
        rc = scan_digits(s);
    if (rc == 0 && peek(s) == '.') {
        s->at++;
        rc = scan_digits(s);
    }
    if (rc == 0 && (peek(s) == 'e' || peek(s) == 'E')) {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        rc = s->plain ? ERR_LIMIT : scan_digits(s);
    }
    if (rc == 0 && s->plain && s->at - start > PLAIN_NUMBER_MAX)
        return ERR_LIMIT;
    if (rc < 0 || !s->leaf || s->unnamed > 0)
        return rc;
    return s->leaf(s->ctx, s->path_len ? str_from(s->path, s->path_len) : STR("value"),
                   str_from(s->p + start, s->at - start));
}

static int scan_word(struct scan *s, struct str word)
{
    if (!str_starts(str_from(s->p + s->at, s->n - s->at), word))
        return ERR_SYNTAX;
    s->at += word.n;
    return 0;
}

/* Adds a name to the path; false when what is below it has no name for us. */
static bool path_push(struct scan *s, struct str name, bool escaped)
{
    size_t dot = s->path_len > 0, left = sizeof(s->path) - s->path_len;

    if (escaped || name.n == 0 || left <= dot || name.n > left - dot)
        return false;
    if (dot)
        s->path[s->path_len++] = '.';
    memcpy(s->path + s->path_len, name.p, name.n);
    s->path_len += name.n;
    return true;
}

/* Whether the name is new among its object's, for sure. */
static int plain_name(struct plain *p, struct str name, bool escaped)
{
    if (escaped || p->count == PLAIN_NAMES_MAX)
        return ERR_LIMIT;
    for (size_t i = p->base; i < p->count; i++)
        if (str_eq(p->names[i], name))
            return ERR_VALUE;
    p->names[p->count++] = name;
    return 0;
}

static int scan_member(struct scan *s, unsigned depth)
{
    size_t path_len = s->path_len;
    struct str name = STR_NONE;
    enum leaf_kind kind;
    bool escaped, named;
    int rc = scan_string(s, &name, &escaped);

    if (rc == 0 && s->plain)
        rc = plain_name(s->plain, name, escaped);
    if (rc < 0)
        return rc;
    skip_space(s);
    if (peek(s) != ':')
        return ERR_SYNTAX;
    s->at++;
    skip_space(s);
    named = path_push(s, name, escaped);
    s->unnamed += !named;
    rc = scan_value(s, depth, &kind);
    s->unnamed -= !named;
    s->path_len = path_len;
    return rc;
}

/* The inside of an object or array, from its opening bracket on. */
static int scan_inside(struct scan *s, unsigned depth, char close)
{
    enum leaf_kind kind;
    int rc;

    if (depth >= s->depth_max)
        return ERR_LIMIT;
    s->at++;
    skip_space(s);
    if (peek(s) == close) {
        s->at++;
        return 0;
    }
    for (;;) {
        rc = close == '}' ? scan_member(s, depth + 1) : scan_value(s, depth + 1, &kind);
        if (rc != 0)
            return rc;
        skip_space(s);
        if (peek(s) != ',')
            break;
        s->at++;
        skip_space(s);
    }
    if (peek(s) != close)
        return ERR_SYNTAX;
    s->at++;
    return 0;
}

static int scan_object(struct scan *s, unsigned depth)
{
    struct plain *p = s->plain;
    size_t base = 0;
    int rc;

    if (!p)
        return scan_inside(s, depth, '}');
    base = p->base;
    p->base = p->count;
    rc = scan_inside(s, depth, '}');
    p->count = p->base;
    p->base = base;
    return rc;
}

static int scan_array(struct scan *s, unsigned depth)
{
    int rc;

    s->unnamed++;
    rc = scan_inside(s, depth, ']');
    s->unnamed--;
    return rc;
}

/* One value; `at` is on its first byte. */
static int scan_value(struct scan *s, unsigned depth, enum leaf_kind *out)
{
    struct str raw;
    bool escaped;

    switch (peek(s)) {
    case '{':
        *out = LEAF_OBJECT;
        return scan_object(s, depth);
    case '[':
        *out = LEAF_ARRAY;
        return scan_array(s, depth);
    case '"':
        *out = LEAF_STRING;
        return scan_string(s, &raw, &escaped);
    case 't':
        *out = LEAF_BOOL;
        return scan_word(s, STR("true"));
    case 'f':
        *out = LEAF_BOOL;
        return scan_word(s, STR("false"));
    case 'n':
        *out = LEAF_NULL;
        return scan_word(s, STR("null"));
    default:
        *out = LEAF_NUMBER;
        return scan_number(s);
    }
}

struct each {
    void (*leaf)(void *ctx, struct str path, struct str number);
    void *ctx;
};

static int each_leaf(void *ctx, struct str path, struct str number)
{
    struct each *e = ctx;

    e->leaf(e->ctx, path, number);
    return 0;
}

int leaves_each(struct str json, void (*leaf)(void *ctx, struct str path, struct str number),
                void *ctx, enum leaf_kind *out_kind)
{
    struct each e = { leaf, ctx };
    struct scan s = scan_init(json);
    enum leaf_kind kind = LEAF_NULL;
    int rc;

    s.leaf = leaf ? each_leaf : NULL;
    s.ctx = &e;
    if (!utf8_valid(json))
        return ERR_SYNTAX;
    skip_space(&s);
    rc = scan_value(&s, 0, &kind);
    if (rc < 0)
        return rc;
    skip_space(&s);
    if (s.at < s.n)
        return ERR_SYNTAX;
    if (out_kind)
        *out_kind = kind;
    return 0;
}

bool leaves_plain(struct str json, size_t depth_max, enum leaf_kind *out_kind)
{
    struct scan s = scan_init(json);
    struct plain names;
    enum leaf_kind kind = LEAF_NULL;

    names.count = names.base = 0;
    s.plain = &names;
    s.depth_max = depth_max;
    if (json.n > PLAIN_BYTES_MAX || !utf8_valid(json))
        return false;
    skip_space(&s);
    if (scan_value(&s, 0, &kind) < 0)
        return false;
    skip_space(&s);
    if (s.at < s.n)
        return false;
    *out_kind = kind;
    return true;
}

/* ---- text ---- */

static size_t put_utf8(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Behind the backslash; the shape was checked by scan_string. */
static unsigned escape_value(struct scan *s)
{
    static const char short_forms[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    unsigned c = 0, low = 0;
    char form = s->p[s->at++];

    if (form != 'u')
        return (unsigned char)values[strchr(short_forms, form) - short_forms];
    if (scan_hex4(s, &c) == 0 && c >= 0xd800 && c <= 0xdbff) {
        s->at += 2;
        if (scan_hex4(s, &low) == 0)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return c;
}

int leaves_text(struct str quoted, char *out, size_t cap, size_t *out_n)
{
    struct scan s = scan_init(quoted);
    struct str raw = STR_NONE;
    bool escaped;
    size_t n = 0;

    if (scan_string(&s, &raw, &escaped) < 0 || s.at != s.n)
        return ERR_SYNTAX;
    s = scan_init(raw);
    while (s.at < s.n) {
        char utf8[4] = { s.p[s.at++] };
        size_t more = utf8[0] == '\\' ? put_utf8(escape_value(&s), utf8) : 1;

        if (more > cap - n)
            return ERR_LIMIT;
        memcpy(out + n, utf8, more);
        n += more;
    }
    *out_n = n;
    return 0;
}

struct get {
    struct str path, number;
};
#define GET_FOUND 1

static int get_leaf(void *ctx, struct str path, struct str number)
{
    struct get *g = ctx;

    if (!str_eq(path, g->path))
        return 0;
    g->number = number;
    return GET_FOUND;
}

int leaves_get(struct str json, struct str path, double *out)
{
    struct get g = { path, STR_NONE };
    struct scan s = scan_init(json);
    enum leaf_kind kind;
    double v = 0;
    int rc;

    s.leaf = get_leaf;
    s.ctx = &g;
    skip_space(&s);
    rc = scan_value(&s, 0, &kind);
    if (rc < 0)
        return rc;
    if (rc != GET_FOUND || str_to_double(g.number, &v) < 0 || !isfinite(v))
        return ERR_UNKNOWN;
    *out = v;
    return 0;
}

bool leaves_next_member(struct str json, size_t *at, struct leaf_member *out)
{
    struct scan s = scan_init(json);
    bool first = *at == 0;
    struct leaf_member m = { 0 };
    size_t start;

    s.at = *at;
    skip_space(&s);
    if (peek(&s) != (first ? '{' : ','))
        return false;
    s.at++;
    skip_space(&s);
    if (scan_string(&s, &m.name, &m.escaped) < 0)
        return false;
    skip_space(&s);
    if (peek(&s) != ':')
        return false;
    s.at++;
    skip_space(&s);
    start = s.at;
    if (scan_value(&s, 1, &m.kind) != 0)
        return false;
    m.value = str_from(s.p + start, s.at - start);
    *at = s.at;
    *out = m;
    return true;
}

int leaves_member(struct str json, struct str name, struct str *out, enum leaf_kind *out_kind)
{
    struct leaf_member m;
    size_t at = 0;
    enum leaf_kind kind;

    while (leaves_next_member(json, &at, &m)) {
        if (!str_eq(m.name, name))
            continue;
        *out = m.value;
        if (out_kind)
            *out_kind = m.kind;
        return 0;
    }
    if (leaves_each(json, NULL, NULL, &kind) < 0 || kind != LEAF_OBJECT)
        return ERR_SYNTAX;
    return ERR_UNKNOWN;
}
