#include "apiserver/schema/columns.h"

#include "core/base/str.h"
#include "core/base/vec.h"

#include <ctype.h>
#include <stdio.h>

/* --- nodes ------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void cell_roles(struct json_object *cells, const struct opr_obj *o)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    struct opr_vec roles = {0};
    struct opr_buf b = {0};
    OPR__EACH(label, opr_json_at(o, "/metadata/labels"))
    {
        const char *name = opr_json_name(label), *value = opr_json_str(label, "", "");
        if (strncmp(name, prefix, strlen(prefix)) == 0 && name[strlen(prefix)]) {
            opr_vec_push(&roles, (void *)(name + strlen(prefix)));
        } else if (strcmp(name, "kubernetes.io/role") == 0 && *value) {
            opr_vec_push(&roles, (void *)value);
        }
    }
    opr_vec_sort(&roles, by_text);
    for (size_t i = 0; i < roles.count; i++) {
        if (i == 0 || strcmp(roles.items[i], roles.items[i - 1]) != 0) {
            opr__add_joined(&b, ",", roles.items[i]);
        }
    }
    opr_vec_fini(&roles);
    opr__cell_or(cells, &b, "<none>");
}

static void cell_address(struct json_object *cells, const struct opr_obj *o, const char *type)
{
    OPR__EACH(address, opr_json_at(o, "/status/addresses"))
    {
        if (strcmp(opr_json_str(address, "/type", ""), type) == 0) {
            opr__cell_text(cells, opr_json_str(address, "/address", ""));
            return;
        }
    }
    opr__cell_text(cells, "<none>");
}

static void cell_info(struct json_object *cells, const struct opr_obj *o, const char *ptr,
                      const char *in_brackets)
{
    struct opr_buf b = {0};
    const char *text = opr_json_str(o, ptr, "");
    opr_buf_add_text(&b, *text ? text : "<unknown>");
    if (*in_brackets) {
        opr_buf_printf(&b, " (%s)", in_brackets);
    }
    opr__cell_buf(cells, &b);
}

void opr__row_node(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    struct opr_buf status = {0};
    OPR__EACH(c, opr_json_at(o, "/status/conditions"))
    {
        if (strcmp(opr_json_str(c, "/type", ""), "Ready") == 0) {
            bool is_ready = strcmp(opr_json_str(c, "/status", ""), "True") == 0;
            opr_buf_clear(&status);
            opr_buf_add_text(&status, is_ready ? "Ready" : "NotReady");
        }
    }
    if (status.len == 0) {
        opr_buf_add_text(&status, "Unknown");
    }
    if (opr_json_bool(o, "/spec/unschedulable", false)) {
        opr_buf_add_text(&status, ",SchedulingDisabled");
    }
    opr__cell_name(cells, o);
    opr__cell_buf(cells, &status);
    cell_roles(cells, o);
    opr__cell_created(cells, o, now_ms);
    opr__cell_text(cells, opr_json_str(o, "/status/nodeInfo/kubeletVersion", ""));
    cell_address(cells, o, "InternalIP");
    cell_address(cells, o, "ExternalIP");
    cell_info(cells, o, "/status/nodeInfo/osImage", "");
    cell_info(cells, o, "/status/nodeInfo/kernelVersion",
              opr_json_str(o, "/status/nodeInfo/architecture", ""));
    cell_info(cells, o, "/status/nodeInfo/containerRuntimeVersion", "");
}

/* --- events (kept as v1 Event, or as events.k8s.io names them) -------------------------------- */

static const char *either(const struct opr_obj *o, const char *a, const char *b)
{
    const char *text = opr_json_str(o, a, "");
    return *text ? text : opr_json_str(o, b, "");
}

