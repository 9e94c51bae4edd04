/* The default ClusterRoles of Kubernetes 1.36 and whom they are bound to, and those of Operon's own
 * kinds (kubernetes.io/docs/reference/access-authn-authz/rbac, default roles and bindings). Rules
 * of kinds that are not served are kept: who reads a role or copies it finds what is known of it.
 */
#include "apiserver/registry/bootstrap.h"

const struct opr_default_role opr_default_roles[] = {
    {.name = "admin", .gathers = "admin"},
    {.name = "cluster-admin",
     .subjects = "group:system:masters",
     .rules = "* | * | *\n"
              "* | | *\n"},
    {.name = "edit", .aggregated_to = "admin", .gathers = "edit"},
    {.name = "system:aggregate-to-admin",
     .aggregated_to = "admin",
     .rules = "create | authorization.k8s.io | localsubjectaccessreviews\n"
              "READ WRITE | rbac.authorization.k8s.io | rolebindings roles\n"},
    {.name = "system:aggregate-to-edit",
     .aggregated_to = "edit",
     .rules =
         "READ | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy\n"
         "impersonate | core | serviceaccounts\n"
         "WRITE | core | pods pods/attach pods/exec pods/portforward pods/proxy\n"
         "create | core | pods/eviction\n"
         "WRITE | core | configmaps persistentvolumeclaims replicationcontrollers "
         "replicationcontrollers/scale secrets serviceaccounts services services/proxy\n"
         "create | core | serviceaccounts/token\n"
         "WRITE | core events.k8s.io | events\n"
         "WRITE | apps | daemonsets deployments deployments/rollback deployments/scale replicasets "
         "replicasets/scale statefulsets statefulsets/scale\n"
         "WRITE | autoscaling | horizontalpodautoscalers\n"
         "WRITE | batch | cronjobs jobs\n"
         "WRITE | extensions | daemonsets deployments deployments/rollback deployments/scale "
         "ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale\n"
         "WRITE | policy | poddisruptionbudgets\n"
         "WRITE | networking.k8s.io | ingresses networkpolicies\n"
         "READ WRITE | coordination.k8s.io | leases\n"
         "WRITE | resource.k8s.io | resourceclaims resourceclaimtemplates\n"},
    {.name = "system:aggregate-to-view",
     .aggregated_to = "view",
     .rules =
         "READ | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status "
         "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services "
         "services/status\n"
         "READ | core | bindings limitranges namespaces/status pods/log pods/status "
         "replicationcontrollers/status resourcequotas resourcequotas/status\n"
         "READ | core | namespaces\n"
         "READ | core events.k8s.io | events\n"
         "READ | discovery.k8s.io | endpointslices\n"
         "READ | apps | controllerrevisions daemonsets daemonsets/status deployments "
         "deployments/scale deployments/status replicasets replicasets/scale replicasets/status "
         "statefulsets statefulsets/scale statefulsets/status\n"
         "READ | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status\n"
         "READ | batch | cronjobs cronjobs/status jobs jobs/status\n"
         "READ | extensions | daemonsets daemonsets/status deployments deployments/scale "
         "deployments/status ingresses ingresses/status networkpolicies replicasets "
         "replicasets/scale replicasets/status replicationcontrollers/scale\n"
         "READ | policy | poddisruptionbudgets poddisruptionbudgets/status\n"
         "READ | networking.k8s.io | ingresses ingresses/status networkpolicies\n"
         "READ | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates\n"},
    {.name = "system:auth-delegator",
     .rules = "create | authentication.k8s.io | tokenreviews\n"
              "create | authorization.k8s.io | subjectaccessreviews\n"},
    {.name = "system:basic-user",
     .subjects = "group:system:authenticated",
     .rules = "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews\n"
              "create | authentication.k8s.io | selfsubjectreviews\n"},
    {.name = "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
     .rules = "create | certificates.k8s.io | certificatesigningrequests/nodeclient\n"},
    {.name = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
     .rules = "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient\n"},
    {.name = "system:certificates.k8s.io:kube-apiserver-client-approver",
     .rules = "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client\n"},
    {.name = "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
     .rules =
         "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet\n"},
    {.name = "system:certificates.k8s.io:kubelet-serving-approver",
     .rules = "approve | certificates.k8s.io | signers | kubernetes.io/kubelet-serving\n"},
    {.name = "system:certificates.k8s.io:legacy-unknown-approver",
     .rules = "approve | certificates.k8s.io | signers | kubernetes.io/legacy-unknown\n"},
    {.name = "system:discovery",
     .subjects = "group:system:authenticated",
     .rules = "get | | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz "
              "/version /version/\n"},
    {.name = "system:heapster",
     .rules = "READ | core | events namespaces nodes pods\n"
              "READ | extensions | deployments\n"},
    {.name = "system:kube-aggregator", .rules = "READ | core | endpoints services\n"},
    {.name = "system:kube-controller-manager",
     .subjects = "user:system:kube-controller-manager",
     .rules = "create patch update | core events.k8s.io | events\n"
              "create | coordination.k8s.io | leases\n"
              "get update | coordination.k8s.io | leases | kube-controller-manager\n"
              "create | core | secrets serviceaccounts\n"
              "delete | core | secrets\n"
              "get | core | configmaps namespaces secrets serviceaccounts\n"
              "update | core | secrets serviceaccounts\n"
              "create | authentication.k8s.io | tokenreviews\n"
              "create | authorization.k8s.io | subjectaccessreviews\n"
              "list watch | * | *\n"
              "create | core | serviceaccounts/token\n"},
    {.name = "system:kube-dns",
     .subjects = "account:kube-dns",
     .rules = "list watch | core | endpoints services\n"},
    {.name = "system:kube-scheduler",
     .subjects = "user:system:kube-scheduler",
     .rules = "create patch update | core events.k8s.io | events\n"
              "create | coordination.k8s.io | leases\n"
              "READ update | coordination.k8s.io | leases | kube-scheduler\n"
              "READ WRITE | coordination.k8s.io | leasecandidates\n"
              "READ | core | nodes\n"
              "READ delete | core | pods\n"
              "create | core | bindings pods/binding\n"
              "patch update | core | pods/status\n"
              "READ | core | replicationcontrollers services\n"
              "READ | apps extensions | replicasets\n"
              "READ | apps | statefulsets\n"
              "READ | policy | poddisruptionbudgets\n"
              "READ | core | persistentvolumeclaims persistentvolumes\n"
              "create | authentication.k8s.io | tokenreviews\n"
              "create | authorization.k8s.io | subjectaccessreviews\n"
              "READ | storage.k8s.io | csinodes\n"
              "READ | storage.k8s.io | volumeattachments\n"
              "READ | core | namespaces\n"
              "READ | storage.k8s.io | csidrivers\n"
              "READ | storage.k8s.io | csistoragecapacities\n"
              "READ | resource.k8s.io | deviceclasses\n"
              "READ patch update | resource.k8s.io | resourceclaims\n"
              "READ patch update | resource.k8s.io | resourceclaims/status\n"
              "update | core | pods/finalizers\n"
              "READ | resource.k8s.io | resourceslices\n"
              "create delete | resource.k8s.io | resourceclaims\n"
              "patch update | resource.k8s.io | resourceclaims/binding\n"},
    {.name = "system:kubelet-api-admin",
     .rules = "READ | core | nodes\n"
              "proxy | core | nodes\n"
              "* | core | nodes/log nodes/metrics nodes/proxy nodes/stats\n"
              "* | core | nodes/configz nodes/healthz nodes/pods\n"},
    {.name = "system:monitoring",
     .subjects = "group:system:monitoring",
     .rules = "get | | /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz "
              "/readyz/* /statusz\n"
              "get | core | nodes/metrics\n"},
    /* Bound to the nodes, and without the Secrets, ConfigMaps and Leases that Kubernetes names
     * here: opr_node_allows() gives a node those that concern it. */
    {.name = "system:node",
     .subjects = "group:system:nodes",
     .rules = "READ create update patch | core | nodes\n"
              "patch update | core | nodes/status\n"
              "READ create delete | core | pods\n"
              "patch update | core | pods/status\n"
              "create | core | pods/eviction\n"
              "READ | core | services endpoints\n"
              "READ | discovery.k8s.io | endpointslices\n"
              "create patch update | core events.k8s.io | events\n"
              "create | authentication.k8s.io | tokenreviews\n"
              "create | authorization.k8s.io | subjectaccessreviews\n"
              "create | metrics.operon.local | nodesamples\n"},
    {.name = "system:node-bootstrapper",
     .rules = "READ create | certificates.k8s.io | certificatesigningrequests\n"},
    {.name = "system:node-problem-detector",
     .rules = "get | core | nodes\n"
              "patch | core | nodes/status\n"
              "create patch update | core events.k8s.io | events\n"},
    {.name = "system:node-proxier",
     .subjects = "user:system:kube-proxy",
     .rules = "list watch | core | endpoints services\n"
              "READ | core | nodes\n"
              "create patch update | core events.k8s.io | events\n"
              "list watch | networking.k8s.io | servicecidrs\n"
              "list watch | discovery.k8s.io | endpointslices\n"},
    {.name = "system:persistent-volume-provisioner",
     .rules = "READ create delete | core | persistentvolumes\n"
              "READ update | core | persistentvolumeclaims\n"
              "READ | storage.k8s.io | storageclasses\n"
              "watch | core | events\n"
              "create patch update | core events.k8s.io | events\n"},
    {.name = "system:public-info-viewer",
     .subjects = "group:system:authenticated group:system:unauthenticated",
     .rules = "get | | /healthz /livez /readyz /version /version/\n"},
    {.name = "system:service-account-issuer-discovery",
     .subjects = "group:system:serviceaccounts",
     .rules = "get | | /.well-known/openid-configuration /.well-known/openid-configuration/ "
              "/openid/v1/jwks /openid/v1/jwks/\n"},
    {.name = "system:volume-scheduler",
     .subjects = "user:system:kube-scheduler",
     .rules = "READ patch update | core | persistentvolumes\n"
              "READ | storage.k8s.io | storageclasses\n"
              "READ patch update | core | persistentvolumeclaims\n"},
    {.name = "view", .aggregated_to = "edit", .gathers = "view"},
    /* Not of Kubernetes: Operon's own kinds, and what metrics-server brings. */
    {.name = "operon:aggregate-to-view",
     .aggregated_to = "view",
     .rules = "READ | operon.local | luapolicies luapolicies/status\n"},
    {.name = "operon:aggregate-to-edit",
     .aggregated_to = "edit",
     .rules = "WRITE | operon.local | luapolicies\n"},
    {.name = "system:aggregated-metrics-reader",
     .aggregated_to = "view",
     .rules = "READ | metrics.k8s.io | nodes pods\n"},
    {0}};
