#include "controllers/policy/policy.h"

#include <math.h>

#define REASON_MAX_BYTES 512

/* The cache has not shown our last write yet: deciding again would count it twice. */
static bool is_waiting(const struct record *r, const struct target *t)
{
    return r->written && t->replicas != r->written_size &&
           str_eq(r->written, opr_obj_str(t->o, "/metadata/resourceVersion", ""));
}

/* Without maxReplicas the target does not grow: a policy is told so by ctx.max, and a verdict of a
 * billion makes no Pods. */
static int64_t clamped(const struct opr_obj *self, int64_t n, int64_t current)
{
    int64_t most = opr_obj_int(self, "/spec/maxReplicas", current);
    int64_t least = opr_obj_int(self, "/spec/minReplicas", 1);
    n = n > most ? most : n;
    return n < least ? least : n;
}

/* A verdict's reason goes to events and status, which are no place for a book. */
static const char *reason_of(struct opr_ctx *c, const struct opr_obj *result)
{
    const char *text = opr_obj_str(result, "/1", "policy");
    size_t len = REASON_MAX_BYTES;
    if (strlen(text) <= len) {
        return text;
    }
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
        len--; /* not within a character */
    }
    return opr_ctx_text(c, "%.*s...", (int)len, text);
}

static opr_status write_scale(struct opr_ctx *c, const struct opr_obj *self, struct record *r,
                              const struct target *t, struct verdict *v)
{
    struct opr_doc *d = opr_doc_new(c, "{'spec':{'replicas':%lld}}", (long long)v->desired);
    opr_status st = opr_patch(c, t->o, "scale", OPR_PATCH_MERGE, d, NULL);
    if (st != OPR_OK) {
        opr_event(c, self, "Warning", "FailedRescale", "New size: %lld; reason: %s; error: %s",
                  (long long)v->desired, v->text, opr_ctx_error(c));
        return st;
    }
    free(r->written);
    r->written = strdup(opr_obj_str(t->o, "/metadata/resourceVersion", ""));
    r->written_size = v->desired;
    *(v->desired > v->current ? &r->last_up_ms : &r->last_down_ms) = opr_ctx_now_ms(c);
    v->has_scaled = true;
    opr_event(c, self, "Normal", "SuccessfulRescale", "New size: %lld; reason: %s",
              (long long)v->desired, v->text);
    return OPR_OK;
}

/* Asks the policy; what it can not know (no metrics) never makes the target smaller. */
static void ask(struct opr_ctx *c, const struct opr_obj *self, struct record *r,
                const struct target *t, struct verdict *v)
{
    const struct opr_obj *result = NULL;
    bool is_blind = !target_has_samples(t) && t->replicas > 0;
    if (is_blind) {
        v->message = v->message[0] != '\0' ? v->message : "no metrics of any pod yet";
        return;
    }
    opr_status st = opr_policy_call(c, r->name, "scale", scale_input(c, self, r, t), &result);
    if (st != OPR_OK) {
        v->message = opr_ctx_text(c, "%s", opr_ctx_error(c));
        return;
    }
    double wanted = opr_obj_num(result, "/0", NAN);
    if (!isfinite(wanted) || fabs(wanted) > INT32_MAX) {
        v->message = "the policy gave no number of replicas";
        return;
    }
    recent_note(r, opr_ctx_now_ms(c), opr_obj_num(result, "/2", wanted));
    v->is_active = true;
    v->desired = (int64_t)wanted;
    v->text = reason_of(c, result);
    if (v->desired < v->current && !t->samples) {
        v->desired = v->current;
    }
}

opr_status policy_scale(struct opr_ctx *c, const struct opr_obj *self, struct record *r,
                        struct verdict *ret_verdict)
{
    struct verdict *v = ret_verdict;
    struct target t;
    const char *problem = "";
    opr_status st = target_read(c, self, &t, &problem);
    *v = (struct verdict){
        .current = t.replicas, .desired = t.replicas, .text = "", .message = problem};
    if (st != OPR_OK) {
        return st == OPR_E_NOT_FOUND ? OPR_OK : st;
    }
    if (is_waiting(r, &t)) {
        v->is_active = true;
        v->desired = r->written_size;
        return OPR_OK;
    }
    if (r->is_loaded) {
        ask(c, self, r, &t, v);
    }
    int64_t asked = v->desired;
    v->desired = clamped(self, asked, v->current);
    if (v->desired != asked) {
        const char *most =
            opr_obj_at(self, "/spec/maxReplicas") ? "above maxReplicas" : "there is no maxReplicas";
        const char *bound = v->desired < asked ? most : "below minReplicas";
        v->text = v->text[0] != '\0' ? opr_ctx_text(c, "%s (%s)", v->text, bound) : bound;
    }
    return v->desired == v->current ? OPR_OK : write_scale(c, self, r, &t, v);
}
