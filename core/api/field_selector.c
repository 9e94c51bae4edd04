#include "core/api/selector.h"

#include "core/base/str.h"

opr_status opr_field_selector_parse(struct opr_arena *a, struct opr_str text,
                                    struct opr_field_req **ret_reqs, size_t *ret_count,
                                    struct opr_error *reterr)
{
    size_t room = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        room += text.ptr[i] == ',';
    }
    struct opr_field_req *reqs = opr_arena_alloc(a, room * sizeof *reqs);
    struct opr_str part;
    while (opr_str_next(&text, ',', &part)) {
        part = opr_str_trim(part);
        if (part.len == 0) {
            continue;
        }
        const char *equals = memchr(part.ptr, '=', part.len);
        if (!equals || equals == part.ptr) {
            return opr_error_set(reterr, OPR_E_INVALID,
                                 "invalid field selector: '%.*s'; can't understand '%.*s'",
                                 OPR_STR_ARG(part), OPR_STR_ARG(part));
        }
        size_t len = (size_t)(equals - part.ptr);
        bool is_negated = part.ptr[len - 1] == '!';
        struct opr_str value = opr_str_n(equals + 1, part.len - len - 1);
        if (value.len > 0 && value.ptr[0] == '=') {
            value = opr_str_n(value.ptr + 1, value.len - 1);
        }
        reqs[count++] = (struct opr_field_req){
            .field = opr_str_trim(opr_str_n(part.ptr, len - is_negated)),
            .value = value,
            .is_negated = is_negated,
        };
    }
    *ret_reqs = reqs;
    *ret_count = count;
    return OPR_OK;
}
