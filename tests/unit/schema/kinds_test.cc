/* The tables of the built-in kinds. */
#include "support.h"

#include "apiserver/schema/table.h"

#include <gtest/gtest.h>

#include <set>

namespace
{

TEST(Kinds, AreFoundByPluralAndByKind)
{
    const opr_kind *k = opr_kind_find(OPR_STR("apps"), OPR_STR("v1"), OPR_STR("deployments"));
    ASSERT_NE(k, nullptr);
    EXPECT_STREQ(k->kind, "Deployment");
    EXPECT_STREQ(k->list_kind, "DeploymentList");
    EXPECT_STREQ(k->short_names[0], "deploy");
    EXPECT_STREQ(k->categories[0], "all");
    EXPECT_TRUE(k->is_namespaced);
    EXPECT_TRUE(k->has_generation);
    EXPECT_EQ(k->subresources, unsigned{OPR_SUB_STATUS | OPR_SUB_SCALE});
    EXPECT_STREQ(k->scale_spec_replicas, "/spec/replicas");
    EXPECT_EQ(kind_of("apps", "v1", "Deployment"), k);
    EXPECT_EQ(opr_kind_find(OPR_STR("apps"), OPR_STR("v2"), OPR_STR("deployments")), nullptr);
    EXPECT_EQ(opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("pod")), nullptr);
    EXPECT_EQ(opr_kind_nth(opr_kind_count()), nullptr);
}

TEST(Kinds, ScopesAndStorage)
{
    EXPECT_FALSE(kind_of("", "v1", "Node")->is_namespaced);
    EXPECT_FALSE(kind_of("", "v1", "Namespace")->is_namespaced);
    EXPECT_TRUE(kind_of("authorization.k8s.io", "v1", "SubjectAccessReview")->is_virtual);
    EXPECT_EQ(kind_of("events.k8s.io", "v1", "Event")->stored_as, kind_of("", "v1", "Event"));
    EXPECT_EQ(kind_of("", "v1", "Pod")->stored_as, nullptr);
    EXPECT_EQ(opr_kind_ref(kind_of("", "v1", "Pod")), kind_of("", "v1", "Pod"));
    opr_kind_unref(nullptr);
}

/* Every field of every type that a kind reaches is well formed. */
void walk(const opr_schema_type *t, std::set<const opr_schema_type *> &seen)
{
    if (!t || !seen.insert(t).second) {
        return;
    }
    EXPECT_NE(t->go_name, nullptr);
    if (t->list_type == OPR_LIST_MAP) {
        ASSERT_NE(t->keys, nullptr) << t->go_name;
        for (size_t i = 0; t->keys[i]; i++) {
            EXPECT_NE(opr_schema_type_field(t->elem, opr_str_of(t->keys[i])), nullptr)
                << t->go_name << " " << t->keys[i];
        }
    }
    std::set<std::string> names;
    std::set<int> numbers;
    for (uint16_t i = 0; i < t->field_count; i++) {
        const opr_type_field *f = &t->fields[i];
        ASSERT_NE(f->type, nullptr);
        if (f->name) {
            EXPECT_TRUE(names.insert(f->name).second) << t->name << "." << f->name;
        }
        if (f->proto_no) {
            EXPECT_TRUE(numbers.insert(f->proto_no).second) << t->name << " " << f->proto_no;
        }
        if (f->merge_key) {
            EXPECT_NE(opr_schema_type_field(f->type->elem, opr_str_of(f->merge_key)), nullptr)
                << t->name << "." << f->name;
        }
        if (f->default_json) {
            EXPECT_NE(parse(f->default_json).get(), nullptr) << t->name << "." << f->name;
        }
        walk(f->type, seen);
    }
    walk(t->elem, seen);
}

TEST(Kinds, TablesAreWellFormed)
{
    std::set<const opr_schema_type *> seen;
    for (size_t i = 0; i < opr_kind_count(); i++) {
        const opr_kind *k = opr_kind_nth(i);
        ASSERT_NE(k->type, nullptr) << k->kind;
        EXPECT_NE(opr_schema_type_field(k->type, OPR_STR("kind")), nullptr) << k->kind;
        walk(k->type, seen);
    }
    EXPECT_GT(seen.size(), 300u);
}

TEST(Convert, RenamesEventsBothWays)
{
    const opr_kind *core = kind_of("", "v1", "Event");
    const opr_kind *events = kind_of("events.k8s.io", "v1", "Event");
    Doc doc = parse("{'apiVersion':'events.k8s.io/v1','kind':'Event','note':'n','regarding':{'name'"
                    ":'x'},'reportingController':'c','deprecatedCount':3,'reason':'R'}");
    Doc before = parse(text_of(doc));
    opr_schema_convert(events, core, doc.get());
    EXPECT_TRUE(opr_doc_equal(
        doc.get(), parse("{'apiVersion':'v1','kind':'Event','message':'n','involvedObject':{'name':"
                         "'x'},'reportingComponent':'c','count':3,'reason':'R'}")
                       .get()))
        << text_of(doc);
    opr_schema_convert(core, events, doc.get());
    EXPECT_TRUE(opr_doc_equal(doc.get(), before.get())) << text_of(doc);
    opr_schema_convert(events, events, doc.get());
    EXPECT_TRUE(opr_doc_equal(doc.get(), before.get()));
}

