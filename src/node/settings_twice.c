/*
 * What stands in the file twice and may be there once: the name of a user, and an address to listen on. The
 * system would refuse the second address as that of another program.
 */
#include "node/settings.h"

#include "base/mem.h"

#include <stdio.h>

#define PATH_SIZE 64
#define PLACES    18 /* mqtt.listeners and the rest */

void settings_check_users(const struct mqtt_settings *m, struct conf_say *say)
{
    for (size_t i = 1; i < m->users.count; i++) {
        struct str name = CONF_ITEM_AT(m->users, struct user_settings, i)->name;
        char path[PATH_SIZE], where[CONF_WHERE_SIZE];
        size_t k = 0;

        while (!str_eq(CONF_ITEM_AT(m->users, struct user_settings, k)->name, name))
            k++;
        snprintf(path, sizeof(path), "users[%zu].name", k);
        if (k == i || !conf_where(say, path, where))
            continue;
        snprintf(path, sizeof(path), "users[%zu].name", i);
        conf_complain(say, path, "'%.*s' has a password already (%s); keep one of the two",
                      STR_ARG(name), where);
    }
}

/* ---- addresses ---- */

struct place {
    char path[PATH_SIZE];
    const struct addr *address;
};

static bool is_any(const struct addr *a)
{
    struct addr any = { 0 };
    struct str host = a->ss.ss_family == AF_INET6 ? STR("::") : STR("0.0.0.0");

    return addr_parse(host, addr_port(a), &any) == 0 && addr_eq(a, &any);
}

/* As the kernel sees it (ip(7)): all addresses have those of their kind within; our sockets of IPv6 take no
 * IPv4. */
static bool clash(const struct addr *a, const struct addr *b)
{
    if (addr_is_unix(a) || addr_is_unix(b))
        return addr_eq(a, b);
    if (addr_port(a) == 0 || addr_port(a) != addr_port(b) || a->ss.ss_family != b->ss.ss_family)
        return false;
    return addr_eq(a, b) || is_any(a) || is_any(b);
}

/* One of them was given: the defaults do not clash. That is where it is said. */
static void complain(struct conf_say *say, const struct place *first, const struct place *second)
{
    char where[CONF_WHERE_SIZE], text[ADDR_TEXT_SIZE], other[CONF_WHERE_SIZE + 4] = " (default)";

    if (!conf_where(say, second->path, where)) {
        const struct place *given = first;

        first = second;
        second = given;
    }
    if (conf_where(say, first->path, where))
        snprintf(other, sizeof(other), " (%s)", where);
    conf_complain(say, second->path, "%s listens on %s already%s; choose another address or port",
                  first->path, addr_format(first->address, text), other);
}

void settings_check_addresses(const struct settings *s, struct conf_say *say)
{
    struct place all[PLACES] = { 0 };
    size_t n = 0;

    for (size_t i = 0; s->has_mqtt && i < s->mqtt.listeners.count && n + 2 < PLACES; i++) {
        snprintf(all[n].path, PATH_SIZE, "mqtt.listeners[%zu].address", i);
        all[n++].address = &CONF_ITEM_AT(s->mqtt.listeners, struct listener_settings, i)->address;
    }
    if (s->has_api)
        all[n++] = (struct place){ "api.address", &s->api.address };
    if (s->has_health)
        all[n++] = (struct place){ "health.address", &s->health.address };
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!clash(all[k].address, all[i].address))
                continue;
            complain(say, &all[k], &all[i]);
            break;
        }
    }
}
