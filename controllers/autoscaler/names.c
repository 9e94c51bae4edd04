#include "controllers/autoscaler/autoscaler.h"

/* What discovery said, kept until an answer shows that it no longer holds. */
static const char *known(struct hpa *h, const char *key)
{
    struct autoscaler *a = h->autoscaler;
    const char *value = NULL;
    pthread_mutex_lock(&a->lock);
    for (const struct name *n = a->names; n && !value; n = n->next) {
        value = str_eq(n->key, key) ? opr_ctx_text(h->c, "%s", n->value) : NULL;
    }
    pthread_mutex_unlock(&a->lock);
    return value;
}

static void keep(struct hpa *h, const char *key, const char *value)
{
    struct autoscaler *a = h->autoscaler;
    struct name *n = calloc(1, sizeof *n);
    if (!n) {
        return; /* it is only asked again */
    }
    n->key = strdup(key);
    n->value = strdup(value);
    pthread_mutex_lock(&a->lock);
    n->next = a->names;
    a->names = n;
    pthread_mutex_unlock(&a->lock);
}

static void free_name(struct name *n)
{
    free(n->key);
    free(n->value);
    free(n);
}

void names_forget(struct hpa *h, const char *key)
{
    struct autoscaler *a = h->autoscaler;
    pthread_mutex_lock(&a->lock);
    for (struct name **at = &a->names; *at;) {
        struct name *n = *at;
        if (str_eq(n->key, key)) {
            *at = n->next;
            free_name(n);
        } else {
            at = &n->next;
        }
    }
    pthread_mutex_unlock(&a->lock);
}

void names_free(struct autoscaler *a)
{
    while (a->names) {
        struct name *n = a->names;
        a->names = n->next;
        free_name(n);
    }
}

const char *names_kind_key(struct hpa *h, const char *api_version, const char *kind)
{
    return opr_ctx_text(h->c, "%s/%s", api_version, kind);
}

opr_status names_plural(struct hpa *h, const char *api_version, const char *kind,
                        const char **ret_plural)
{
    const char *key = names_kind_key(h, api_version, kind);
    const char *plural = known(h, key);
    if (plural) {
        *ret_plural = plural;
        return OPR_OK;
    }
    const struct opr_obj *list = NULL;
    const char *path =
        opr_ctx_text(h->c, "/%s/%s", strchr(api_version, '/') ? "apis" : "api", api_version);
    opr_status st = opr_request(h->c, "GET", path, NULL, &list);
    if (st != OPR_OK) {
        return st;
    }
    const struct opr_obj *resources = opr_obj_at(list, "/resources");
    for (const struct opr_obj *r = opr_obj_first(resources); r; r = opr_obj_next(r)) {
        const char *name = opr_obj_str(r, "/name", "");
        if (str_eq(opr_obj_str(r, "/kind", ""), kind) && !strchr(name, '/')) {
            keep(h, key, name);
            *ret_plural = name;
            return OPR_OK;
        }
    }
    return OPR_E_NOT_FOUND;
}

opr_status names_version(struct hpa *h, const char *group, const char **ret_version)
{
    const char *version = known(h, group);
    if (version) {
        *ret_version = version;
        return OPR_OK;
    }
    const struct opr_obj *found = NULL;
    opr_status st = opr_request(h->c, "GET", opr_ctx_text(h->c, "/apis/%s", group), NULL, &found);
    if (st != OPR_OK) {
        return st;
    }
    version = opr_obj_str(found, "/preferredVersion/version", "");
    if (version[0] == '\0') {
        return OPR_E_NOT_FOUND;
    }
    keep(h, group, version);
    *ret_version = version;
    return OPR_OK;
}
