#include "controllers/deployment/deployment.h"

struct totals {
    int64_t replicas, updated, ready, available, unavailable, terminating; /* -1: not known */
};

static struct totals total(const struct dep *d)
{
    struct totals t = {.updated = d->newest ? d->newest->actual : 0};
    for (uint32_t i = 0; i < d->count; i++) {
        const struct set *s = &d->sets[i];
        const struct opr_obj *terminating = opr_obj_at(s->o, "/status/terminatingReplicas");
        t.replicas += s->actual;
        t.ready += s->ready;
        t.available += s->available;
        if (t.terminating >= 0) {
            t.terminating = terminating ? t.terminating + opr_obj_int(terminating, "", 0) : -1;
        }
    }
    int64_t missing = dep_sum_replicas(d) - t.available;
    t.unavailable = missing > 0 ? missing : 0;
    return t;
}

/* Same status and reason: left as it is, so that lastUpdateTime tells when progress was made. */
void dep_condition(struct dep *d, const char *type, const char *status, const char *reason,
                   const char *message)
{
    const struct opr_obj *old = conditions_find(&d->conditions, type);
    const char *now = time_now(d->c), *since = now;
    bool is_same_status = old && str_eq(opr_obj_str(old, "/status", ""), status);
    if (is_same_status && str_eq(opr_obj_str(old, "/reason", ""), reason)) {
        return;
    }
    if (is_same_status) {
        since = opr_obj_str(old, "/lastTransitionTime", now);
    }
    struct opr_doc *x = opr_doc_new(d->c,
                                    "{'type':%s,'status':%s,'lastUpdateTime':%s,"
                                    "'lastTransitionTime':%s,'reason':%s,'message':%s}",
                                    type, status, now, since, reason, message);
    conditions_put(&d->conditions, opr_doc_obj(x));
}

static bool is_complete(const struct dep *d, const struct totals *t)
{
    return t->updated == d->replicas && t->replicas == d->replicas && t->available == d->replicas;
}

bool dep_is_complete(const struct dep *d)
{
    struct totals t = {
        .replicas = opr_obj_int(d->self, "/status/replicas", 0),
        .updated = opr_obj_int(d->self, "/status/updatedReplicas", 0),
        .available = opr_obj_int(d->self, "/status/availableReplicas", 0),
    };
    return is_complete(d, &t) && opr_obj_int(d->self, "/status/observedGeneration", 0) >=
                                     opr_obj_int(d->self, "/metadata/generation", 0);
}

static bool is_progressing(const struct dep *d, const struct totals *t)
{
    const struct opr_obj *s = opr_obj_at(d->self, "/status");
    int64_t old_updated = opr_obj_int(s, "/updatedReplicas", 0);
    int64_t old_rest = opr_obj_int(s, "/replicas", 0) - old_updated;
    return t->updated > old_updated || t->replicas - t->updated < old_rest ||
           t->ready > opr_obj_int(s, "/readyReplicas", 0) ||
           t->available > opr_obj_int(s, "/availableReplicas", 0);
}

static int64_t deadline_at_ms(const struct dep *d, const struct opr_obj *progress)
{
    return time_parse(opr_obj_str(progress, "/lastUpdateTime", NULL)) + d->deadline_s * 1000;
}

static bool is_timed_out(const struct dep *d)
{
    const struct opr_obj *x = conditions_find(&d->conditions, "Progressing");
    const char *reason = opr_obj_str(x, "/reason", "");
    if (!x || str_eq(reason, "NewReplicaSetAvailable")) {
        return false;
    }
    return str_eq(reason, "ProgressDeadlineExceeded") ||
           deadline_at_ms(d, x) < opr_ctx_now_ms(d->c);
}

/* "ReplicaSet "x" is progressing."; the Deployment is named while there is no set yet. */
static const char *progress_text(const struct dep *d, const char *what)
{
    return d->newest ? opr_ctx_text(d->c, "ReplicaSet \"%s\" %s", d->newest->name, what)
                     : opr_ctx_text(d->c, "Deployment \"%s\" %s", d->name, what);
}

static void judge_progress(struct dep *d, const struct totals *t)
{
    const struct opr_obj *now = conditions_find(&d->conditions, "Progressing");
    if (d->deadline_s < 0) {
        conditions_remove(&d->conditions, "Progressing");
        return;
    }
    const struct opr_obj *was =
        condition_in(opr_obj_at(d->self, "/status/conditions"), "Progressing");
    if (t->replicas == t->updated &&
        str_eq(opr_obj_str(was, "/reason", ""), "NewReplicaSetAvailable") && was == now) {
        return;
    }
    if (is_complete(d, t)) {
        dep_condition(d, "Progressing", "True", "NewReplicaSetAvailable",
                      progress_text(d, "has successfully progressed."));
    } else if (is_progressing(d, t)) {
        const char *time = time_now(d->c), *since = time;
        if (str_eq(opr_obj_str(now, "/status", ""), "True")) {
            since = opr_obj_str(now, "/lastTransitionTime", time);
        }
        struct opr_doc *x =
            opr_doc_new(d->c,
                        "{'type':'Progressing','status':'True','lastUpdateTime':%s,"
                        "'lastTransitionTime':%s,'reason':'ReplicaSetUpdated','message':%s}",
                        time, since, progress_text(d, "is progressing."));
        conditions_put(&d->conditions, opr_doc_obj(x));
    } else if (is_timed_out(d)) {
        dep_condition(d, "Progressing", "False", "ProgressDeadlineExceeded",
                      progress_text(d, "has timed out progressing."));
    }
}

