#include "apiserver/schema/columns.h"

#include "core/base/str.h"

#include <stdio.h>

/* What a pod's row says, gathered from its statuses in the order that kubectl reads them. */
struct pod_row {
    char reason[160];
    int64_t restarts, sidecar_restarts;
    const char *last_restart, *last_sidecar_restart; /* RFC 3339 texts sort by time */
    int ready, total;
};

static const struct opr_obj *find_named(const struct opr_obj *list, const char *name)
{
    for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/name", ""), name) == 0) {
            return c;
        }
    }
    return NULL;
}

static bool is_sidecar(const struct opr_obj *container)
{
    return strcmp(opr_json_str(container, "/restartPolicy", ""), "Always") == 0;
}

static const struct opr_obj *find_condition(const struct opr_obj *pod, const char *type)
{
    const struct opr_obj *list = opr_json_at(pod, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), type) == 0) {
            return c;
        }
    }
    return NULL;
}

static bool is_true(const struct opr_obj *pod, const char *condition)
{
    return strcmp(opr_json_str(find_condition(pod, condition), "/status", ""), "True") == 0;
}

static void later(const char **time, const struct opr_obj *status)
{
    const char *ended = opr_json_str(status, "/lastState/terminated/finishedAt", "");
    if (strcmp(ended, *time) > 0) {
        *time = ended;
    }
}

/* "Error", "Signal:9", "ExitCode:1", after a prefix. */
static void ended_reason(struct pod_row *row, const char *prefix, const struct opr_obj *ended)
{
    const char *reason = opr_json_str(ended, "/reason", "");
    long long number = opr_json_int(ended, "/signal", 0);
    if (*reason) {
        snprintf(row->reason, sizeof(row->reason), "%s%s", prefix, reason);
    } else if (number) {
        snprintf(row->reason, sizeof(row->reason), "%sSignal:%lld", prefix, number);
    } else {
        snprintf(row->reason, sizeof(row->reason), "%sExitCode:%lld", prefix,
                 (long long)opr_json_int(ended, "/exitCode", 0));
    }
}

/* True while the init containers are not through. */
static bool read_init(struct pod_row *row, const struct opr_obj *pod)
{
    const struct opr_obj *specs = opr_json_at(pod, "/spec/initContainers");
    const struct opr_obj *list = opr_json_at(pod, "/status/initContainerStatuses");
    unsigned i = 0;
    for (const struct opr_obj *s = opr_json_first(list); s; s = opr_json_next(s), i++) {
        const struct opr_obj *ended = opr_json_at(s, "/state/terminated");
        const char *waiting = opr_json_str(s, "/state/waiting/reason", "");
        bool restarts_always = is_sidecar(find_named(specs, opr_json_str(s, "/name", "")));
        row->restarts += opr_json_int(s, "/restartCount", 0);
        later(&row->last_restart, s);
        if (restarts_always) {
            row->sidecar_restarts += opr_json_int(s, "/restartCount", 0);
            later(&row->last_sidecar_restart, s);
        }
        if (ended && opr_json_int(ended, "/exitCode", 0) == 0) {
            continue;
        }
        if (restarts_always && opr_json_bool(s, "/started", false)) {
            row->ready += opr_json_bool(s, "/ready", false);
            continue;
        }
        if (ended) {
            ended_reason(row, "Init:", ended);
        } else if (*waiting && strcmp(waiting, "PodInitializing") != 0) {
            snprintf(row->reason, sizeof(row->reason), "Init:%s", waiting);
        } else {
            snprintf(row->reason, sizeof(row->reason), "Init:%u/%u", i, opr_json_len(specs));
        }
        return true;
    }
    return false;
}

