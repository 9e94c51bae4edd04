/* Deletion: preconditions, finalizers, propagation. */
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

static bool has_finalizer(struct json_object *doc, const char *name)
{
    struct json_object *list = opr_doc_at(doc, "/metadata/finalizers");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_finalizer(struct json_object *doc, const char *name)
{
    if (!has_finalizer(doc, name)) {
        if (!opr_doc_at(doc, "/metadata/finalizers")) {
            (void)!opr_doc_put(doc, "/metadata/finalizers", json_object_new_array());
        }
        (void)!opr_doc_put(doc, "/metadata/finalizers/-", json_object_new_string(name));
    }
}

/* Marks an object that can not go yet. */
static void mark_deleted(struct sim *s, struct sim_kind *k, struct opr_obj *was,
                         struct json_object *doc, struct sim_answer *ret)
{
    if (!opr_meta_is_deleting(was)) {
        sim_put_now(s, doc, "/metadata/deletionTimestamp");
        opr_doc_put_int(doc, "/metadata/deletionGracePeriodSeconds", 0);
        opr_doc_put_int(doc, "/metadata/generation",
                        opr_json_int(was, "/metadata/generation", 1) + 1);
    }
    if (strcmp(k->gvk, "v1/Namespace") == 0) {
        opr_doc_put_str(doc, "/status/phase", "Terminating");
    }
    struct json_object *before = opr_doc_from_obj(was);
    bool is_same = opr_doc_equal(before, doc);
    json_object_put(before);
    sim_answer_with(ret, 200, is_same ? was : sim_store(s, k, doc));
}

static void answer_gone(struct sim_answer *ret, const struct sim_kind *k, const struct opr_obj *o)
{
    struct json_object *doc = json_object_new_object();
    opr_doc_put_str(doc, "/kind", "Status");
    opr_doc_put_str(doc, "/apiVersion", "v1");
    opr_doc_put_str(doc, "/status", "Success");
    opr_doc_put_str(doc, "/details/name", opr_meta_name(o));
    opr_doc_put_str(doc, "/details/kind", k->plural);
    opr_doc_put_str(doc, "/details/uid", opr_meta_uid(o));
    ret->code = 200;
    ret->obj = opr_doc_to_obj(doc);
    json_object_put(doc);
}

void sim_delete(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
                struct json_object *options, struct sim_answer *ret)
{
    struct opr_obj *was = sim_get(k, ns, name);
    if (!was) {
        sim_refuse_absent(ret, k, name);
        return;
    }
    const char *uid = opr_doc_str(options, "/preconditions/uid", "");
    const char *rv = opr_doc_str(options, "/preconditions/resourceVersion", "");
    if ((*uid && strcmp(uid, opr_meta_uid(was)) != 0) ||
        (*rv && strcmp(rv, opr_json_str(was, "/metadata/resourceVersion", "")) != 0)) {
        sim_refuse(ret, 409, "Conflict",
                   "Operation cannot be fulfilled on %s \"%s\": the precondition (%s) does not "
                   "match the record",
                   k->kind, name, *uid ? uid : rv);
        return;
    }
    struct json_object *doc = opr_doc_from_obj(was);
    const char *propagation = opr_doc_str(options, "/propagationPolicy", "");
    if (strcmp(propagation, "Orphan") == 0) {
        add_finalizer(doc, "orphan");
    } else if (strcmp(propagation, "Foreground") == 0) {
        add_finalizer(doc, "foregroundDeletion");
    }
    if (sim_has_finalizers(doc)) {
        mark_deleted(s, k, was, doc, ret);
    } else {
        answer_gone(ret, k, was);
        sim_erase(s, k, was);
    }
    json_object_put(doc);
}
