#include "schedulers/scheduler.h"

#include <time.h>

enum {
    ASSUME_MS = 30000,    /* the watch shows a binding long before that */
    LOOK_AGAIN_MS = 30000 /* should a change that helps have been missed */
};

opr_result cycle_bind(struct cycle *y, struct sched_node *n)
{
    const char *node = opr_ctx_text(y->c, "%s", n->name);
    struct opr_doc *d = opr_doc_new(
        y->c,
        "{'apiVersion':'v1','kind':'Binding','metadata':{'name':%s,'namespace':%s,'uid':%s},"
        "'target':{'apiVersion':'v1','kind':'Node','name':%s}}",
        y->name, y->ns, y->uid, node);
    /* Before the call: the next pod must see the room as taken. */
    cluster_assume(y->cluster, y->pod, &y->request, n, opr_ctx_now_ms(y->c) + ASSUME_MS);
    const char *path = opr_ctx_text(y->c, "/api/v1/namespaces/%s/pods/%s/binding", y->ns, y->name);
    opr_status st = opr_request(y->c, "POST", path, d, NULL);
    if (st == OPR_OK) {
        opr_event(y->c, y->pod, "Normal", "Scheduled", "Successfully assigned %s/%s to %s", y->ns,
                  y->name, node);
        return opr_done();
    }
    cluster_forget(y->cluster, y->uid);
    y->cluster->wakes_all = true;
    if (st == OPR_E_NOT_FOUND || st == OPR_E_CONFLICT || st == OPR_E_EXISTS) {
        return opr_done(); /* gone, or bound by someone else: the watch tells */
    }
    return opr_retry(opr_ctx_error(y->c));
}

static const struct opr_obj *scheduled_condition(const struct opr_obj *pod)
{
    const struct opr_obj *list = opr_obj_at(pod, "/status/conditions");
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        if (str_eq(opr_obj_str(x, "/type", ""), "PodScheduled")) {
            return x;
        }
    }
    return NULL;
}

static const char *now_text(struct opr_ctx *c)
{
    time_t s = (time_t)(opr_ctx_now_ms(c) / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return opr_ctx_text(c, "%s", text);
}

opr_result cycle_refuse(struct cycle *y)
{
    const char *message = cycle_message(y);
    const struct opr_obj *old = scheduled_condition(y->pod);
    bool was_false = str_eq(opr_obj_str(old, "/status", ""), "False");
    waiting_add(y->cluster, y->pod, y->spread || y->wants_pods);
    if (was_false && str_eq(opr_obj_str(old, "/reason", ""), "Unschedulable") &&
        str_eq(opr_obj_str(old, "/message", ""), message)) {
        return opr_requeue_after_ms(LOOK_AGAIN_MS);
    }
    const char *since = now_text(y->c);
    if (was_false) {
        since = opr_obj_str(old, "/lastTransitionTime", since);
    }
    opr_event(y->c, y->pod, "Warning", "FailedScheduling", "%.1000s", message);
    struct opr_doc *d = opr_doc_new(
        y->c,
        "{'metadata':{'uid':%s},'status':{'conditions':[{'type':'PodScheduled','status':'False',"
        "'reason':'Unschedulable','message':%s,'lastTransitionTime':%s}]}}",
        y->uid, message, since);
    opr_status st = opr_patch(y->c, y->pod, "status", OPR_PATCH_STRATEGIC, d, NULL);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        return opr_retry(opr_ctx_error(y->c));
    }
    return opr_requeue_after_ms(LOOK_AGAIN_MS);
}
