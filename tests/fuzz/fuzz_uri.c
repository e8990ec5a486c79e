/* Request targets. Holds: what is accepted is decoded to one path without surprises, and what
 * uri_encode writes is read back as it was. */
#include "wire/uri.h"

#include "base/buf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void path(struct str raw)
{
    char out[4096];
    size_t n;
    struct str p;

    if (uri_path_decode(raw, out, &n, NULL) != 0)
        return;
    p = (struct str){ out, n };
    assert(n > 0 && n <= raw.n && utf8_valid(p) && str_find(p, '\0') == n);
    assert(str_find_str(p, STR("//")) == n && str_find_str(p, STR("/../")) == n);
    assert(!str_ends(p, STR("/..")) && !str_ends(p, STR("/.")) && str_find(p, '\\') == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_from(data, n), name, value;
    struct uri_target t;
    struct uri_authority a;
    struct buf b = buf_init(1 << 16);
    char out[4096];
    size_t out_n;

    if (n > sizeof(out))
        return 0;
    if (uri_target_parse(in, false, &t, NULL) == 0 && t.form != URI_ASTERISK) {
        path(t.path);
        while (uri_query_next(&t.query, &name, &value)) {
            assert(name.n + value.n <= n);
            (void)!uri_query_decode(value, out, &out_n, NULL);
        }
    }
    (void)!uri_target_parse(in, true, &t, NULL);
    if (uri_authority_parse(in, &a, NULL) == 0)
        assert(a.host.n > 0 && a.host.n <= n);
    path(in);
    uri_encode(in, &b);
    assert(uri_decode(buf_str(&b), out, &out_n, NULL) == 0);
    assert(str_eq(in, (struct str){ out, out_n }));
    buf_fini(&b);
    return 0;
}
