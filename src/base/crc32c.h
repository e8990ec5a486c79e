#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
/* CRC-32C (Castagnoli), RFC 3720 B.4; by the machine's instruction where there is one. */
#include "base/str.h"

/* Continues from crc (0 to start). crc32c(0, "123456789") is 0xe3069283. */
uint32_t crc32c(uint32_t crc, struct str s);

#endif
