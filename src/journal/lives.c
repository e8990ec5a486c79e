/* One small array. Each start gave the numbers from its own `before` to that of the next newer one. */
#include "journal/lives.h"

#include <string.h>

void lives_begin(struct lives *l, uint64_t epoch, uint64_t before)
{
    size_t gone = 0;

    while (gone < l->count && l->of[gone].before >= before)
        gone++;
    l->count -= gone;
    memmove(l->of, l->of + gone, l->count * sizeof(struct life));
    if (l->count == LIVES_MAX)
        l->count--;
    memmove(l->of + 1, l->of, l->count * sizeof(struct life));
    l->of[0] = (struct life){ epoch, before };
    l->count++;
}

bool lives_find(const struct lives *l, uint64_t seq, struct life_span *out)
{
    uint64_t last = UINT64_MAX;

    for (size_t i = 0; i < l->count; i++) {
        if (seq > l->of[i].before) {
            *out = (struct life_span){ l->of[i].epoch, l->of[i].before + 1, last };
            return true;
        }
        last = l->of[i].before;
    }
    *out = (struct life_span){ 0, 1, last };
    return false;
}

void lives_write(struct buf *out, const struct lives *l)
{
    for (size_t i = 0; i < LIVES_MAX; i++) {
        buf_le64(out, i < l->count ? l->of[i].epoch : 0);
        buf_le64(out, i < l->count ? l->of[i].before : 0);
    }
}

void lives_read(struct rd *r, struct lives *out)
{
    *out = (struct lives){ 0 };
    for (size_t i = 0; i < LIVES_MAX; i++) {
        struct life f = { .epoch = rd_le64(r) };

        f.before = rd_le64(r);
        if (f.epoch != 0 && out->count == i)
            out->of[out->count++] = f;
    }
}
