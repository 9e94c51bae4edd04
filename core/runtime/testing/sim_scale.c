/* Subresources that are objects of their own: Scale and Binding. */
#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

/* A label selector as text; "" where it is none. */
static void add_selector(struct json_object *scale, const struct opr_obj *o)
{
    struct opr_buf text = {0};
    const struct opr_obj *value = opr_json_at(o, "/spec/selector");
    struct opr_selector *selector = NULL;
    if (value && opr_selector_from_obj(value, &selector, NULL) == OPR_OK) {
        opr_selector_format(selector, &text);
        opr_selector_free(selector);
    }
    opr_doc_put_str(scale, "/status/selector", text.data ? text.data : "");
    opr_buf_fini(&text);
}

struct opr_obj *sim_scale_of(const struct opr_obj *o)
{
    static const char *const kept[] = {"/metadata/name", "/metadata/namespace", "/metadata/uid",
                                       "/metadata/resourceVersion", "/metadata/creationTimestamp"};
    struct json_object *scale = json_object_new_object();
    opr_doc_put_str(scale, "/kind", "Scale");
    opr_doc_put_str(scale, "/apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = opr_json_str(o, kept[i], NULL);
        if (value) {
            opr_doc_put_str(scale, kept[i], value);
        }
    }
    opr_doc_put_int(scale, "/spec/replicas", opr_json_int(o, "/spec/replicas", 0));
    opr_doc_put_int(scale, "/status/replicas", opr_json_int(o, "/status/replicas", 0));
    add_selector(scale, o);
    struct opr_obj *obj = opr_doc_to_obj(scale);
    json_object_put(scale);
    return obj;
}

void sim_bind(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
              struct json_object *binding, struct sim_answer *ret)
{
    const char *node = opr_doc_str(binding, "/target/name", "");
    struct opr_obj *pod = sim_get(k, ns, name);
    if (!pod) {
        sim_refuse(ret, 404, "NotFound", "pods \"%s\" not found", name);
        return;
    }
    if (*opr_json_str(pod, "/spec/nodeName", "")) {
        sim_refuse(ret, 409, "Conflict",
                   "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is already "
                   "assigned to node \"%s\"",
                   name, name, opr_json_str(pod, "/spec/nodeName", ""));
        return;
    }
    struct json_object *patch = json_object_new_object();
    struct json_object *condition = json_object_new_object();
    struct json_object *conditions = json_object_new_array();
    json_object_object_add(condition, "type", json_object_new_string("PodScheduled"));
    json_object_object_add(condition, "status", json_object_new_string("True"));
    json_object_array_add(conditions, condition);
    opr_doc_put_str(patch, "/spec/nodeName", node);
    (void)!opr_doc_put(patch, "/status/conditions", conditions); /* patch is an object */
    struct json_object *doc = opr_doc_from_obj(pod);
    sim_strategic_merge(&doc, patch);
    sim_update(s, k, ns, name, NULL, doc, true, ret);
    json_object_put(doc);
    json_object_put(patch);
    if (ret->obj) {
        opr_json_unref(ret->obj);
        ret->code = 201;
        (void)!opr_json_parse(OPR_STR("{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                                      "\"status\":\"Success\",\"code\":201}"),
                              &ret->obj, NULL); /* a constant that parses */
    }
}
