#include "schedulers/scheduler.h"

#include <time.h>

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

const char *time_text(struct opr_ctx *c, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return opr_ctx_text(c, "%s", text);
}

/* Tells the user why the pod waits: an event, and the condition where it says something new. */
static opr_status report(struct cycle *y, struct queued *q, const char *reason, const char *message,
                         const char *nominated)
{
    const struct opr_obj *old = scheduled_condition(y->pod);
    bool was_false = str_eq(opr_obj_str(old, "/status", ""), "False");
    bool is_news = !was_false || !str_eq(opr_obj_str(old, "/reason", ""), reason) ||
                   !str_eq(opr_obj_str(old, "/message", ""), message);
    if (!is_news && !nominated) {
        return OPR_OK;
    }
    const char *since = time_text(y->c, opr_ctx_now_ms(y->c));
    if (was_false) {
        since = opr_obj_str(old, "/lastTransitionTime", since);
    }
    opr_event(y->c, y->pod, "Warning", "FailedScheduling", "%.1024s", message);
    struct opr_doc *d = opr_doc_new(
        y->c,
        "{'metadata':{'uid':%s},'status':{'conditions':[{'type':'PodScheduled','status':'False',"
        "'reason':%s,'message':%s,'lastTransitionTime':%s}]}}",
        y->uid, reason, message, since);
    if (nominated) {
        opr_doc_set(d, "/status/nominatedNodeName", nominated[0] != '\0' ? "%s" : "null",
                    nominated);
    }
    const struct opr_obj *now = NULL;
    opr_status st = opr_patch(y->c, y->pod, "status", OPR_PATCH_STRATEGIC, d, &now);
    if (st == OPR_OK && now) {
        queue_refresh(&y->cluster->queues, q, now);
    }
    return st;
}

void cycle_refuse(struct cycle *y, struct queued *q)
{
    const char *nominated = preempt(y);
    opr_status st = report(y, q, "Unschedulable", cycle_message(y), nominated);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        opr_ctx_log(y->c, OPR_LOG_WARN, "pod status not written pod=%s/%s error=%s", y->ns, y->name,
                    opr_ctx_error(y->c));
        y->has_failed = true;
    }
    if (y->has_failed) {
        queue_retry(&y->cluster->queues, q, opr_ctx_now_ms(y->c));
        return;
    }
    queue_park(&y->cluster->queues, q, y->rejected_by, opr_ctx_now_ms(y->c));
}

void cycle_bind(struct cycle *y, struct queued *q, struct sched_node *n)
{
    struct cluster *k = y->cluster;
    const char *node = opr_ctx_text(y->c, "%s", n->name);
    struct opr_doc *d = opr_doc_new(
        y->c,
        "{'apiVersion':'v1','kind':'Binding','metadata':{'name':%s,'namespace':%s,'uid':%s},"
        "'target':{'apiVersion':'v1','kind':'Node','name':%s}}",
        y->name, y->ns, y->uid, node);
    /* Before the call: the next pod must see the room as taken. */
    cluster_assume(k, y->pod, &y->request, n);
    const char *path = opr_ctx_text(y->c, "/api/v1/namespaces/%s/pods/%s/binding", y->ns, y->name);
    opr_status st = opr_request(y->c, "POST", path, d, NULL);
    if (st == OPR_OK) {
        queue_drop_nomination(&k->queues, q, node);
        opr_event(y->c, y->pod, "Normal", "Scheduled", "Successfully assigned %s/%s to %s", y->ns,
                  y->name, node);
        return;
    }
    /* Gone, or bound by someone else: the watch tells, and takes it out of the queues. */
    const char *why = opr_ctx_text(y->c, "%s", opr_ctx_error(y->c));
    cluster_forget(k, y->c, y->uid);
    queue_retry(&k->queues, q, opr_ctx_now_ms(y->c));
    if (st != OPR_E_NOT_FOUND && st != OPR_E_CONFLICT && st != OPR_E_EXISTS) {
        opr_ctx_log(y->c, OPR_LOG_WARN, "binding failed pod=%s/%s node=%s error=%s", y->ns, y->name,
                    node, why);
        opr_status told = report(y, q, "SchedulerError", why, NULL);
        (void)told; /* the log has it */
    }
}
