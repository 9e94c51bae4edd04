/* Table output of kubectl get. */
#include "support.h"

#include "core/base/clock.h"

#include <gtest/gtest.h>

namespace
{

int64_t now()
{
    int64_t ms = 0;
    EXPECT_EQ(opr_time_parse(OPR_STR("2024-06-01T12:00:00Z"), &ms), OPR_OK);
    return ms;
}

std::string cells(const opr_kind *k, const std::string &object)
{
    Doc doc = parse(object);
    opr_obj *o = opr_doc_to_obj(doc.get());
    Doc row = doc_of(opr_schema_cells(k, o, now()));
    Doc columns = doc_of(opr_schema_columns(k));
    EXPECT_EQ(json_object_array_length(row.get()), json_object_array_length(columns.get()));
    opr_json_unref(o);
    return quoted(text_of(row));
}

const char META[] = "'metadata':{'name':'x','creationTimestamp':'2024-06-01T11:55:00Z'}";

std::string pod(const char *spec, const char *status, const char *meta = META)
{
    return cells(kind_of("", "v1", "Pod"),
                 std::string("{") + meta + ",'spec':" + spec + ",'status':" + status + "}");
}

TEST(Columns, ArePublishedWithTheirPriorities)
{
    Doc c = doc_of(opr_schema_columns(kind_of("", "v1", "Pod")));
    EXPECT_EQ(json_object_array_length(c.get()), 9u);
    EXPECT_STREQ(opr_doc_str(c.get(), "/0/name", ""), "Name");
    EXPECT_STREQ(opr_doc_str(c.get(), "/0/format", ""), "name");
    EXPECT_EQ(opr_doc_int(c.get(), "/4/priority", 9), 0);
    EXPECT_STREQ(opr_doc_str(c.get(), "/5/name", ""), "IP");
    EXPECT_EQ(opr_doc_int(c.get(), "/5/priority", 0), 1);
}

TEST(Columns, PodRunning)
{
    EXPECT_EQ(pod("{'containers':[{'name':'c'}],'nodeName':'n'}",
                  "{'phase':'Running','podIPs':[{'ip':'10.0.0.1'}],'containerStatuses':[{'name':"
                  "'c','ready':true,'restartCount':3,'state':{'running':{}},'lastState':{"
                  "'terminated':{'exitCode':1,'finishedAt':'2024-06-01T11:00:00Z'}}}]}"),
              "['x','1/1','Running','3 (60m ago)','5m','10.0.0.1','n','<none>','<none>']");
}

struct PodState {
    const char *spec, *status, *reason;
};
class PodReasons : public testing::TestWithParam<PodState>
{
};

TEST_P(PodReasons, AreWhatKubectlShows)
{
    std::string row = pod(GetParam().spec, GetParam().status);
    Doc parsed = parse(row);
    EXPECT_STREQ(opr_doc_str(parsed.get(), "/2", ""), GetParam().reason) << row;
}

const char ONE[] = "{'containers':[{'name':'c'}]}";
const char TWO[] = "{'containers':[{'name':'c'},{'name':'d'}]}";
const char INIT[] = "{'initContainers':[{'name':'i'},{'name':'j'}],'containers':[{'name':'c'}]}";

INSTANTIATE_TEST_SUITE_P(
    Columns, PodReasons,
    testing::Values(
        PodState{ONE, "{'phase':'Pending'}", "Pending"},
        PodState{ONE, "{'phase':'Failed','reason':'Evicted'}", "Evicted"},
        PodState{ONE,
                 "{'phase':'Running','containerStatuses':[{'state':{'waiting':{'reason':"
                 "'CrashLoopBackOff'}}}]}",
                 "CrashLoopBackOff"},
        PodState{ONE,
                 "{'phase':'Succeeded','containerStatuses':[{'state':{'terminated':{'exitCode':0,"
                 "'reason':'Completed'}}}]}",
                 "Completed"},
        PodState{ONE,
                 "{'phase':'Failed','containerStatuses':[{'state':{'terminated':{'exitCode':"
                 "137}}}]}",
                 "ExitCode:137"},
        PodState{ONE,
                 "{'phase':'Failed','containerStatuses':[{'state':{'terminated':{'signal':9}}}]}",
                 "Signal:9"},
        PodState{TWO,
                 "{'phase':'Running','containerStatuses':[{'state':{'terminated':{'reason':"
                 "'Completed'}}},{'ready':true,'state':{'running':{}}}]}",
                 "NotReady"},
        PodState{TWO,
                 "{'phase':'Running','conditions':[{'type':'Ready','status':'True'}],"
                 "'containerStatuses':[{'state':{'terminated':{'reason':'Completed'}}},{'ready':"
                 "true,'state':{'running':{}}}]}",
                 "Running"},
        PodState{INIT,
                 "{'phase':'Pending','initContainerStatuses':[{'state':{'terminated':{'exitCode':"
                 "0}}},{'state':{'waiting':{'reason':'PodInitializing'}}}]}",
                 "Init:1/2"},
        PodState{INIT,
                 "{'phase':'Pending','initContainerStatuses':[{'state':{'terminated':{'exitCode':"
                 "3}}}]}",
                 "Init:ExitCode:3"},
        PodState{INIT,
                 "{'phase':'Pending','initContainerStatuses':[{'state':{'waiting':{'reason':"
                 "'ErrImagePull'}}}]}",
                 "Init:ErrImagePull"},
        PodState{ONE,
                 "{'phase':'Pending','conditions':[{'type':'PodScheduled','reason':"
                 "'SchedulingGated'}]}",
                 "SchedulingGated"}));

TEST(Columns, PodTerminating)
{
    EXPECT_EQ(pod(ONE, "{'phase':'Running'}",
                  "'metadata':{'name':'x','deletionTimestamp':'2024-06-01T12:00:00Z'}"),
              "['x','0/1','Terminating','0','<unknown>','<none>','<none>','<none>','<none>']");
}

struct Age {
    const char *created, *text;
};
class Ages : public testing::TestWithParam<Age>
{
};

TEST_P(Ages, HaveAtMostTwoUnits)
{
    EXPECT_EQ(cells(kind_of("", "v1", "ServiceAccount"),
                    std::string("{'metadata':{'name':'s','creationTimestamp':'") +
                        GetParam().created + "'}}"),
              std::string("['s','") + GetParam().text + "']");
}

INSTANTIATE_TEST_SUITE_P(
    Columns, Ages,
    testing::Values(Age{"2024-06-01T11:58:01Z", "119s"}, Age{"2024-06-01T11:55:30Z", "4m30s"},
                    Age{"2024-06-01T11:55:00Z", "5m"}, Age{"2024-06-01T09:01:00Z", "179m"},
                    Age{"2024-06-01T08:50:00Z", "3h10m"}, Age{"2024-05-31T02:00:00Z", "34h"},
                    Age{"2024-05-29T06:00:00Z", "3d6h"}, Age{"2024-01-01T12:00:00Z", "152d"},
                    Age{"2021-01-01T12:00:00Z", "3y152d"}, Age{"2010-01-01T12:00:00Z", "14y"},
                    Age{"2024-06-01T12:00:01Z", "0s"}, Age{"2024-06-01T13:00:00Z", "<invalid>"}));

TEST(Columns, Workloads)
{
    std::string spec =
        "'spec':{'replicas':3,'selector':{'matchLabels':{'b':'2','a':'1'}},'template'"
        ":{'spec':{'containers':[{'name':'c','image':'x'},{'name':'d','image':'y'}]}}"
        "}";
    EXPECT_EQ(cells(kind_of("apps", "v1", "Deployment"),
                    std::string("{") + META + "," + spec +
                        ",'status':{'readyReplicas':2,'updatedReplicas':3,'availableReplicas':1}}"),
              "['x','2/3',3,1,'5m','c,d','x,y','a=1,b=2']");
    EXPECT_EQ(cells(kind_of("apps", "v1", "ReplicaSet"),
                    std::string("{") + META + "," + spec + ",'status':{'replicas':3}}"),
              "['x',3,3,0,'5m','c,d','x,y','a=1,b=2']");
}

TEST(Columns, ServicesAndEndpoints)
{
    EXPECT_EQ(cells(kind_of("", "v1", "Service"),
                    std::string("{") + META +
                        ",'spec':{'type':'LoadBalancer','clusterIPs':['10.0.0.1'],'ports':[{'port':"
                        "80,'nodePort':30000,'protocol':'TCP'}],'selector':{'z':'1','a':'2'}}}"),
              "['x','LoadBalancer','10.0.0.1','<pending>','80:30000/TCP','5m','a=2,z=1']");
    EXPECT_EQ(cells(kind_of("", "v1", "Endpoints"),
                    std::string("{") + META +
                        ",'subsets':[{'addresses':[{'ip':'1.1.1.1'},{'ip':'fd00::1'}],'ports':[{"
                        "'port':1},{'port':2}]}]}"),
              "['x','1.1.1.1:1,[fd00::1]:1,1.1.1.1:2 + 1 more...','5m']");
    EXPECT_EQ(cells(kind_of("discovery.k8s.io", "v1", "EndpointSlice"),
                    std::string("{") + META + ",'addressType':'IPv4','endpoints':null}"),
              "['x','IPv4','<unset>','<unset>','5m']");
}

TEST(Columns, NodesEventsAndAutoscalers)
{
    EXPECT_EQ(
        cells(kind_of("", "v1", "Node"),
              "{'metadata':{'name':'n','labels':{'node-role.kubernetes.io/b':'',"
              "'node-role.kubernetes.io/a':''}},'spec':{'unschedulable':true},'status':{"
              "'conditions':[{'type':'Ready','status':'False'}],'nodeInfo':{'kernelVersion':'6',"
              "'architecture':'amd64','kubeletVersion':'v1'}}}"),
        "['n','NotReady,SchedulingDisabled','a,b','<unknown>','v1','<none>','<none>','<unknown>','"
        "6 "
        "(amd64)','<unknown>']");
    EXPECT_EQ(
        cells(kind_of("", "v1", "Event"),
              "{'metadata':{'name':'e'},'involvedObject':{'kind':'Pod','name':'p'},'type':"
              "'Normal','reason':'R','message':' m ','eventTime':'2024-06-01T11:59:00.000000Z'"
              ",'reportingComponent':'c','reportingInstance':'i'}"),
        "['60s','Normal','R','pod/p','','c, i','m','60s',1,'e']");
    EXPECT_EQ(
        cells(kind_of("autoscaling", "v2", "HorizontalPodAutoscaler"),
              std::string("{") + META +
                  ",'spec':{'scaleTargetRef':{'kind':'Deployment','name':'d'},'minReplicas':1,"
                  "'maxReplicas':3,'metrics':[{'type':'Resource','resource':{'name':'cpu',"
                  "'target':{'averageUtilization':80}}},{'type':'External','external':{"
                  "'target':{'averageValue':'5'}}},{'type':'Pods','pods':{}}]},'status':{"
                  "'currentReplicas':2,'currentMetrics':[{'type':'Resource','resource':{"
                  "'current':{'averageUtilization':33}}}]}}"),
        "['x','Deployment/d','cpu: 33%/80%, <unknown>/5 (avg) + 1 more...','1',3,2,'5m']");
}

TEST(Columns, KindsWithoutColumnsSayWhenTheyWereMade)
{
    EXPECT_EQ(
        cells(kind_of("rbac.authorization.k8s.io", "v1", "Role"), std::string("{") + META + "}"),
        "['x','2024-06-01T11:55:00Z']");
}

} // namespace
