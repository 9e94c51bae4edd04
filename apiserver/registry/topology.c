/* A Pod on a node says in which zone and region it is (PodTopologyLabels). */
#include "apiserver/registry/api.h"

#include "core/base/str.h"

void opr_pod_take_topology(struct opr_req *r, struct json_object *pod, const char *node)
{
    static const char *const labels[] = {"topology.kubernetes.io~1zone",
                                         "topology.kubernetes.io~1region"};
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("nodes"));
    struct opr_obj *obj = opr_store_get(r->api->store, opr_api_key(r->arena, kind, "", node));
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        const char *path = opr_arena_printf(r->arena, "/metadata/labels/%s", labels[i]);
        const char *value = opr_json_str(obj, path, NULL);
        if (value) {
            opr_doc_put_str(pod, path, value);
        }
    }
    opr_json_unref(obj);
}
