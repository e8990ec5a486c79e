/* One record with its strings in one piece of memory, kept until the journal has it. */
#include "journal/put.h"

#include "base/mem.h"

static struct str keep(char **at, struct str s)
{
    struct str kept = { *at, s.n };

    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

static void on_done(struct journal_entry *e, int code)
{
    struct journal_put *p = container_of(e, struct journal_put, entry);

    p->done(p, code);
}

struct journal_put *journal_put_new(const struct record *r, struct blob *payload,
                                    struct loop *reply,
                                    void (*done)(struct journal_put *p, int code), void *ctx)
{
    size_t n = r->device.n + r->stream.n + r->content_type.n + (payload ? 0 : r->payload.n);
    struct journal_put *p = mem_new(sizeof(*p) + n + 1);
    char *at = p->bytes;

    p->record = *r;
    p->record.device = keep(&at, r->device);
    p->record.stream = keep(&at, r->stream);
    p->record.content_type = keep(&at, r->content_type);
    if (payload)
        p->payload = blob_ref(payload);
    else
        p->record.payload = keep(&at, r->payload);
    p->entry = (struct journal_entry){
        .records = &p->record, .count = 1, .reply = reply, .done = on_done
    };
    p->done = done;
    p->ctx = ctx;
    return p;
}

void journal_put(struct journal *j, struct journal_put *p)
{
    journal_append(j, &p->entry);
}

void journal_put_free(struct journal_put *p)
{
    blob_unref(p->payload);
    mem_free(p);
}
