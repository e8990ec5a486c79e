/* JSON text. Holds: what is accepted is written again and read again as the same value. */
#include "wire/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct json_limits limits = { 16, 1000 };
    struct buf a = buf_init(1 << 22), b = buf_init(1 << 22);
    struct json_writer w;
    struct json_t *v = NULL, *again = NULL;
    struct fault f;
    size_t at = 0;

    if (json_parse(str_from(data, n), &limits, &v, &at, &f) != 0) {
        assert(f.line > 0 && f.column > 0 && at <= n);
        goto out;
    }
    w = json_writer_init(&a);
    json_value(&w, v);
    assert(json_parse(buf_str(&a), &limits, &again, NULL, NULL) == 0);
    w = json_writer_init(&b);
    json_value(&w, again);
    assert(str_eq(buf_str(&a), buf_str(&b)));
out:
    /* Any bytes as a string are valid JSON. */
    buf_clear(&a);
    w = json_writer_init(&a);
    json_str(&w, str_from(data, n));
    json_free(again);
    again = NULL;
    if (!memchr(data, 0, n))
        assert(json_parse(buf_str(&a), &limits, &again, NULL, NULL) == 0);
    json_free(v);
    json_free(again);
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
