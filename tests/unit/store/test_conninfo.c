/* Passwords are found in every way of writing that libpq takes. */
#include "store/conninfo.h"

#include "base/mem.h"

#include "unit/unit.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

static void finds_a_password(void **state)
{
    static const char *const texts[] = {
        "host=h password=x",
        "host=h password = x",
        "password\t=\n'x y'",
        "host = '/a b' password=x",
        "host='a\\'' password = x",
        "host=a\\ b password=x",
        "sslpassword=x host=h",
        "password='' host=h",
        "host=h password x",
        "postgresql://u:secret@h/db",
        "postgres://u:secret@h/db",
        "postgres://u:secret@/db",
        "postgresql://u@h/db?password=x",
        "postgresql://h?application_name=a&pass%77ord=x",
        "postgresql:///db?sslpassword=x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!conninfo_has_password(str_of(texts[i])))
            fail_msg("%s", texts[i]);
}

static void finds_none_where_there_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "wayside",
        "password",
        "host=/run/postgresql dbname=wayside",
        "host=h passfile=/x",
        "dbname = 'a password=x'",
        "host=h options='-c password=x' user=u",
        "application_name=password dbname=d",
        "postgresql://wayside@db.example.org/wayside",
        "postgresql://db.example.org:5432/wayside?application_name=a@b",
        "postgresql://u@h:5432,i:5433/db?passfile=/x",
        "postgresql://u@[::1]:5432/db",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (conninfo_has_password(str_of(texts[i])))
            fail_msg("%s", texts[i]);
}

/* libpq's own reader finds the password in what this one must find as well. */
static void agrees_with_libpq(void **state)
{
    static const char alphabet[] = " =\\'\tax?&@:/";
    static const char *const words[] = { "password", "host", "postgresql://", "=", "user" };
    unsigned seed = 1, with = 0;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        char text[80];
        size_t n = 0;
        PQconninfoOption *all;
        bool has = false;

        for (unsigned piece = 0; piece < 7; piece++) {
            seed = seed * 1103515245u + 12345u;
            if ((seed >> 16) % 3 == 0)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
                                      words[(seed >> 20) % COUNT_OF(words)]);
            else
                text[n++] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
            if (n > 60)
                break;
        }
        text[n] = '\0';
        all = PQconninfoParse(text, NULL);
        for (PQconninfoOption *o = all; o && o->keyword; o++)
            has = has || (strcmp(o->keyword, "password") == 0 && o->val && o->val[0]);
        PQconninfoFree(all);
        with += has;
        if (has && !conninfo_has_password(str_of(text)))
            fail_msg("%s", text);
    }
    assert_true(with > 50);
}

RUN(TEST(finds_a_password), TEST(finds_none_where_there_is_none), TEST(agrees_with_libpq))
