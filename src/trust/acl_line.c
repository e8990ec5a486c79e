/*
 * The lines of an access file. Whoever reads, explains or changes one goes through here, so that all
 * understand it alike.
 */
#include "trust/acl_line.h"

#include "base/mem.h"
#include "wire/mqtt_topic.h"

static const struct {
    const char *word;
    unsigned access;
} words[] = { { "read", ACL_READ },
              { "write", ACL_WRITE },
              { "readwrite", ACL_READ | ACL_WRITE },
              { "deny", ACL_DENY } };

bool acl_access_from(struct str word, unsigned *out)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_eq(word, str_of(words[i].word))) {
            *out = words[i].access;
            return true;
        }
    }
    return false;
}

const char *acl_access_word(unsigned access)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].access == access)
            return words[i].word;
    return "";
}

/* The first wildcard that is no whole level, or a # that is not the last; NULL: all is well. */
static const char *bad_wildcard(struct str filter)
{
    for (size_t i = 0; i < filter.n; i++) {
        bool whole =
            (i == 0 || filter.p[i - 1] == '/') && (i + 1 == filter.n || filter.p[i + 1] == '/');

        if ((filter.p[i] == '+' && !whole) || (filter.p[i] == '#' && (!whole || i + 1 != filter.n)))
            return filter.p + i;
    }
    return NULL;
}

static int check_filter(const struct textfile *t, struct str filter, struct fault *f)
{
    const char *bad = bad_wildcard(filter);

    if (bad)
        return textfile_fault(t, f, bad,
                              "'%s' is no topic filter: + and # stand for whole levels, # only for "
                              "the last",
                              textfile_show(filter).text);
    if (!mqtt_filter_valid(filter))
        return textfile_fault(t, f, filter.p,
                              "the filter is not UTF-8 text of at most 65535 bytes; save the file "
                              "as UTF-8");
    if (mqtt_levels(filter) > ACL_LEVELS_MAX)
        return textfile_fault(t, f, filter.p, "the filter has %zu levels; at most %u are possible",
                              mqtt_levels(filter), ACL_LEVELS_MAX);
    return 0;
}

/* What stands behind `topic` or `pattern`: [ACCESS] FILTER. */
static int read_rule(const struct textfile *t, struct str word, struct str rest, unsigned *access,
                     struct str *filter, struct fault *f)
{
    const struct textfile_shown shown = textfile_show(word);
    const char *kind = shown.text;
    struct str first;

    *filter = rest;
    first = textfile_word(&rest);
    if (first.n == 0)
        return textfile_fault(t, f, word.p,
                              "'%s' without a filter; write: %s [read|write|readwrite|deny] FILTER",
                              kind, kind);
    if (acl_access_from(first, access)) {
        *filter = rest;
        if (rest.n == 0)
            return textfile_fault(t, f, first.p,
                                  "'%s %s' without a filter; write: %s %s FILTER (for a topic of "
                                  "that name: %s readwrite %s)",
                                  kind, textfile_show(first).text, kind, textfile_show(first).text,
                                  kind, textfile_show(first).text);
    } else {
        *access = ACL_READ | ACL_WRITE;
        if (rest.n > 0)
            return textfile_fault(t, f, first.p,
                                  "'%s' is no access; write read, write, readwrite or deny (also "
                                  "in front of a filter with spaces)",
                                  textfile_show(first).text);
    }
    return check_filter(t, *filter, f);
}

int acl_line_read(const struct textfile *t, struct str line, struct acl_line *out, struct fault *f)
{
    struct str word = textfile_word(&line);
    struct acl_line l = { .text = line };

    if (str_eq(word, STR("user"))) {
        if (line.n == 0)
            return textfile_fault(t, f, word.p, "'user' without a name; write: user NAME");
        if (!utf8_valid_mqtt(line))
            return textfile_fault(t, f, line.p,
                                  "the name is not UTF-8 text; save the file as UTF-8");
        *out = l;
        return 0;
    }
    l.kind = str_eq(word, STR("pattern")) ? ACL_LINE_PATTERN : ACL_LINE_TOPIC;
    if (l.kind == ACL_LINE_TOPIC && !str_eq(word, STR("topic")))
        /* Without what it begins with: it may be the line of a password file. */
        return textfile_fault(t, f, word.p,
                              "this is no rule: a line begins with user, topic, pattern or #");
    if (read_rule(t, word, line, &l.access, &l.text, f))
        return ERR_VALUE;
    *out = l;
    return 0;
}

int acl_filter_check(struct str filter, const char **out_text)
{
    if (bad_wildcard(filter))
        *out_text = "is no topic filter: + and # stand for whole levels, # only for the last";
    else if (!mqtt_filter_valid(filter))
        *out_text = "must be UTF-8 text of 1 to 65535 bytes";
    else if (mqtt_levels(filter) > ACL_LEVELS_MAX)
        *out_text = "has more than 1024 levels";
    else if (!str_eq(str_trim(filter), filter) || str_find(filter, '\n') < filter.n ||
             str_find(filter, '\r') < filter.n)
        *out_text = "may not begin or end with a blank, nor hold a line break";
    else
        return 0;
    return ERR_VALUE;
}
