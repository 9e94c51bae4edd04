/* Bringing a live object to a wanted state that names only some of its members. What the server or
 * others added stays; what was wanted before and is not now goes. As kubectl apply does, with lists
 * matched by the members that Kubernetes names as their map keys. */
#include "controllers/policy/reconcile.h"

static const char *const list_keys[] = {"/containerPort", "/port", "/name", "/mountPath",
                                        "/devicePath",    "/ip",   "/type", "/key"};

static bool is_object(const struct opr_obj *o)
{
    return opr_obj_type(o) == OPR_TYPE_OBJECT;
}

static bool all_have(const struct opr_obj *list, const char *key)
{
    for (const struct opr_obj *o = opr_obj_first(list); o; o = opr_obj_next(o)) {
        const struct opr_obj *value = is_object(o) ? opr_obj_at(o, key) : NULL;
        if (!value || opr_obj_type(value) == OPR_TYPE_OBJECT) {
            return false;
        }
        for (const struct opr_obj *x = opr_obj_first(list); x != o; x = opr_obj_next(x)) {
            if (opr_obj_equal(opr_obj_at(x, key), value)) {
                return false; /* it does not tell them apart */
            }
        }
    }
    return true;
}

static const char *list_key(const struct opr_obj *live, const struct opr_obj *wanted)
{
    for (size_t i = 0; i < sizeof list_keys / sizeof *list_keys; i++) {
        if (all_have(live, list_keys[i]) && all_have(wanted, list_keys[i])) {
            return list_keys[i];
        }
    }
    return NULL;
}

static const struct opr_obj *same_in(const struct opr_obj *list, const char *key,
                                     const struct opr_obj *o)
{
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        if (is_object(x) && opr_obj_equal(opr_obj_at(x, key), opr_obj_at(o, key))) {
            return x;
        }
    }
    return NULL;
}

/* In the order of the live list; what is new comes last. */
static const struct opr_obj *merged_by_key(struct opr_ctx *c, const char *key,
                                           const struct opr_obj *live, const struct opr_obj *last,
                                           const struct opr_obj *wanted)
{
    struct opr_doc *d = opr_doc_new(c, "[]");
    for (const struct opr_obj *o = opr_obj_first(live); o; o = opr_obj_next(o)) {
        const struct opr_obj *want = same_in(wanted, key, o), *before = same_in(last, key, o);
        if (want) {
            opr_doc_set(d, "/-", "%p", merged(c, o, before, want));
        } else if (!before) {
            opr_doc_set(d, "/-", "%p", o);
        }
    }
    for (const struct opr_obj *o = opr_obj_first(wanted); o; o = opr_obj_next(o)) {
        if (!same_in(live, key, o)) {
            opr_doc_set(d, "/-", "%p", o);
        }
    }
    return opr_doc_obj(d);
}

static const struct opr_obj *merged_by_position(struct opr_ctx *c, const struct opr_obj *live,
                                                const struct opr_obj *last,
                                                const struct opr_obj *wanted)
{
    if (opr_obj_len(live) != opr_obj_len(wanted)) {
        return wanted;
    }
    bool has_last = opr_obj_type(last) == OPR_TYPE_ARRAY && opr_obj_len(last) == opr_obj_len(live);
    struct opr_doc *d = opr_doc_new(c, "[]");
    const struct opr_obj *before = has_last ? opr_obj_first(last) : NULL;
    const struct opr_obj *want = opr_obj_first(wanted);
    for (const struct opr_obj *o = opr_obj_first(live); o; o = opr_obj_next(o)) {
        opr_doc_set(d, "/-", "%p", merged(c, o, before, want));
        before = has_last ? opr_obj_next(before) : NULL;
        want = opr_obj_next(want);
    }
    return opr_doc_obj(d);
}

static const struct opr_obj *merged_objects(struct opr_ctx *c, const struct opr_obj *live,
                                            const struct opr_obj *last,
                                            const struct opr_obj *wanted)
{
    struct opr_doc *d = opr_doc_of(c, live);
    for (const struct opr_obj *m = is_object(last) ? opr_obj_first(last) : NULL; m;
         m = opr_obj_next(m)) {
        const char *ptr = member_ptr(c, "", opr_obj_name(m));
        if (!opr_obj_at(wanted, ptr)) {
            opr_doc_remove(d, ptr);
        }
    }
    for (const struct opr_obj *m = opr_obj_first(wanted); m; m = opr_obj_next(m)) {
        const char *ptr = member_ptr(c, "", opr_obj_name(m));
        opr_doc_set(d, ptr, "%p", merged(c, opr_obj_at(live, ptr), opr_obj_at(last, ptr), m));
    }
    return opr_doc_obj(d);
}

const struct opr_obj *merged(struct opr_ctx *c, const struct opr_obj *live,
                             const struct opr_obj *last, const struct opr_obj *wanted)
{
    if (is_object(live) && is_object(wanted)) {
        return merged_objects(c, live, last, wanted);
    }
    if (opr_obj_type(live) == OPR_TYPE_ARRAY && opr_obj_type(wanted) == OPR_TYPE_ARRAY) {
        const char *key = list_key(live, wanted);
        return key ? merged_by_key(c, key, live, last, wanted)
                   : merged_by_position(c, live, last, wanted);
    }
    return wanted;
}

const struct opr_obj *merge_patch(struct opr_ctx *c, const struct opr_obj *from,
                                  const struct opr_obj *to)
{
    struct opr_doc *d = opr_doc_new(c, "{}");
    bool differs = false;
    for (const struct opr_obj *m = opr_obj_first(from); m; m = opr_obj_next(m)) {
        const char *ptr = member_ptr(c, "", opr_obj_name(m));
        if (!opr_obj_at(to, ptr)) {
            opr_doc_set(d, ptr, "null");
            differs = true;
        }
    }
    for (const struct opr_obj *m = opr_obj_first(to); m; m = opr_obj_next(m)) {
        const char *ptr = member_ptr(c, "", opr_obj_name(m));
        const struct opr_obj *was = opr_obj_at(from, ptr);
        const struct opr_obj *value = is_object(was) && is_object(m) ? merge_patch(c, was, m)
                                      : was && opr_obj_equal(was, m) ? NULL
                                                                     : m;
        if (value) {
            opr_doc_set(d, ptr, "%p", value);
            differs = true;
        }
    }
    return differs ? opr_doc_obj(d) : NULL;
}
