/* The status of a Pod as a kubelet reports it. */
#include "agent/internal.h"

#include "agent/message.h"
#include "agent/reach.h"
#include "core/api/quantity.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <stdio.h>

#define HOST_IP "127.0.0.1"
#define MS_NS 1000000ull
enum { RETRY_MS = 1000 };

static bool is_over(const struct opr__run *run)
{
    return run->phase == OPR__RUN_EXITED || run->phase == OPR__RUN_LOST;
}

static void put_time(struct json_object *d, const char *ptr, int64_t wall_ms)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(wall_ms, text);
    opr_doc_put_str(d, ptr, text);
}

struct count {
    size_t waiting, running, failed, succeeded;
};

static struct count count_main(const struct opr__pod *p)
{
    struct count n = {0};
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (c->is_init) { /* one that stays keeps the Pod running, its end does not count */
            n.running += c->is_sidecar && p->is_initialized && c->run.phase == OPR__RUN_RUNNING;
            continue;
        }
        n.waiting += c->run.phase == OPR__RUN_NONE;
        n.running += c->run.phase == OPR__RUN_RUNNING;
        n.succeeded += is_over(&c->run) && c->run.exit_code == 0;
        n.failed += is_over(&c->run) && c->run.exit_code != 0;
    }
    return n;
}

static bool init_failed(const struct opr__pod *p)
{
    if (strcmp(opr_json_str(p->work, "/spec/restartPolicy", "Always"), "Never") != 0) {
        return false;
    }
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (c->is_init && !c->is_sidecar && is_over(&c->run) && c->run.exit_code != 0) {
            return true;
        }
    }
    return false;
}

/* It was ended for good, and nothing of it runs any more. */
static bool is_ended(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (c->run.phase == OPR__RUN_RUNNING) {
            return false;
        }
    }
    return p->is_ending;
}

/* kubernetes pkg/kubelet getPhase(). */
const char *opr__status_phase(const struct opr__pod *p)
{
    struct count n = count_main(p);
    const char *policy = opr_json_str(p->work, "/spec/restartPolicy", "Always");
    if (is_ended(p)) {
        return n.failed || n.waiting || p->end_reason ? "Failed" : "Succeeded";
    }
    if (init_failed(p)) {
        return "Failed";
    }
    if (!p->is_initialized || n.waiting > 0) {
        return "Pending";
    }
    if (n.running > 0 || strcmp(policy, "Always") == 0) {
        return "Running";
    }
    if (n.failed == 0) {
        return "Succeeded";
    }
    return strcmp(policy, "Never") == 0 ? "Failed" : "Running";
}

static struct json_object *terminated(const struct opr__pod *p, const struct opr__container *c,
                                      const struct opr__run *run, uint32_t attempt)
{
    struct json_object *d = json_object_new_object();
    const char *reason = run->phase == OPR__RUN_LOST ? "ContainerStatusUnknown"
                         : run->error[0]             ? "StartError"
                         : run->was_oom              ? "OOMKilled"
                         : run->exit_code == 0       ? "Completed"
                                                     : "Error";
    opr_doc_put_int(d, "/exitCode", run->exit_code);
    opr_doc_put_str(d, "/reason", reason);
    if (run->error[0]) {
        opr_doc_put_str(d, "/message", run->error);
    } else if (run->phase == OPR__RUN_LOST) {
        opr_doc_put_str(d, "/message", "The container ended and left no exit status");
    } else {
        opr__message_put(d, p, c, run, attempt);
    }
    if (run->signal > 0) {
        opr_doc_put_int(d, "/signal", run->signal);
    }
    put_time(d, "/startedAt", run->started_ms);
    put_time(d, "/finishedAt", run->finished_ms);
    char id[400];
    snprintf(id, sizeof id, "operon://%s/%s/%u", p->uid, c->name, attempt);
    opr_doc_put_str(d, "/containerID", id);
    return d;
}

static struct json_object *waiting(const struct opr__pod *p, const struct opr__container *c)
{
    struct json_object *d = json_object_new_object();
    bool has_inits = opr_json_len(opr_json_at(p->work, "/spec/initContainers")) > 0;
    bool waits_for_inits = has_inits && !p->is_initialized;
    opr_doc_put_str(d, "/reason",
                    c->reason[0]      ? c->reason
                    : waits_for_inits ? "PodInitializing"
                                      : "ContainerCreating");
    if (c->reason[0] && c->message[0]) {
        opr_doc_put_str(d, "/message", c->message);
    }
    return d;
}

/* A container that had not begun when its Pod was ended (kubernetes pkg/kubelet/status,
 * TerminatePod). */