static void copy_failure(struct dep *d)
{
    const struct opr_obj *failure = NULL;
    if (d->newest) {
        failure = condition_in(opr_obj_at(d->newest->o, "/status/conditions"), "ReplicaFailure");
    }
    for (uint32_t i = 0; i < d->count && !failure; i++) {
        failure = condition_in(opr_obj_at(d->sets[i].o, "/status/conditions"), "ReplicaFailure");
    }
    if (!failure) {
        conditions_remove(&d->conditions, "ReplicaFailure");
        return;
    }
    dep_condition(d, "ReplicaFailure", opr_obj_str(failure, "/status", "True"),
                  opr_obj_str(failure, "/reason", ""), opr_obj_str(failure, "/message", ""));
}

static void set_if_not_zero(struct opr_doc *doc, const char *ptr, int64_t n)
{
    if (n > 0) {
        opr_doc_set(doc, ptr, "%lld", (long long)n);
    }
}

static opr_status put_status(struct dep *d, const struct opr_obj *status)
{
    if (opr_obj_equal(status, opr_obj_at(d->self, "/status"))) {
        return OPR_OK;
    }
    struct opr_doc *whole = opr_doc_of(d->c, d->self);
    opr_doc_set(whole, "/status", "%p", status);
    return opr_update(d->c, whole, "status", &d->self);
}

opr_status dep_write_status(struct dep *d, bool with_progress)
{
    struct totals t = total(d);
    struct opr_doc *doc = opr_doc_new(d->c, "{'observedGeneration':%lld}",
                                      (long long)opr_obj_int(d->self, "/metadata/generation", 0));
    set_if_not_zero(doc, "/replicas", t.replicas);
    set_if_not_zero(doc, "/updatedReplicas", t.updated);
    set_if_not_zero(doc, "/readyReplicas", t.ready);
    set_if_not_zero(doc, "/availableReplicas", t.available);
    set_if_not_zero(doc, "/unavailableReplicas", t.unavailable);
    if (t.terminating >= 0) {
        opr_doc_set(doc, "/terminatingReplicas", "%lld", (long long)t.terminating);
    }
    set_if_not_zero(doc, "/collisionCount", d->collisions);
    if (t.available >= d->replicas - d->max_unavailable) {
        dep_condition(d, "Available", "True", "MinimumReplicasAvailable",
                      "Deployment has minimum availability.");
    } else {
        dep_condition(d, "Available", "False", "MinimumReplicasUnavailable",
                      "Deployment does not have minimum availability.");
    }
    if (with_progress) {
        judge_progress(d, &t);
        copy_failure(d);
    }
    opr_doc_set(doc, "/conditions", "%p", conditions_array(d->c, &d->conditions));
    return put_status(d, opr_doc_obj(doc));
}

opr_status dep_write_conditions(struct dep *d)
{
    struct opr_doc *doc = opr_doc_new(d->c, "{}");
    if (opr_obj_at(d->self, "/status")) {
        doc = opr_doc_of(d->c, opr_obj_at(d->self, "/status"));
    }
    if (d->conditions.count > 0) {
        opr_doc_set(doc, "/conditions", "%p", conditions_array(d->c, &d->conditions));
    }
    set_if_not_zero(doc, "/collisionCount", d->collisions);
    return put_status(d, opr_doc_obj(doc));
}

uint32_t dep_deadline_ms(const struct dep *d)
{
    const struct opr_obj *x =
        condition_in(opr_obj_at(d->self, "/status/conditions"), "Progressing");
    const char *reason = opr_obj_str(x, "/reason", "");
    if (d->deadline_s < 0 || !x || dep_is_complete(d) ||
        str_eq(reason, "ProgressDeadlineExceeded") || str_eq(reason, "NewReplicaSetAvailable")) {
        return 0;
    }
    int64_t left_ms = deadline_at_ms(d, x) - opr_ctx_now_ms(d->c) + 1000;
    left_ms = left_ms < 1000 ? 1000 : left_ms;
    return (uint32_t)(left_ms > INT32_MAX ? INT32_MAX : left_ms);
}
