#include "controllers/deployment/deployment.h"

/* An object name has 253 bytes at most; the hash and its dash are kept whole. */
enum { NAME_MAX_BYTES = 253 };

static const char *set_name(struct dep *d, const char *hash)
{
    int room = NAME_MAX_BYTES - 1 - (int)strlen(hash);
    return opr_ctx_text(d->c, "%.*s-%s", room, d->name, hash);
}

static void add_annotations(struct dep *d, struct opr_doc *set, int64_t revision)
{
    const struct opr_obj *mine = opr_obj_at(d->self, "/metadata/annotations");
    for (const struct opr_obj *a = opr_obj_first(mine); a; a = opr_obj_next(a)) {
        if (annotation_is_copied(opr_obj_name(a))) {
            opr_doc_set(set, member_ptr(d->c, "/metadata/annotations", opr_obj_name(a)), "%s",
                        opr_obj_str(a, "", ""));
        }
    }
    static const char *const keys[] = {
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        "/metadata/annotations/deployment.kubernetes.io~1desired-replicas",
        "/metadata/annotations/deployment.kubernetes.io~1max-replicas",
    };
    int64_t values[] = {revision, d->replicas, d->replicas + d->max_surge};
    for (size_t i = 0; i < 3; i++) {
        opr_doc_set(set, keys[i], "%s", opr_ctx_text(d->c, "%lld", (long long)values[i]));
    }
}

static struct opr_doc *new_set(struct dep *d, const char *hash, int64_t revision)
{
    const struct opr_obj *selector = opr_obj_at(d->self, "/spec/selector");
    struct opr_doc *t = opr_doc_of(d->c, opr_obj_at(d->self, "/spec/template"));
    opr_doc_set(t, "/metadata/labels/" HASH_LABEL, "%s", hash);
    const struct opr_obj *pod_template = opr_doc_obj(t);
    struct opr_doc *s = opr_doc_new(
        d->c,
        "{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':%s,'namespace':%s,"
        "'labels':%p,'ownerReferences':[{'apiVersion':'apps/v1','kind':'Deployment','name':%s,"
        "'uid':%s,'controller':true,'blockOwnerDeletion':true}]},"
        "'spec':{'replicas':%lld,'selector':%p,'template':%p}}",
        set_name(d, hash), d->ns, opr_obj_at(pod_template, "/metadata/labels"), d->name, d->uid,
        (long long)dep_newest_size(d), selector, pod_template);
    opr_doc_set(s, "/spec/selector/matchLabels/" HASH_LABEL, "%s", hash);
    int64_t min_ready = opr_obj_int(d->self, "/spec/minReadySeconds", 0);
    if (min_ready > 0) {
        opr_doc_set(s, "/spec/minReadySeconds", "%lld", (long long)min_ready);
    }
    add_annotations(d, s, revision);
    return s;
}

/* A set of that name exists: ours where an earlier create was not seen, else a hash collision, and
 * the next sync tries another hash. */
static opr_status resolve_name(struct dep *d, const char *name, const struct opr_obj **ret_set)
{
    const struct opr_obj *there = NULL;
    opr_status st = opr_get_live(d->c, REPLICASET_GVK, d->ns, name, &there);
    if (st != OPR_OK) {
        return st;
    }
    if (str_eq(controller_uid(there), d->uid) &&
        template_equal(d->c, opr_obj_at(d->self, "/spec/template"),
                       opr_obj_at(there, "/spec/template"))) {
        *ret_set = there;
        return OPR_OK;
    }
    d->collisions = d->collisions < 0 ? 1 : d->collisions + 1;
    st = dep_write_conditions(d);
    return st == OPR_OK ? OPR_E_EXISTS : st;
}

static opr_status refused(struct dep *d, const char *name, opr_status st)
{
    const char *why = opr_ctx_text(d->c, "Failed to create new replica set \"%s\": %s", name,
                                   opr_ctx_error(d->c));
    opr_event(d->c, d->self, "Warning", "ReplicaSetCreateError", "%s", why);
    if (d->deadline_s >= 0) {
        dep_condition(d, "Progressing", "False", "ReplicaSetCreateError", why);
        opr_status written = dep_write_conditions(d);
        return written == OPR_OK ? st : written;
    }
    return st;
}

opr_status dep_create_set(struct dep *d, int64_t revision)
{
    const char *hash = template_hash(d->c, opr_obj_at(d->self, "/spec/template"), d->collisions);
    const char *name = set_name(d, hash);
    const struct opr_obj *made = NULL;
    opr_status st = opr_create(d->c, new_set(d, hash, revision), &made);
    bool is_new = st == OPR_OK;
    if (st == OPR_E_EXISTS) {
        st = resolve_name(d, name, &made);
    } else if (st != OPR_OK && st != OPR_E_TERMINATING) {
        return refused(d, name, st);
    }
    if (st != OPR_OK) {
        return st;
    }
    d->newest = &d->sets[d->count++];
    set_read(d->newest, made);
    if (is_new && d->newest->replicas > 0) {
        opr_event(d->c, d->self, "Normal", "ScalingReplicaSet",
                  "Scaled up replica set %s from 0 to %lld", d->newest->name,
                  (long long)d->newest->replicas);
    }
    if (is_new && d->deadline_s >= 0) {
        dep_condition(d, "Progressing", "True", "NewReplicaSetCreated",
                      opr_ctx_text(d->c, "Created new replica set \"%s\"", d->newest->name));
    }
    return dep_note_revision(d, opr_ctx_text(d->c, "%lld", (long long)revision));
}
