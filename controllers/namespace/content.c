#include "controllers/namespace/namespace.h"

static const char *path_of(struct emptying *e, const struct kind *k)
{
    return k->group[0] != '\0'
               ? opr_ctx_text(e->c, "/apis/%s/%s/namespaces/%s/%s", k->group, k->version, e->name,
                              k->plural)
               : opr_ctx_text(e->c, "/api/%s/namespaces/%s/%s", k->version, e->name, k->plural);
}

static void note_finalizers(struct emptying *e, const struct opr_obj *o)
{
    const struct opr_obj *list = opr_obj_at(o, "/metadata/finalizers");
    for (const struct opr_obj *f = opr_obj_first(list); f; f = opr_obj_next(f)) {
        const char *name = opr_obj_str(f, "", "");
        uint32_t i = 0;
        while (i < e->finalizer_count && !str_eq(e->finalizers[i].name, name)) {
            i++;
        }
        if (i < FINALIZERS_MAX) {
            e->finalizer_count += i == e->finalizer_count;
            e->finalizers[i].name = name;
            e->finalizers[i].count++;
        }
    }
    int64_t grace_s = opr_obj_int(o, "/spec/terminationGracePeriodSeconds", 0);
    e->longest_grace_s = grace_s > e->longest_grace_s ? grace_s : e->longest_grace_s;
}

static bool list(struct emptying *e, const struct kind *k, const struct opr_obj **ret_items)
{
    const struct opr_obj *all = NULL;
    opr_status st = opr_request(e->c, "GET", path_of(e, k), NULL, &all);
    if (st == OPR_OK) {
        *ret_items = opr_obj_at(all, "/items");
    } else if (st != OPR_E_NOT_FOUND) {
        e->content_failure = opr_ctx_text(e->c, "%s", opr_ctx_error(e->c));
    }
    return st == OPR_OK;
}

static void remove_all(struct emptying *e, const struct kind *k, const struct opr_obj *items)
{
    struct opr_doc *options = opr_doc_new(
        e->c, "{'apiVersion':'v1','kind':'DeleteOptions','propagationPolicy':'Background'}");
    if (k->deletes_collections) {
        if (opr_request(e->c, "DELETE", path_of(e, k), options, NULL) != OPR_OK) {
            e->content_failure = opr_ctx_text(e->c, "%s", opr_ctx_error(e->c));
        }
        return;
    }
    for (const struct opr_obj *o = opr_obj_first(items); o; o = opr_obj_next(o)) {
        const char *path = opr_ctx_text(e->c, "%s/%s", path_of(e, k), meta_name(o));
        opr_status st = opr_request(e->c, "DELETE", path, options, NULL);
        if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
            e->content_failure = opr_ctx_text(e->c, "%s", opr_ctx_error(e->c));
        }
    }
}

/* Live, not from a cache: what is missed here would be left behind for ever. */
static void empty(struct emptying *e, struct kind *k)
{
    const struct opr_obj *items = NULL;
    if (!list(e, k, &items) || opr_obj_len(items) == 0) {
        return;
    }
    remove_all(e, k, items);
    if (!list(e, k, &items)) {
        return;
    }
    for (const struct opr_obj *o = opr_obj_first(items); o; o = opr_obj_next(o)) {
        k->remaining++;
        note_finalizers(e, o);
    }
}

static bool is_pods(const struct kind *k)
{
    return k->group[0] == '\0' && str_eq(k->plural, "pods");
}

uint32_t content_remove(struct emptying *e)
{
    uint32_t remaining = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        if (is_pods(&e->kinds[i])) {
            empty(e, &e->kinds[i]);
            remaining += e->kinds[i].remaining;
        }
    }
    if (remaining > 0 || e->content_failure) {
        return remaining; /* what they use must outlive them */
    }
    for (uint32_t i = 0; i < e->count; i++) {
        if (!is_pods(&e->kinds[i])) {
            empty(e, &e->kinds[i]);
            remaining += e->kinds[i].remaining;
        }
    }
    return remaining;
}
