#include "controllers/policy/policy.h"

/* Tried once a source: what did not load does not load the next time either. */
void policy_load(struct opr_ctx *c, const struct opr_obj *self, struct record *r)
{
    const char *source = opr_obj_str(self, "/spec/source", "");
    if (r->source && strcmp(r->source, source) == 0) {
        return;
    }
    free(r->source);
    free(r->problem);
    r->source = strdup(source);
    r->problem = NULL;
    if (opr_policy_load(c, r->name, source) == OPR_OK) {
        r->is_loaded = true;
        opr_enqueue_after(c, RECONCILER, (struct opr_key){r->name, ""}, 0);
        opr_event(c, self, "Normal", "PolicyLoaded", "The policy was loaded");
        return;
    }
    r->problem = strdup(opr_ctx_error(c));
    opr_event(c, self, "Warning", "PolicyNotLoaded", "%s%s", opr_ctx_error(c),
              r->is_loaded ? "; the last good one goes on" : "");
}
