#include "controllers/deployment/deployment.h"

/* FNV-1a, 32 bits (draft-eastlake-fnv), over a canonical serialisation of the template: members in
 * name order, absent, null and empty values left out, as template_equal() sees them. */
static uint32_t fnv(uint32_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 16777619u;
    }
    return h;
}

static uint32_t fnv_text(uint32_t h, const char *tag, const char *text)
{
    h = fnv(h, tag, strlen(tag));
    return fnv(h, text, strlen(text) + 1);
}

static bool is_empty(const struct opr_obj *v)
{
    switch (opr_obj_type(v)) {
    case OPR_TYPE_NONE:
    case OPR_TYPE_NULL:
        return true;
    case OPR_TYPE_OBJECT:
    case OPR_TYPE_ARRAY:
        for (const struct opr_obj *x = opr_obj_first(v); x; x = opr_obj_next(x)) {
            if (opr_obj_type(v) == OPR_TYPE_ARRAY || !is_empty(x)) {
                return false;
            }
        }
        return true;
    default:
        return false;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(opr_obj_name(*(const struct opr_obj *const *)a),
                  opr_obj_name(*(const struct opr_obj *const *)b));
}

static uint32_t hash_value(struct opr_ctx *c, uint32_t h, const struct opr_obj *v);

static uint32_t hash_members(struct opr_ctx *c, uint32_t h, const struct opr_obj *v)
{
    uint32_t n = 0;
    const struct opr_obj **members = opr_ctx_alloc(c, (opr_obj_len(v) + 1) * sizeof *members);
    for (const struct opr_obj *x = opr_obj_first(v); x; x = opr_obj_next(x)) {
        if (!is_empty(x)) {
            members[n++] = x;
        }
    }
    qsort(members, n, sizeof *members, by_name);
    h = fnv(h, "{", 1);
    for (uint32_t i = 0; i < n; i++) {
        h = hash_value(c, fnv_text(h, ".", opr_obj_name(members[i])), members[i]);
    }
    return fnv(h, "}", 1);
}

static uint32_t hash_value(struct opr_ctx *c, uint32_t h, const struct opr_obj *v)
{
    switch (opr_obj_type(v)) {
    case OPR_TYPE_BOOL:
        return fnv_text(h, "b", opr_obj_bool(v, "", false) ? "1" : "0");
    case OPR_TYPE_NUMBER:
        return fnv_text(h, "n", opr_ctx_text(c, "%.17g", opr_obj_num(v, "", 0)));
    case OPR_TYPE_STRING:
        return fnv_text(h, "s", opr_obj_str(v, "", ""));
    case OPR_TYPE_OBJECT:
        return hash_members(c, h, v);
    case OPR_TYPE_ARRAY:
        h = fnv(h, "[", 1);
        for (const struct opr_obj *x = opr_obj_first(v); x; x = opr_obj_next(x)) {
            h = hash_value(c, h, x);
        }
        return fnv(h, "]", 1);
    default:
        return h;
    }
}

const char *template_hash(struct opr_ctx *c, const struct opr_obj *pod_template, int64_t collisions)
{
    /* Kubernetes' safe alphabet: no vowels and no digits that make words. */
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    uint32_t h = hash_value(c, 2166136261u, pod_template);
    if (collisions >= 0) {
        unsigned char le[8] = {(unsigned char)collisions, (unsigned char)(collisions >> 8),
                               (unsigned char)(collisions >> 16),
                               (unsigned char)(collisions >> 24)};
        h = fnv(h, le, sizeof le);
    }
    char *text = opr_ctx_text(c, "%u", h);
    for (char *p = text; *p != '\0'; p++) {
        *p = alphabet[(unsigned char)*p % 27u];
    }
    return text;
}

bool template_equal(struct opr_ctx *c, const struct opr_obj *a, const struct opr_obj *b)
{
    if (!opr_obj_equal(opr_obj_at(a, "/spec"), opr_obj_at(b, "/spec"))) {
        return false;
    }
    struct opr_doc *x = opr_doc_new(c, "{'m':%p}", opr_obj_at(a, "/metadata"));
    struct opr_doc *y = opr_doc_new(c, "{'m':%p}", opr_obj_at(b, "/metadata"));
    opr_doc_remove(x, "/m/labels/" HASH_LABEL);
    opr_doc_remove(y, "/m/labels/" HASH_LABEL);
    return opr_obj_equal(opr_doc_obj(x), opr_doc_obj(y));
}