static void event_times(const struct opr_obj *o, int64_t now_ms, char *first, char *last)
{
    const char *start = either(o, "/firstTimestamp", "/deprecatedFirstTimestamp");
    const char *end = either(o, "/lastTimestamp", "/deprecatedLastTimestamp");
    opr__age_text(*start ? start : opr_json_str(o, "/eventTime", ""), now_ms, first);
    if (opr_json_at(o, "/series/lastObservedTime")) {
        end = opr_json_str(o, "/series/lastObservedTime", "");
    }
    if (*end) {
        opr__age_text(end, now_ms, last);
    } else {
        memcpy(last, first, OPR__AGE_MAX);
    }
}

static void cell_target(struct json_object *cells, const struct opr_obj *o)
{
    const char *kind = either(o, "/involvedObject/kind", "/regarding/kind");
    const char *name = either(o, "/involvedObject/name", "/regarding/name");
    struct opr_buf b = {0};
    for (; *kind; kind++) {
        opr_buf_add_char(&b, (char)tolower((unsigned char)*kind));
    }
    if (*name) {
        opr_buf_printf(&b, "/%s", name);
    }
    opr__cell_buf(cells, &b);
}

static void cell_source(struct json_object *cells, const struct opr_obj *o)
{
    const char *component = either(o, "/source/component", "/deprecatedSource/component");
    const char *host = either(o, "/source/host", "/deprecatedSource/host");
    struct opr_buf b = {0};
    if (!*component) {
        component = either(o, "/reportingComponent", "/reportingController");
    }
    if (!*host) {
        host = opr_json_str(o, "/reportingInstance", "");
    }
    opr_buf_add_text(&b, component);
    if (*host) {
        opr_buf_printf(&b, "%s%s", b.len ? ", " : "", host);
    }
    opr__cell_buf(cells, &b);
}

void opr__row_event(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    char first[OPR__AGE_MAX], last[OPR__AGE_MAX];
    struct opr_buf message = {0};
    int64_t count = opr_json_int(o, "/count", opr_json_int(o, "/deprecatedCount", 0));
    event_times(o, now_ms, first, last);
    if (opr_json_at(o, "/series")) {
        count = opr_json_int(o, "/series/count", 0);
    } else if (count == 0) {
        count = 1;
    }
    opr__cell_text(cells, last);
    opr__cell_text(cells, opr_json_str(o, "/type", ""));
    opr__cell_text(cells, opr_json_str(o, "/reason", ""));
    cell_target(cells, o);
    opr__cell_text(cells, either(o, "/involvedObject/fieldPath", "/regarding/fieldPath"));
    cell_source(cells, o);
    opr_buf_add_str(&message, opr_str_trim(opr_str_of(either(o, "/message", "/note"))));
    opr__cell_buf(cells, &message);
    opr__cell_text(cells, first);
    opr__cell_int(cells, count);
    opr__cell_name(cells, o);
}

/* --- autoscalers ------------------------------------------------------------------------------ */

#define METRICS_SHOWN 2

/* One metric: "cpu: 12%/80%", "5/10 (avg)". */
static void add_metric(struct opr_buf *b, const struct opr_obj *spec, const struct opr_obj *status)
{
    static const struct {
        const char *type, *member;
        bool is_resource;
    } sources[] = {{"Resource", "resource", true},
                   {"ContainerResource", "containerResource", true},
                   {"Pods", "pods", false},
                   {"Object", "object", false},
                   {"External", "external", false}};
    const char *type = opr_json_str(spec, "/type", "");
    size_t i = 0;
    while (i < 5 && strcmp(sources[i].type, type) != 0) {
        i++;
    }
    if (i == 5) {
        opr_buf_add_text(b, "<unknown type>");
        return;
    }
    const struct opr_obj *source = opr_json_member(spec, opr_str_of(sources[i].member));
    const struct opr_obj *current = opr_json_member(status, opr_str_of(sources[i].member));
    const char *average = opr_json_str(source, "/target/averageValue", "");
    if (sources[i].is_resource) {
        opr_buf_printf(b, "%s: ", opr_json_str(source, "/name", ""));
    }
    if (sources[i].is_resource && !*average) {
        const struct opr_obj *now = opr_json_at(current, "/current/averageUtilization");
        const struct opr_obj *target = opr_json_at(source, "/target/averageUtilization");
        opr_buf_printf(b, now ? "%lld%%/" : "<unknown>/", (long long)opr_json_int(now, "", 0));
        opr_buf_printf(b, target ? "%lld%%" : "<auto>", (long long)opr_json_int(target, "", 0));
        return;
    }
    bool is_average = *average != 0;
    opr_buf_printf(
        b, "%s/%s",
        opr_json_str(current, is_average ? "/current/averageValue" : "/current/value", "<unknown>"),
        is_average ? average : opr_json_str(source, "/target/value", "0"));
    bool is_plain = sources[i].is_resource || strcmp(type, "Pods") == 0;
    opr_buf_add_text(b, is_average && !is_plain ? " (avg)" : "");
}