static void read_containers(struct pod_row *row, const struct opr_obj *pod)
{
    const struct opr_obj *list = opr_json_at(pod, "/status/containerStatuses");
    char failed[sizeof(row->reason)] = "";
    bool has_running = false;
    row->restarts = row->sidecar_restarts;
    row->last_restart = row->last_sidecar_restart;
    for (uint32_t i = opr_json_len(list); i > 0; i--) {
        const struct opr_obj *s = opr_json_index(list, i - 1);
        const struct opr_obj *ended = opr_json_at(s, "/state/terminated");
        const char *waiting = opr_json_str(s, "/state/waiting/reason", "");
        row->restarts += opr_json_int(s, "/restartCount", 0);
        later(&row->last_restart, s);
        if (*waiting) {
            snprintf(row->reason, sizeof(row->reason), "%s", waiting);
        } else if (ended) {
            ended_reason(row, "", ended);
            if (opr_json_int(ended, "/exitCode", 0)) {
                memcpy(failed, row->reason, sizeof(failed));
            }
        } else if (opr_json_bool(s, "/ready", false) && opr_json_at(s, "/state/running")) {
            has_running = true;
            row->ready++;
        }
    }
    if (strcmp(row->reason, "Completed") != 0) {
        return;
    }
    if (has_running && is_true(pod, "Ready")) {
        snprintf(row->reason, sizeof(row->reason), "Running");
    } else if (*failed) {
        memcpy(row->reason, failed, sizeof(failed));
    } else if (has_running) {
        snprintf(row->reason, sizeof(row->reason), "NotReady");
    }
}

static void read_pod(struct pod_row *row, const struct opr_obj *pod)
{
    const char *phase = opr_json_str(pod, "/status/phase", "");
    const char *reason = opr_json_str(pod, "/status/reason", "");
    const struct opr_obj *specs = opr_json_at(pod, "/spec/initContainers");
    snprintf(row->reason, sizeof(row->reason), "%s", *reason ? reason : phase);
    const struct opr_obj *scheduled = find_condition(pod, "PodScheduled");
    if (strcmp(opr_json_str(scheduled, "/reason", ""), "SchedulingGated") == 0) {
        snprintf(row->reason, sizeof(row->reason), "SchedulingGated");
    }
    row->total = (int)opr_json_len(opr_json_at(pod, "/spec/containers"));
    for (const struct opr_obj *c = opr_json_first(specs); c; c = opr_json_next(c)) {
        row->total += is_sidecar(c);
    }
    if (!read_init(row, pod) || is_true(pod, "Initialized")) {
        read_containers(row, pod);
    }
    bool is_over = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    if (opr_json_at(pod, "/metadata/deletionTimestamp")) {
        if (strcmp(reason, "NodeLost") == 0) {
            snprintf(row->reason, sizeof(row->reason), "Unknown");
        } else if (!is_over) {
            snprintf(row->reason, sizeof(row->reason), "Terminating");
        }
    }
}

static void cell_or_none(struct json_object *cells, const char *text)
{
    opr__cell_text(cells, *text ? text : "<none>");
}

static void cell_gates(struct json_object *cells, const struct opr_obj *pod)
{
    const struct opr_obj *gates = opr_json_at(pod, "/spec/readinessGates");
    struct opr_buf b = {0};
    int count = 0;
    for (const struct opr_obj *g = opr_json_first(gates); g; g = opr_json_next(g)) {
        count += is_true(pod, opr_json_str(g, "/conditionType", ""));
    }
    if (opr_json_len(gates)) {
        opr_buf_printf(&b, "%d/%u", count, opr_json_len(gates));
    } else {
        opr_buf_add_text(&b, "<none>");
    }
    opr__cell_buf(cells, &b);
}

void opr__row_pod(struct json_object *cells, const struct opr_obj *pod, int64_t now_ms)
{
    struct pod_row row = {.last_restart = "", .last_sidecar_restart = ""};
    struct opr_buf b = {0};
    read_pod(&row, pod);
    opr__cell_text(cells, opr_json_str(pod, "/metadata/name", ""));
    opr_buf_printf(&b, "%d/%d", row.ready, row.total);
    opr__cell_buf(cells, &b);
    opr__cell_text(cells, row.reason);
    opr_buf_printf(&b, "%lld", (long long)row.restarts);
    if (row.restarts && *row.last_restart) {
        char age[OPR__AGE_MAX];
        opr__age_text(row.last_restart, now_ms, age);
        opr_buf_printf(&b, " (%s ago)", age);
    }
    opr__cell_buf(cells, &b);
    opr__cell_age(cells, pod, "/metadata/creationTimestamp", now_ms);
    cell_or_none(cells, opr_json_str(pod, "/status/podIPs/0/ip", ""));
    cell_or_none(cells, opr_json_str(pod, "/spec/nodeName", ""));
    cell_or_none(cells, opr_json_str(pod, "/status/nominatedNodeName", ""));
    cell_gates(cells, pod);
}
