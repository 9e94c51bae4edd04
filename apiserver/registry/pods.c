/* Binding of a Pod to a node. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#define TRIES 10

static void set_scheduled(struct opr_req *r, struct json_object *pod)
{
    char now[OPR_TIME_TEXT_MAX];
    struct json_object *list = opr_doc_at(pod, "/status/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *c = json_object_array_get_idx(list, i);
        if (strcmp(opr_doc_str(c, "/type", ""), "PodScheduled") == 0) {
            json_object_array_del_idx(list, i, 1);
            break;
        }
    }
    struct json_object *c = json_object_new_object();
    opr_time_format(r->now_ms, now);
    opr_doc_put_str(c, "/type", "PodScheduled");
    opr_doc_put_str(c, "/status", "True");
    opr_doc_put_str(c, "/lastTransitionTime", now);
    (void)!opr_doc_put(pod, "/status/conditions/-", c);  /* status is an object: it was decoded */
    (void)opr_doc_del(pod, "/status/nominatedNodeName"); /* what was promised is fulfilled */
}

/* What a binding says of the Pod beside its node. */
static void copy_texts(struct json_object *pod, struct json_object *binding, const char *member)
{
    struct json_object *texts = opr_doc_at(binding, member);
    if (!texts) {
        return;
    }
    json_object_object_foreach(texts, name, value)
    {
        struct json_object *all = opr_doc_at(pod, member);
        if (!all) {
            all = json_object_new_object();
            (void)!opr_doc_put(pod, member, all); /* metadata is an object */
        }
        json_object_object_add(all, name, json_object_get(value));
    }
}

static opr_status bind_once(struct opr_req *r, struct json_object *binding)
{
    struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
    struct opr_obj *pod = opr_store_get(r->api->store, key);
    const char *node = opr_doc_str(binding, "/target/name", "");
    const char *uid = opr_doc_str(binding, "/metadata/uid", "");
    if (!pod) {
        return opr_api_not_found(r, r->plural, r->name);
    }
    const char *bound = opr_json_str(pod, "/spec/nodeName", "");
    opr_status st = OPR_OK;
    r->plural = "pods/binding";
    if (*bound) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is "
                            "already assigned to node \"%s\"",
                            r->name, r->name, bound);
    } else if (opr_meta_is_deleting(pod)) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is being "
                            "deleted, cannot be assigned to a host",
                            r->name, r->name);
    } else if (*uid && strcmp(uid, opr_meta_uid(pod)) != 0) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": the UID in the "
                            "binding (%s) does not match the UID in record (%s)",
                            r->name, uid, opr_meta_uid(pod));
    } else {
        struct json_object *doc = opr_doc_from_obj(pod);
        struct opr_error err = {0};
        opr_doc_put_str(doc, "/spec/nodeName", node);
        copy_texts(doc, binding, "/metadata/annotations");
        copy_texts(doc, binding, "/metadata/labels");
        opr_pod_take_topology(r, doc, node);
        set_scheduled(r, doc);
        if (!r->is_dry_run) {
            st = opr_store_put(r->api->store, key, opr_meta_rv(pod), doc, NULL, &err);
        }
        json_object_put(doc);
        if (st != OPR_OK && st != OPR_E_CONFLICT) {
            st = opr_api_store_failure(r, st, &err);
        }
    }
    r->plural = "pods";
    opr_json_unref(pod);
    return st;
}

static opr_status check(struct opr_req *r, const struct opr_kind *kind, struct json_object *binding)
{
    struct opr_field_errors errors = {.arena = r->arena};
    const char *name = opr_doc_str(binding, "/metadata/name", "");
    const char *target = opr_doc_str(binding, "/target/kind", "");
    if (!r->name) { /* POST of the collection "bindings" */
        r->name = opr_arena_dup(r->arena, opr_str_of(name));
    }
    if (*name && strcmp(name, r->name) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "name in URL does not match name in Binding object");
    }
    if (*target && strcmp(target, "Node") != 0) {
        opr_field_errors_add(&errors, "FieldValueNotSupported", "target.kind",
                             opr_arena_printf(r->arena,
                                              "Unsupported value: \"%s\": supported values: "
                                              "\"Node\", \"<empty>\"",
                                              target));
    }
    if (!*opr_doc_str(binding, "/target/name", "")) {
        opr_field_errors_add(&errors, "FieldValueRequired", "target.name", "Required value");
    }
    return errors.count > 0 ? opr_api_invalid(r, kind, r->name, &errors) : OPR_OK;
}

void opr_api_bind(struct opr_req *r)
{
    struct json_object *binding = NULL;
    const struct opr_kind *kind =
        opr_kind_find_kind(OPR_STR(""), OPR_STR("v1"), OPR_STR("Binding"));
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, kind, &binding) != OPR_OK) {
        return;
    }
    opr_status st = check(r, kind, binding);
    if (st == OPR_OK) {
        st = OPR_E_CONFLICT;
        for (int i = 0; i < TRIES && st == OPR_E_CONFLICT; i++) {
            st = bind_once(r, binding);
        }
        if (st == OPR_OK) {
            opr_api_succeed(r);
        } else if (st == OPR_E_CONFLICT) {
            opr_api_conflict(r);
        }
    }
    json_object_put(binding);
}
