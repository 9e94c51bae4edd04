/* What a fresh cluster holds: namespaces, roles and bindings, priority classes, the API's own
 * Service. Each is made where it is not there; what a user changed stays. Default roles of an older
 * version get what is new (bootstrap_update.c). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

/* A rule: verbs, groups, resources; a path rule has groups NULL. Lists are separated by blanks; the
 * core group is written "core". */
struct rule {
    const char *verbs, *groups, *resources;
};

#define BUNDLE_MAX 64
#define READ "get list watch"
#define WRITE "create delete deletecollection patch update"
#define RBAC_GROUP "rbac.authorization.k8s.io"
#define RBAC_MARKS                                                                                 \
    "'labels':{'kubernetes.io/bootstrapping':'rbac-defaults'},'annotations':"                      \
    "{'rbac.authorization.kubernetes.io/autoupdate':'true'}"
#define ALL_NAMESPACED                                                                             \
    "pods pods/log pods/eviction services endpoints configmaps serviceaccounts events"

static const struct rule cluster_admin[] = {{"*", "*", "*"}, {"*", NULL, "*"}, {0}};
static const struct rule view[] = {
    {READ, "core",
     "pods pods/log pods/status services services/status endpoints configmaps "
     "serviceaccounts events namespaces namespaces/status"},
    {READ, "apps",
     "deployments deployments/status deployments/scale replicasets "
     "replicasets/status replicasets/scale"},
    {READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"},
    {READ, "discovery.k8s.io", "endpointslices"},
    {READ, "events.k8s.io", "events"},
    {READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"},
    {READ, "metrics.k8s.io", "pods nodes"},
    {READ, "operon.local", "luapolicies luapolicies/status"},
    {0}};
static const struct rule edit[] = {
    {READ " " WRITE, "core", ALL_NAMESPACED " secrets"},
    {"create", "core", "serviceaccounts/token"},
    {READ " create", "core", "pods/exec pods/attach"},
    {"impersonate", "core", "serviceaccounts"},
    {READ, "core", "namespaces namespaces/status pods/status services/status"},
    {READ " " WRITE, "apps", "deployments deployments/scale replicasets replicasets/scale"},
    {READ, "apps", "deployments/status replicasets/status"},
    {READ " " WRITE, "autoscaling", "horizontalpodautoscalers"},
    {READ, "autoscaling", "horizontalpodautoscalers/status"},
    {READ " " WRITE, "policy", "poddisruptionbudgets"},
    {READ, "discovery.k8s.io", "endpointslices"},
    {READ, "events.k8s.io", "events"},
    {READ, "metrics.k8s.io", "pods nodes"},
    {READ " " WRITE, "coordination.k8s.io", "leases"},
    {READ " " WRITE, "operon.local", "luapolicies"},
    {READ, "operon.local", "luapolicies/status"},
    {0}};
static const struct rule admin_extra[] = {
    {READ " " WRITE, "rbac.authorization.k8s.io", "roles rolebindings"},
    {"create", "authorization.k8s.io", "localsubjectaccessreviews"},
    {0}};
/* opr_node_allows() adds a node's Lease and what its Pods name. */
static const struct rule node[] = {{"create get list watch update patch", "core", "nodes"},
                                   {"patch update", "core", "nodes/status"},
                                   {"get list watch create delete", "core", "pods"},
                                   {"patch update", "core", "pods/status"},
                                   {"create", "core", "pods/eviction"},
                                   {READ, "core", "services endpoints"},
                                   {READ, "discovery.k8s.io", "endpointslices"},
                                   {"create patch update", "core", "events"},
                                   {"create patch update", "events.k8s.io", "events"},
                                   {"create", "authentication.k8s.io", "tokenreviews"},
                                   {"create", "authorization.k8s.io", "subjectaccessreviews"},
                                   {"create", "metrics.operon.local", "nodesamples"},
                                   {0}};
static const struct rule scheduler[] = {
    {READ, "core", "nodes pods namespaces services replicationcontrollers"},
    {"create", "core", "pods/binding"},
    {"delete", "core", "pods"},
    {"patch update", "core", "pods/status"},
    {READ, "apps", "replicasets"},
    {READ, "policy", "poddisruptionbudgets"},
    {"create patch update", "core events.k8s.io", "events"},
    {"create get update list watch", "coordination.k8s.io", "leases"},
    {0}};
static const struct rule manager[] = {{READ " " WRITE, "*", "*"},
                                      {"create", "authentication.k8s.io", "tokenreviews"},
                                      {"create", "authorization.k8s.io", "subjectaccessreviews"},
                                      {0}};
static const struct rule discovery[] = {
    {"get", NULL,
     "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version "
     "/version/"},
    {0}};
static const struct rule public_info[] = {
    {"get", NULL, "/healthz /livez /readyz /version /version/"}, {0}};
static const struct rule basic_user[] = {
    {"create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"},
    {"create", "authentication.k8s.io", "selfsubjectreviews"},
    {0}};
static const struct rule auth_delegator[] = {
    {"create", "authentication.k8s.io", "tokenreviews"},
    {"create", "authorization.k8s.io", "subjectaccessreviews"},
    {0}};

static const struct {
    const char *name;
    const struct rule *rules, *more;
    const char *group; /* the group it is bound to; NULL: none */
    const char *user;  /* or the user */
} roles[] = {
    {"cluster-admin", cluster_admin, NULL, "system:masters", NULL},
    {"admin", edit, admin_extra, NULL, NULL},
    {"edit", edit, NULL, NULL, NULL},
    {"view", view, NULL, NULL, NULL},
    {"system:node", node, NULL, "system:nodes", NULL},
    {"system:kube-scheduler", scheduler, NULL, NULL, "system:kube-scheduler"},
    {"system:kube-controller-manager", manager, NULL, NULL, "system:kube-controller-manager"},
    {"system:discovery", discovery, NULL, "system:authenticated", NULL},
    {"system:basic-user", basic_user, NULL, "system:authenticated", NULL},
    {"system:public-info-viewer", public_info, NULL, "system:unauthenticated", NULL},
    {"system:auth-delegator", auth_delegator, NULL, NULL, NULL},
};

static struct json_object *words(const char *text, bool is_groups)
{
    struct json_object *list = json_object_new_array();
    struct opr_str rest = opr_str_of(text), word;
    while (opr_str_next(&rest, ' ', &word)) {
        bool is_core = is_groups && opr_str_is(word, "core");
        json_object_array_add(list, is_core ? json_object_new_string("")
                                            : json_object_new_string_len(word.ptr, (int)word.len));
    }
    return list;
}

static void add_rules(struct json_object *role, const struct rule *rules)
{
    for (; rules && rules->verbs; rules++) {
        struct json_object *d = json_object_new_object();
        json_object_object_add(d, "verbs", words(rules->verbs, false));
        if (rules->groups) {
            json_object_object_add(d, "apiGroups", words(rules->groups, true));
        }
        json_object_object_add(d, rules->groups ? "resources" : "nonResourceURLs",
                               words(rules->resources, false));
        (void)!opr_doc_put(role, "/rules/-", d); /* role is an object of ours */
    }
}

/* What is to be there: collected, then stored as one batch. */
struct bundle {
    struct opr_apiserver *api;
    struct opr_arena *arena;
    struct opr_store_new objects[BUNDLE_MAX];
    size_t count;
};

static void add(struct bundle *b, const char *group, const char *plural,
                struct json_object *take_doc)
{
    const struct opr_kind *kind =
        opr_kind_find(opr_str_of(group), OPR_STR("v1"), opr_str_of(plural));
    char uid[OPR_UUID_TEXT_MAX], now[OPR_TIME_TEXT_MAX];
    OPR_CHECK(kind && b->count < BUNDLE_MAX);
    opr_uuid4(uid);
    opr_time_format(opr_clock_wall_ms(b->api->clock), now);
    char version[128];
    snprintf(version, sizeof version, "%s%sv1", group, *group ? "/" : "");
    opr_doc_put_str(take_doc, "/apiVersion", version);
    opr_doc_put_str(take_doc, "/kind", kind->kind);
    opr_doc_put_str(take_doc, "/metadata/uid", uid);
    opr_doc_put_str(take_doc, "/metadata/creationTimestamp", now);
    opr_schema_default(kind, take_doc);
    b->objects[b->count].key =
        opr_api_key(b->arena, kind, opr_doc_str(take_doc, "/metadata/namespace", ""),
                    opr_doc_str(take_doc, "/metadata/name", ""));
    b->objects[b->count].doc = take_doc;
    b->count++;
}

static struct json_object *template(const char *tmpl, ...)
{
    va_list args;
    struct json_object *doc = NULL;
    va_start(args, tmpl);
    opr_status st = opr_doc_template(&doc, NULL, tmpl, args);
    va_end(args);
    OPR_CHECK(st == OPR_OK);
    return doc;
}

static void add_roles(struct bundle *b)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct json_object *role =
            template("{'metadata':{'name':%s," RBAC_MARKS "},'rules':[]}", roles[i].name);
        add_rules(role, roles[i].rules);
        add_rules(role, roles[i].more);
        add(b, RBAC_GROUP, "clusterroles", role);
        if (!roles[i].group && !roles[i].user) {
            continue;
        }
        struct json_object *binding = template(
            "{'metadata':{'name':%s," RBAC_MARKS "},'roleRef':{'apiGroup':%s,'kind':'ClusterRole',"
            "'name':%s},'subjects':[{'apiGroup':%s,'kind':%s,'name':%s}]}",
            roles[i].name, RBAC_GROUP, roles[i].name, RBAC_GROUP, roles[i].group ? "Group" : "User",
            roles[i].group ? roles[i].group : roles[i].user);
        add(b, RBAC_GROUP, "clusterrolebindings", binding);
    }
}

