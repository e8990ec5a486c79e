/*
 * PROXY headers. Holds: more bytes never change a verdict; what is used is within the limit; an
 * address that is named can be written and read again.
 */
#include "wire/proxy.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_from(data, n);
    struct proxy_header h = { 0 }, again;
    struct wire_why why = { 0 };
    size_t used = 0, used_again = 0;
    int rc = proxy_decode(in, MAX, &h, &used, &why);
    char text[ADDR_TEXT_SIZE];
    struct addr a;

    assert(rc == 0 || rc == ERR_MORE || rc == ERR_PROTO || rc == ERR_LIMIT);
    assert(rc != ERR_MORE || n < MAX);
    assert((rc != ERR_PROTO && rc != ERR_LIMIT) || why.text);
    for (size_t i = 0; i < n && i < MAX; i++) {
        int part = proxy_decode(str_sub(in, 0, i), MAX, &again, &used_again, NULL);

        assert(part == ERR_MORE || part == rc);
        assert(part != 0 || used_again == used);
    }
    if (rc != 0)
        return 0;
    assert(used > 0 && used <= n && used <= MAX);
    if (h.has_peer && !addr_is_unix(&h.peer)) {
        assert(addr_parse_port(str_of(addr_format(&h.peer, text)), 0, &a) == 0);
        assert(addr_eq(&a, &h.peer));
    }
    return 0;
}
