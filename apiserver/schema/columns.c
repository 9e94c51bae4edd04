#include "apiserver/schema/columns.h"

#include "core/api/selector.h"
#include "core/base/clock.h"
#include "core/base/str.h"

#include <stdio.h>

struct column {
    const char *name, *type;
    int32_t priority; /* 0: always, 1: with -o wide */
};

static void row_namespace(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_secret(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_config_map(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_deployment(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_replica_set(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_lease(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_priority(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_budget(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_scale(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_age(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
static void row_created(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);

#define COLUMNS_MAX 10
static const struct {
    const char *group, *kind;
    opr__row_fn row;
    struct column columns[COLUMNS_MAX + 1];
} TABLES[] = {
    {"",
     "Pod",
     opr__row_pod,
     {{"Name", "string", 0},
      {"Ready", "string", 0},
      {"Status", "string", 0},
      {"Restarts", "string", 0},
      {"Age", "string", 0},
      {"IP", "string", 1},
      {"Node", "string", 1},
      {"Nominated Node", "string", 1},
      {"Readiness Gates", "string", 1}}},
    {"",
     "Service",
     opr__row_service,
     {{"Name", "string", 0},
      {"Type", "string", 0},
      {"Cluster-IP", "string", 0},
      {"External-IP", "string", 0},
      {"Port(s)", "string", 0},
      {"Age", "string", 0},
      {"Selector", "string", 1}}},
    {"",
     "Endpoints",
     opr__row_endpoints,
     {{"Name", "string", 0}, {"Endpoints", "string", 0}, {"Age", "string", 0}}},
    {"",
     "Node",
     opr__row_node,
     {{"Name", "string", 0},
      {"Status", "string", 0},
      {"Roles", "string", 0},
      {"Age", "string", 0},
      {"Version", "string", 0},
      {"Internal-IP", "string", 1},
      {"External-IP", "string", 1},
      {"OS-Image", "string", 1},
      {"Kernel-Version", "string", 1},
      {"Container-Runtime", "string", 1}}},
    {"",
     "Event",
     opr__row_event,
     {{"Last Seen", "string", 0},
      {"Type", "string", 0},
      {"Reason", "string", 0},
      {"Object", "string", 0},
      {"Subobject", "string", 1},
      {"Source", "string", 1},
      {"Message", "string", 0},
      {"First Seen", "string", 1},
      {"Count", "string", 1},
      {"Name", "string", 1}}},
    {"",
     "Namespace",
     row_namespace,
     {{"Name", "string", 0}, {"Status", "string", 0}, {"Age", "string", 0}}},
    {"",
     "Secret",
     row_secret,
     {{"Name", "string", 0}, {"Type", "string", 0}, {"Data", "string", 0}, {"Age", "string", 0}}},
    {"",
     "ConfigMap",
     row_config_map,
     {{"Name", "string", 0}, {"Data", "string", 0}, {"Age", "string", 0}}},
    {"", "ServiceAccount", row_age, {{"Name", "string", 0}, {"Age", "string", 0}}},
    {"apps",
     "Deployment",
     row_deployment,
     {{"Name", "string", 0},
      {"Ready", "string", 0},
      {"Up-to-date", "string", 0},
      {"Available", "string", 0},
      {"Age", "string", 0},
      {"Containers", "string", 1},
      {"Images", "string", 1},
      {"Selector", "string", 1}}},
    {"apps",
     "ReplicaSet",
     row_replica_set,
     {{"Name", "string", 0},
      {"Desired", "integer", 0},
      {"Current", "integer", 0},
      {"Ready", "integer", 0},
      {"Age", "string", 0},
      {"Containers", "string", 1},
      {"Images", "string", 1},
      {"Selector", "string", 1}}},
    {"discovery.k8s.io",
     "EndpointSlice",
     opr__row_endpoint_slice,
     {{"Name", "string", 0},
      {"AddressType", "string", 0},
      {"Ports", "string", 0},
      {"Endpoints", "string", 0},
      {"Age", "string", 0}}},
    {"coordination.k8s.io",
     "Lease",
     row_lease,
     {{"Name", "string", 0}, {"Holder", "string", 0}, {"Age", "string", 0}}},
    {"events.k8s.io",
     "Event",
     opr__row_event,
     {{"Last Seen", "string", 0},
      {"Type", "string", 0},
      {"Reason", "string", 0},
      {"Object", "string", 0},
      {"Subobject", "string", 1},
      {"Source", "string", 1},
      {"Message", "string", 0},
      {"First Seen", "string", 1},
      {"Count", "string", 1},
      {"Name", "string", 1}}},
    {"autoscaling",
     "HorizontalPodAutoscaler",
     opr__row_autoscaler,
     {{"Name", "string", 0},
      {"Reference", "string", 0},
      {"Targets", "string", 0},
      {"MinPods", "string", 0},
      {"MaxPods", "string", 0},
      {"Replicas", "string", 0},
      {"Age", "string", 0}}},
    {"autoscaling",
     "Scale",
     row_scale,
     {{"Name", "string", 0},
      {"Desired", "integer", 0},
      {"Available", "integer", 0},
      {"Age", "string", 0}}},
    {"rbac.authorization.k8s.io",
     "RoleBinding",
     opr__row_binding,
     {{"Name", "string", 0},
      {"Role", "string", 0},
      {"Age", "string", 0},
      {"Users", "string", 1},
      {"Groups", "string", 1},
      {"ServiceAccounts", "string", 1}}},
    {"rbac.authorization.k8s.io",
     "ClusterRoleBinding",
     opr__row_binding,
     {{"Name", "string", 0},
      {"Role", "string", 0},
      {"Age", "string", 0},
      {"Users", "string", 1},
      {"Groups", "string", 1},
      {"ServiceAccounts", "string", 1}}},
    {"scheduling.k8s.io",
     "PriorityClass",
     row_priority,
     {{"Name", "string", 0},
      {"Value", "integer", 0},
      {"Global-Default", "boolean", 0},
      {"Age", "string", 0},
      {"PreemptionPolicy", "string", 0}}},
    {"policy",
     "PodDisruptionBudget",
     row_budget,
     {{"Name", "string", 0},
      {"Min Available", "string", 0},
      {"Max Unavailable", "string", 0},
      {"Allowed Disruptions", "integer", 0},
      {"Age", "string", 0}}},
    /* any other */
    {NULL, NULL, row_created, {{"Name", "string", 0}, {"Created At", "date", 0}}},
};

static size_t table_of(const struct opr_kind *k)
{
    size_t i = 0;
    while (TABLES[i].kind &&
           (strcmp(TABLES[i].kind, k->kind) != 0 || strcmp(TABLES[i].group, k->group) != 0)) {
        i++;
    }
    return i;
}

static void add_column(struct json_object *list, const char *name, const char *type,
                       const char *format, const char *description, int32_t priority)
{
    struct json_object *c = json_object_new_object();
    json_object_object_add(c, "name", json_object_new_string(name));
    json_object_object_add(c, "type", json_object_new_string(type));
    json_object_object_add(c, "format", json_object_new_string(format));
    json_object_object_add(c, "description", json_object_new_string(description));
    json_object_object_add(c, "priority", json_object_new_int(priority));
    json_object_array_add(list, c);
}

static void add_custom_columns(struct json_object *list, const struct opr__kind_info *info)
{
    add_column(list, "Name", "string", "name", "", 0);
    for (size_t i = 0; i < info->column_count; i++) {
        const struct opr_schema_column *c = &info->columns[i];
        add_column(list, c->name, c->type, c->format, c->description, c->priority);
    }
    if (info->column_count == 0) {
        add_column(list, "Age", "date", "", "", 0);
    }
}

struct json_object *opr_schema_columns(const struct opr_kind *kind)
{
    struct json_object *list = json_object_new_array();
    if (kind->is_custom) {
        add_custom_columns(list, opr__info_of(kind));
        return list;
    }
    for (const struct column *c = TABLES[table_of(kind)].columns; c->name; c++) {
        bool is_name = strcmp(c->name, "Name") == 0;
        add_column(list, c->name, c->type, is_name ? "name" : "", "", c->priority);
    }
    return list;
}

struct json_object *opr_schema_cells(const struct opr_kind *kind, const struct opr_obj *obj,
                                     int64_t now_ms)
{
    struct json_object *cells = json_object_new_array();
    if (kind->is_custom) {
        opr__row_custom(cells, opr__info_of(kind), obj, now_ms);
    } else {
        TABLES[table_of(kind)].row(cells, obj, now_ms);
    }
    return cells;
}

/* --- short rows ------------------------------------------------------------------------------- */

static void row_age(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_created(cells, o, now_ms);
}

static void row_created(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    (void)now_ms; /* the client shows a date */
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/metadata/creationTimestamp", ""));
}

static void row_namespace(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/status/phase", ""));
    opr__cell_created(cells, o, now_ms);
}

static void row_secret(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/type", ""));
    opr__cell_int(cells, opr_json_len(opr_json_at(o, "/data")));
    opr__cell_created(cells, o, now_ms);
}

static void row_config_map(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_int(cells, (int64_t)opr_json_len(opr_json_at(o, "/data")) +
                             opr_json_len(opr_json_at(o, "/binaryData")));
    opr__cell_created(cells, o, now_ms);
}

static void row_lease(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/spec/holderIdentity", ""));
    opr__cell_created(cells, o, now_ms);
}

static void row_priority(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_int(cells, opr_json_int(o, "/value", 0));
    json_object_array_add(cells,
                          json_object_new_boolean(opr_json_bool(o, "/globalDefault", false)));
    opr__cell_created(cells, o, now_ms);
    opr__cell_text(cells, opr_json_str(o, "/preemptionPolicy", ""));
}

static void cell_amount(struct json_object *cells, const struct opr_obj *o, const char *ptr)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    struct opr_buf b = {0};
    if (!v) {
        opr_buf_add_text(&b, "N/A");
    } else if (opr_json_type(v) == OPR_TYPE_STRING) {
        opr_buf_add_text(&b, opr_json_str(v, "", ""));
    } else {
        opr_buf_printf(&b, "%lld", (long long)opr_json_int(v, "", 0));
    }
    opr__cell_buf(cells, &b);
}

static void row_budget(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    cell_amount(cells, o, "/spec/minAvailable");
    cell_amount(cells, o, "/spec/maxUnavailable");
    opr__cell_int(cells, opr_json_int(o, "/status/disruptionsAllowed", 0));
    opr__cell_created(cells, o, now_ms);
}

static void row_scale(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_int(cells, opr_json_int(o, "/spec/replicas", 0));
    opr__cell_int(cells, opr_json_int(o, "/status/replicas", 0));
    opr__cell_created(cells, o, now_ms);
}

/* Names and images of a template's containers, and the selector. */
static void cells_template(struct json_object *cells, const struct opr_obj *o)
{
    static const char *const members[] = {"/name", "/image"};
    const struct opr_obj *containers = opr_json_at(o, "/spec/template/spec/containers");
    for (size_t i = 0; i < 2; i++) {
        struct opr_buf b = {0};
        for (const struct opr_obj *c = opr_json_first(containers); c; c = opr_json_next(c)) {
            opr_buf_printf(&b, "%s%s", b.len ? "," : "", opr_json_str(c, members[i], ""));
        }
        opr__cell_buf(cells, &b);
    }
    struct opr_selector *selector = NULL;
    struct opr_buf b = {0};
    if (opr_selector_from_obj(opr_json_at(o, "/spec/selector"), &selector, NULL) == OPR_OK) {
        opr_selector_format(selector, &b);
    } else {
        opr_buf_add_text(&b, "<invalid>");
    }
    opr_selector_free(selector);
    opr__cell_buf(cells, &b);
}

static void row_deployment(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    struct opr_buf ready = {0};
    opr__cell_name(cells, o);
    opr_buf_printf(&ready, "%lld/%lld", (long long)opr_json_int(o, "/status/readyReplicas", 0),
                   (long long)opr_json_int(o, "/spec/replicas", 0));
    opr__cell_buf(cells, &ready);
    opr__cell_int(cells, opr_json_int(o, "/status/updatedReplicas", 0));
    opr__cell_int(cells, opr_json_int(o, "/status/availableReplicas", 0));
    opr__cell_created(cells, o, now_ms);
    cells_template(cells, o);
}

static void row_replica_set(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_name(cells, o);
    opr__cell_int(cells, opr_json_int(o, "/spec/replicas", 0));
    opr__cell_int(cells, opr_json_int(o, "/status/replicas", 0));
    opr__cell_int(cells, opr_json_int(o, "/status/readyReplicas", 0));
    opr__cell_created(cells, o, now_ms);
    cells_template(cells, o);
}
