/* The end of a Pod: its containers, what it had of the machine, its object. */
#include "agent/internal.h"

#include "agent/files.h"
#include "agent/metrics.h"
#include "agent/net.h"
#include "agent/reach.h"
#include "agent/scratch.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

enum { RETRY_MS = 2000 };
#define MS_NS 1000000ull

static uint64_t after_ms(const struct opr__pod *p, uint64_t ms)
{
    return opr__now_ns(p->agent) + ms * MS_NS;
}

static bool is_over(const struct opr__run *run)
{
    return run->phase == OPR__RUN_EXITED || run->phase == OPR__RUN_LOST;
}

bool opr__pod_any_runs(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (c->run.phase == OPR__RUN_RUNNING) {
            return true;
        }
    }
    return false;
}

static bool any_main_runs(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (!c->is_init && c->run.phase == OPR__RUN_RUNNING) {
            return true;
        }
    }
    return false;
}

void opr__pod_end_containers(struct opr__pod *p)
{
    if (!p->is_ending) {
        p->is_ending = true;
        int64_t grace =
            opr_json_int(p->work, "/metadata/deletionGracePeriodSeconds",
                         opr_json_int(p->work, "/spec/terminationGracePeriodSeconds", 30));
        p->end_by_ns = after_ms(p, (uint64_t)(grace < 0 ? 0 : grace) * 1000);
    }
    /* A shorter grace may follow (kubectl delete --force after kubectl delete). */
    int64_t now_grace = opr_json_int(p->work, "/metadata/deletionGracePeriodSeconds", -1);
    if (now_grace >= 0 && after_ms(p, (uint64_t)now_grace * 1000) < p->end_by_ns) {
        p->end_by_ns = after_ms(p, (uint64_t)now_grace * 1000);
    }
    bool is_served = any_main_runs(p) && opr__now_ns(p->agent) < p->end_by_ns;
    for (size_t i = p->containers.count; i-- > 0;) {
        struct opr__container *c = p->containers.items[i];
        if (c->is_sidecar && is_served) {
            continue; /* what serves the others ends after them, the last that began first */
        }
        is_served = is_served || (c->is_sidecar && c->run.phase == OPR__RUN_RUNNING &&
                                  opr__now_ns(p->agent) < p->end_by_ns);
        if (c->run.phase == OPR__RUN_RUNNING) {
            if (!c->term_at_ns) {
                opr__event_add(p, c->name, "Normal", "Killing", "Stopping container %s", c->name);
                c->term_at_ns = opr__now_ns(p->agent);
            }
            opr__container_stop(p, c, p->end_by_ns);
        } else if (is_over(&c->run)) {
            c->reason[0] = 0; /* it waits for nothing any more */
        }
    }
}

void opr__pod_release(struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        opr__metrics_remove(p->agent->metrics, p, p->containers.items[i]);
    }
    (void)opr__cgroup_kill(&p->agent->cgroups, p->uid, NULL);
    opr__net_pod_remove(p);
    opr__cgroup_remove(&p->agent->cgroups, p->uid);
}

static bool delete_object(struct opr__pod *p, struct opr_caller *k)
{
    struct opr_error err = {0};
    struct opr_arena *arena = opr_arena_new();
    char *path = opr_resource_path(arena, p->agent->pod_resource, p->ns, p->name, NULL);
    char *body = opr_arena_printf(arena,
                                  "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                                  "\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}",
                                  p->uid);
    opr_status st = opr__reach_call(p->agent, k, "DELETE", path, "application/json",
                                    opr_str_of(body), NULL, &err);
    opr_arena_free(arena);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND && st != OPR_E_CONFLICT) {
        opr_log(st == OPR_E_BUSY ? OPR_LOG_DEBUG : OPR_LOG_WARN, "agent", "can not delete a pod",
                "pod=%s/%s error=\"%s\"", p->ns, p->name, err.message);
        return false;
    }
    return true;
}

void opr__pod_end(struct opr__pod *p, struct opr_caller *k)
{
    opr__pod_end_containers(p);
    if (opr__pod_any_runs(p)) {
        return;
    }
    opr__pod_release(p);
    if (!p->work_gone) {
        if (!p->is_online) { /* the API has to hear of it */
            opr__pod_wake(p, after_ms(p, RETRY_MS));
            return;
        }
        bool is_told = opr__status_send(p, k); /* how it ended is known before it goes */
        opr__events_send(p, k);
        /* With a finalizer it stays; its end comes by watch. */
        if (!is_told || !delete_object(p, k)) {
            opr__pod_wake(p, after_ms(p, RETRY_MS));
            return;
        }
    }
    if (p->work_gone || opr_json_len(opr_json_at(p->work, "/metadata/finalizers")) == 0) {
        opr__scratch_release(p->dir);
        opr__tree_remove(p->dir);
        p->is_forgotten = true;
    }
}
