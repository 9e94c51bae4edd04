#include "controllers/autoscaler/autoscaler.h"

static void find_pods(struct hpa *h)
{
    const struct opr_obj *const *all = NULL;
    uint32_t n = 0;
    if (opr_list(h->c, "v1/Pod", h->ns, NULL, NULL, &all, &n) != OPR_OK) {
        n = 0;
    }
    const struct opr_obj **mine = opr_ctx_alloc(h->c, (n + 1) * sizeof(void *));
    for (uint32_t i = 0; i < n; i++) {
        if (opr_selector_matches(h->selector, opr_obj_at(all[i], "/metadata/labels"))) {
            mine[h->pod_count++] = all[i];
        }
    }
    h->pods = mine;
}

static void remember_selector(struct hpa *h)
{
    if (h->record->selector && str_eq(h->record->selector, h->selector_text)) {
        return; /* only this worker writes it */
    }
    char *text = strdup(h->selector_text);
    pthread_mutex_lock(&h->autoscaler->lock);
    free(h->record->selector);
    h->record->selector = text;
    pthread_mutex_unlock(&h->autoscaler->lock);
}

static bool selects_one_of(const struct hpa *h, const char *text)
{
    const struct opr_obj *selector = selector_parse(h->c, text);
    for (uint32_t i = 0; i < h->pod_count; i++) {
        if (opr_selector_matches(selector, opr_obj_at(h->pods[i], "/metadata/labels"))) {
            return true;
        }
    }
    return false;
}

const char *target_rivals(struct hpa *h)
{
    const char *names = "";
    size_t n = strlen(h->ns);
    pthread_mutex_lock(&h->autoscaler->lock);
    for (const struct record *r = h->autoscaler->first; r; r = r->next) {
        bool is_here = strncmp(r->key, h->ns, n) == 0 && r->key[n] == '/';
        if (r != h->record && is_here && r->selector && selects_one_of(h, r->selector)) {
            names = opr_ctx_text(h->c, "%s %s", names, r->key);
        }
    }
    pthread_mutex_unlock(&h->autoscaler->lock);
    return names;
}

opr_status target_read(struct hpa *h)
{
    const struct opr_obj *ref = opr_obj_at(h->self, "/spec/scaleTargetRef"), *scale = NULL;
    const char *version = opr_obj_str(ref, "/apiVersion", "apps/v1");
    const char *kind = opr_obj_str(ref, "/kind", ""), *plural = NULL;
    opr_status st = names_plural(h, version, kind, &plural);
    if (st != OPR_OK) {
        return st;
    }
    const char *path = opr_ctx_text(h->c, "/%s/%s/namespaces/%s/%s/%s/scale",
                                    strchr(version, '/') ? "apis" : "api", version, h->ns, plural,
                                    opr_obj_str(ref, "/name", ""));
    st = opr_request(h->c, "GET", path, NULL, &scale);
    if (st != OPR_OK) {
        names_forget(h, names_kind_key(h, version, kind));
        return st;
    }
    h->current = h->desired = opr_obj_int(scale, "/spec/replicas", 0);
    h->status_replicas = opr_obj_int(scale, "/status/replicas", 0);
    h->selector_text = opr_obj_str(scale, "/status/selector", "");
    h->selector = h->selector_text[0] != '\0' ? selector_parse(h->c, h->selector_text) : NULL;
    find_pods(h);
    remember_selector(h);
    return OPR_OK;
}

opr_status target_write(struct hpa *h)
{
    const struct opr_obj *ref = opr_obj_at(h->self, "/spec/scaleTargetRef");
    struct opr_doc *target =
        opr_doc_new(h->c, "{'apiVersion':%s,'kind':%s,'metadata':{'namespace':%s,'name':%s}}",
                    opr_obj_str(ref, "/apiVersion", "apps/v1"), opr_obj_str(ref, "/kind", ""),
                    h->ns, opr_obj_str(ref, "/name", ""));
    struct opr_doc *d = opr_doc_new(h->c, "{'spec':{'replicas':%lld}}", (long long)h->desired);
    return opr_patch(h->c, opr_doc_obj(target), "scale", OPR_PATCH_MERGE, d, NULL);
}
