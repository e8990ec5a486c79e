/* Files that are changed in place: what a change that fails leaves behind, and whose mode the new one has. */
#include "unit/unit.h"

#include "base/mem.h"
#include "node/files_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/wayside-files-XXXXXX";

static const char *at(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void is(const char *path, const char *text, mode_t mode)
{
    char got[100] = "";
    FILE *f = fopen(path, "rb");
    struct stat st;

    assert_non_null(f);
    got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(got, text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static int append(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    (void)ctx;
    (void)f;
    buf_put(out, text);
    buf_u8(out, 'x');
    return 0;
}

static int refuse(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    (void)ctx;
    (void)out;
    assert_int_equal(text.n, 0);
    return fault_set(f, ERR_VALUE, "no");
}

/* As another process that does not ask for the lock. */
static int write_and_refuse(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    put(ctx, "theirs", 0600);
    return refuse(ctx, text, out, f);
}

static void test_mode_stays(void **state)
{
    char path[256], tmp[300];
    struct fault f;

    (void)state;
    snprintf(path, sizeof(path), "%s", at("kept"));
    snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    put(path, "a", 0640);
    put(tmp, "left over and longer than the rest", 0666);
    assert_int_equal(files_edit(path, 1000, false, append, NULL, &f), 0);
    is(path, "ax", 0640);
    assert_false(is_there(tmp));
    /* A file of our own: what lay there gives it nothing. */
    put(tmp, "left over", 0666);
    assert_int_equal(files_write(path, STR("c"), 0600, &f), 0);
    is(path, "c", 0600);
    assert_int_equal(symlink("/tmp/nowhere", tmp), 0);
    assert_int_equal(files_write(path, STR("d"), 0600, &f), 0);
    is(path, "d", 0600);
}

static void test_what_was_made_goes_again(void **state)
{
    char path[256];
    struct fault f = { 0 };

    (void)state;
    snprintf(path, sizeof(path), "%s", at("fresh"));
    assert_int_equal(files_edit(path, 1000, false, append, NULL, &f), -ENOENT);
    assert_int_equal(files_edit(path, 1000, true, refuse, NULL, &f), ERR_VALUE);
    assert_string_equal(f.text, "no");
    assert_false(is_there(path));
    assert_int_equal(files_edit(path, 1000, true, append, NULL, &f), 0);
    is(path, "x", 0600);
}

static void test_what_others_wrote_stays(void **state)
{
    char path[256];
    struct fault f = { 0 };

    (void)state;
    snprintf(path, sizeof(path), "%s", at("others"));
    assert_int_equal(files_edit(path, 1000, true, write_and_refuse, path, &f), ERR_VALUE);
    is(path, "theirs", 0600);
}

static void test_links(void **state)
{
    char path[256], link[256];
    struct fault f = { 0 };

    (void)state;
    snprintf(path, sizeof(path), "%s", at("real"));
    snprintf(link, sizeof(link), "%s", at("link"));
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(files_edit(link, 1000, true, append, NULL, &f), -ENOENT);
    assert_non_null(strstr(f.text, "symbolic link"));
    assert_false(is_there(path));
    put(path, "a", 0604);
    assert_int_equal(files_edit(link, 1000, true, append, NULL, &f), 0);
    is(path, "ax", 0604);
    assert_int_equal(unlink(path), 0);
    assert_true(is_there(link));
}

static void test_a_data_folder_is_looked_at_and_not_made(void **state)
{
    struct fault f = { 0 };
    char path[256];

    (void)state;
    assert_int_equal(files_check_data(dir, &f), 0);
    snprintf(path, sizeof(path), "%s", at("a/b/c"));
    assert_int_equal(files_check_data(path, &f), 0);
    assert_false(is_there(at("a")));
    assert_int_equal(files_check_data("no-such-folder/x", &f), 0);
    put(at("kept"), "", 0600);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s", at(i ? "kept/data" : "kept"));
        assert_int_equal(files_check_data(path, &f), -ENOTDIR);
        assert_non_null(strstr(f.text, path));
        assert_non_null(strstr(f.text, "node.data"));
    }
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = { "kept", "fresh", "others", "link" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(at(names[i]));
    return rmdir(dir); /* nothing else was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_mode_stays), TEST(test_what_was_made_goes_again),
                                        TEST(test_what_others_wrote_stays), TEST(test_links),
                                        TEST(test_a_data_folder_is_looked_at_and_not_made) };

    return cmocka_run_group_tests(tests, setup, teardown);
}
