#include "core/json/path.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/json/node.h"

struct step {
    struct opr_str name; /* in the path's own text, terminated */
    uint32_t shared;     /* place of the name in the pool; 0: none */
    uint32_t index;      /* as an element */
    bool is_index;
};

struct opr_path {
    size_t count;
    char *text; /* owned */
    struct step steps[];
};

/* Unescapes ~0 and ~1 in place, where the separator is a slash. */
static struct opr_str unescape(char *token, size_t len, char separator)
{
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_escape = separator == '/' && token[i] == '~' && i + 1 < len &&
                         (token[i + 1] == '0' || token[i + 1] == '1');
        token[out++] = is_escape ? (token[i + 1] == '1' ? '/' : '~') : token[i];
        i += is_escape;
    }
    token[out] = '\0';
    return opr_str_n(token, out);
}

static struct opr_path *split(struct opr_str text, char separator)
{
    size_t count = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == separator;
    }
    struct opr_path *p = opr_xalloc(sizeof *p + count * sizeof p->steps[0]);
    p->text = opr_xstrndup(text.ptr, text.len);
    p->count = count;
    char *at = p->text;
    for (size_t i = 0; i < count; i++) {
        char *end = strchrnul(at, separator);
        struct step *s = &p->steps[i];
        uint64_t index;
        s->name = unescape(at, (size_t)(end - at), separator);
        s->is_index = opr_str_to_u64(s->name, &index) == OPR_OK && index < UINT32_MAX;
        s->index = s->is_index ? (uint32_t)index : 0;
        s->shared = opr__intern_now(s->name);
        at = end + 1;
    }
    return p;
}

struct opr_path *opr_path_new(struct opr_str pointer)
{
    bool has_slash = pointer.len > 0 && pointer.ptr[0] == '/';
    return split(has_slash ? opr_str_n(pointer.ptr + 1, pointer.len - 1) : pointer, '/');
}

struct opr_path *opr_path_from_field(struct opr_str field)
{
    return split(field, '.');
}

void opr_path_free(struct opr_path *p)
{
    if (p) {
        opr_free(p->text);
        opr_free(p);
    }
}

static const struct opr_obj *member(const struct opr_obj *o, const struct step *s)
{
    const char *text = opr__text_of(opr__block_of(o));
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        bool is_same = s->shared != 0 && (v->name & OPR__NAME_SHARED)
                           ? (v->name & ~OPR__NAME_SHARED) == s->shared
                           : strcmp(opr__node_name(v, text), s->name.ptr) == 0;
        if (is_same) {
            return v;
        }
    }
    return NULL;
}

const struct opr_obj *opr_path_at(const struct opr_path *p, const struct opr_obj *o)
{
    for (size_t i = 0; i < p->count && o; i++) {
        const struct step *s = &p->steps[i];
        int32_t type = opr_json_type(o);
        if (type == OPR_TYPE_ARRAY) {
            o = s->is_index ? opr_json_index(o, s->index) : NULL;
        } else {
            o = type == OPR_TYPE_OBJECT ? member(o, s) : NULL;
        }
    }
    return o;
}