static void cell_metrics(struct json_object *cells, const struct opr_obj *o)
{
    const struct opr_obj *current = opr_json_at(o, "/status/currentMetrics");
    struct opr_buf b = {0};
    uint32_t count = 0;
    OPR__EACH(spec, opr_json_at(o, "/spec/metrics"))
    {
        if (count < METRICS_SHOWN) {
            opr_buf_add_text(&b, count ? ", " : "");
            add_metric(&b, spec,
                       count < opr_json_len(current) ? opr_json_index(current, count) : NULL);
        }
        count++;
    }
    opr__add_more(&b, METRICS_SHOWN, count);
    opr__cell_or(cells, &b, "<none>");
}

void opr__row_autoscaler(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    const struct opr_obj *min = opr_json_at(o, "/spec/minReplicas");
    struct opr_buf b = {0};
    opr__cell_name(cells, o);
    opr_buf_printf(&b, "%s/%s", opr_json_str(o, "/spec/scaleTargetRef/kind", ""),
                   opr_json_str(o, "/spec/scaleTargetRef/name", ""));
    opr__cell_buf(cells, &b);
    cell_metrics(cells, o);
    opr_buf_printf(&b, min ? "%lld" : "<unset>", (long long)opr_json_int(min, "", 0));
    opr__cell_buf(cells, &b);
    opr__cell_int(cells, opr_json_int(o, "/spec/maxReplicas", 0));
    opr__cell_int(cells, opr_json_int(o, "/status/currentReplicas", 0));
    opr__cell_created(cells, o, now_ms);
}

/* --- bindings --------------------------------------------------------------------------------- */

static void cell_subjects(struct json_object *cells, const struct opr_obj *o, const char *kind)
{
    struct opr_buf b = {0};
    OPR__EACH(subject, opr_json_at(o, "/subjects"))
    {
        if (strcmp(opr_json_str(subject, "/kind", ""), kind) != 0) {
            continue;
        }
        opr_buf_add_text(&b, b.len ? ", " : "");
        if (strcmp(kind, "ServiceAccount") == 0) {
            const char *ns = opr_json_str(subject, "/namespace", "");
            opr_buf_printf(&b, "%s%s", ns, *ns ? "/" : "");
        }
        opr_buf_add_text(&b, opr_json_str(subject, "/name", ""));
    }
    opr__cell_buf(cells, &b);
}

void opr__row_binding(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    struct opr_buf b = {0};
    opr__cell_name(cells, o);
    opr_buf_printf(&b, "%s/%s", opr_json_str(o, "/roleRef/kind", ""),
                   opr_json_str(o, "/roleRef/name", ""));
    opr__cell_buf(cells, &b);
    opr__cell_created(cells, o, now_ms);
    cell_subjects(cells, o, "User");
    cell_subjects(cells, o, "Group");
    cell_subjects(cells, o, "ServiceAccount");
}
