/* One primary object: ask the policy, check its answer as a whole, then write. */
#include "controllers/policy/reconcile.h"

#include <math.h>

/* An answer that can not be used: nothing is written but why. */
static opr_result refuse(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                         const char *key, const char *reason, const char *problem)
{
    const char *said = opr_ctx_text(c, "%s: %s", key, problem);
    const char *old =
        opr_obj_str(condition_in(opr_obj_at(self, "/status/conditions"), "Synced"), "/message", "");
    if (!str_eq(old, problem)) {
        opr_event(c, self, "Warning", reason, "%s", problem);
    }
    program_report(c, p->policy, key, said);
    opr_status st = status_apply(c, self, NULL, reason, problem);
    return st == OPR_OK ? opr_requeue_after_ms(RETRY_MS) : opr_retry(opr_ctx_error(c));
}

/* "" or what is wrong with the answer. */
static const char *read_answer(struct opr_ctx *c, const struct program *p,
                               const struct opr_obj *self, const struct opr_obj *answer,
                               struct wanted *ret_wanted)
{
    struct wanted *w = ret_wanted;
    if (opr_obj_type(answer) != OPR_TYPE_OBJECT) {
        return "reconcile must return a table {children=, status=, requeue=}";
    }
    for (const struct opr_obj *m = opr_obj_first(answer); m; m = opr_obj_next(m)) {
        const char *name = opr_obj_name(m);
        if (!str_eq(name, "children") && !str_eq(name, "status") && !str_eq(name, "requeue")) {
            return opr_ctx_text(c, "reconcile returned '%s': it returns children, status, requeue",
                                name);
        }
    }
    w->children = opr_obj_at(answer, "/children");
    w->status = opr_obj_at(answer, "/status");
    const char *problem = children_check(c, p, self, w->children);
    if (problem) {
        return problem;
    }
    if (w->status && opr_obj_type(w->status) != OPR_TYPE_OBJECT) {
        return "reconcile returned a status that is no table with names";
    }
    const struct opr_obj *requeue = opr_obj_at(answer, "/requeue");
    double ms = 1000 * opr_obj_num(requeue, "", 0);
    if (requeue && (opr_obj_type(requeue) != OPR_TYPE_NUMBER || !(ms > 0))) {
        return "reconcile returned a requeue that is no number of seconds: policy.seconds(\"5m\")";
    }
    ms = requeue && ms < REQUEUE_LEAST_MS ? REQUEUE_LEAST_MS : ms;
    w->requeue_ms = (int64_t)(ms > REQUEUE_MOST_MS ? REQUEUE_MOST_MS : ms);
    return "";
}

static opr_result write_wanted(struct opr_ctx *c, const struct program *p,
                               const struct opr_obj *self, const char *key,
                               const struct family *family, const struct wanted *w)
{
    uint32_t wait_ms = 0;
    const char *problem = NULL;
    opr_status st = children_apply(c, p, self, family, w->children, &wait_ms, &problem);
    if (st == OPR_E_CONFLICT) {
        return opr_retry(problem); /* the cache will show what changed */
    }
    if (problem) {
        const char *old = opr_obj_str(
            condition_in(opr_obj_at(self, "/status/conditions"), "Synced"), "/message", "");
        if (!str_eq(old, problem)) {
            opr_event(c, self, "Warning", "ChildNotWritten", "%s", problem);
        }
    }
    opr_status written = status_apply(c, self, w->status,
                                      problem   ? "ChildNotWritten"
                                      : wait_ms ? "Limited"
                                                : "Synced",
                                      problem   ? problem
                                      : wait_ms ? "writes are held back by the policy's rate limit"
                                                : NULL);
    if (written != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    program_report(c, p->policy, key, problem ? opr_ctx_text(c, "%s: %s", key, problem) : NULL);
    if (problem) {
        bool is_final = st == OPR_E_INVALID || st == OPR_E_EXISTS || st == OPR_E_FORBIDDEN;
        return is_final ? opr_requeue_after_ms(RETRY_MS) : opr_retry(problem);
    }
    if (wait_ms > 0) {
        return opr_requeue_after_ms(wait_ms);
    }
    return w->requeue_ms > 0 ? opr_requeue_after_ms((uint32_t)w->requeue_ms) : opr_done();
}

static opr_result ask(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                      const char *key)
{
    struct family family;
    if (family_read(c, p, self, &family) != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    struct opr_doc *input = opr_doc_new(c, "[%p,%p]", self, family_doc(c, p, self, &family));
    const struct opr_obj *result = NULL;
    opr_status st = opr_policy_call(c, p->policy, "reconcile", input, &result);
    if (st != OPR_OK) {
        return refuse(c, p, self, key, "PolicyFailed", opr_ctx_text(c, "%s", opr_ctx_error(c)));
    }
    struct wanted w = {0};
    const char *problem = read_answer(c, p, self, opr_obj_at(result, "/0"), &w);
    if (problem[0] != '\0') {
        return refuse(c, p, self, key, "PolicyAnswerRefused", problem);
    }
    return write_wanted(c, p, self, key, &family, &w);
}

opr_result reconcile_object(struct opr_ctx *c, const char *policy, const char *ns, const char *name)
{
    const struct program *p = program_find(c, policy);
    const struct opr_obj *self = NULL;
    if (!p || !p->is_active || (p->ns && !str_eq(p->ns, ns))) {
        return opr_done();
    }
    opr_status st = program_watch(c, p);
    if (st == OPR_E_BUSY) {
        return opr_requeue_after_ms(LISTING_MS);
    }
    if (st == OPR_E_NOT_FOUND) {
        return opr_requeue_after_ms(ABSENT_MS);
    }
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    const char *key = ns[0] != '\0' ? opr_ctx_text(c, "%s/%s", ns, name) : name;
    st = opr_get(c, p->primary, ns, name, &self);
    if (st == OPR_E_NOT_FOUND || (st == OPR_OK && is_deleting(self))) {
        program_report(c, policy, key, NULL);
        return opr_done(); /* its children go with it */
    }
    return st == OPR_OK ? ask(c, p, self, key) : opr_retry(opr_ctx_error(c));
}
