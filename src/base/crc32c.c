/*
 * CRC-32C with the reflected polynomial 0x82f63b78. On x86-64 and on ARM with the CRC extension
 * the machine's instruction does eight bytes at a time; elsewhere a table does one.
 */
#include "base/crc32c.h"

#include <endian.h>

#define POLY 0x82f63b78u

static void make_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? POLY ^ table[i] >> 1 : table[i] >> 1;
    }
}

static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t n)
{
    static _Thread_local uint32_t table[256]; /* per thread: needs no lock and is made once */
    static _Thread_local bool made;

    if (!made) {
        make_table(table);
        made = true;
    }
    while (n-- > 0)
        crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const unsigned char *p,
                                                           size_t n)
{
    uint64_t wide = crc, eight;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&eight, p, 8);
        wide = __builtin_ia32_crc32di(wide, eight);
    }
    crc = (uint32_t)wide;
    while (n-- > 0)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}
static bool have_fast(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
static uint32_t crc_fast(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t eight;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&eight, p, 8);
        crc = __crc32cd(crc, le64toh(eight));
    }
    while (n-- > 0)
        crc = __crc32cb(crc, *p++);
    return crc;
}
static bool have_fast(void)
{
    return true;
}
#else
static uint32_t crc_fast(uint32_t crc, const unsigned char *p, size_t n)
{
    return crc_plain(crc, p, n);
}
static bool have_fast(void)
{
    return false;
}
#endif

uint32_t crc32c(uint32_t crc, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    crc = ~crc;
    return ~(have_fast() ? crc_fast(crc, p, s.n) : crc_plain(crc, p, s.n));
}