static void add_namespaces(struct bundle *b)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add(b, "", "namespaces",
            template("{'metadata':{'name':%s,'labels':{'kubernetes.io/metadata.name':%s}},"
                     "'spec':{'finalizers':['kubernetes']},'status':{'phase':'Active'}}",
                     names[i], names[i]));
    }
}

static void add_priorities(struct bundle *b)
{
    static const struct {
        const char *name;
        int value;
    } classes[] = {{"system-cluster-critical", 2000000000}, {"system-node-critical", 2000001000}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        add(b, "scheduling.k8s.io", "priorityclasses",
            template("{'metadata':{'name':%s},'value':%d,"
                     "'preemptionPolicy':'PreemptLowerPriority'}",
                     classes[i].name, classes[i].value));
    }
}

static void add_service(struct bundle *b)
{
    struct in_addr first = {.s_addr = htonl(b->api->service_base + 1)};
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &first, ip, sizeof ip);
    add(b, "", "services",
        template("{'metadata':{'name':'kubernetes','namespace':'default','labels':"
                 "{'component':'apiserver','provider':'kubernetes'}},'spec':"
                 "{'type':'ClusterIP','clusterIP':%s,'clusterIPs':[%s],'ipFamilies':['IPv4'],"
                 "'ipFamilyPolicy':'SingleStack','ports':"
                 "[{'name':'https','port':443,'protocol':'TCP','targetPort':6443}]}}",
                 ip, ip));
}

opr_status opr_bootstrap(struct opr_apiserver *s, struct opr_error *reterr)
{
    struct bundle b = {.api = s, .arena = opr_arena_new()};
    add_namespaces(&b);
    add_roles(&b);
    add_priorities(&b);
    add_service(&b);
    opr_status st = opr_store_put_absent(s->store, b.objects, b.count, reterr);
    for (size_t i = 0; i < b.count; i++) {
        bool is_rbac = strncmp(b.objects[i].key.ptr, RBAC_GROUP "/", sizeof RBAC_GROUP) == 0;
        if (st == OPR_OK && is_rbac) {
            st = opr_bootstrap_update(s->store, b.objects[i].key, b.objects[i].doc, reterr);
        }
        json_object_put(b.objects[i].doc);
    }
    opr_arena_free(b.arena);
    return st;
}
