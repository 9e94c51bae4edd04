#include "apiserver/schema/validate.h"

#include "apiserver/schema/crd.h"

/* A ClusterRole, a Role or a binding may be named system:x. */
static const struct {
    const char *group, *kind;
    opr__validate_fn validate;
    opr__name_fn bad_name;
} KINDS[] = {
    {"", "Pod", opr__validate_pod, opr__bad_dns_subdomain},
    {"", "Binding", opr__validate_binding, NULL},
    {"", "Service", opr__validate_service, opr__bad_dns_label},
    {"", "Endpoints", opr__validate_endpoints, opr__bad_dns_subdomain},
    {"", "ConfigMap", opr__validate_config_map, opr__bad_dns_subdomain},
    {"", "Secret", opr__validate_secret, opr__bad_dns_subdomain},
    {"", "ServiceAccount", NULL, opr__bad_dns_subdomain},
    {"", "Namespace", opr__validate_namespace, opr__bad_dns_label},
    {"", "Node", opr__validate_node, opr__bad_dns_subdomain},
    {"", "Event", opr__validate_event, opr__bad_path_segment},
    {"events.k8s.io", "Event", opr__validate_new_event, opr__bad_dns_subdomain},
    {"apps", "Deployment", opr__validate_deployment, opr__bad_dns_subdomain},
    {"apps", "ReplicaSet", opr__validate_replica_set, opr__bad_dns_subdomain},
    {"discovery.k8s.io", "EndpointSlice", opr__validate_endpoint_slice, opr__bad_dns_subdomain},
    {"coordination.k8s.io", "Lease", opr__validate_lease, opr__bad_dns_subdomain},
    {"autoscaling", "HorizontalPodAutoscaler", opr__validate_autoscaler, opr__bad_dns_subdomain},
    {"autoscaling", "Scale", opr__validate_scale, opr__bad_dns_subdomain},
    {"rbac.authorization.k8s.io", "Role", opr__validate_role, opr__bad_path_segment},
    {"rbac.authorization.k8s.io", "ClusterRole", opr__validate_cluster_role, opr__bad_path_segment},
    {"rbac.authorization.k8s.io", "RoleBinding", opr__validate_role_binding, opr__bad_path_segment},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", opr__validate_cluster_role_binding,
     opr__bad_path_segment},
    {"scheduling.k8s.io", "PriorityClass", opr__validate_priority_class, opr__bad_dns_subdomain},
    {"policy", "PodDisruptionBudget", opr__validate_disruption_budget, opr__bad_path_segment},
    {"apiextensions.k8s.io", "CustomResourceDefinition", opr__validate_crd, opr__bad_dns_subdomain},
};

static void validate_kind(const struct opr_kind *kind, struct json_object *doc,
                          struct json_object *old, struct opr_field_errors *errors)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (strcmp(KINDS[i].kind, kind->kind) != 0 || strcmp(KINDS[i].group, kind->group) != 0) {
            continue;
        }
        struct json_object *meta = opr__get(doc, "metadata");
        if (old) {
            opr__validate_meta_update(errors, kind, meta, opr__get(old, "metadata"));
        } else if (KINDS[i].bad_name) {
            opr__validate_meta(errors, kind, meta, KINDS[i].bad_name);
        }
        if (KINDS[i].validate) {
            KINDS[i].validate(errors, doc, old);
        }
        return;
    }
}

static void check_counts(struct opr_field_errors *e, struct json_object *status,
                         const char *const *names)
{
    struct opr__path p = {.name = "status"};
    int64_t replicas = opr__number(status, "replicas");
    opr__check_nonnegative(e, &p, status, "replicas");
    opr__check_nonnegative(e, &p, status, "observedGeneration");
    for (size_t i = 0; names[i]; i++) {
        opr__check_nonnegative(e, &p, status, names[i]);
    }
    for (size_t i = 0; names[i]; i++) {
        if (opr__number(status, names[i]) > replicas) {
            opr__invalid(e, OPR__IN(&p, names[i]), opr__get(status, names[i]),
                         "cannot be greater than status.replicas");
        }
    }
    if (opr__number(status, "availableReplicas") > opr__number(status, "readyReplicas")) {
        opr__invalid(e, OPR__IN(&p, "availableReplicas"), opr__get(status, "availableReplicas"),
                     "cannot be greater than readyReplicas");
    }
}

static void validate_status(const struct opr_kind *kind, struct json_object *doc,
                            struct json_object *old, struct opr_field_errors *errors)
{
    static const char *const deployment[] = {"updatedReplicas", "readyReplicas",
                                             "availableReplicas", NULL};
    static const char *const replica_set[] = {"fullyLabeledReplicas", "readyReplicas",
                                              "availableReplicas", NULL};
    struct json_object *status = opr__get(doc, "status");
    if (old) {
        opr__validate_meta_update(errors, kind, opr__get(doc, "metadata"),
                                  opr__get(old, "metadata"));
    }
    if (strcmp(kind->kind, "Deployment") == 0) {
        check_counts(errors, status, deployment);
    } else if (strcmp(kind->kind, "ReplicaSet") == 0) {
        check_counts(errors, status, replica_set);
    }
}

void opr_schema_validate(const struct opr_kind *kind, struct json_object *doc,
                         struct json_object *old, const char *sub, struct opr_field_errors *errors)
{
    if (sub && strcmp(sub, "scale") == 0) {
        opr__validate_scale(errors, doc, old);
        return;
    }
    if (kind->is_custom) {
        struct json_object *meta = opr__get(doc, "metadata");
        if (old) {
            opr__validate_meta_update(errors, kind, meta, opr__get(old, "metadata"));
        } else {
            opr__validate_meta(errors, kind, meta, opr__bad_dns_subdomain);
        }
        opr__custom_validate(kind->type, doc, errors);
        return;
    }
    if (sub) {
        validate_status(kind, doc, old, errors);
        return;
    }
    validate_kind(kind, doc, old, errors);
}
