/*
 * RFC 3339 times to and from ns since 1970. The calendar is the proleptic Gregorian one; days are
 * counted by the civil-day formula (years begin in March, 400 years have 146,097 days).
 */
#include "base/rfc3339.h"

#include <stdio.h>

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = y / 400; /* y is never negative here */
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
    int64_t era, doe, yoe, doy, mp;

    days += 719468;
    era = days / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

static int days_in_month(int64_t y, int64_t m)
{
    static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m == 2 && leap ? 29 : days[m - 1];
}

/* n digits at *at as a number, or -1. */
static int64_t digits(struct str s, size_t *at, size_t n)
{
    uint64_t v;

    if (s.n - *at < n || str_to_u64(str_sub(s, *at, n), &v))
        return -1;
    *at += n;
    return (int64_t)v;
}

static bool one_of(struct str s, size_t *at, const char *set)
{
    if (*at >= s.n || s.p[*at] == '\0' || !strchr(set, s.p[*at]))
        return false;
    (*at)++;
    return true;
}

static int64_t fraction_ns(struct str s, size_t *at)
{
    int64_t ns = 0, scale = 100000000;
    size_t from = *at;

    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++) {
        ns += (s.p[*at] - '0') * scale;
        scale /= 10;
    }
    return *at == from ? -1 : ns;
}

/* The offset from UTC in seconds behind the time, or ERR_SYNTAX. */
static int offset_s(struct str s, size_t *at, int64_t *out)
{
    int64_t hours, minutes;
    bool minus;

    *out = 0;
    if (one_of(s, at, "Zz"))
        return 0;
    minus = *at < s.n && s.p[*at] == '-';
    if (!one_of(s, at, "+-"))
        return ERR_SYNTAX;
    hours = digits(s, at, 2);
    if (hours < 0 || !one_of(s, at, ":"))
        return ERR_SYNTAX;
    minutes = digits(s, at, 2);
    if (minutes < 0)
        return ERR_SYNTAX;
    if (hours > 23 || minutes > 59)
        return ERR_VALUE;
    *out = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return 0;
}

int rfc3339_parse(struct str s, int64_t *out_ns)
{
    size_t at = 0;
    int64_t y, mo, d, h, mi, sec, ns = 0, off, total;
    int rc;

    y = digits(s, &at, 4);
    if (y < 0 || !one_of(s, &at, "-"))
        return ERR_SYNTAX;
    mo = digits(s, &at, 2);
    if (mo < 0 || !one_of(s, &at, "-"))
        return ERR_SYNTAX;
    d = digits(s, &at, 2);
    if (d < 0 || !one_of(s, &at, "Tt "))
        return ERR_SYNTAX;
    h = digits(s, &at, 2);
    if (h < 0 || !one_of(s, &at, ":"))
        return ERR_SYNTAX;
    mi = digits(s, &at, 2);
    if (mi < 0 || !one_of(s, &at, ":"))
        return ERR_SYNTAX;
    sec = digits(s, &at, 2);
    if (sec < 0)
        return ERR_SYNTAX;
    if (one_of(s, &at, ".") && (ns = fraction_ns(s, &at)) < 0)
        return ERR_SYNTAX;
    rc = offset_s(s, &at, &off);
    if (rc)
        return rc;
    if (at != s.n)
        return ERR_SYNTAX;
    if (y < 1970 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) || h > 23 ||
        mi > 59 || sec > 60)
        return ERR_VALUE;
    total = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec - off;
    if (total < 0)
        return ERR_VALUE;
    *out_ns = total * 1000000000 + ns;
    return 0;
}

size_t rfc3339_format(int64_t ns, char *out)
{
    int64_t s = ns / 1000000000, frac = ns % 1000000000, days, left, y, m, d;
    int n;

    if (frac < 0) {
        frac += 1000000000;
        s--;
    }
    days = s / 86400;
    left = s % 86400;
    if (left < 0) {
        left += 86400;
        days--;
    }
    civil_from_days(days, &y, &m, &d);
    n = snprintf(out, RFC3339_SIZE, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lld.", (long long)y,
                 (long long)m, (long long)d, (long long)(left / 3600), (long long)(left / 60 % 60),
                 (long long)(left % 60));
    if (frac % 1000000 == 0)
        n += snprintf(out + n, RFC3339_SIZE - (size_t)n, "%03lldZ", (long long)(frac / 1000000));
    else
        n += snprintf(out + n, RFC3339_SIZE - (size_t)n, "%09lldZ", (long long)frac);
    return (size_t)n;
}
