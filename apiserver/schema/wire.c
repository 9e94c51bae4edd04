#include "apiserver/schema/wire.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static opr_status wire_error(struct opr__wire *w, const char *what)
{
    return opr_error_set(w->reterr, OPR_E_INVALID, "proto: %s", what);
}

opr_status opr__wire_varint(struct opr__wire *w, uint64_t *ret_value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (w->p >= w->end) {
            return wire_error(w, "unexpected EOF");
        }
        uint8_t b = *w->p++;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *ret_value = v;
            return OPR_OK;
        }
    }
    return wire_error(w, "integer overflow");
}

opr_status opr__wire_fixed(struct opr__wire *w, size_t size, uint64_t *ret_value)
{
    if ((size_t)(w->end - w->p) < size) {
        return wire_error(w, "unexpected EOF");
    }
    uint64_t v = 0;
    for (size_t i = size; i > 0; i--) {
        v = v << 8 | w->p[i - 1];
    }
    w->p += size;
    *ret_value = v;
    return OPR_OK;
}

opr_status opr__wire_next(struct opr__wire *w, struct opr__wire_field *f)
{
    if (w->p >= w->end) {
        return OPR_E_END;
    }
    uint64_t tag, len;
    OPR_TRY(opr__wire_varint(w, &tag));
    *f = (struct opr__wire_field){.number = (uint32_t)(tag >> 3), .type = (int)(tag & 7)};
    if (f->number == 0) {
        return wire_error(w, "illegal tag 0");
    }
    switch (f->type) {
    case OPR__WIRE_VARINT:
        return opr__wire_varint(w, &f->number_value);
    case OPR__WIRE_FIXED64:
        return opr__wire_fixed(w, 8, &f->number_value);
    case OPR__WIRE_FIXED32:
        return opr__wire_fixed(w, 4, &f->number_value);
    case OPR__WIRE_BYTES:
        OPR_TRY(opr__wire_varint(w, &len));
        if (len > (uint64_t)(w->end - w->p)) {
            return wire_error(w, "unexpected EOF");
        }
        f->bytes = opr_str_n((const char *)w->p, (size_t)len);
        w->p += len;
        return OPR_OK;
    default:
        return wire_error(w, "illegal wireType");
    }
}

struct opr__wire opr__wire_of(const struct opr__wire *outer, struct opr_str bytes)
{
    const uint8_t *p = (const uint8_t *)(bytes.len > 0 ? bytes.ptr : "");
    return (struct opr__wire){p, p + bytes.len, outer->reterr, outer->depth + 1};
}

opr_status opr__wire_small(const struct opr__wire *outer, struct opr_str bytes,
                           struct opr__small *m)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    struct opr__wire_field f;
    *m = (struct opr__small){0};
    opr_status st;
    while ((st = opr__wire_next(&w, &f)) == OPR_OK) {
        if (f.number < 4) {
            m->number[f.number] = f.number_value;
            m->text[f.number] = f.bytes;
        }
    }
    return st == OPR_E_END ? OPR_OK : st;
}
