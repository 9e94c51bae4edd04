/* Field selectors. */
#include "support.h"

#include <gtest/gtest.h>

namespace
{

std::string field(const opr_kind *k, const char *object, const char *name)
{
    Doc doc = parse(object);
    opr_obj *o = opr_doc_to_obj(doc.get());
    opr_str value = {};
    opr_status st = opr_schema_field(k, o, opr_str_of(name), &value);
    std::string s = st == OPR_OK ? std::string(value.ptr ? value.ptr : "", value.len) : "error";
    opr_json_unref(o);
    return s;
}

TEST(Fields, OfPods)
{
    const opr_kind *k = kind_of("", "v1", "Pod");
    const char pod[] = "{'metadata':{'name':'p','namespace':'n'},'spec':{'nodeName':'a'},'status':{"
                       "'phase':'Running','podIPs':[{'ip':'10.0.0.1'}]}}";
    EXPECT_EQ(field(k, pod, "metadata.name"), "p");
    EXPECT_EQ(field(k, pod, "metadata.namespace"), "n");
    EXPECT_EQ(field(k, pod, "spec.nodeName"), "a");
    EXPECT_EQ(field(k, pod, "status.phase"), "Running");
    EXPECT_EQ(field(k, pod, "status.podIP"), "10.0.0.1");
    EXPECT_EQ(field(k, pod, "spec.hostNetwork"), "false");
    EXPECT_EQ(field(k, pod, "spec.schedulerName"), "");
    EXPECT_EQ(field(k, pod, "spec.foo"), "error");
    EXPECT_EQ(field(k, pod, "metadata.uid"), "error");
}

TEST(Fields, OfOtherKinds)
{
    EXPECT_EQ(
        field(kind_of("", "v1", "Node"), "{'spec':{'unschedulable':true}}", "spec.unschedulable"),
        "true");
    EXPECT_EQ(field(kind_of("", "v1", "Node"), "{}", "spec.unschedulable"), "false");
    EXPECT_EQ(field(kind_of("apps", "v1", "Deployment"), "{}", "spec.replicas"), "error");
    EXPECT_EQ(field(kind_of("", "v1", "Event"), "{'reportingComponent':'c'}", "source"), "c");
    EXPECT_EQ(field(kind_of("events.k8s.io", "v1", "Event"), "{'involvedObject':{'name':'x'}}",
                    "regarding.name"),
              "x");
}

TEST(Fields, AreKnownWithoutAnObject)
{
    opr_str value;
    EXPECT_EQ(opr_schema_field(kind_of("", "v1", "Secret"), nullptr, OPR_STR("type"), &value),
              OPR_OK);
    EXPECT_EQ(opr_schema_field(kind_of("", "v1", "Secret"), nullptr, OPR_STR("data"), &value),
              OPR_E_UNSUPPORTED);
}

} // namespace
