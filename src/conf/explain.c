/*
 * A mistake of YAML syntax in words that help: the parser tells where it stumbled, which is often
 * behind the mistake, in terms of its own grammar. Knows only the parser's message and the text.
 */
#include "conf/explain.h"

#include "conf/report.h"

static const struct {
    const char *theirs, *mend;
} syntax_mends[] = {
    { "could not find expected ':'", "write key: value" },
    { "invalid indentation", "begin the line under the keys it belongs to" },
    { "without a closing bracket", "close it with ']'" },
    { "without a closing brace", "close it with '}'" },
    { "nested block mapping on the same line", "quote a text that has ': ' in it" },
    { "invalid escape", "write '\\\\' for a backslash, or use single quotes" },
    { "flow mapping", "inside { } write key: value, separated by commas" },
    { "wrongly indented", "indent it further than the key it belongs to" },
};

static size_t indent_of(struct str line)
{
    size_t i = 0;

    while (i < line.n && line.p[i] == ' ')
        i++;
    return i;
}

/* A key that seems to go over two lines: either its ':' is missing, or the line below it, which
 * was meant as a key of its own, is indented too far. */
static void report_long_key(const struct conf_source *source, struct conf_report *report,
                            struct yaml_place at)
{
    struct str rest = source->text, first = STR_NONE, second = STR_NONE;
    unsigned line = 0;

    while (rest.p && line < at.line) {
        first = str_cut(&rest, '\n');
        line++;
    }
    while (rest.p && str_trim(second).n == 0) {
        second = str_cut(&rest, '\n');
        line++;
    }
    if (indent_of(second) > indent_of(first)) {
        at.line = line;
        at.column = (unsigned)indent_of(second) + 1;
        report_add(report, REPORT_ERROR, &at, "begin it under the keys it belongs to",
                   "this line is indented further than the line above allows");
    } else {
        at.column = (unsigned)indent_of(first) + 1;
        report_add(report, REPORT_ERROR, &at, "write key: value", "a ':' is missing in this line");
    }
}

/* A line indented by a tab is the commonest mistake and the one the parser explains worst. */
static bool report_tab(const struct conf_source *source, struct conf_report *report)
{
    struct str rest = source->text, line;
    struct yaml_place at = { source, 0, 0 };

    while (rest.p) {
        size_t i = 0;

        line = str_cut(&rest, '\n');
        at.line++;
        while (i < line.n && line.p[i] == ' ')
            i++;
        if (i < line.n && line.p[i] == '\t' && str_trim(line).n > 0 && str_trim(line).p[0] != '#') {
            at.column = (unsigned)i + 1;
            report_add(report, REPORT_ERROR, &at, "use spaces", "a tab cannot indent YAML");
            return true;
        }
    }
    return false;
}

/* libfyaml says "<name>:LINE:COLUMN: error: TEXT" and then shows the line. */
void explain_syntax(const struct conf_source *source, struct str parser_says,
                    struct conf_report *report)
{
    struct str line = parser_says, said, head, part;
    struct yaml_place at = { source, 0, 0 };
    const char *mend = NULL;
    uint64_t v[2] = { 0, 0 };
    size_t found;

    if (report_tab(source, report))
        return;
    line = line.p ? str_cut(&line, '\n') : STR("");
    found = str_find_str(line, STR(": error: "));
    said = found < line.n ? str_skip(line, found + 9) : STR("this cannot be read as YAML");
    head = str_sub(line, 0, found);
    for (int i = 1; i >= 0; i--) {
        size_t colon = head.n;

        while (colon > 0 && head.p[colon - 1] != ':')
            colon--;
        part = str_skip(head, colon);
        if (colon == 0 || str_to_u64(part, &v[i]) || v[i] > 1000000)
            break;
        head.n = colon - 1;
    }
    at.line = (unsigned)v[0];
    at.column = (unsigned)v[1];
    /* The place is behind the quote; a person looks for the quote itself. */
    if (str_find_str(said, STR("without closing quote")) < said.n)
        at.column -= at.column > 1;
    if (str_find_str(said, STR("multiline plain key")) < said.n) {
        report_long_key(source, report, at);
        return;
    }
    for (size_t i = 0; i < sizeof(syntax_mends) / sizeof(syntax_mends[0]); i++)
        if (str_find_str(said, str_of(syntax_mends[i].theirs)) < said.n)
            mend = syntax_mends[i].mend;
    report_add(report, REPORT_ERROR, &at, mend, "%s", report_show(said).text);
}
