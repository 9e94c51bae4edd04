#include "controllers/nodelifecycle/nodelifecycle.h"

static void say_removed(struct sync *s)
{
    struct opr_doc *about =
        opr_doc_new(s->c, "{'apiVersion':'v1','kind':'Node','metadata':{'name':%s,'uid':%s}}",
                    s->name, s->name);
    opr_event(s->c, opr_doc_obj(about), "Normal", "RemovingNode",
              "Node %s event: Removing Node %s from Controller", s->name, s->name);
}

/* Only after a while, and only when the server says so too. */
opr_status orphans_remove(struct sync *s)
{
    const struct opr_obj *const *pods = NULL, *live = NULL;
    uint32_t n = 0;
    if (s->state->is_registered) {
        s->state->is_registered = false;
        say_removed(s);
    }
    opr_status st = opr_list(s->c, "v1/Pod", NULL, "node", s->name, &pods, &n);
    if (st != OPR_OK || n == 0) {
        return st;
    }
    if (s->state->gone_ms == 0) {
        s->state->gone_ms = s->now_ms;
    }
    if (s->now_ms < s->state->gone_ms + ORPHAN_MS) {
        look_again(s, s->state->gone_ms + ORPHAN_MS);
        return OPR_OK;
    }
    st = opr_get_live(s->c, "v1/Node", "", s->name, &live);
    if (st != OPR_E_NOT_FOUND) {
        return st;
    }
    st = OPR_OK;
    for (uint32_t i = 0; i < n && st == OPR_OK; i++) {
        st = pod_disrupt(s, pods[i], "DeletionByPodGC", "PodGC: node no longer exists", 0, true);
    }
    return st;
}
