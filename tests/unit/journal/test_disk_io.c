/* The real disk: its calls, and a process that is killed while it appends. */
#include "journal/disk.h"

#include "base/mem.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "net/workers.h"
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS    12
#define IN_FLIGHT 64
#define WAIT_MS   20000

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char name[512];

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (unlink(name) < 0)
            remove_tree(name);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char path[256];

    snprintf(path, sizeof(path), "%s/wayside-disk-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        return -1;
    *state = mem_dup(path, strlen(path));
    return 0;
}

static int teardown(void **state)
{
    remove_tree(*state);
    mem_free(*state);
    return 0;
}

static void count_name(void *ctx, const char *name, uint64_t bytes)
{
    uint64_t *seen = ctx;

    if (strcmp(name, "b") == 0)
        *seen = bytes;
    assert_string_not_equal(name, "a");
}

static void test_calls_do_what_they_say(void **state)
{
    struct disk *d = NULL, *second = NULL;
    char text[16] = { 0 };
    size_t got = 0;
    uint64_t seen = 0, left = 0;
    int file;

    assert_int_equal(disk_open(*state, false, &d, NULL), 0);
    assert_int_equal(d->ops->open(d, "a", DISK_WRITE), -ENOENT);
    file = d->ops->open(d, "a", DISK_WRITE | DISK_CREATE);
    assert_true(file >= 0);
    assert_int_equal(d->ops->allocate(d, file, 8192), 0);
    assert_int_equal(d->ops->write(d, file, "hello", 5, 4094), 0);
    assert_int_equal(d->ops->sync(d, file), 0);
    assert_int_equal(d->ops->read(d, file, text, 5, 4094, &got), 0);
    assert_int_equal(got, 5);
    assert_string_equal(text, "hello");
    assert_int_equal(d->ops->read(d, file, text, 10, 8190, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(d->ops->read(d, file, text, 10, 9000, &got), 0);
    assert_int_equal(got, 0);
    assert_int_equal(d->ops->truncate(d, file, 100), 0);
    d->ops->close(d, file);
    assert_int_equal(d->ops->rename(d, "a", "b"), 0);
    assert_int_equal(d->ops->list(d, count_name, &seen), 0);
    assert_int_equal(seen, 100);
    /* The folder is made when it is needed. */
    assert_int_equal(d->ops->rename(d, "b", "damaged/0.seg"), 0);
    assert_true(d->ops->open(d, "b", DISK_READ) == -ENOENT);
    file = d->ops->open(d, "damaged/0.seg", DISK_READ);
    assert_true(file >= 0);
    assert_true(d->ops->write(d, file, "x", 1, 0) < 0);
    d->ops->close(d, file);
    assert_int_equal(d->ops->unlink(d, "damaged/0.seg"), 0);
    assert_int_equal(d->ops->sync_dir(d), 0);
    assert_int_equal(d->ops->free_bytes(d, &left), 0);
    assert_true(left > 0);
    assert_int_equal(d->ops->lock(d), 0);
    assert_int_equal(disk_open(*state, false, &second, NULL), 0);
    assert_int_equal(second->ops->lock(second), ERR_BUSY);
    d->ops->free(d);
    assert_int_equal(second->ops->lock(second), 0);
    second->ops->free(second);
}

static void test_a_directory_that_is_not_there_is_said(void **state)
{
    struct fault f = { 0 };
    struct disk *d = NULL;
    char path[300];

    snprintf(path, sizeof(path), "%s/no/where", (char *)*state);
    assert_int_equal(disk_open(path, true, &d, &f), -ENOENT);
    assert_non_null(strstr(f.file, "no/where"));
}

/* ---- a process that appends until it is killed ---- */

struct shared {
    volatile uint64_t acked; /* the last seq that was acknowledged */
    volatile int opened;
};

struct flying {
    struct journal_entry entry;
    struct record record;
    struct journal *journal;
    struct shared *shared;
    char payload[100];
    uint64_t number;
};

static void send_next(struct flying *f, uint64_t number)
{
    f->number = number;
    snprintf(f->payload, sizeof(f->payload), "%llu", (unsigned long long)number);
    f->record = (struct record){ .kind = RECORD_READING,
                                 .device = STR("pi"),
                                 .stream = STR("s"),
                                 .payload = str_from(f->payload, sizeof(f->payload)) };
    journal_append(f->journal, &f->entry);
}

static void on_acked(struct journal_entry *e, int code)
{
    struct flying *f = container_of(e, struct flying, entry);

    if (code == 0)
        f->shared->acked = f->record.seq;
    send_next(f, f->number + 1);
}

static struct journal *open_small(const char *dir)
{
    struct journal_options o = journal_options_default();
    struct limits limits = limits_default();
    struct journal *j = NULL;
    struct fault f = { 0 };

    o.segment_bytes = KIB(64);
    o.quota_bytes = MIB(64);
    o.free_floor_bytes = 0;
    if (journal_open(dir, &o, &limits, NULL, NULL, &j, &f) < 0) {
        fprintf(stderr, "%s\n", f.text);
        return NULL;
    }
    return j;
}

static void child(const char *dir, struct shared *shared)
{
    struct journal *j = open_small(dir);
    struct flying *f = mem_new_array(IN_FLIGHT, sizeof(*f));
    struct gate *never = gate_new();

    if (!j)
        _exit(1);
    shared->opened = 1;
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        f[i].journal = j;
        f[i].shared = shared;
        f[i].entry.records = &f[i].record;
        f[i].entry.count = 1;
        f[i].entry.done = on_acked;
        send_next(&f[i], 1);
    }
    while (!gate_wait(never, WAIT_MS))
        ;
    _exit(0);
}

/* Opens what is left, counts, closes. Returns the head. */
static uint64_t check_all(const char *dir, uint64_t acked)
{
    struct journal *j = open_small(dir);
    struct journal_reader *r;
    struct record out[64];
    uint64_t last = 0;
    size_t n = 0;

    assert_non_null(j);
    assert_true(journal_head(j) >= acked);
    r = journal_reader_new(j, NULL, 0, KIB(64));
    do {
        assert_int_equal(journal_reader_next(r, out, COUNT_OF(out), KIB(64), &n), 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i].kind, RECORD_READING);
            assert_int_equal(out[i].seq, last + 1);
            last = out[i].seq;
        }
    } while (n > 0);
    assert_int_equal(last, journal_head(j));
    journal_reader_free(r);
    journal_close(j);
    return last;
}

static void test_killed_at_any_moment_nothing_acknowledged_is_lost(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct gate *pause = gate_new();
    uint64_t head = 0;

    assert_true(shared != MAP_FAILED);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t before = shared->acked;
        pid_t pid = fork();
        int status = 0;

        assert_true(pid >= 0);
        if (pid == 0)
            child(*state, shared);
        for (unsigned waited = 0; shared->acked == before && waited < WAIT_MS; waited++)
            gate_wait(pause, 1);
        gate_wait(pause, 1 + round * 2);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_true(shared->acked > before);
        head = check_all(*state, shared->acked);
    }
    assert_true(head > ROUNDS * IN_FLIGHT / 2);
    gate_free(pause);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls_do_what_they_say, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_that_is_not_there_is_said, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_killed_at_any_moment_nothing_acknowledged_is_lost,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
