/* Defaults of the built-in kinds, as the published server fills them in. */
#include "support.h"

#include <gtest/gtest.h>

namespace
{

struct Case {
    const char *name, *group, *version, *kind, *given, *wanted; /* wanted: a part of the result */
};
void PrintTo(const Case &c, std::ostream *os)
{
    *os << c.name;
}

/* Every member of part is in whole, with the same value. */
::testing::AssertionResult contains(json_object *whole, json_object *part, const std::string &path)
{
    if (json_object_is_type(part, json_type_object)) {
        if (!json_object_is_type(whole, json_type_object)) {
            return ::testing::AssertionFailure() << path << " is no object";
        }
        json_object_object_foreach(part, name, value)
        {
            auto r = contains(json_object_object_get(whole, name), value, path + "/" + name);
            if (!r) {
                return r;
            }
        }
        return ::testing::AssertionSuccess();
    }
    if (json_object_is_type(part, json_type_array) && json_object_is_type(whole, json_type_array) &&
        json_object_array_length(part) == json_object_array_length(whole)) {
        for (size_t i = 0; i < json_object_array_length(part); i++) {
            auto r = contains(json_object_array_get_idx(whole, i),
                              json_object_array_get_idx(part, i), path + "/" + std::to_string(i));
            if (!r) {
                return r;
            }
        }
        return ::testing::AssertionSuccess();
    }
    if (!whole != !part || !opr_doc_equal(whole, part)) {
        return ::testing::AssertionFailure()
               << path << " is " << text_of(whole) << ", not " << text_of(part);
    }
    return ::testing::AssertionSuccess();
}

class Defaults : public testing::TestWithParam<Case>
{
};

TEST_P(Defaults, AreFilledInOnce)
{
    const Case &p = GetParam();
    const opr_kind *k = kind_of(p.group, p.version, p.kind);
    Decoded d = decode(k, text_of(parse(p.given)));
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    ASSERT_TRUE(d.strict.empty()) << d.strict[0];
    opr_schema_default(k, d.doc.get());
    EXPECT_TRUE(contains(d.doc.get(), parse(p.wanted).get(), "")) << text_of(d.doc);
    std::string once = text_of(d.doc);
    opr_schema_default(k, d.doc.get());
    EXPECT_EQ(text_of(d.doc), once) << "a second time changes nothing";
}

const Case CASES[] = {
    {"Deployment", "apps", "v1", "Deployment", "{'spec':{}}",
     "{'spec':{'replicas':1,'revisionHistoryLimit':10,'progressDeadlineSeconds':600,'strategy':{"
     "'type':'RollingUpdate','rollingUpdate':{'maxSurge':'25%','maxUnavailable':'25%'}},'template':"
     "{'spec':{'restartPolicy':'Always','dnsPolicy':'ClusterFirst','securityContext':{},"
     "'terminationGracePeriodSeconds':30,'schedulerName':'default-scheduler'}}}}"},
    {"KeepsZeroReplicas", "apps", "v1", "Deployment",
     "{'spec':{'replicas':0,'strategy':{'type':'Recreate'}}}",
     "{'spec':{'replicas':0,'strategy':{'type':'Recreate','rollingUpdate':null}}}"},
    {"ReplicaSet", "apps", "v1", "ReplicaSet", "{'spec':{}}", "{'spec':{'replicas':1}}"},
    {"Container", "", "v1", "Pod",
     "{'spec':{'containers':[{'name':'a','image':'nginx'},{'name':'b','image':'h:5000/x:1'},{'name'"
     ":'c','image':'h:5000/x'},{'name':'d','image':'x:latest'},{'name':'e','image':'x@sha256:00'}]}"
     "}",
     "{'spec':{'containers':[{'imagePullPolicy':'Always','terminationMessagePath':"
     "'/dev/termination-log','terminationMessagePolicy':'File','resources':{}},{'imagePullPolicy':"
     "'IfNotPresent'},{'imagePullPolicy':'Always'},{'imagePullPolicy':'Always'},{'imagePullPolicy':"
     "'IfNotPresent'}]}}"},
    {"PodOnly", "", "v1", "Pod",
     "{'spec':{'hostNetwork':true,'containers':[{'name':'a','image':'x','ports':[{'containerPort':"
     "80}],'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'500m'}}}]}}",
     "{'spec':{'enableServiceLinks':true,'containers':[{'ports':[{'containerPort':80,'hostPort':80,"
     "'protocol':'TCP'}],'resources':{'requests':{'cpu':'500m','memory':'1Gi'}}}]}}"},
    {"NotInTemplates", "apps", "v1", "ReplicaSet",
     "{'spec':{'template':{'spec':{'hostNetwork':true,'containers':[{'name':'a','image':'x','ports'"
     ":[{'containerPort':80}],'resources':{'limits':{'cpu':'1'}}}]}}}}",
     "{'spec':{'template':{'spec':{'enableServiceLinks':null,'containers':[{'ports':[{'hostPort':"
     "null}],'resources':{'requests':null}}]}}}}"},
    {"PodAddress", "", "v1", "Pod",
     "{'spec':{'containers':[]},'status':{'podIP':'1.2.3.4','podIPs':[{'ip':'1.2.3.9'}]}}",
     "{'status':{'podIP':'1.2.3.4','podIPs':[{'ip':'1.2.3.4'}]}}"},
    {"PodAddresses", "", "v1", "Pod",
     "{'spec':{'containers':[]},'status':{'podIPs':[{'ip':'1.2.3.4'},{'ip':'::1'}]}}",
     "{'status':{'podIP':'1.2.3.4','podIPs':[{'ip':'1.2.3.4'},{'ip':'::1'}]}}"},
    {"Probe", "", "v1", "Pod",
     "{'spec':{'containers':[{'name':'a','image':'x','livenessProbe':{'httpGet':{'port':80}},"
     "'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}}]}]}}",
     "{'spec':{'containers':[{'livenessProbe':{'timeoutSeconds':1,'periodSeconds':10,"
     "'successThreshold':1,'failureThreshold':3,'httpGet':{'path':'/','scheme':'HTTP','port':80}},"
     "'env':[{'valueFrom':{'fieldRef':{'apiVersion':'v1'}}}]}]}}"},
    {"Volumes", "", "v1", "Pod",
     "{'spec':{'containers':[],'volumes':[{'name':'a'},{'name':'b','secret':{}},{'name':'c',"
     "'hostPath':{'path':'/'}},{'name':'d','projected':{'sources':[{'serviceAccountToken':{'path':"
     "'t'}}]}}]}}",
     "{'spec':{'volumes':[{'emptyDir':{}},{'secret':{'defaultMode':420}},{'hostPath':{'type':''}},"
     "{'projected':{'defaultMode':420,'sources':[{'serviceAccountToken':{'expirationSeconds':3600}}"
     "]"
     "}}]}}"},
    {"ServiceAccountAlias", "", "v1", "Pod", "{'spec':{'serviceAccount':'x','containers':[]}}",
     "{'spec':{'serviceAccount':'x','serviceAccountName':'x'}}"},
    {"RoundsResourcesToThousandths", "", "v1", "Node", "{'status':{'capacity':{'cpu':'1500u'}}}",
     "{'status':{'capacity':{'cpu':'2m'},'allocatable':{'cpu':'2m'}}}"},
    {"Service", "", "v1", "Service",
     "{'spec':{'ports':[{'port':80},{'port':81,'targetPort':'x'}]}}",
     "{'spec':{'type':'ClusterIP','sessionAffinity':'None','internalTrafficPolicy':'Cluster',"
     "'externalTrafficPolicy':null,'ports':[{'protocol':'TCP','targetPort':80},{'targetPort':'x'}]}"
     "}"},
    {"LoadBalancer", "", "v1", "Service",
     "{'spec':{'type':'LoadBalancer','sessionAffinity':'ClientIP'}}",
     "{'spec':{'allocateLoadBalancerNodePorts':true,'externalTrafficPolicy':'Cluster',"
     "'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':10800}}}}"},
    {"ExternalName", "", "v1", "Service", "{'spec':{'type':'ExternalName','externalName':'a.b'}}",
     "{'spec':{'internalTrafficPolicy':null}}"},
    {"Secret", "", "v1", "Secret", "{'data':{'a':'MQ==','b':'MQ=='},'stringData':{'b':'2'}}",
     "{'type':'Opaque','data':{'a':'MQ==','b':'Mg=='},'stringData':null}"},
    {"NewNamespace", "", "v1", "Namespace", "{'metadata':{'name':'n'}}",
     "{'metadata':{'labels':{'kubernetes.io/metadata.name':'n'}},'spec':{'finalizers':['kubernetes'"
     "]},'status':{'phase':'Active'}}"},
    {"FinalizedNamespace", "", "v1", "Namespace", "{'metadata':{'name':'n','resourceVersion':'5'}}",
     "{'spec':{'finalizers':null}}"},
    {"Autoscaler", "autoscaling", "v2", "HorizontalPodAutoscaler",
     "{'spec':{'behavior':{'scaleUp':{'stabilizationWindowSeconds':7}}}}",
     "{'spec':{'minReplicas':1,'metrics':[{'type':'Resource','resource':{'name':'cpu','target':{"
     "'type':'Utilization','averageUtilization':80}}}],'behavior':{'scaleUp':{"
     "'stabilizationWindowSeconds':7,'selectPolicy':'Max','policies':[{'type':'Pods','value':4},{"
     "'type':'Percent','value':100}]},'scaleDown':{'stabilizationWindowSeconds':null,'policies':[{"
     "'type':'Percent','periodSeconds':15}]}}}}"},
    {"RoleBinding", "rbac.authorization.k8s.io", "v1", "RoleBinding",
     "{'subjects':[{'kind':'User','name':'u'},{'kind':'ServiceAccount','name':'s'}]}",
     "{'roleRef':{'apiGroup':'rbac.authorization.k8s.io'},'subjects':[{'apiGroup':"
     "'rbac.authorization.k8s.io'},{'apiGroup':null}]}"},
    {"EndpointSlice", "discovery.k8s.io", "v1", "EndpointSlice", "{'ports':[{'port':80}]}",
     "{'ports':[{'name':'','protocol':'TCP'}]}"},
    {"PriorityClass", "scheduling.k8s.io", "v1", "PriorityClass", "{'value':1}",
     "{'preemptionPolicy':'PreemptLowerPriority'}"},
    {"Crd", "apiextensions.k8s.io", "v1", "CustomResourceDefinition",
     "{'spec':{'names':{'kind':'FooBar','plural':'foobars'},'versions':[{'name':'v1','storage':true"
     "}]}}",
     "{'spec':{'names':{'singular':'foobar','listKind':'FooBarList'},'conversion':{'strategy':'"
     "None'"
     "}},'status':{'storedVersions':['v1']}}"},
};

INSTANTIATE_TEST_SUITE_P(Kinds, Defaults, testing::ValuesIn(CASES),
                         [](const auto &test) { return std::string(test.param.name); });

TEST(DefaultsOfAPart, ComeBackWhereTheRegistryTookThemAway)
{
    const opr_kind *k = kind_of("", "v1", "Namespace");
    Doc doc = parse("{'metadata':{'name':'n'}}");
    opr_schema_default(k, doc.get());
    EXPECT_STREQ(opr_doc_str(doc.get(), "/status/phase", ""), "Active");
}

} // namespace
