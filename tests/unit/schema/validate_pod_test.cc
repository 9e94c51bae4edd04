/* Validation of what a Pod is made of beside its containers: one wrong thing at a time. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;

namespace
{

struct Row {
    const char *kind, *object, *error; /* error "": it is right */
};

#define C "'containers':[{'name':'c','image':'i'}]"
#define HPA(metric)                                                                                \
    "{'spec':{'maxReplicas':3,'scaleTargetRef':{'apiVersion':'apps/v1','kind':'D','name':'d'},"    \
    "'metrics':[" metric "]}}"
#define BALANCER(more) "{'spec':{'type':'LoadBalancer','ports':[{'port':80}]," more "}}"

const Row ROWS[] = {
    {"Pod", "{'spec':{" C ",'dnsPolicy':'None'}}",
     "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
    {"Pod", "{'spec':{" C ",'dnsConfig':{'nameservers':['x']}}}",
     "spec.dnsConfig.nameservers[0]: Invalid value: 'x': must be a valid IP address"},
    {"Pod", "{'spec':{" C ",'dnsConfig':{'searches':['a_b.','.','_srv.a']}}}", ""},
    {"Pod", "{'spec':{" C ",'dnsConfig':{'searches':['a..b']}}}", "spec.dnsConfig.searches[0]"},
    {"Pod", "{'spec':{" C ",'dnsConfig':{'options':[{'value':'1'}]}}}",
     "spec.dnsConfig.options[0]: Required value: must not be empty"},
    {"Pod", "{'spec':{" C ",'hostAliases':[{'ip':'1.2.3.4','hostnames':['A_']}]}}",
     "spec.hostAliases[0].hostnames[0]: Invalid value: 'A_'"},
    {"Pod", "{'spec':{" C ",'securityContext':{'supplementalGroups':[-1]}}}",
     "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and"},
    {"Pod", "{'spec':{" C ",'securityContext':{'sysctls':[{'name':'a.b/c-d'},{'name':'a'}]}}}", ""},
    {"Pod", "{'spec':{" C ",'securityContext':{'sysctls':[{'name':'-a'}]}}}",
     "spec.securityContext.sysctls[0].name: Invalid value: '-a': must have at most 253"},
    {"Pod", "{'spec':{" C ",'securityContext':{'seccompProfile':{'type':'Localhost'}}}}",
     "localhostProfile: Required value: must be set when seccomp type is Localhost"},
    {"Pod", "{'spec':{" C ",'hostPID':true,'shareProcessNamespace':true}}",
     "ShareProcessNamespace and HostPID cannot both be enabled"},
    {"Pod", "{'spec':{" C ",'schedulingGates':[{'name':'a'},{'name':'a'}]}}",
     "spec.schedulingGates[1]: Duplicate value: 'a'"},
    {"Pod", "{'spec':{" C ",'os':{'name':'x'}}}", "spec.os: Unsupported value: 'x'"},
    {"Pod",
     "{'spec':{" C ",'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'z',"
     "'whenUnsatisfiable':'ScheduleAnyway','minDomains':2}]}}",
     "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"},
    {"Pod",
     "{'spec':{" C ",'affinity':{'podAntiAffinity':{"
     "'preferredDuringSchedulingIgnoredDuringExecution':[null]}}}}",
     "[0].podAffinityTerm.topologyKey: Required value: can not be empty"},
    {"Pod",
     "{'spec':{" C ",'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
     "'nodeSelectorTerms':[{'matchFields':[{'key':'x','operator':'In','values':['n']}]}]}}}}}",
     "matchFields[0].key: Invalid value: 'x': not a valid field selector key"},
    {"Pod",
     "{'spec':{'containers':[{'name':'c','image':'i','lifecycle':{'preStop':{'sleep':"
     "{'seconds':31}}}}]}}",
     "preStop.sleep: Invalid value: 31: must be non-negative and less than "
     "terminationGracePeriodSeconds (30)"},
    {"Pod",
     "{'spec':{'containers':[{'name':'c','image':'i','livenessProbe':{'httpGet':{'port':80,"
     "'httpHeaders':[{'name':'A_b','value':''}]}}}]}}",
     "httpGet.httpHeaders: Invalid value: 'A_b': a valid HTTP header"},
    {"Pod",
     "{'spec':{'hostNetwork':true,'containers':[{'name':'c','image':'i','ports':[{"
     "'containerPort':80,'hostPort':81}]}]}}",
     "hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"},
    {"Pod",
     "{'spec':{'containers':[{'name':'c','image':'i','env':[{'name':'A','valueFrom':{"
     "'resourceFieldRef':{'resource':'limits.cpu','divisor':'2'}}}]}]}}",
     "divisor: Invalid value: 'limits.cpu': only divisor's values 1m and 1 are supported"},
    {"Pod",
     "{'spec':{" C ",'volumes':[{'name':'v','projected':{'sources':[{'configMap':{'name':'a',"
     "'items':[{'key':'k','path':'x'}]}},{'secret':{'name':'s','items':[{'key':'k','path':'x'}]}}"
     "]}}]}}",
     "spec.volumes[0].projected: Invalid value: 's': conflicting duplicate paths"},
    {"Pod",
     "{'spec':{'containers':[{'name':'c','image':'i','volumeMounts':[{'name':'v','mountPath':'/v'}]"
     "}],'volumes':[{'name':'v','emptyDir':{'sizeLimit':'-1'}}]}}",
     "volumeMounts[0].name: Not found: 'v'"},
    {"HorizontalPodAutoscaler",
     HPA("{'type':'External','external':{'metric':{'name':'m'},'target':{'type':'Value'}}}"),
     "external.target.averageValue: Required value: must set either a target value for metric"},
    {"HorizontalPodAutoscaler", HPA("{'type':'Odd','pods':{}}"),
     "spec.metrics[0].type: Unsupported value: 'Odd'"},
    {"HorizontalPodAutoscaler",
     HPA("{'type':'ContainerResource','containerResource':{'name':'odd','container':'c','target':"
         "{'type':'Utilization','averageUtilization':5}}}"),
     "containerResource.name: Invalid value: 'odd': must be a standard resource type"},
    {"Service", BALANCER("'loadBalancerSourceRanges':['x']"),
     "spec.LoadBalancerSourceRanges[0]: Invalid value: 'x': must be a valid CIDR value"},
    {"Service", BALANCER("'loadBalancerClass':'a b'"), "spec.loadBalancerClass: Invalid value"},
    {"Service", BALANCER("'trafficDistribution':'x'"), "spec.trafficDistribution: Unsupported"},
    {"EndpointSlice",
     "{'addressType':'IPv4','endpoints':[{'addresses':['1.2.3.4'],'hints':{'forZones':[{'name':'z'}"
     ",{'name':'z'}]}}]}",
     "endpoints[0].hints.forZones[1].name: Duplicate value: 'z'"},
};

TEST(ValidatePod, Table)
{
    for (const Row &row : ROWS) {
        std::string kind = row.kind;
        const opr_kind *k = kind_of(kind == "HorizontalPodAutoscaler" ? "autoscaling"
                                    : kind == "EndpointSlice"         ? "discovery.k8s.io"
                                                                      : "",
                                    kind == "HorizontalPodAutoscaler" ? "v2" : "v1", row.kind);
        Doc given = parse(row.object);
        opr_doc_put_str(given.get(), "/metadata/name", "x");
        opr_doc_put_str(given.get(), "/metadata/namespace", "default");
        Decoded d = decode(k, text_of(given));
        ASSERT_EQ(d.status, OPR_OK) << row.object << ": " << d.error;
        opr_schema_default(k, d.doc.get());
        Errors errors;
        opr_schema_validate(k, d.doc.get(), nullptr, nullptr, &errors.e);
        std::string all;
        for (const std::string &one : errors.list()) {
            all += one + "\n";
        }
        std::replace(all.begin(), all.end(), '"', '\'');
        if (*row.error) {
            EXPECT_THAT(all, HasSubstr(row.error)) << row.object;
        } else {
            EXPECT_EQ(all, "") << row.object;
        }
    }
}

TEST(ValidatePod, EventsOfTheNewGroupSayWhoAndWhat)
{
    const opr_kind *k = kind_of("events.k8s.io", "v1", "Event");
    Doc given = parse("{'metadata':{'name':'e','namespace':'default'},'regarding':{'kind':'Pod',"
                      "'namespace':'default'},'type':'Odd','series':{'count':1}}");
    Decoded d = decode(k, text_of(given));
    Errors errors;
    opr_schema_validate(k, d.doc.get(), nullptr, nullptr, &errors.e);
    std::string all;
    for (const std::string &one : errors.list()) {
        all += one + "\n";
    }
    for (const char *part :
         {"eventTime: Required value", "reportingController: Required value",
          "reportingInstance: Required value", "action: Required value", "reason: Required value",
          "has invalid value: Odd", "should be at least 2", "series.lastObservedTime: Required"}) {
        EXPECT_THAT(all, HasSubstr(part));
    }
}

} // namespace
