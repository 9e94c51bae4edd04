/* Events about the node: its start, and each change of a condition in the kubelet's words. */
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

OPR_PRINTF(5, 6)
static void send(struct opr_agent *a, struct opr_caller *k, const char *type, const char *reason,
                 const char *fmt, ...)
{
    char message[256], name[320], now[OPR_TIME_TEXT_MAX];
    struct json_object *d = json_object_new_object();
    struct opr_buf body = {0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    snprintf(name, sizeof name, "%s.%016llx", a->config.node_name,
             (unsigned long long)opr_rand_u64());
    opr_time_format(opr_clock_wall_ms(a->clock), now);
    opr_doc_put_str(d, "/apiVersion", "v1");
    opr_doc_put_str(d, "/kind", "Event");
    opr_doc_put_str(d, "/metadata/name", name);
    opr_doc_put_str(d, "/metadata/namespace", "default");
    opr_doc_put_str(d, "/involvedObject/kind", "Node");
    opr_doc_put_str(d, "/involvedObject/name", a->config.node_name);
    opr_doc_put_str(d, "/involvedObject/uid", a->node_uid ? a->node_uid : "");
    opr_doc_put_str(d, "/type", type);
    opr_doc_put_str(d, "/reason", reason);
    opr_doc_put_str(d, "/message", message);
    opr_doc_put_str(d, "/source/component", "operon-agent");
    opr_doc_put_str(d, "/source/host", a->config.node_name);
    opr_doc_put_str(d, "/reportingComponent", "operon-agent");
    opr_doc_put_str(d, "/reportingInstance", a->config.node_name);
    opr_doc_put_str(d, "/firstTimestamp", now);
    opr_doc_put_str(d, "/lastTimestamp", now);
    opr_doc_put_int(d, "/count", 1);
    opr_doc_write(&body, d);
    /* Best effort, as all events. */
    (void)!opr_call(k, "POST", "/api/v1/namespaces/default/events", "application/json",
                    opr_buf_str(&body), NULL, NULL);
    opr_buf_fini(&body);
    json_object_put(d);
}

static const char *status_of(struct json_object *status, const char *type)
{
    struct json_object *list = opr_doc_at(status, "/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *c = json_object_array_get_idx(list, i);
        if (strcmp(opr_doc_str(c, "/type", ""), type) == 0) {
            return opr_doc_str(c, "/status", "");
        }
    }
    return "";
}

void opr__node_events(struct opr_agent *a, struct opr_caller *k, struct json_object *was,
                      struct json_object *is)
{
    static const struct {
        const char *type, *if_true, *if_false;
    } words[] = {
        {"MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
        {"DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"},
        {"PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"},
        {"Ready", "NodeReady", "NodeNotReady"},
    };
    if (!was) {
        send(a, k, "Normal", "Starting", "Starting the node agent.");
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *now = status_of(is, words[i].type);
        if (strcmp(status_of(was, words[i].type), now) != 0) {
            const char *reason = strcmp(now, "True") == 0 ? words[i].if_true : words[i].if_false;
            send(a, k, "Normal", reason, "Node %s status is now: %s", a->config.node_name, reason);
        }
    }
}
