/* Field selectors (apimachinery pkg/fields): terms split at commas, "\" escapes "," "=" and "\". */
#include "core/api/selector.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

/* Takes the part before the next comma that is not escaped. */
static bool next_term(struct opr_str *rest, struct opr_str *ret_term)
{
    size_t n = 0;
    if (rest->len == 0) {
        return false;
    }
    while (n < rest->len && rest->ptr[n] != ',') {
        n += rest->ptr[n] == '\\' && n + 1 < rest->len ? 2 : 1;
    }
    *ret_term = opr_str_n(rest->ptr, n);
    size_t used = n < rest->len ? n + 1 : n;
    *rest = opr_str_n(rest->ptr + used, rest->len - used);
    return true;
}

/* Splits at the first of "!=", "==" and "=". */
static bool split_term(struct opr_str term, struct opr_field_req *ret_req)
{
    for (size_t i = 0; i < term.len; i++) {
        bool is_negated = term.ptr[i] == '!' && i + 1 < term.len && term.ptr[i + 1] == '=';
        if (!is_negated && term.ptr[i] != '=') {
            continue;
        }
        bool is_pair = is_negated || (i + 1 < term.len && term.ptr[i + 1] == '=');
        size_t begin = i + (is_pair ? 2 : 1);
        *ret_req = (struct opr_field_req){
            .field = opr_str_n(term.ptr, i),
            .value = opr_str_n(term.ptr + begin, term.len - begin),
            .is_negated = is_negated,
        };
        return i > 0;
    }
    return false;
}

static opr_status unescape(struct opr_arena *a, struct opr_str *value, struct opr_error *reterr)
{
    char *out = opr_arena_alloc(a, value->len + 1);
    size_t len = 0;
    for (size_t i = 0; i < value->len; i++) {
        char c = value->ptr[i];
        if (c == ',' || c == '=') {
            return opr_error_set(reterr, OPR_E_INVALID,
                                 "invalid field selector: unescaped character in value: %d", c);
        }
        if (c == '\\') {
            char after = ++i < value->len ? value->ptr[i] : '\0';
            if (after != '\\' && after != ',' && after != '=') {
                return opr_error_set(reterr, OPR_E_INVALID,
                                     "invalid field selector: invalid escape sequence: \\%.*s",
                                     after != '\0', &after);
            }
            c = after;
        }
        out[len++] = c;
    }
    *value = opr_str_n(out, len);
    return OPR_OK;
}

opr_status opr_field_selector_parse(struct opr_arena *a, struct opr_str text,
                                    struct opr_field_req **ret_reqs, size_t *ret_count,
                                    struct opr_error *reterr)
{
    size_t room = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        room += text.ptr[i] == ',';
    }
    struct opr_field_req *reqs = opr_arena_alloc(a, room * sizeof *reqs);
    struct opr_str rest = text, term;
    while (next_term(&rest, &term)) {
        if (term.len == 0) {
            continue;
        }
        if (!split_term(term, &reqs[count])) {
            return opr_error_set(reterr, OPR_E_INVALID,
                                 "invalid selector: '%.*s'; can't understand '%.*s'",
                                 OPR_STR_ARG(text), OPR_STR_ARG(term));
        }
        OPR_TRY(unescape(a, &reqs[count].value, reterr));
        count++;
    }
    *ret_reqs = reqs;
    *ret_count = count;
    return OPR_OK;
}
