#include "controllers/autoscaler/autoscaler.h"

/* "app=web,tier=front" as a LabelSelector; what a Scale says has no other operators where the
 * target's selector has none. */
static const struct opr_obj *parse_selector(struct opr_ctx *c, const char *text)
{
    struct opr_doc *d = opr_doc_new(c, "{'matchLabels':{}}");
    char *rest = opr_ctx_text(c, "%s", text);
    for (char *save = NULL, *part = strtok_r(rest, ",", &save); part;
         part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        if (!equals) {
            return NULL;
        }
        *equals = '\0';
        const char *value = equals[1] == '=' ? equals + 2 : equals + 1;
        opr_doc_set(d, member_ptr(c, "/matchLabels", part), "%s", value);
    }
    return opr_doc_obj(d);
}

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
    h->selector = h->selector_text[0] != '\0' ? parse_selector(h->c, h->selector_text) : NULL;
    find_pods(h);
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