static struct json_object *never_started(void)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_int(d, "/exitCode", 137);
    opr_doc_put_str(d, "/reason", "ContainerStatusUnknown");
    opr_doc_put_str(d, "/message",
                    "The container could not be located when the pod was terminated");
    json_object_object_add(d, "startedAt", NULL);
    json_object_object_add(d, "finishedAt", NULL);
    return d;
}

static void put_state(struct json_object *d, const char *ptr, const char *kind,
                      struct json_object *take_state)
{
    struct json_object *state = json_object_new_object();
    json_object_object_add(state, kind, take_state);
    json_object_object_add(d, ptr, state);
}

static void put_states(struct json_object *d, const struct opr__pod *p,
                       const struct opr__container *c)
{
    bool is_lost = is_ended(p) && p->is_initialized && c->run.phase == OPR__RUN_NONE;
    bool is_waiting =
        !is_lost && (c->run.phase == OPR__RUN_NONE || (is_over(&c->run) && c->reason[0]));
    if (is_lost) {
        put_state(d, "state", "terminated", never_started());
    } else if (c->run.phase == OPR__RUN_RUNNING) {
        struct json_object *running = json_object_new_object();
        put_time(running, "/startedAt", c->run.started_ms);
        put_state(d, "state", "running", running);
    } else if (is_waiting) {
        put_state(d, "state", "waiting", waiting(p, c));
    } else {
        put_state(d, "state", "terminated", terminated(p, c, &c->run, c->attempt));
    }
    if (is_waiting && is_over(&c->run)) {
        put_state(d, "lastState", "terminated", terminated(p, c, &c->run, c->attempt));
    } else if (is_over(&c->last)) {
        put_state(d, "lastState", "terminated", terminated(p, c, &c->last, c->attempt - 1));
    } else {
        json_object_object_add(d, "lastState", json_object_new_object());
    }
}

/* What the container was given: its specification's, which does not change here. */
static void put_resources(struct json_object *d, const struct opr__container *c)
{
    const struct opr_obj *resources = opr_json_at(c->spec, "/resources");
    const struct opr_obj *requests = opr_json_at(resources, "/requests");
    if (opr_json_len(requests) > 0) {
        json_object_object_add(d, "allocatedResources", opr_doc_from_obj(requests));
    }
    json_object_object_add(d, "resources",
                           resources ? opr_doc_from_obj(resources) : json_object_new_object());
}

static struct json_object *container_status(const struct opr__pod *p,
                                            const struct opr__container *c)
{
    struct json_object *d = json_object_new_object();
    bool is_done_init = c->is_init && !c->is_sidecar && is_over(&c->run) && c->run.exit_code == 0;
    opr_doc_put_str(d, "/name", c->name);
    put_states(d, p, c);
    json_object_object_add(d, "ready",
                           json_object_new_boolean(is_done_init || opr__container_is_ready(c)));
    json_object_object_add(d, "started", json_object_new_boolean(opr__container_is_started(c)));
    opr_doc_put_int(d, "/restartCount", c->attempt);
    opr_doc_put_str(d, "/image", opr_json_str(c->spec, "/image", ""));
    bool was_run = c->run.phase != OPR__RUN_NONE;
    char id[400] = "";
    if (was_run) {
        snprintf(id, sizeof id, "operon://%s/%s/%u", p->uid, c->name, c->attempt);
        opr_doc_put_str(d, "/containerID", id);
    }
    opr_doc_put_str(d, "/imageID", c->image_id);
    put_resources(d, c);
    return d;
}

/* Guaranteed: every container limits CPU and memory and asks for as much; BestEffort: none says
 * anything (kubernetes pkg/apis/core/v1/helper/qos). */
static const char *qos_class(const struct opr__pod *p)
{
    static const char *const resources[] = {"cpu", "memory"};
    bool any = false, all = true;
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        for (size_t r = 0; r < 2; r++) {
            char limit_ptr[48], request_ptr[48];
            snprintf(limit_ptr, sizeof limit_ptr, "/resources/limits/%s", resources[r]);
            snprintf(request_ptr, sizeof request_ptr, "/resources/requests/%s", resources[r]);
            int64_t limit = 0, request = 0;
            bool has_limit = opr_quantity_at(c->spec, limit_ptr, &limit) == OPR_OK;
            bool has_request = opr_quantity_at(c->spec, request_ptr, &request) == OPR_OK;
            any = any || has_limit || has_request;
            all = all && has_limit && (!has_request || request == limit);
        }
    }
    return all && any ? "Guaranteed" : any ? "Burstable" : "BestEffort";
}

