/* Default roles and bindings of an older version, found in an existing folder: what is new in them
 * is added, what a user added stays; the annotation autoupdate "false" leaves one as it is
 * (kubernetes.io/docs/reference/access-authn-authz/rbac, auto-reconciliation). */
#include "apiserver/registry/api.h"

#include "core/base/str.h"

/* Every word of a list is in the other, which may say "*". */
static bool covers(struct json_object *list, struct json_object *words)
{
    for (size_t i = 0; words && i < json_object_array_length(words); i++) {
        const char *word = json_object_get_string(json_object_array_get_idx(words, i));
        bool is_found = false;
        for (size_t j = 0; list && j < json_object_array_length(list) && !is_found; j++) {
            const char *other = json_object_get_string(json_object_array_get_idx(list, j));
            is_found = strcmp(other, "*") == 0 || strcmp(other, word) == 0;
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

/* A name is only itself. */
static bool covers_names(struct json_object *names, struct json_object *wanted)
{
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(names, i)), "*") == 0) {
            return false;
        }
    }
    return covers(names, wanted);
}

static bool covers_rule(struct json_object *rule, struct json_object *wanted)
{
    static const char *const lists[] = {"/verbs", "/apiGroups", "/resources", "/nonResourceURLs"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (!covers(opr_doc_at(rule, lists[i]), opr_doc_at(wanted, lists[i]))) {
            return false;
        }
    }
    struct json_object *names = opr_doc_at(rule, "/resourceNames");
    struct json_object *wanted_names = opr_doc_at(wanted, "/resourceNames");
    bool is_of_all = !names || json_object_array_length(names) == 0;
    return is_of_all || (wanted_names && covers_names(names, wanted_names));
}

static bool is_same_subject(struct json_object *subject, struct json_object *wanted)
{
    return strcmp(opr_doc_str(subject, "/kind", ""), opr_doc_str(wanted, "/kind", "")) == 0 &&
           strcmp(opr_doc_str(subject, "/name", ""), opr_doc_str(wanted, "/name", "")) == 0;
}

/* Adds the members of a list that the document's has not; true where there were such. */
static bool add_missing(struct json_object *doc, struct json_object *wanted, const char *path,
                        bool (*is_there)(struct json_object *, struct json_object *))
{
    bool is_changed = false;
    struct json_object *news = opr_doc_at(wanted, path);
    for (size_t i = 0; news && i < json_object_array_length(news); i++) {
        struct json_object *item = json_object_array_get_idx(news, i);
        struct json_object *list = opr_doc_at(doc, path);
        bool is_found = false;
        for (size_t j = 0; list && j < json_object_array_length(list) && !is_found; j++) {
            is_found = is_there(json_object_array_get_idx(list, j), item);
        }
        if (!is_found) {
            struct opr_arena *a = opr_arena_new();
            (void)!opr_doc_put(doc, opr_arena_printf(a, "%s/-", path),
                               opr_doc_dup(item)); /* doc is a role or a binding: it was stored */
            opr_arena_free(a);
            is_changed = true;
        }
    }
    return is_changed;
}

/* Labels or annotations that it has not get their values. */
static bool add_marks(struct json_object *doc, struct json_object *wanted, const char *path)
{
    bool is_changed = false;
    struct json_object *news = opr_doc_at(wanted, path);
    struct json_object *have = opr_doc_at(doc, path);
    if (!news) {
        return false;
    }
    if (!have) {
        return opr_doc_put(doc, path, opr_doc_dup(news)) == OPR_OK;
    }
    json_object_object_foreach(news, key, value)
    {
        if (!json_object_object_get_ex(have, key, NULL)) {
            json_object_object_add(have, key, opr_doc_dup(value));
            is_changed = true;
        }
    }
    return is_changed;
}

/* A role that gathers the rules of others now. */
static bool add_aggregation(struct json_object *doc, struct json_object *wanted)
{
    struct json_object *rule = opr_doc_at(wanted, "/aggregationRule");
    return rule && !opr_doc_at(doc, "/aggregationRule") &&
           opr_doc_put(doc, "/aggregationRule", opr_doc_dup(rule)) == OPR_OK;
}

opr_status opr_bootstrap_update(struct opr_store *store, struct opr_str key,
                                struct json_object *wanted, struct opr_error *reterr)
{
    struct opr_obj *stored = opr_store_get(store, key);
    if (!stored) {
        return OPR_OK;
    }
    opr_status st = OPR_OK;
    struct json_object *doc = opr_doc_from_obj(stored);
    const char *wish =
        opr_doc_str(doc, "/metadata/annotations/rbac.authorization.kubernetes.io~1autoupdate", "");
    if (strcmp(wish, "false") != 0) {
        bool is_gathered = opr_doc_at(doc, "/aggregationRule") != NULL; /* its rules come so */
        bool is_changed = !is_gathered && add_missing(doc, wanted, "/rules", covers_rule);
        is_changed = add_aggregation(doc, wanted) || is_changed;
        is_changed = add_missing(doc, wanted, "/subjects", is_same_subject) || is_changed;
        is_changed = add_marks(doc, wanted, "/metadata/labels") || is_changed;
        is_changed = add_marks(doc, wanted, "/metadata/annotations") || is_changed;
        st = is_changed ? opr_store_put(store, key, OPR_STORE_ANY, doc, NULL, reterr) : OPR_OK;
    }
    json_object_put(doc);
    opr_json_unref(stored);
    return st;
}
