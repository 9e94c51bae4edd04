/* The conditions of a Pod's status as a kubelet reports them. */
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static void put_time(struct json_object *d, const char *ptr, int64_t wall_ms)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(wall_ms, text);
    opr_doc_put_str(d, ptr, text);
}

static const char *old_condition(const struct opr__pod *p, const char *type, const char *status)
{
    struct json_object *sent = opr_doc_at(p->sent, "/conditions");
    for (size_t i = 0; sent && i < json_object_array_length(sent); i++) {
        struct json_object *c = json_object_array_get_idx(sent, i);
        if (strcmp(opr_doc_str(c, "/type", ""), type) == 0) {
            return strcmp(opr_doc_str(c, "/status", ""), status) == 0
                       ? opr_doc_str(c, "/lastTransitionTime", NULL)
                       : NULL;
        }
    }
    const struct opr_obj *list = opr_json_at(p->work, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), type) == 0 &&
            strcmp(opr_json_str(c, "/status", ""), status) == 0) {
            return opr_json_str(c, "/lastTransitionTime", NULL);
        }
    }
    return NULL;
}

/* NULL: the Pod has no such condition. */
static const char *api_condition(const struct opr__pod *p, const char *type)
{
    const struct opr_obj *list = opr_json_at(p->work, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), type) == 0) {
            return opr_json_str(c, "/status", "");
        }
    }
    return NULL;
}

/* reason and message are null where there are none: a strategic patch would keep old ones. */
static void add_condition(const struct opr__pod *p, struct json_object *list, const char *type,
                          bool is_true, const char *reason, const char *message)
{
    struct json_object *c = json_object_new_object();
    const char *status = is_true ? "True" : "False";
    const char *since = old_condition(p, type, status);
    opr_doc_put_str(c, "/type", type);
    opr_doc_put_str(c, "/status", status);
    json_object_object_add(c, "lastProbeTime", NULL);
    if (since) {
        opr_doc_put_str(c, "/lastTransitionTime", since);
    } else {
        put_time(c, "/lastTransitionTime", opr_clock_wall_ms(p->agent->clock));
    }
    json_object_object_add(c, "reason", reason ? json_object_new_string(reason) : NULL);
    json_object_object_add(c, "message", message ? json_object_new_string(message) : NULL);
    int64_t generation = opr_json_int(p->work, "/metadata/generation", 0);
    if (generation > 0) {
        opr_doc_put_int(c, "/observedGeneration", generation);
    }
    json_object_array_add(list, c);
}

/* "containers with unready status: [a b]"; owned. */
static char *names_text(const struct opr__pod *p, const char *what, bool of_inits)
{
    struct opr_buf b = {0};
    opr_buf_printf(&b, "containers with %s status: [", what);
    bool is_first = true;
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        bool is_done = c->run.phase == OPR__RUN_EXITED && c->run.exit_code == 0;
        is_done = c->is_sidecar ? opr__container_is_started(c) : is_done;
        bool is_bad =
            of_inits ? c->is_init && !is_done : !c->is_init && !opr__container_is_ready(c);
        if (is_bad) {
            opr_buf_printf(&b, "%s%s", is_first ? "" : " ", c->name);
            is_first = false;
        }
    }
    opr_buf_add_char(&b, ']');
    return opr_buf_take(&b, NULL);
}

/* Why the gates of the Pod's readiness are not open; owned; NULL: they are (kubernetes
 * pkg/kubelet/status, GeneratePodReadyCondition). */
static char *closed_gates(const struct opr__pod *p)
{
    struct opr_buf b = {0};
    const struct opr_obj *gates = opr_json_at(p->work, "/spec/readinessGates");
    for (const struct opr_obj *g = opr_json_first(gates); g; g = opr_json_next(g)) {
        const char *type = opr_json_str(g, "/conditionType", "");
        const char *status = api_condition(p, type);
        if (status && strcmp(status, "True") == 0) {
            continue;
        }
        opr_buf_add_text(&b, b.len ? ", " : "");
        if (status) {
            opr_buf_printf(&b, "the status of pod readiness gate \"%s\" is not \"True\", but %s",
                           type, status);
        } else {
            opr_buf_printf(
                &b, "corresponding condition of pod readiness gate \"%s\" does not exist.", type);
        }
    }
    return b.len ? opr_buf_take(&b, NULL) : NULL;
}

static bool all_are_ready(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (!c->is_init && !opr__container_is_ready(c)) {
            return false;
        }
    }
    return true;
}

struct json_object *opr__status_conditions(const struct opr__pod *p, const char *phase)
{
    struct json_object *list = json_object_new_array();
    bool is_done = strcmp(phase, "Succeeded") == 0, has_failed = strcmp(phase, "Failed") == 0;
    bool is_ready = p->is_initialized && all_are_ready(p);
    char *unready = names_text(p, "unready", false);
    char *incomplete = names_text(p, "incomplete", true);
    const char *why = is_done ? "PodCompleted" : has_failed ? "PodFailed" : "ContainersNotReady";
    const char *message = is_done || has_failed ? NULL : unready;
    add_condition(p, list, "PodReadyToStartContainers", p->has_network && !p->is_ending, NULL,
                  NULL);
    if (p->is_initialized) {
        add_condition(p, list, "Initialized", true, is_done ? "PodCompleted" : NULL, NULL);
    } else {
        add_condition(p, list, "Initialized", false, "ContainersNotInitialized", incomplete);
    }
    char *gates = is_ready ? closed_gates(p) : NULL;
    if (gates) {
        add_condition(p, list, "Ready", false, "ReadinessGatesNotReady", gates);
    } else {
        add_condition(p, list, "Ready", is_ready, is_ready ? NULL : why, is_ready ? NULL : message);
    }
    add_condition(p, list, "ContainersReady", is_ready, is_ready ? NULL : why,
                  is_ready ? NULL : message);
    const char *scheduled = api_condition(p, "PodScheduled");
    if (!scheduled || strcmp(scheduled, "True") != 0) {
        add_condition(p, list, "PodScheduled", true, NULL, NULL);
    }
    opr_free(gates);
    opr_free(unready);
    opr_free(incomplete);
    return list;
}