static void put_addresses(struct json_object *d, const struct opr__pod *p)
{
    struct json_object *list = json_object_new_array(), *item = json_object_new_object();
    opr_doc_put_str(item, "/ip", HOST_IP);
    json_object_array_add(list, item);
    opr_doc_put_str(d, "/hostIP", HOST_IP);
    json_object_object_add(d, "hostIPs", list);
    if (p->ip[0]) {
        list = json_object_new_array();
        item = json_object_new_object();
        opr_doc_put_str(item, "/ip", p->ip);
        json_object_array_add(list, item);
        opr_doc_put_str(d, "/podIP", p->ip);
        json_object_object_add(d, "podIPs", list);
    }
}

struct json_object *opr__status_make(struct opr__pod *p)
{
    struct json_object *d = json_object_new_object();
    const char *phase = opr__status_phase(p);
    int64_t generation = opr_json_int(p->work, "/metadata/generation", 0);
    if (generation > 0) {
        opr_doc_put_int(d, "/observedGeneration", generation);
    }
    opr_doc_put_str(d, "/phase", phase);
    json_object_object_add(d, "conditions", opr__status_conditions(p, phase));
    if (p->end_reason) {
        opr_doc_put_str(d, "/reason", p->end_reason);
        opr_doc_put_str(d, "/message", p->end_message);
    }
    put_addresses(d, p);
    put_time(d, "/startTime", p->started_ms);
    const char *lists[] = {"initContainerStatuses", "containerStatuses"};
    for (int is_main = 0; is_main < 2; is_main++) {
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < p->containers.count; i++) {
            const struct opr__container *c = p->containers.items[i];
            if (c->is_init != is_main) {
                json_object_array_add(list, container_status(p, c));
            }
        }
        if (json_object_array_length(list) > 0) {
            json_object_object_add(d, lists[is_main], list);
        } else {
            json_object_put(list);
        }
    }
    opr_doc_put_str(d, "/qosClass", opr_json_str(p->work, "/status/qosClass", qos_class(p)));
    return d;
}

/* Somebody else wrote the Pod, or it is gone: the watch will say so, and what we know of our own
 * writes counts no more (a server that lost its newest state numbers from an older one on). */
static void on_refused(struct opr__pod *p, opr_status st, const struct opr_error *err)
{
    struct opr_agent *a = p->agent;
    if (st == OPR_E_NOT_FOUND || st == OPR_E_CONFLICT) {
        json_object_put(p->sent);
        p->sent = NULL;
        opr_json_unref(p->written);
        p->written = NULL;
    } else if (!a->is_stopping) {
        int32_t level = p->has_write_failed ? OPR_LOG_DEBUG : OPR_LOG_WARN;
        p->has_write_failed = true;
        opr_log(level, "agent", "can not write a pod's status", "pod=%s/%s error=\"%s\"", p->ns,
                p->name, err->message);
        opr__pod_wake(p, opr__now_ns(a) + RETRY_MS * MS_NS);
    }
}

bool opr__status_send(struct opr__pod *p, struct opr_caller *k)
{
    struct opr_agent *a = p->agent;
    struct json_object *status = opr__status_make(p);
    if (p->sent && !p->work_repeat && opr_doc_equal(p->sent, status)) {
        json_object_put(status);
        return true;
    }
    if (!opr__reach_may_ask(a)) {
        opr__pod_wake(p, opr__reach_retry_ns(a));
        json_object_put(status);
        return false;
    }
    struct opr_error err = {0};
    struct opr_arena *arena = opr_arena_new();
    struct opr_buf body = {0};
    struct opr_obj *answer = NULL;
    opr_buf_printf(&body,
                   "{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\"},\"status\":", p->uid,
                   opr_json_str(p->work, "/metadata/resourceVersion", ""));
    opr_doc_write(&body, status);
    opr_buf_add_char(&body, '}');
    char *path = opr_resource_path(arena, a->pod_resource, p->ns, p->name, "status");
    opr_status st = opr_call(k, "PATCH", path, "application/strategic-merge-patch+json",
                             opr_buf_str(&body), &answer, &err);
    opr__reach_told(a, st);
    a->status_writes++;
    if (st == OPR_OK) {
        json_object_put(p->sent);
        p->sent = json_object_get(status);
        p->has_write_failed = false;
        opr_json_unref(p->written);
        p->written = opr_json_ref(answer);
        opr__pod_note(p, answer);
    } else {
        on_refused(p, st, &err);
    }
    json_object_put(status);
    opr_json_unref(answer);
    opr_buf_fini(&body);
    opr_arena_free(arena);
    return st == OPR_OK || st == OPR_E_NOT_FOUND;
}
