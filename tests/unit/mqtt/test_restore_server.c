/*
 * A broker begins on a log that is damaged: with what is left, and it says how much is not.
 */
#include "persist_site.h"

#include <fcntl.h>

/* One byte of what is found in the files of the site's disk, once. */
static void damage(const struct site *x, const char *needle)
{
    char dir[100], path[400], *bytes = mem_new(MIB(1));
    struct dirent **names;
    bool found = false;
    int n;

    snprintf(dir, sizeof(dir), "%s/%u", x->root, x->copies);
    n = scandir(dir, &names, NULL, by_name_down);
    for (int i = 0; i < n; i++) {
        FILE *f;
        size_t got;
        char *at;

        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        free(names[i]);
        if (found || !(f = fopen(path, "r+b")))
            continue;
        got = fread(bytes, 1, MIB(1), f);
        at = memmem(bytes, got, needle, strlen(needle));
        if (at) {
            found = true;
            assert_int_equal(fseek(f, at - bytes, SEEK_SET), 0);
            assert_int_equal(fputc('X', f), 'X');
        }
        fclose(f);
    }
    free(names);
    mem_free(bytes);
    assert_true(found);
}

/* The lines of the log of a start. */
static void begin_told(struct site *x, char *out, size_t room)
{
    char path[] = "/tmp/wayside-told-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n;

    assert_true(fd >= 0);
    unlink(path);
    log_setup(LOG_WARN, LOG_LOGFMT, fd);
    begin(x);
    log_setup(LOG_INFO, LOG_LOGFMT, 2);
    n = pread(fd, out, room - 1, 0);
    assert_true(n >= 0);
    out[n] = 0;
    close(fd);
}

static void what_is_damaged_is_told(void **state)
{
    struct client c;
    char told[4000];
    struct site x;

    (void)state;
    site_init(&x, 2);
    c = back(&x, "c", false);
    client_subscribe(&c, "t", 1);
    client_publish(&c, "one", "kept-one", 1, true);
    client_publish(&c, "two", "kept-two", 1, true);
    client_publish(&c, "three", "kept-three", 1, true);
    client_close(&c);
    end(&x);
    begin_told(&x, told, sizeof(told));
    assert_null(strstr(told, "damaged"));
    end(&x);
    damage(&x, "kept-two");
    begin_told(&x, told, sizeof(told));
    assert_non_null(strstr(told, "the broker's log is damaged"));
    assert_non_null(strstr(told, "records=1 not_understood=0 messages=0"));
    c = back(&x, "c", true);
    client_subscribe(&c, "one", 1);
    client_expect_publish(&c, "one", "kept-one", 1);
    client_subscribe(&c, "two", 1);
    client_subscribe(&c, "three", 1);
    client_expect_publish(&c, "three", "kept-three", 1);
    client_close(&c);
    site_fini(&x);
}

/* What rounds have cut off is no loss, also where the place of that is not on the disk yet. */
static void what_was_cut_off_is_no_loss(void **state)
{
    char payload[601], told[4000], place[100], old[100];
    struct client c;
    struct site x;

    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    payload[sizeof(payload) - 1] = 0;
    site_init(&x, 1);
    end(&x);
    begin(&x); /* its place was written */
    snprintf(place, sizeof(place), "%s/0/cursor-mqtt", x.root);
    snprintf(old, sizeof(old), "%s/old", x.root);
    copy_file(place, old);
    for (int k = 0; k < 3; k++) {
        c = client_connect(&x.r, MQTT_V5, "c");
        for (int i = 0; i < 600; i++)
            client_publish(&c, "t", payload, 1, true);
        client_close(&c);
        round_through(&x);
    }
    end(&x);
    copy_file(old, place);
    begin_told(&x, told, sizeof(told));
    assert_null(strstr(told, "damaged"));
    site_fini(&x);
}

RUN(TEST(what_is_damaged_is_told), TEST(what_was_cut_off_is_no_loss))
