/* Three bytes to four digits; what is missing at the end is padded. */
#include "base/base64.h"

void base64_put(struct buf *out, struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;

        if (i + 1 < s.n)
            v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
        if (i + 2 < s.n)
            v |= (unsigned char)s.p[i + 2];
        buf_u8(out, (uint8_t)digits[v >> 18]);
        buf_u8(out, (uint8_t)digits[v >> 12 & 63]);
        buf_u8(out, (uint8_t)(i + 1 < s.n ? digits[v >> 6 & 63] : '='));
        buf_u8(out, (uint8_t)(i + 2 < s.n ? digits[v & 63] : '='));
    }
}
