/*
 * main() of a fuzzer where there is no libFuzzer: runs it once over each file of the folders and
 * files that are named. A vector (*.hex) is read as text and its bytes are the input; any other
 * file is the input as it stands, so that a crash that libFuzzer left can be replayed by gdb.
 * Fails when it ran nothing: seeds that are not found must not look like seeds that hold.
 */
#include "fuzz/fuzz.h"
#include "fuzz/hex.h"

#include <sys/stat.h>

static unsigned ran, failed;

static void run_file(void *ctx, const char *path)
{
    struct hex_file h = { 0 };
    size_t n = 0;
    char *text = hex_slurp(path, &n);
    char *exact;

    (void)ctx;
    if (!text) {
        fprintf(stderr, "%s: cannot be read\n", path);
        failed++;
        return;
    }
    if (hex_is_vector(path)) {
        if (hex_parse(text, &h)) {
            LLVMFuzzerTestOneInput((const uint8_t *)h.bytes, h.n);
            ran++;
        } else {
            fprintf(stderr, "%s: not a vector\n", path);
            failed++;
        }
        free(h.bytes);
    } else {
        exact = malloc(n ? n : 1);
        if (!exact)
            abort();
        memcpy(exact, text, n);
        LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
        ran++;
        free(exact);
    }
    free(text);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            if (hex_each_file(argv[i], run_file, NULL) <= 0) {
                fprintf(stderr, "%s: no seeds\n", argv[i]);
                failed++;
            }
        } else {
            run_file(NULL, argv[i]);
        }
    }
    printf("%u ran\n", ran);
    return ran == 0 || failed > 0;
}
