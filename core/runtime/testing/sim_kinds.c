/* The kinds that the server knows, and discovery. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

#include <ctype.h>

struct known {
    const char *gvk, *plural;
    bool is_namespaced, is_read_only;
};

static const struct known known[] = {
    {"v1/Pod", "pods", true, false},
    {"v1/Service", "services", true, false},
    {"v1/Node", "nodes", false, false},
    {"v1/Namespace", "namespaces", false, false},
    {"v1/ConfigMap", "configmaps", true, false},
    {"v1/Secret", "secrets", true, false},
    {"v1/ServiceAccount", "serviceaccounts", true, false},
    {"v1/Endpoints", "endpoints", true, false},
    {"v1/Event", "events", true, false},
    {"v1/PersistentVolumeClaim", "persistentvolumeclaims", true, false},
    {"v1/PersistentVolume", "persistentvolumes", false, false},
    {"v1/ReplicationController", "replicationcontrollers", true, false},
    {"apps/v1/Deployment", "deployments", true, false},
    {"apps/v1/ReplicaSet", "replicasets", true, false},
    {"apps/v1/StatefulSet", "statefulsets", true, false},
    {"apps/v1/DaemonSet", "daemonsets", true, false},
    {"apps/v1/ControllerRevision", "controllerrevisions", true, false},
    {"batch/v1/Job", "jobs", true, false},
    {"batch/v1/CronJob", "cronjobs", true, false},
    {"autoscaling/v2/HorizontalPodAutoscaler", "horizontalpodautoscalers", true, false},
    {"discovery.k8s.io/v1/EndpointSlice", "endpointslices", true, false},
    {"coordination.k8s.io/v1/Lease", "leases", true, false},
    {"policy/v1/PodDisruptionBudget", "poddisruptionbudgets", true, false},
    {"scheduling.k8s.io/v1/PriorityClass", "priorityclasses", false, false},
    {"storage.k8s.io/v1/StorageClass", "storageclasses", false, false},
    {"rbac.authorization.k8s.io/v1/Role", "roles", true, false},
    {"rbac.authorization.k8s.io/v1/RoleBinding", "rolebindings", true, false},
    {"rbac.authorization.k8s.io/v1/ClusterRole", "clusterroles", false, false},
    {"rbac.authorization.k8s.io/v1/ClusterRoleBinding", "clusterrolebindings", false, false},
    {"networking.k8s.io/v1/Ingress", "ingresses", true, false},
    {"networking.k8s.io/v1/NetworkPolicy", "networkpolicies", true, false},
    {"apiextensions.k8s.io/v1/CustomResourceDefinition", "customresourcedefinitions", false, false},
    {"operon.local/v1/LuaPolicy", "luapolicies", true, false},
    {"metrics.k8s.io/v1beta1/PodMetrics", "pods", true, true},
    {"metrics.k8s.io/v1beta1/NodeMetrics", "nodes", false, true},
};

static struct sim_kind *add_kind(struct sim *s, const char *gvk, const char *plural,
                                 bool is_namespaced, bool is_read_only)
{
    struct opr_gvk parts;
    if (opr_gvk_parse(gvk, &parts) != OPR_OK) {
        return NULL;
    }
    struct sim_kind *k = opr_xalloc(sizeof *k);
    k->gvk = opr_xstrdup(gvk);
    k->group = opr_xstrndup(parts.group.ptr ? parts.group.ptr : "", parts.group.len);
    k->version = opr_xstrndup(parts.version.ptr, parts.version.len);
    k->kind = opr_xstrndup(parts.kind.ptr, parts.kind.len);
    k->plural = opr_xstrdup(plural);
    k->is_namespaced = is_namespaced;
    k->is_read_only = is_read_only;
    opr_vec_push(&s->kinds, k);
    return k;
}

void sim_kinds_init(struct sim *s)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct known *n = &known[i];
        (void)add_kind(s, n->gvk, n->plural, n->is_namespaced, n->is_read_only); /* all are kinds */
    }
}

void sim_kinds_fini(struct sim *s)
{
    for (size_t i = 0; i < s->kinds.count; i++) {
        struct sim_kind *k = s->kinds.items[i];
        for (size_t o = 0; o < k->objects.count; o++) {
            opr_json_unref(k->objects.items[o]);
        }
        opr_vec_fini(&k->objects);
        opr_free(k->gvk);
        opr_free(k->group);
        opr_free(k->version);
        opr_free(k->kind);
        opr_free(k->plural);
        opr_free(k);
    }
    opr_vec_fini(&s->kinds);
}

