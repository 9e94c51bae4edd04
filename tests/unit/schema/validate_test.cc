/* Validation: the published server's messages, recorded. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

namespace
{

std::vector<std::string> check(const opr_kind *k, const std::string &given,
                               const std::string &old = "", const char *sub = nullptr)
{
    auto complete = [k](const std::string &text) {
        Doc doc = parse(text);
        if (!opr_doc_at(doc.get(), "/metadata/name")) {
            opr_doc_put_str(doc.get(), "/metadata/name", "x");
        }
        if (k->is_namespaced && !opr_doc_at(doc.get(), "/metadata/namespace")) {
            opr_doc_put_str(doc.get(), "/metadata/namespace", "default");
        }
        Decoded d = decode(k, text_of(doc));
        EXPECT_EQ(d.status, OPR_OK) << d.error;
        EXPECT_TRUE(d.strict.empty()) << d.strict[0];
        opr_schema_default(k, d.doc.get());
        return std::move(d.doc);
    };
    Errors errors;
    Doc doc = complete(given);
    Doc before = old.empty() ? doc_of(nullptr) : complete(old);
    opr_schema_validate(k, doc.get(), before.get(), sub, &errors.e);
    std::vector<std::string> list = errors.list();
    for (std::string &s : list) {
        s = quoted(s);
    }
    return list;
}

std::vector<std::string> pod(const std::string &spec)
{
    return check(kind_of("", "v1", "Pod"), "{'spec':" + spec + "}");
}
std::vector<std::string> container(const std::string &members)
{
    return pod("{'containers':[{'name':'c','image':'x'," + members + "}]}");
}
const char CONTAINER[] = "{'name':'c','image':'x'}";

std::string deployment(const std::string &more, const char *labels = "{'a':'b'}")
{
    return std::string("{'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{"
                       "'labels':") +
           labels + "},'spec':{'containers':[" + CONTAINER + "]}}" + more + "}}";
}

TEST(Validate, ObjectsThatAreRightPass)
{
    EXPECT_THAT(check(kind_of("apps", "v1", "Deployment"), deployment("")), IsEmpty());
    EXPECT_THAT(pod(std::string("{'containers':[") + CONTAINER + "]}"), IsEmpty());
    EXPECT_THAT(check(kind_of("", "v1", "Service"), "{'spec':{'ports':[{'port':80}]}}"), IsEmpty());
    EXPECT_THAT(check(kind_of("", "v1", "ConfigMap"), "{'data':{'a.b-c_D':'x'}}"), IsEmpty());
}

TEST(Validate, Metadata)
{
    const opr_kind *k = kind_of("", "v1", "ConfigMap");
    EXPECT_THAT(
        check(k, "{'metadata':{'name':'Bad_Name','labels':{'a b':'x'}},'data':{'a b':'c'}}"),
        ElementsAre(
            "metadata.name: Invalid value: 'Bad_Name': a lowercase RFC 1123 subdomain must consist "
            "of lower case alphanumeric characters, '-' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "metadata.labels: Invalid value: 'a b': name part must consist of alphanumeric "
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            "data[a b]: Invalid value: 'a b': a valid config key must consist of alphanumeric "
            "characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex "
            "used for validation is '[-._a-zA-Z0-9]+')"));
    EXPECT_THAT(check(k, "{'metadata':{'labels':{'a':'" + std::string(64, 'x') + "'}}}"),
                ElementsAre("metadata.labels: Invalid value: '" + std::string(64, 'x') +
                            "': must be no more than 63 bytes"));
    EXPECT_THAT(
        check(k, "{'metadata':{'ownerReferences':[{'apiVersion':'v1','kind':'','name':'a','uid':"
                 "'u','controller':true},{'apiVersion':'v1','kind':'K','name':'b','uid':'v',"
                 "'controller':true}],'finalizers':['foo']}}"),
        ElementsAre("metadata.ownerReferences.kind: Invalid value: '': must not be empty",
                    testing::HasSubstr("Only one reference can have Controller set to true. Found "
                                       "'true' in references for /a and K/b"),
                    "metadata.finalizers[0]: Invalid value: 'foo': name is neither a standard "
                    "finalizer name nor is it fully qualified"));
}

TEST(Validate, NameIsRequired)
{
    Errors errors;
    Doc doc = parse("{'metadata':{}}");
    opr_schema_validate(kind_of("", "v1", "ConfigMap"), doc.get(), nullptr, nullptr, &errors.e);
    EXPECT_THAT(errors.list(),
                ElementsAre("metadata.name: Required value: name or generateName is required",
                            "metadata.namespace: Required value"));
    EXPECT_STREQ(errors.e.items[0].reason, "FieldValueRequired");
    EXPECT_STREQ(errors.e.items[0].field, "metadata.name");
}

TEST(Validate, MetadataOfAnUpdate)
{
    const opr_kind *k = kind_of("", "v1", "ConfigMap");
    EXPECT_THAT(check(k, "{'metadata':{'uid':'b','generation':1}}",
                      "{'metadata':{'uid':'a','generation':2}}"),
                ElementsAre("metadata.generation: Invalid value: 1: must not be decremented",
                            "metadata.uid: Invalid value: 'b': field is immutable"));
    EXPECT_THAT(check(k,
                      "{'metadata':{'finalizers':['a/b','c/d'],'deletionTimestamp':"
                      "'2024-01-01T00:00:00Z'}}",
                      "{'metadata':{'finalizers':['a/b'],'deletionTimestamp':"
                      "'2024-01-01T00:00:00Z'}}"),
                ElementsAre("metadata.finalizers: Forbidden: no new finalizers can be added if the "
                            "object is being deleted, found new finalizers []string{'c/d'}"));
}

TEST(Validate, Containers)
{
    EXPECT_THAT(pod("{'containers':[]}"), ElementsAre("spec.containers: Required value"));
    EXPECT_THAT(pod("{'containers':[{'name':'c'},{'name':'c','image':'x','imagePullPolicy':'Foo'}],"
                    "'restartPolicy':'Bar'}"),
                ElementsAre("spec.containers[0].image: Required value",
                            "spec.containers[1].imagePullPolicy: Unsupported value: 'Foo': "
                            "supported values: 'Always', 'IfNotPresent', 'Never'",
                            "spec.containers[1].name: Duplicate value: 'c'",
                            "spec.restartPolicy: Unsupported value: 'Bar': supported values: "
                            "'Always', 'OnFailure', 'Never'"));
    EXPECT_THAT(container("'ports':[{'containerPort':0},{'containerPort':70000},{'containerPort':1,"
                          "'hostPort':5},{'containerPort':2,'hostPort':5}]"),
                ElementsAre("spec.containers[0].ports[0].containerPort: Required value",
                            "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must "
                            "be between 1 and 65535, inclusive",
                            "spec.containers[0].ports[3].hostPort: Duplicate value: 'TCP//5'"));
    EXPECT_THAT(
        container("'resources':{'limits':{'cpu':'1','memory':'-5'},'requests':{'cpu':'2'}}"),
        ElementsAre("spec.containers[0].resources.limits[memory]: Invalid value: '-5': must "
                    "be greater than or equal to 0",
                    "spec.containers[0].resources.requests: Invalid value: '2': must be less "
                    "than or equal to cpu limit of 1",
                    "spec.containers[0].resources.requests[memory]: Invalid value: '-5': "
                    "must be greater than or equal to 0"));
    EXPECT_THAT(container("'volumeMounts':[{'name':'no','mountPath':'/x'}]"),
                ElementsAre("spec.containers[0].volumeMounts[0].name: Not found: 'no'"));
    EXPECT_THAT(container("'livenessProbe':{},'startupProbe':{'exec':{'command':['a']},"
                          "'successThreshold':2}"),
                ElementsAre("spec.containers[0].livenessProbe: Required value: must specify a "
                            "handler type",
                            "spec.containers[0].startupProbe.successThreshold: Invalid value: 2: "
                            "must be 1"));
    EXPECT_THAT(
        container("'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'foo'}}},{'name'"
                  ":'B','valueFrom':{}}]"),
        ElementsAre("spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "
                    "'foo': error converting fieldPath: field label not supported: foo",
                    "spec.containers[0].env[1].valueFrom: Invalid value: '': must specify "
                    "one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                    "`secretKeyRef` or `fileKeyRef`"));
}

TEST(Validate, VolumesAndTheRestOfAPodSpec)
{
    std::string c = std::string("'containers':[") + CONTAINER + "]";
    EXPECT_THAT(pod("{" + c +
                    ",'volumes':[{'name':'v','emptyDir':{},'hostPath':{'path':'/'}},{"
                    "'name':'v','secret':{}},{'name':'h','hostPath':{'path':'/a/../b'}}]}"),
                ElementsAre("spec.volumes[0].hostPath: Forbidden: may not specify more than 1 "
                            "volume type",
                            "spec.volumes[1].secret.secretName: Required value",
                            "spec.volumes[1].name: Duplicate value: 'v'",
                            "spec.volumes[2].hostPath.path: Invalid value: '/a/../b': must not "
                            "contain '..'"));
    EXPECT_THAT(
        pod("{" + c +
            ",'tolerations':[{'operator':'Equal'},{'key':'a','operator':'Foo'}],"
            "'hostname':'a.b','activeDeadlineSeconds':0}"),
        ElementsAre("spec.hostname: Invalid value: 'a.b': must not contain dots",
                    "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and "
                    "2147483647, inclusive",
                    "spec.tolerations[0].operator: Invalid value: 'Equal': operator must be "
                    "Exists when `key` is empty, which means 'match all values and all "
                    "keys'",
                    "spec.tolerations[1].operator: Unsupported value: 'Foo': supported "
                    "values: 'Equal', 'Exists'"));
}

TEST(Validate, PodUpdatesChangeLittle)
{
    const opr_kind *k = kind_of("", "v1", "Pod");
    std::string old =
        std::string("{'spec':{'containers':[") + CONTAINER + "],'activeDeadlineSeconds':100}}";
    EXPECT_THAT(check(k,
                      "{'spec':{'containers':[{'name':'c','image':'new'}],"
                      "'activeDeadlineSeconds':50,'tolerations':[{'operator':'Exists'}]}}",
                      old),
                IsEmpty());
    EXPECT_THAT(check(k,
                      std::string("{'spec':{'nodeName':'n','containers':[") + CONTAINER +
                          "],'activeDeadlineSeconds':200}}",
                      old),
                ElementsAre("spec.activeDeadlineSeconds: Invalid value: 200: must be less than or "
                            "equal to previous value",
                            testing::StartsWith("spec: Forbidden: pod updates may not change "
                                                "fields other than `spec.containers[*].image`")));
    EXPECT_THAT(check(k,
                      std::string("{'spec':{'containers':[") + CONTAINER +
                          ",{'name':'d','image':'x'}],'activeDeadlineSeconds':100}}",
                      old),
                ElementsAre("spec.containers: Forbidden: pod updates may not add or remove "
                            "containers"));
}

TEST(Validate, Deployments)
{
    const opr_kind *k = kind_of("apps", "v1", "Deployment");
    EXPECT_THAT(check(k, deployment("", "{'a':'c'}")),
                ElementsAre("spec.template.metadata.labels: Invalid value: {'a':'c'}: `selector` "
                            "does not match template `labels`"));
    EXPECT_THAT(
        check(k, deployment(",'replicas':-1,'minReadySeconds':700")),
        ElementsAre("spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                    "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than "
                    "minReadySeconds"));
    EXPECT_THAT(
        check(k, deployment(",'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':0}}")),
        ElementsAre("spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 "
                    "when `maxSurge` is 0"));
    std::string other = deployment("", "{'a':'z'}");
    other.replace(other.find("{'a':'b'}"), 9, "{'a':'z'}");
    EXPECT_THAT(check(k, other, deployment("")),
                ElementsAre("spec.selector: Invalid value: {'matchLabels':{'a':'z'}}: field is "
                            "immutable"));
    EXPECT_THAT(check(k, "{'spec':{}}"), testing::Contains("spec.selector: Required value"));
}

TEST(Validate, StatusAndScale)
{
    const opr_kind *k = kind_of("apps", "v1", "ReplicaSet");
    EXPECT_THAT(check(k, "{'status':{'replicas':1,'readyReplicas':2}}", "{}", "status"),
                ElementsAre("status.readyReplicas: Invalid value: 2: cannot be greater than "
                            "status.replicas"));
    EXPECT_THAT(
        check(kind_of("autoscaling", "v1", "Scale"), "{'spec':{'replicas':-1}}", "", "scale"),
        ElementsAre("spec.replicas: Invalid value: -1: must be greater than or equal to 0"));
}

TEST(Validate, Services)
{
    const opr_kind *k = kind_of("", "v1", "Service");
    EXPECT_THAT(check(k, "{'spec':{}}"), ElementsAre("spec.ports: Required value"));
    EXPECT_THAT(check(k, "{'spec':{'clusterIP':'None'}}"), IsEmpty());
    EXPECT_THAT(check(k, "{'spec':{'type':'ExternalName'}}"),
                ElementsAre("spec.externalName: Required value"));
    EXPECT_THAT(check(k, "{'spec':{'type':'Foo','ports':[{'port':80,'name':'a'},{'port':80,'name':"
                         "'a'}]}}"),
                ElementsAre("spec.ports[1].name: Duplicate value: 'a'",
                            "spec.type: Unsupported value: 'Foo': supported values: 'ClusterIP', "
                            "'ExternalName', 'LoadBalancer', 'NodePort'",
                            testing::StartsWith("spec.ports[1]: Duplicate value: {")));
    EXPECT_THAT(check(k,
                      "{'spec':{'clusterIP':'10.0.0.2','clusterIPs':['10.0.0.2'],'ports':[{'port':"
                      "80}]}}",
                      "{'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1'],'ports':[{'port':"
                      "80}]}}"),
                ElementsAre("spec.clusterIPs[0]: Invalid value: ['10.0.0.2']: may not change once "
                            "set"));
}

TEST(Validate, ConfigMapsAndSecretsThatAreImmutable)
{
    EXPECT_THAT(check(kind_of("", "v1", "ConfigMap"), "{'data':{'a':'2'}}",
                      "{'immutable':true,'data':{'a':'1'}}"),
                ElementsAre("immutable: Forbidden: field is immutable when `immutable` is set",
                            "data: Forbidden: field is immutable when `immutable` is set"));
    EXPECT_THAT(check(kind_of("", "v1", "Secret"), "{'type':'a/b'}", "{}"),
                ElementsAre("type: Invalid value: 'a/b': field is immutable"));
    EXPECT_THAT(check(kind_of("", "v1", "Secret"), "{'type':'kubernetes.io/tls'}"),
                ElementsAre("data[tls.crt]: Required value", "data[tls.key]: Required value"));
}

TEST(Validate, Groups)
{
    const char rbac[] = "rbac.authorization.k8s.io";
    EXPECT_THAT(check(kind_of(rbac, "v1", "Role"), "{'rules':[{'verbs':['get']}]}"),
                ElementsAre("rules[0].apiGroups: Required value: resource rules must supply at "
                            "least one api group",
                            "rules[0].resources: Required value: resource rules must supply at "
                            "least one resource"));
    EXPECT_THAT(
        check(kind_of(rbac, "v1", "ClusterRoleBinding"),
              "{'roleRef':{'kind':'ClusterRole','name':'b'},'subjects':[{'kind':"
              "'ServiceAccount','name':'s'}]}",
              "{'roleRef':{'kind':'ClusterRole','name':'a'}}"),
        ElementsAre("subjects[0].namespace: Required value",
                    "roleRef: Invalid value: {'APIGroup':'rbac.authorization.k8s.io','Kind':"
                    "'ClusterRole','Name':'b'}: cannot change roleRef"));
    EXPECT_THAT(check(kind_of("autoscaling", "v2", "HorizontalPodAutoscaler"),
                      "{'spec':{'minReplicas':5,'maxReplicas':3,'scaleTargetRef':{'apiVersion':"
                      "'apps/v1','kind':'Deployment','name':'x'}}}"),
                ElementsAre("spec.maxReplicas: Invalid value: 3: must be greater than or equal to "
                            "`minReplicas`"));
    EXPECT_THAT(
        check(kind_of("coordination.k8s.io", "v1", "Lease"), "{'spec':{'leaseDurationSeconds':0}}"),
        ElementsAre("spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"));
    EXPECT_THAT(check(kind_of("scheduling.k8s.io", "v1", "PriorityClass"), "{'value':2000000000}"),
                ElementsAre("value: Forbidden: maximum allowed value of a user defined priority is "
                            "1000000000"));
    EXPECT_THAT(
        check(kind_of("discovery.k8s.io", "v1", "EndpointSlice"),
              "{'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1','127.0.0.1']}]}"),
        ElementsAre("endpoints[0].addresses[1]: Invalid value: '127.0.0.1': may not be in "
                    "the loopback range (127.0.0.0/8, ::1/128)"));
    EXPECT_THAT(check(kind_of("", "v1", "Node"),
                      "{'metadata':{'name':'n'},'spec':{'podCIDRs':['10.1.0.0/16'],'providerID':"
                      "'b'}}",
                      "{'metadata':{'name':'n'},'spec':{'podCIDRs':['10.2.0.0/16']}}"),
                ElementsAre("spec.podCIDRs: Forbidden: node updates may not change podCIDR except "
                            "from '' to valid"));
}

TEST(Validate, Definitions)
{
    std::string good = "{'metadata':{'name':'foos.example.com'},'spec':{'group':'example.com',"
                       "'scope':'Namespaced','names':{'kind':'Foo','plural':'foos'},'versions':[{"
                       "'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{"
                       "'type':'object'}}}]}}";
    const opr_kind *k = kind_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    EXPECT_THAT(check(k, good), IsEmpty());
    std::string bad = good;
    bad.replace(bad.find("'type':'object'"), 15, "'type':'object','pattern':'('");
    EXPECT_THAT(check(k, bad),
                ElementsAre(testing::HasSubstr("must be a valid regular expression")));
    std::string moved = good;
    moved.replace(moved.find("Namespaced"), 10, "Cluster");
    EXPECT_THAT(check(k, moved, good),
                ElementsAre("spec.scope: Invalid value: 'Cluster': field is immutable"));
}

} // namespace
