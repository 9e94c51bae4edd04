#include "core/json/node.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

const struct opr_obj *opr_json_root(const struct opr_obj *o)
{
    return o ? o - OPR__NODE_INDEX(o) : NULL;
}

struct opr_obj *opr_json_ref(const struct opr_obj *o)
{
    if (!o) {
        return NULL;
    }
    struct opr__block *b = (struct opr__block *)(uintptr_t)opr__block_of(o);
    __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    return (struct opr_obj *)(uintptr_t)o;
}

void opr_json_unref(struct opr_obj *o)
{
    if (!o) {
        return;
    }
    struct opr__block *b = (struct opr__block *)(uintptr_t)opr__block_of(o);
    uint32_t before = __atomic_fetch_sub(&b->refs, 1, __ATOMIC_ACQ_REL);
    OPR_CHECK(before > 0);
    if (before == 1) {
        opr_free(b);
    }
}

size_t opr_json_size_bytes(const struct opr_obj *o)
{
    if (!o) {
        return 0;
    }
    const struct opr__block *b = opr__block_of(o);
    return sizeof *b + b->nodes * sizeof *b->node + b->text_len;
}

int32_t opr_json_type(const struct opr_obj *o)
{
    return o ? OPR__NODE_TYPE(o) : OPR_TYPE_NONE;
}

uint32_t opr_json_len(const struct opr_obj *o)
{
    int32_t type = opr_json_type(o);
    return type == OPR_TYPE_OBJECT || type == OPR_TYPE_ARRAY || type == OPR_TYPE_STRING ? o->len
                                                                                        : 0;
}

const struct opr_obj *opr_json_first(const struct opr_obj *o)
{
    int32_t type = opr_json_type(o);
    if ((type != OPR_TYPE_OBJECT && type != OPR_TYPE_ARRAY) || o->len == 0) {
        return NULL;
    }
    return o + 1;
}

const struct opr_obj *opr_json_next(const struct opr_obj *o)
{
    if (!o || (o->head & OPR__NODE_LAST)) {
        return NULL;
    }
    int32_t type = OPR__NODE_TYPE(o);
    bool has_children = type == OPR_TYPE_OBJECT || type == OPR_TYPE_ARRAY;
    return has_children ? o + (o->text - OPR__NODE_INDEX(o)) : o + 1;
}

const char *opr_json_name(const struct opr_obj *o)
{
    return o ? opr__node_name(o, opr__text_of(opr__block_of(o))) : NULL;
}

const struct opr_obj *opr_json_member(const struct opr_obj *o, struct opr_str name)
{
    /* No member's name has a terminator in it, and the look past one below needs that of ours. */
    name.ptr = name.ptr ? name.ptr : "";
    if (opr_json_type(o) != OPR_TYPE_OBJECT || memchr(name.ptr, 0, name.len)) {
        return NULL;
    }
    const char *text = opr__text_of(opr__block_of(o));
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        const char *n = opr__node_name(v, text);
        if (strncmp(n, name.ptr, name.len) == 0 && n[name.len] == '\0') {
            return v;
        }
    }
    return NULL;
}

const struct opr_obj *opr_json_index(const struct opr_obj *o, uint32_t i)
{
    if (opr_json_type(o) != OPR_TYPE_ARRAY) {
        return NULL;
    }
    const struct opr_obj *v = opr_json_first(o);
    while (v && i-- > 0) {
        v = opr_json_next(v);
    }
    return v;
}

/* A member by a pointer token that has ~0 or ~1 in it. */
static const struct opr_obj *escaped_member(const struct opr_obj *o, struct opr_str token)
{
    struct opr_buf name = {0};
    for (size_t i = 0; i < token.len; i++) {
        char after = i + 1 < token.len ? token.ptr[i + 1] : 'x';
        if (token.ptr[i] == '~' && (after == '0' || after == '1')) {
            opr_buf_add_char(&name, after == '1' ? '/' : '~');
            i++;
        } else {
            opr_buf_add_char(&name, token.ptr[i]);
        }
    }
    const struct opr_obj *found = opr_json_member(o, opr_buf_str(&name));
    opr_buf_fini(&name);
    return found;
}

const struct opr_obj *opr_json_at(const struct opr_obj *o, const char *ptr)
{
    while (o && *ptr == '/') {
        const char *end = strchrnul(++ptr, '/');
        struct opr_str token = opr_str_n(ptr, (size_t)(end - ptr));
        if (opr_json_type(o) == OPR_TYPE_ARRAY) {
            uint64_t i;
            o = opr_str_to_u64(token, &i) == OPR_OK && i < o->len ? opr_json_index(o, (uint32_t)i)
                                                                  : NULL;
        } else if (memchr(token.ptr, '~', token.len)) {
            o = escaped_member(o, token);
        } else {
            o = opr_json_member(o, token);
        }
        ptr = end;
    }
    return *ptr == '\0' ? o : NULL;
}

struct opr_str opr_json_text(const struct opr_obj *o, const char *ptr)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    return opr_json_type(v) == OPR_TYPE_STRING ? opr__node_text(v) : opr_str_n(NULL, 0);
}

const char *opr_json_str(const struct opr_obj *o, const char *ptr, const char *dflt)
{
    struct opr_str text = opr_json_text(o, ptr);
    return text.ptr ? text.ptr : dflt;
}

double opr_json_num(const struct opr_obj *o, const char *ptr, double dflt)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    return opr_json_type(v) == OPR_TYPE_NUMBER ? strtod(opr__node_text(v).ptr, NULL) : dflt;
}

int64_t opr_json_int(const struct opr_obj *o, const char *ptr, int64_t dflt)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    int64_t value;
    if (opr_json_type(v) != OPR_TYPE_NUMBER) {
        return dflt;
    }
    if (opr_str_to_i64(opr__node_text(v), &value) == OPR_OK) {
        return value;
    }
    double number = strtod(opr__node_text(v).ptr, NULL);
    bool fits = number >= -9223372036854775808.0 && number < 9223372036854775808.0;
    return fits ? (int64_t)number : dflt;
}

bool opr_json_bool(const struct opr_obj *o, const char *ptr, bool dflt)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    return opr_json_type(v) == OPR_TYPE_BOOL ? v->text != 0 : dflt;
}
