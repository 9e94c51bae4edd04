/* Strategic merge patch: merge keys and directives. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;

namespace
{

std::string patched(const char *doc, const char *patch, const opr_kind *k = nullptr)
{
    Doc d = parse(doc), p = parse(patch);
    opr_error err = {};
    json_object *o = json_object_get(d.get());
    opr_status st = opr_schema_strategic_patch(k ? k : kind_of("", "v1", "Pod"), &o, p.get(), &err);
    Doc result = doc_of(o);
    return st == OPR_OK ? quoted(text_of(result)) : std::string("error: ") + err.message;
}

TEST(Strategic, MergesMapsAndDeletesByNull)
{
    EXPECT_EQ(patched("{'metadata':{'labels':{'a':'1','b':'2'}}}",
                      "{'metadata':{'labels':{'a':null,'c':'3'}}}"),
              "{'metadata':{'labels':{'b':'2','c':'3'}}}");
}

TEST(Strategic, MergesListsByTheirKey)
{
    EXPECT_EQ(patched("{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'2'}]}}",
                      "{'spec':{'containers':[{'name':'b','image':'3'},{'name':'c'}]}}"),
              "{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'3'},{'name':"
              "'c'}]}}");
}

TEST(Strategic, ReplacesAtomicLists)
{
    EXPECT_EQ(
        patched("{'spec':{'tolerations':[{'key':'a'}],'containers':[{'name':'a','args':['x']}"
                "]}}",
                "{'spec':{'tolerations':[{'key':'b'}],'containers':[{'name':'a','args':['y','z'"
                "]}]}}"),
        "{'spec':{'tolerations':[{'key':'b'}],'containers':[{'name':'a','args':['y','z']}]}}");
}

TEST(Strategic, DeletesAndReplacesByDirective)
{
    EXPECT_EQ(patched("{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
                      "{'spec':{'containers':[{'$patch':'delete','name':'a'}]}}"),
              "{'spec':{'containers':[{'name':'b'}]}}");
    EXPECT_EQ(patched("{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
                      "{'spec':{'containers':[{'$patch':'replace'},{'name':'c'}]}}"),
              "{'spec':{'containers':[{'name':'c'}]}}");
    EXPECT_EQ(patched("{'spec':{'nodeSelector':{'a':'1'}}}",
                      "{'spec':{'nodeSelector':{'$patch':'replace','b':'2'}}}"),
              "{'spec':{'nodeSelector':{'b':'2'}}}");
    EXPECT_EQ(patched("{'spec':{'nodeSelector':{'a':'1'}}}",
                      "{'spec':{'nodeSelector':{'$patch':'delete'}}}"),
              "{'spec':{'nodeSelector':{}}}");
    EXPECT_EQ(patched("{'spec':{}}", "{'spec':{'nodeSelector':{'$patch':'replace','b':'2'}}}"),
              "{'spec':{}}")
        << "there is nothing to replace";
}

TEST(Strategic, MergesPrimitivesAndDeletesThem)
{
    EXPECT_EQ(patched("{'metadata':{'finalizers':['a','b']}}", "{'metadata':{'finalizers':['b','c']"
                                                               "}}"),
              "{'metadata':{'finalizers':['a','b','c']}}");
    EXPECT_EQ(patched("{'metadata':{'finalizers':['a','b']}}",
                      "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}"),
              "{'metadata':{'finalizers':['b']}}");
}

TEST(Strategic, OrdersByDirective)
{
    EXPECT_EQ(patched("{'spec':{'containers':[{'name':'a'},{'name':'b'},{'name':'c'}]}}",
                      "{'spec':{'$setElementOrder/containers':[{'name':'c'},{'name':'a'}]}}"),
              "{'spec':{'containers':[{'name':'b'},{'name':'c'},{'name':'a'}]}}");
    EXPECT_EQ(
        patched("{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
                "{'spec':{'$setElementOrder/containers':[{'name':'n'},{'name':'a'},{'name':'b'}"
                "],'containers':[{'name':'n','image':'x'}]}}"),
        "{'spec':{'containers':[{'name':'n','image':'x'},{'name':'a'},{'name':'b'}]}}");
}

TEST(Strategic, RetainsKeys)
{
    EXPECT_EQ(
        patched("{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}",
                "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
                kind_of("apps", "v1", "Deployment")),
        "{'spec':{'strategy':{'type':'Recreate'}}}");
}

TEST(Strategic, ItemsOfOneKeyStayApart)
{
    EXPECT_EQ(
        patched("{'spec':{'ports':[{'port':80,'protocol':'TCP'},{'port':80,'protocol':'UDP'}]}}",
                "{'spec':{'ports':[{'port':80,'name':'r'}]}}", kind_of("", "v1", "Service")),
        "{'spec':{'ports':[{'port':80,'protocol':'TCP','name':'r'},{'port':80,'protocol':"
        "'UDP'}]}}")
        << "the first of them is meant, and no other is lost";
}

TEST(Strategic, WhatIsMadeAnewStandsWhereThePatchSays)
{
    EXPECT_EQ(patched("{'spec':{'containers':[{'name':'a'},{'name':'c'}]}}",
                      "{'spec':{'containers':[{'name':'c','$patch':'delete'},{'name':'c','image':"
                      "'x','env':[{'name':'Y','$patch':'delete'}]}]}}"),
              "{'spec':{'containers':[{'name':'c','image':'x','env':[{'name':'Y','$patch':'delete'}"
              "]},{'name':'a'}]}}");
}

TEST(Strategic, PlainValuesStandOnce)
{
    EXPECT_EQ(
        patched("{'metadata':{'finalizers':['a','b','b']}}", "{'metadata':{'finalizers':['c']}}"),
        "{'metadata':{'finalizers':['c','a','b']}}");
}

TEST(Strategic, RefusesWhatMakesNoSense)
{
    EXPECT_EQ(patched("{}", "{'spec':{'containers':[{'name':'b'},{'name':'a'}],"
                            "'$setElementOrder/containers':[{'name':'a'},{'name':'b'}]}}"),
              "{'spec':{'containers':[{'name':'b'},{'name':'a'}]}}")
        << "nothing is merged";
    EXPECT_THAT(patched("{'spec':{'containers':[]}}",
                        "{'spec':{'containers':[{'name':'b'},{'name':'a'}],"
                        "'$setElementOrder/containers':[{'name':'a'},{'name':'b'}]}}"),
                HasSubstr("doesn't match $setElementOrder list"));
    EXPECT_EQ(patched("{'spec':{'containers':[]}}", "{'spec':{'containers':[{'image':'x'}]}}"),
              "error: map: { \"image\": \"x\" } does not contain declared merge key: name");
    EXPECT_EQ(patched("{}", "{'$patch':'foo'}"), "error: unknown patch type: foo in map");
    EXPECT_EQ(patched("{'spec':{'strategy':{}}}", "{'spec':{'strategy':{'$retainKeys':'x'}}}"),
              "error: $retainKeys directive is not a list");
}

TEST(Strategic, AFailureLeavesTheDocument)
{
    Doc d = parse("{'a':1}"), p = parse("{'b':2,'$patch':'foo'}");
    json_object *o = json_object_get(d.get());
    EXPECT_EQ(opr_schema_strategic_patch(kind_of("", "v1", "Pod"), &o, p.get(), nullptr),
              OPR_E_CONFLICT);
    EXPECT_EQ(quoted(text_of(o)), "{'a':1}");
    json_object_put(o);
    Doc list = parse("[1]");
    o = json_object_get(d.get());
    EXPECT_EQ(opr_schema_strategic_patch(kind_of("", "v1", "Pod"), &o, list.get(), nullptr),
              OPR_E_INVALID);
    json_object_put(o);
}

} // namespace
