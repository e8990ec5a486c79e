#ifndef WIRE_WHY_H
#define WIRE_WHY_H
/* Why a decoder refused: the protocol's own code, a constant sentence, where in the input. */
#include "base/err.h"

#include <stddef.h>

struct wire_why {
    int code;         /* what the protocol answers: MQTT reason code, HTTP status, close code … */
    const char *text; /* constant, for logs and reason strings */
    size_t at;        /* offset of the offending byte */
};

/* Fills *why (which may be NULL) and returns ERR_PROTO. */
static inline int wire_refuse(struct wire_why *why, int code, size_t at, const char *text)
{
    if (why)
        *why = (struct wire_why){ code, text, at };
    return ERR_PROTO;
}

#endif
