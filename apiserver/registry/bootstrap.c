/* What a fresh cluster holds: namespaces, roles and bindings, priority classes, the API's own
 * Service. Each is made where it is not there; what a user changed stays. Default roles of an older
 * version get what is new (bootstrap_update.c). */
#include "apiserver/registry/bootstrap.h"

#include "apiserver/registry/api.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#define BUNDLE_MAX 256
#define RBAC_GROUP "rbac.authorization.k8s.io"
#define AGGREGATE "rbac.authorization.k8s.io/aggregate-to-"

static void add_words(struct json_object *list, struct opr_str text)
{
    struct opr_str word;
    while (opr_str_next(&text, ' ', &word)) {
        if (opr_str_is(word, "READ")) {
            add_words(list, OPR_STR("get list watch"));
        } else if (opr_str_is(word, "WRITE")) {
            add_words(list, OPR_STR("create delete deletecollection patch update"));
        } else if (opr_str_is(word, "core")) {
            json_object_array_add(list, json_object_new_string(""));
        } else {
            json_object_array_add(list, json_object_new_string_len(word.ptr, (int)word.len));
        }
    }
}

static struct json_object *words(struct opr_str text)
{
    struct json_object *list = json_object_new_array();
    add_words(list, text);
    return list;
}

/* The next field of a rule's line, without the blanks around it. */
static struct opr_str field(struct opr_str *line)
{
    struct opr_str part = {0};
    (void)opr_str_next(line, '|', &part); /* nothing: an empty field */
    return opr_str_trim(part);
}

static void add_rules(struct json_object *role, const char *text)
{
    struct opr_str rest = opr_str_of(text ? text : ""), line;
    while (opr_str_next(&rest, '\n', &line)) {
        struct json_object *d = json_object_new_object();
        json_object_object_add(d, "verbs", words(field(&line)));
        struct opr_str groups = field(&line);
        if (groups.len > 0) {
            json_object_object_add(d, "apiGroups", words(groups));
        }
        json_object_object_add(d, groups.len > 0 ? "resources" : "nonResourceURLs",
                               words(field(&line)));
        struct opr_str names = field(&line);
        if (names.len > 0) {
            json_object_object_add(d, "resourceNames", words(names));
        }
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

/* Of the lists of roles: where the rules of a role that gathers others come from. */
static void gather(struct json_object *role, const char *label)
{
    for (const struct opr_default_role *other = opr_default_roles; other->name; other++) {
        if (other->aggregated_to && strcmp(other->aggregated_to, label) == 0) {
            add_rules(role, other->rules);
            if (other->gathers) {
                gather(role, other->gathers);
            }
        }
    }
}

static struct json_object *marked(const char *name, const char *ns)
{
    struct json_object *doc =
        template("{'metadata':{'name':%s,'labels':{'kubernetes.io/bootstrapping':'rbac-defaults'},"
                 "'annotations':{'rbac.authorization.kubernetes.io/autoupdate':'true'}}}",
                 name);
    if (ns) {
        opr_doc_put_str(doc, "/metadata/namespace", ns);
    }
    return doc;
}

static void add_role(struct bundle *b, const struct opr_default_role *from)
{
    struct json_object *role = marked(from->name, from->ns);
    json_object_object_add(role, "rules", json_object_new_array());
    add_rules(role, from->rules);
    if (from->aggregated_to) {
        const char *label = opr_arena_printf(b->arena, AGGREGATE "%s", from->aggregated_to);
        json_object_object_add(opr_doc_at(role, "/metadata/labels"), label,
                               json_object_new_string("true"));
    }
    if (from->gathers) {
        const char *label = opr_arena_printf(b->arena, AGGREGATE "%s", from->gathers);
        json_object_object_add(role, "aggregationRule",
                               template("{'clusterRoleSelectors':[{'matchLabels':{}}]}"));
        json_object_object_add(
            opr_doc_at(role, "/aggregationRule/clusterRoleSelectors/0/matchLabels"), label,
            json_object_new_string("true"));
        gather(role, from->gathers);
    }
    add(b, RBAC_GROUP, from->ns ? "roles" : "clusterroles", role);
}

static void add_binding(struct bundle *b, const struct opr_default_role *from)
{
    struct json_object *binding = marked(from->binding ? from->binding : from->name, from->ns);
    struct opr_str rest = opr_str_of(from->subjects), one, kind;
    json_object_object_add(binding, "roleRef",
                           template("{'apiGroup':%s,'kind':%s,'name':%s}", RBAC_GROUP,
                                    from->ns ? "Role" : "ClusterRole", from->name));
    while (opr_str_next(&rest, ' ', &one)) {
        (void)opr_str_next(&one, ':', &kind); /* the tables are ours */
        const char *name = opr_arena_dup(b->arena, one);
        struct json_object *subject =
            opr_str_is(kind, "account")
                ? template("{'kind':'ServiceAccount','name':%s,'namespace':'kube-system'}", name)
                : template("{'apiGroup':%s,'kind':%s,'name':%s}", RBAC_GROUP,
                           opr_str_is(kind, "user") ? "User" : "Group", name);
        (void)!opr_doc_put(binding, "/subjects/-", subject); /* binding is an object of ours */
    }
    add(b, RBAC_GROUP, from->ns ? "rolebindings" : "clusterrolebindings", binding);
}

static void add_roles(struct bundle *b, const struct opr_default_role *roles)
{
    for (; roles->name; roles++) {
        add_role(b, roles);
        if (roles->subjects) {
            add_binding(b, roles);
        }
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
        const char *description;
    } classes[] = {{"system-cluster-critical", 2000000000,
                    "Used for system critical pods that must run in the cluster, but can be moved "
                    "to another node if necessary."},
                   {"system-node-critical", 2000001000,
                    "Used for system critical pods that must not be moved from their current "
                    "node."}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        add(b, "scheduling.k8s.io", "priorityclasses",
            template("{'metadata':{'name':%s,'generation':1},'value':%d,'description':%s,"
                     "'preemptionPolicy':'PreemptLowerPriority'}",
                     classes[i].name, classes[i].value, classes[i].description));
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
    add_roles(&b, opr_default_roles);
    add_roles(&b, opr_controller_roles);
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
