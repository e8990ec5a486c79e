/*
 * Request and response heads and the chunked coding. Holds: the same bytes in one piece and in
 * two give the same head; what is accepted has one Host and one framing.
 */
#include "wire/http1.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct http1_limits limits = { 4096, 32 };

static void chunks(struct str in)
{
    struct http1_chunked c;
    struct str data;
    size_t used;

    http1_chunked_init(&c);
    while (in.n > 0 && !c.done) {
        if (http1_chunked_next(&c, in, &data, &used, NULL) != 0)
            return;
        assert(used > 0 && used <= in.n && data.n <= used);
        in = str_skip(in, used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_from(data, n);
    struct http1_field fields[32], again[32];
    struct http1_scan scan = { 0 }, scan2 = { 0 };
    struct http1_head h, h2;
    size_t used, used2, hosts = 0;
    int rc = http1_read_request(in, &scan, &limits, fields, &h, &used, NULL), rc2;

    rc2 = http1_read_request(str_sub(in, 0, n / 2), &scan2, &limits, again, &h2, &used2, NULL);
    if (rc2 == ERR_MORE)
        rc2 = http1_read_request(in, &scan2, &limits, again, &h2, &used2, NULL);
    /* A bad head that comes in parts may be refused a little earlier or later, but is never
     * accepted; a good one always is. */
    assert((rc == 0) == (rc2 == 0) || n > limits.head_max);
    if (rc == 0 && rc2 == 0) {
        assert(used == used2 && used <= n && h.field_count == h2.field_count);
        assert(h.framing != HTTP1_UNTIL_CLOSE && !(h.framing == HTTP1_CHUNKED && h.has_length));
        for (size_t i = 0; i < h.field_count; i++) {
            assert(http1_is_token(fields[i].name) && http1_is_value(fields[i].value));
            hosts += str_eq_nocase(fields[i].name, STR("host"));
        }
        assert(hosts == 1 || (hosts == 0 && h.http10));
        chunks(str_skip(in, used));
    }
    scan = (struct http1_scan){ 0 };
    rc = http1_read_response(in, HTTP_GET, &scan, &limits, fields, &h, &used, NULL);
    assert(rc != 0 || used <= n);
    chunks(in);
    return 0;
}
