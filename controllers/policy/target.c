#include "controllers/policy/policy.h"

static void add_escaped(char *out, size_t *at, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char x = (unsigned char)*text;
        bool is_plain = (x >= '0' && x <= '9') || (x >= 'A' && x <= 'Z') ||
                        (x >= 'a' && x <= 'z') || strchr("-._~", x);
        if (is_plain) {
            out[(*at)++] = (char)x;
        } else {
            out[(*at)++] = '%';
            out[(*at)++] = hex[x >> 4];
            out[(*at)++] = hex[x & 15];
        }
    }
}

/* matchLabels as a query value: "app%3Dweb%2Ctier%3Dfront". Expressions only narrow it further, and
 * are applied where samples meet pods. */
static const char *label_query(struct opr_ctx *c, const struct opr_obj *labels)
{
    const char *text = "";
    for (const struct opr_obj *l = opr_obj_first(labels); l; l = opr_obj_next(l)) {
        text = opr_ctx_text(c, "%s%s%s=%s", text, text[0] != '\0' ? "," : "", opr_obj_name(l),
                            opr_obj_str(l, "", ""));
    }
    char *out = opr_ctx_alloc(c, 3 * strlen(text) + 1);
    size_t at = 0;
    add_escaped(out, &at, text);
    return out;
}

bool target_selects(const struct target *t, const struct opr_obj *pod)
{
    return opr_selector_matches(opr_obj_at(t->o, "/spec/selector"),
                                opr_obj_at(pod, "/metadata/labels"));
}

opr_status target_read(struct opr_ctx *c, const struct opr_obj *self, struct target *ret_target,
                       const char **ret_problem)
{
    struct target *t = ret_target;
    const struct opr_obj *ref = opr_obj_at(self, "/spec/target"), *list = NULL;
    const char *kind = opr_obj_str(ref, "/kind", ""), *name = opr_obj_str(ref, "/name", "");
    const char *gvk = opr_ctx_text(c, "%s/%s", opr_obj_str(ref, "/apiVersion", "apps/v1"), kind);
    *t = (struct target){.ns = meta_ns(self)};
    opr_status st = opr_get(c, gvk, t->ns, name, &t->o);
    if (st != OPR_OK) {
        *ret_problem =
            opr_ctx_text(c, "the target %s %s can not be read: %s", kind, name, opr_ctx_error(c));
        return st;
    }
    t->replicas = opr_obj_int(t->o, "/spec/replicas", 1);
    st = opr_list(c, "v1/Pod", t->ns, NULL, NULL, &t->pods, &t->pod_count);
    if (st != OPR_OK) {
        return st;
    }
    const char *path =
        opr_ctx_text(c, "/apis/metrics.operon.local/v1/namespaces/%s/pods?labelSelector=%s", t->ns,
                     label_query(c, opr_obj_at(t->o, "/spec/selector/matchLabels")));
    if (opr_request(c, "GET", path, NULL, &list) == OPR_OK) {
        t->samples = opr_obj_at(list, "/items");
    } else {
        *ret_problem = opr_ctx_text(c, "no metrics: %s", opr_ctx_error(c));
    }
    return OPR_OK;
}