TEST(Convert, AutoscalersKeepInAnnotationsWhatV1HasNoMemberFor)
{
    const opr_kind *v1 = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    const opr_kind *v2 = kind_of("autoscaling", "v2", "HorizontalPodAutoscaler");
    Doc doc = parse(
        "{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':{'name':'a'},"
        "'spec':{'minReplicas':1,'maxReplicas':3,'scaleTargetRef':{'kind':'Deployment','name':'d'},"
        "'metrics':[{'type':'Resource','resource':{'name':'memory','target':{'type':'AverageValue',"
        "'averageValue':'1Gi'}}},{'type':'Resource','resource':{'name':'cpu','target':{'type':"
        "'Utilization','averageUtilization':50}}},{'type':'Object','object':{'describedObject':{'"
        "kind':"
        "'Service','name':'s'},'metric':{'name':'rps'},'target':{'type':'Value','value':'10'}}}]},"
        "'status':{'currentReplicas':1,'desiredReplicas':1,'currentMetrics':[{'type':'Resource',"
        "'resource':{'name':'cpu','current':{'averageUtilization':7,'averageValue':'70m'}}}],"
        "'conditions':[{'type':'AbleToScale','status':'True'}]}}");
    opr_schema_convert(v2, v1, doc.get());
    Doc want = parse(
        "{'apiVersion':'autoscaling/v1','kind':'HorizontalPodAutoscaler','spec':{'minReplicas':1,"
        "'maxReplicas':3,'scaleTargetRef':{'kind':'Deployment','name':'d'},"
        "'targetCPUUtilizationPercentage':50},'status':{'currentReplicas':1,'desiredReplicas':1,"
        "'currentCPUUtilizationPercentage':7}}");
    Doc bare = parse(text_of(doc));
    opr_doc_del(bare.get(), "/metadata");
    EXPECT_TRUE(opr_doc_equal(bare.get(), want.get())) << text_of(doc);
    struct json_object *notes = opr_doc_at(doc.get(), "/metadata/annotations");
    ASSERT_NE(nullptr, notes);
    EXPECT_STREQ(
        R"([{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}},)"
        R"({"type":"Object","object":{"target":{"kind":"Service","name":"s"},"metricName":"rps",)"
        R"("targetValue":"10"}}])",
        opr_doc_str(notes, "/autoscaling.alpha.kubernetes.io~1metrics", ""));
    opr_schema_convert(v1, v2, doc.get());
    EXPECT_EQ(nullptr, opr_doc_at(doc.get(), "/metadata/annotations"));
    EXPECT_EQ(3u, json_object_array_length(opr_doc_at(doc.get(), "/spec/metrics")));
    EXPECT_STREQ("cpu", opr_doc_str(doc.get(), "/spec/metrics/0/resource/name", ""));
    EXPECT_STREQ("Utilization", opr_doc_str(doc.get(), "/spec/metrics/0/resource/target/type", ""));
    EXPECT_STREQ("AverageValue",
                 opr_doc_str(doc.get(), "/spec/metrics/1/resource/target/type", ""));
    EXPECT_STREQ("10", opr_doc_str(doc.get(), "/spec/metrics/2/object/target/value", ""));
    EXPECT_STREQ("70m", opr_doc_str(doc.get(),
                                    "/status/currentMetrics/0/resource/current/averageValue", ""));
    EXPECT_STREQ("AbleToScale", opr_doc_str(doc.get(), "/status/conditions/0/type", ""));
}

TEST(Convert, AnAutoscalerOfV1GetsWhatV2Defaults)
{
    const opr_kind *v1 = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    const opr_kind *v2 = kind_of("autoscaling", "v2", "HorizontalPodAutoscaler");
    for (const char *note : {"{}", "{'autoscaling.alpha.kubernetes.io/metrics':'not JSON'}",
                             "{'autoscaling.alpha.kubernetes.io/metrics':'[7,{}]'}"}) {
        Doc doc = parse(
            std::string(
                "{'apiVersion':'autoscaling/v1','kind':'HorizontalPodAutoscaler','metadata':"
                "{'annotations':") +
            note + "},'spec':{'maxReplicas':3,'scaleTargetRef':{'kind':'Deployment','name':'d'}}}");
        opr_schema_convert(v1, v2, doc.get());
        EXPECT_EQ(80,
                  opr_doc_int(doc.get(), "/spec/metrics/0/resource/target/averageUtilization", 0))
            << note;
        EXPECT_EQ(1u, json_object_array_length(opr_doc_at(doc.get(), "/spec/metrics")));
    }
}

} // namespace
