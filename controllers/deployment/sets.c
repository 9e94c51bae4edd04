#include "controllers/deployment/deployment.h"

#include "controllers/claim.h"

static int64_t annotation_int(const struct opr_obj *o, const char *ptr, int64_t dflt)
{
    const char *text = opr_obj_str(o, ptr, "");
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    return end == text || *end != '\0' ? dflt : n;
}

void set_read(struct set *s, const struct opr_obj *o)
{
    *s = (struct set){
        .o = o,
        .name = meta_name(o),
        .uid = meta_uid(o),
        .created_ms = time_parse(opr_obj_str(o, "/metadata/creationTimestamp", NULL)),
        .revision =
            annotation_int(o, "/metadata/annotations/deployment.kubernetes.io~1revision", 0),
        .replicas = opr_obj_int(o, "/spec/replicas", 1),
        .actual = opr_obj_int(o, "/status/replicas", 0),
        .ready = opr_obj_int(o, "/status/readyReplicas", 0),
        .available = opr_obj_int(o, "/status/availableReplicas", 0),
        .desired_noted = annotation_int(
            o, "/metadata/annotations/deployment.kubernetes.io~1desired-replicas", -1),
        .max_noted =
            annotation_int(o, "/metadata/annotations/deployment.kubernetes.io~1max-replicas", -1),
        .is_deleting = is_deleting(o),
    };
    /* The status may be older than the size: what is above the size is as good as gone. */
    s->kept = s->available < s->replicas ? s->available : s->replicas;
}

static int by_age(const void *a, const void *b)
{
    const struct set *x = a, *y = b;
    if (x->created_ms != y->created_ms) {
        return x->created_ms < y->created_ms ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static struct claimer claimer(const struct dep *d)
{
    return (struct claimer){d->c, "apps/v1", "Deployment", d->ns, d->name, d->uid};
}

static opr_status claim_owned(struct dep *d, const struct opr_obj *const *owned, uint32_t n)
{
    const struct opr_obj *selector = opr_obj_at(d->self, "/spec/selector");
    const struct claimer by = claimer(d);
    opr_status st = OPR_OK;
    for (uint32_t i = 0; i < n && st == OPR_OK; i++) {
        if (!str_eq(controller_uid(owned[i]), d->uid)) {
            continue;
        }
        if (opr_selector_matches(selector, opr_obj_at(owned[i], "/metadata/labels"))) {
            set_read(&d->sets[d->count++], owned[i]);
        } else if (!is_deleting(d->self)) {
            st = claim_release(&by, owned[i]);
        }
    }
    return st;
}

static opr_status claim_orphans(struct dep *d, const struct opr_obj *const *orphans, uint32_t n)
{
    const struct opr_obj *selector = opr_obj_at(d->self, "/spec/selector");
    const struct claimer by = claimer(d);
    bool is_asked = false;
    for (uint32_t i = 0; i < n; i++) {
        if (is_deleting(orphans[i]) || controller_ref(orphans[i]) ||
            !opr_selector_matches(selector, opr_obj_at(orphans[i], "/metadata/labels"))) {
            continue;
        }
        const struct opr_obj *adopted = orphans[i];
        opr_status st = is_asked ? OPR_OK : claim_allowed(&by);
        is_asked = true;
        if (st == OPR_OK) {
            st = claim_adopt(&by, orphans[i], &adopted);
        }
        if (st == OPR_E_NOT_FOUND) {
            continue;
        }
        if (st != OPR_OK) {
            return st;
        }
        set_read(&d->sets[d->count++], adopted);
    }
    return OPR_OK;
}

opr_status dep_claim(struct dep *d)
{
    const struct opr_obj *const *owned = NULL, *const *orphans = NULL;
    uint32_t owned_count = 0, orphan_count = 0;
    opr_status st = opr_list(d->c, REPLICASET_GVK, d->ns, "owner", d->uid, &owned, &owned_count);
    if (st == OPR_OK && !is_deleting(d->self)) {
        st = opr_list(d->c, REPLICASET_GVK, d->ns, "owner0", "", &orphans, &orphan_count);
    }
    if (st != OPR_OK) {
        return st;
    }
    /* One more place: for the set that this sync may make. */
    d->sets = opr_ctx_alloc(d->c, (owned_count + orphan_count + 1) * sizeof *d->sets);
    st = claim_owned(d, owned, owned_count);
    if (st == OPR_OK) {
        st = claim_orphans(d, orphans, orphan_count);
    }
    qsort(d->sets, d->count, sizeof *d->sets, by_age);
    return st;
}

void dep_find_newest(struct dep *d)
{
    const struct opr_obj *wanted = opr_obj_at(d->self, "/spec/template");
    d->newest = NULL;
    for (uint32_t i = 0; i < d->count && !d->newest; i++) {
        if (template_equal(d->c, wanted, opr_obj_at(d->sets[i].o, "/spec/template"))) {
            d->newest = &d->sets[i];
        }
    }
}

int64_t dep_sum_replicas(const struct dep *d)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        sum += d->sets[i].replicas;
    }
    return sum;
}

opr_status dep_resize(struct dep *d, struct set *s, int64_t replicas)
{
    int64_t max = d->replicas + d->max_surge, old = s->replicas;
    if (old == replicas && s->desired_noted == d->replicas && s->max_noted == max) {
        return OPR_OK;
    }
    struct opr_doc *patch = opr_doc_new(
        d->c,
        "{'metadata':{'uid':%s,'annotations':{'deployment.kubernetes.io/desired-replicas':%s,"
        "'deployment.kubernetes.io/max-replicas':%s}},'spec':{'replicas':%lld}}",
        s->uid, opr_ctx_text(d->c, "%lld", (long long)d->replicas),
        opr_ctx_text(d->c, "%lld", (long long)max), (long long)replicas);
    const struct opr_obj *now = NULL;
    opr_status st = opr_patch(d->c, s->o, NULL, OPR_PATCH_MERGE, patch, &now);
    if (st != OPR_OK) {
        return st;
    }
    set_read(s, now);
    if (old != replicas) {
        opr_event(d->c, d->self, "Normal", "ScalingReplicaSet",
                  "Scaled %s replica set %s from %lld to %lld", old < replicas ? "up" : "down",
                  s->name, (long long)old, (long long)replicas);
    }
    return OPR_OK;
}

opr_status dep_scale(struct dep *d, struct set *s, int64_t replicas, bool *did)
{
    if (s->replicas == replicas) {
        return OPR_OK;
    }
    *did = true;
    return dep_resize(d, s, replicas);
}