struct sim_kind *sim_kind_find(struct sim *s, const char *gvk)
{
    for (size_t i = 0; i < s->kinds.count; i++) {
        struct sim_kind *k = s->kinds.items[i];
        if (strcmp(k->gvk, gvk) == 0) {
            return k;
        }
    }
    return NULL;
}

struct sim_kind *sim_kind_by_path(struct sim *s, struct opr_str group, struct opr_str version,
                                  struct opr_str plural)
{
    for (size_t i = 0; i < s->kinds.count; i++) {
        struct sim_kind *k = s->kinds.items[i];
        if (opr_str_is(group, k->group) && opr_str_is(version, k->version) &&
            opr_str_is(plural, k->plural)) {
            return k;
        }
    }
    return NULL;
}

/* "policies" of "Policy", "classes" of "Class", "webs" of "Web". */
static char *plural_of(struct opr_str kind)
{
    struct opr_buf b = {0};
    for (size_t i = 0; i < kind.len; i++) {
        opr_buf_add_char(&b, (char)tolower((unsigned char)kind.ptr[i]));
    }
    if (opr_str_ends(kind, "y")) {
        b.len--;
        opr_buf_add_text(&b, "ies");
    } else {
        opr_buf_add_text(&b, opr_str_ends(kind, "s") ? "es" : "s");
    }
    return opr_buf_take(&b, NULL);
}

struct sim_kind *sim_kind_learn(struct sim *s, const char *gvk, bool is_namespaced)
{
    struct sim_kind *k = sim_kind_find(s, gvk);
    struct opr_gvk parts;
    if (k || opr_gvk_parse(gvk, &parts) != OPR_OK) {
        return k;
    }
    char *plural = plural_of(parts.kind);
    k = add_kind(s, gvk, plural, is_namespaced, false);
    opr_free(plural);
    return k;
}

static void write_resource(const struct sim_kind *k, struct opr_buf *out)
{
    const char *verbs = k->is_read_only ? "\"get\",\"list\""
                                        : "\"create\",\"delete\",\"deletecollection\",\"get\","
                                          "\"list\",\"patch\",\"update\",\"watch\"";
    opr_buf_printf(
        out,
        "{\"metadata\":{\"name\":\"%s\"},\"versions\":[{\"version\":\"%s\",\"resources\":"
        "[{\"resource\":\"%s\",\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\","
        "\"kind\":\"%s\"},\"scope\":\"%s\",\"verbs\":[%s]}]}]}",
        k->group, k->version, k->plural, k->group, k->version, k->kind,
        k->is_namespaced ? "Namespaced" : "Cluster", verbs);
}

void sim_discovery(struct sim *s, bool is_core, struct opr_buf *out)
{
    opr_buf_add_text(out, "{\"kind\":\"APIGroupDiscoveryList\","
                          "\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"metadata\":{},\"items\":[");
    bool is_first = true;
    for (size_t i = 0; i < s->kinds.count; i++) {
        const struct sim_kind *k = s->kinds.items[i];
        if ((*k->group == '\0') == is_core) {
            opr_buf_add_text(out, is_first ? "" : ",");
            write_resource(k, out);
            is_first = false;
        }
    }
    opr_buf_add_text(out, "]}");
}

static void write_group(const struct sim_kind *k, struct opr_buf *out)
{
    opr_buf_printf(out,
                   "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"%s\","
                   "\"preferredVersion\":{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}}",
                   k->group, k->group, k->version, k->version);
}

bool sim_discovery_of(struct sim *s, struct opr_str group, struct opr_str version,
                      struct opr_buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < s->kinds.count; i++) {
        const struct sim_kind *k = s->kinds.items[i];
        if (!opr_str_is(group, k->group) || (version.len > 0 && !opr_str_is(version, k->version))) {
            continue;
        }
        if (version.len == 0) {
            write_group(k, out);
            return true;
        }
        opr_buf_printf(out, "%s{\"name\":\"%s\",\"kind\":\"%s\",\"namespaced\":%s}",
                       is_first ? "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\","
                                  "\"resources\":["
                                : ",",
                       k->plural, k->kind, k->is_namespaced ? "true" : "false");
        is_first = false;
    }
    opr_buf_add_text(out, is_first ? "" : "]}");
    return !is_first;
}
