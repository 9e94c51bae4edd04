/* Two controllers over namespaces: each has a ServiceAccount "default", and a ConfigMap
 * "kube-root-ca.crt" with the CA that config {"rootCA": "PEM"} names (none: no ConfigMap).
 * Threads: worker. Lifetime: the state is the CA text, from init to fini. */
#include "controllers/common.h"

#define ACCOUNT "default"
#define ROOT_CA "kube-root-ca.crt"

static bool is_active(const struct opr_obj *ns)
{
    return ns && !is_deleting(ns) && !str_eq(opr_obj_str(ns, "/status/phase", ""), "Terminating");
}

/* A namespace that ends meanwhile, or someone else being first, is no failure. */
static opr_result created(struct opr_ctx *c, opr_status st)
{
    bool is_fine = st == OPR_E_EXISTS || st == OPR_E_TERMINATING || st == OPR_E_NOT_FOUND;
    return result_of(c, is_fine ? OPR_OK : st);
}

static opr_result reconcile_account(struct opr_ctx *c, const struct opr_obj *self)
{
    const struct opr_obj *account = NULL;
    const char *ns = opr_ctx_key(c).name;
    if (!is_active(self)) {
        return opr_done();
    }
    opr_status st = opr_get(c, "v1/ServiceAccount", ns, ACCOUNT, &account);
    if (st != OPR_E_NOT_FOUND) {
        return result_of(c, st);
    }
    struct opr_doc *d = opr_doc_new(c,
                                    "{'apiVersion':'v1','kind':'ServiceAccount',"
                                    "'metadata':{'name':'" ACCOUNT "','namespace':%s}}",
                                    ns);
    return created(c, opr_create(c, d, NULL));
}

static opr_result reconcile_root_ca(struct opr_ctx *c, const struct opr_obj *self)
{
    const struct opr_obj *map = NULL;
    const char *ns = opr_ctx_key(c).name, *ca = opr_ctx_state(c);
    if (!is_active(self) || !ca) {
        return opr_done();
    }
    opr_status st = opr_get(c, "v1/ConfigMap", ns, ROOT_CA, &map);
    if (st == OPR_E_NOT_FOUND) {
        struct opr_doc *d = opr_doc_new(
            c,
            "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'" ROOT_CA
            "','namespace':%s,'annotations':{'kubernetes.io/description':%s}},"
            "'data':{'ca.crt':%s}}",
            ns,
            "Contains a CA bundle that can be used to verify the kube-apiserver when using "
            "internal endpoints such as the internal service IP or kubernetes.default.svc.",
            ca);
        return created(c, opr_create(c, d, NULL));
    }
    if (st != OPR_OK || str_eq(opr_obj_str(map, "/data/ca.crt", ""), ca)) {
        return result_of(c, st);
    }
    struct opr_doc *d = opr_doc_new(c, "{'data':{'ca.crt':%s}}", ca);
    return result_of(c, opr_patch(c, map, NULL, OPR_PATCH_MERGE, d, NULL));
}

/* Only its own object, and only when it changed or went. */
static void map_named(struct opr_mapper *m, const struct opr_obj *o, const char *name)
{
    if (str_eq(meta_name(o), name)) {
        opr_map_enqueue(m, "", meta_ns(o));
    }
}
static void map_account(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                        void *state)
{
    (void)state;
    map_named(m, is ? is : was, ACCOUNT);
}
static void map_root_ca(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                        void *state)
{
    (void)state;
    map_named(m, is ? is : was, ROOT_CA);
}

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    const char *ca = opr_obj_str(config, "/rootCA", NULL);
    *ret_state = ca ? strdup(ca) : NULL;
    return ca && !*ret_state ? OPR_E_NOMEM : OPR_OK;
}

static const struct opr_watch account_reads[] = {
    {.gvk = "v1/ServiceAccount", .fields = "metadata.name=" ACCOUNT, .map = map_account},
    {.gvk = NULL},
};
static const struct opr_controller account = {
    .size = sizeof account,
    .name = "serviceaccount",
    .primary = {.gvk = "v1/Namespace"},
    .reads = account_reads,
    .reconcile = reconcile_account,
    .event_source = "serviceaccount-controller",
    .writes = "v1/ServiceAccount",
};
static const struct opr_watch root_ca_reads[] = {
    {.gvk = "v1/ConfigMap", .fields = "metadata.name=" ROOT_CA, .map = map_root_ca},
    {.gvk = NULL},
};
static const struct opr_controller root_ca = {
    .size = sizeof root_ca,
    .name = "root-ca-publisher",
    .primary = {.gvk = "v1/Namespace"},
    .reads = root_ca_reads,
    .reconcile = reconcile_root_ca,
    .event_source = "root-ca-cert-publisher",
    .writes = "v1/ConfigMap",
};
static const struct opr_controller *const controllers[] = {&account, &root_ca, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "serviceaccount",   .version = OPR_VERSION, .init = init,
    .fini = free,      .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
