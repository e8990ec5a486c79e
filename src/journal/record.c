/*
 * What every record must hold to, wherever it comes from: used by ingest before a record is made,
 * by the journal before it is written, and by the batch decoder for what another node sends.
 */
#include "journal/record.h"

static const char *const kind_names[RECORD_KINDS] = {
    [RECORD_READING] = "reading", [RECORD_DETECTION] = "detection", [RECORD_STATUS] = "status",
    [RECORD_EVENT] = "event",     [RECORD_RESULT] = "result",       [RECORD_GAP] = "gap",
    [RECORD_MARK] = "mark",
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool record_device_valid(struct str device)
{
    if (device.n < 1 || device.n > RECORD_DEVICE_MAX)
        return false;
    for (size_t i = 0; i < device.n; i++)
        if (!is_name_char(device.p[i]))
            return false;
    return true;
}

bool record_stream_valid(struct str stream)
{
    if (stream.n < 1 || stream.n > RECORD_STREAM_MAX)
        return false;
    for (size_t i = 0; i < stream.n; i++)
        if (!is_name_char(stream.p[i]) && stream.p[i] != '.')
            return false;
    return true;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

static bool content_type_valid(struct str s)
{
    return s.n <= RECORD_CONTENT_MAX && is_printable(s);
}

int record_check(const struct record *r, size_t payload_max)
{
    if (!record_kind_name(r->kind) || !content_type_valid(r->content_type))
        return ERR_VALUE;
    if ((r->flags & ~(unsigned)(RECORD_ARRIVAL | RECORD_CORRECTED)) != 0 ||
        (!(r->flags & RECORD_CORRECTED) && r->sent_ns != 0))
        return ERR_VALUE;
    if (r->kind == RECORD_MARK) {
        if (r->flags || !uuid_is_zero(&r->id) || r->device.n > 0 || r->stream.n > 0 || r->first ||
            r->content_type.n > 0 || r->payload.n > 0 || r->origin_seq == 0)
            return ERR_VALUE;
    } else if (r->kind == RECORD_GAP) {
        if (r->flags || !uuid_is_zero(&r->id))
            return ERR_VALUE;
        if (r->device.n > 0 || r->stream.n > 0 || r->content_type.n > 0 || r->first == 0 ||
            r->first > r->origin_seq || !is_printable(r->payload))
            return ERR_VALUE;
    } else if (!record_device_valid(r->device) || !record_stream_valid(r->stream) || r->first) {
        return ERR_VALUE;
    }
    return r->payload.n > payload_max ? ERR_LIMIT : 0;
}

const char *record_kind_name(unsigned kind)
{
    return kind < RECORD_KINDS ? kind_names[kind] : NULL;
}

enum record_kind record_kind_from(struct str name)
{
    for (unsigned k = 1; k < RECORD_KINDS; k++)
        if (str_eq(name, str_of(kind_names[k])))
            return (enum record_kind)k;
    return (enum record_kind)0;
}
