/* Sets of field paths, and documents seen through their types. */
#include "support.h"

#include "apiserver/schema/typed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::ElementsAre;
using testing::HasSubstr;

namespace
{

class Fieldset : public testing::Test
{
  protected:
    ~Fieldset() override
    {
        opr_arena_free(a);
    }
    opr_status read(const std::string &text, const opr_fieldset **ret_set, opr_error *reterr)
    {
        opr_obj *obj = opr_doc_to_obj(parse(text).get());
        opr_status st = opr_fieldset_read(a, obj, ret_set, reterr);
        opr_json_unref(obj);
        return st;
    }
    const opr_fieldset *set(const char *text)
    {
        const opr_fieldset *s = nullptr;
        opr_error err = {};
        EXPECT_EQ(read(text, &s, &err), OPR_OK) << err.message;
        return s;
    }
    static std::string json(const opr_fieldset *s)
    {
        return text_of(doc_of(opr_fieldset_to_json(s)));
    }
    static std::string shown(const opr_fieldset *s)
    {
        return quoted(json(s));
    }
    std::vector<std::string> paths(const opr_fieldset *s)
    {
        std::vector<std::string> all;
        opr_fieldset_each(
            s,
            [](void *arg, const char *path) {
                static_cast<std::vector<std::string> *>(arg)->emplace_back(path);
            },
            &all);
        return all;
    }
    const opr_schema_type *pod = kind_of("", "v1", "Pod")->type;
    opr_arena *a = opr_arena_new();
};

TEST_F(Fieldset, IsReadAndWritten)
{
    const char *text = "{'f:a':{'.':{},'f:b':{}},'f:c':{}}";
    EXPECT_EQ(shown(set(text)), text);
    EXPECT_EQ(opr_fieldset_count(set(text)), 3u);
    EXPECT_EQ(shown(nullptr), "{}");
    EXPECT_TRUE(opr_fieldset_is_empty(set("{}")));
}

TEST_F(Fieldset, RefusesWhatIsNoSet)
{
    const opr_fieldset *s = nullptr;
    for (const std::string &text :
         {std::string("[]"), std::string("{'f:a':1}"), std::string("{'x':{}}"),
          std::string("{'k:nope':{}}"), std::string("{'k:[1]':{}}")}) {
        EXPECT_EQ(read(text, &s, nullptr), OPR_E_INVALID) << text;
    }
    EXPECT_EQ(read("{'z:later':{}}", &s, nullptr), OPR_OK);
    EXPECT_TRUE(opr_fieldset_is_empty(s))
        << "an element of a kind that is not known is passed over";
}

TEST_F(Fieldset, NumbersAreOrderedAsNumbers)
{
    const opr_fieldset *s =
        set(R"({"k:{\"p\":443}":{},"k:{\"p\":80}":{},"v:\"ab\"":{},"v:\"a\"":{}})");
    EXPECT_THAT(paths(s), ElementsAre("[p=80]", "[p=443]", "[=\"a\"]", "[=\"ab\"]"));
}

TEST_F(Fieldset, KeysAreInOrderHoweverTheyWereWritten)
{
    EXPECT_THAT(paths(set(R"({"k:{\"b\":1, \"a\":\"x\"}":{}})")), ElementsAre("[a=\"x\",b=1]"));
}

TEST_F(Fieldset, Algebra)
{
    const opr_fieldset *x = set("{'f:a':{'.':{},'f:b':{},'f:c':{}},'f:d':{}}");
    const opr_fieldset *y = set("{'f:a':{'f:b':{}},'f:e':{}}");
    EXPECT_EQ(shown(opr_fieldset_union(a, x, y)),
              "{'f:a':{'.':{},'f:b':{},'f:c':{}},'f:d':{},'f:e':{}}");
    EXPECT_EQ(shown(opr_fieldset_minus(a, x, y)), "{'f:a':{'.':{},'f:c':{}},'f:d':{}}");
    EXPECT_EQ(shown(opr_fieldset_common(a, x, y)), "{'f:a':{'f:b':{}}}");
    EXPECT_EQ(shown(opr_fieldset_minus(a, x, set("{'f:a':{}}"))),
              "{'f:a':{'f:b':{},'f:c':{}},'f:d':{}}");
    EXPECT_EQ(shown(opr_fieldset_minus_tree(a, x, set("{'f:a':{}}"))), "{'f:d':{}}");
    EXPECT_EQ(opr_fieldset_minus(a, x, x), nullptr);
    EXPECT_EQ(opr_fieldset_common(a, x, nullptr), nullptr);
    EXPECT_EQ(opr_fieldset_minus(a, x, nullptr), x);
}

TEST_F(Fieldset, PathsOfADocument)
{
    Doc d = parse("{'metadata':{'labels':{'a':'b'},'finalizers':['x']},'spec':{'nodeSelector':"
                  "{'k':'v'},'tolerations':[{'key':'t'}],'containers':[{'name':'c','ports':"
                  "[{'containerPort':80}],'args':['1']}]}}");
    EXPECT_THAT(paths(opr_schema_fields_of(a, pod, d.get())),
                ElementsAre(".metadata.finalizers[=\"x\"]", ".metadata.labels.a",
                            ".spec.nodeSelector", ".spec.tolerations",
                            ".spec.containers[name=\"c\"]", ".spec.containers[name=\"c\"].args",
                            ".spec.containers[name=\"c\"].name",
                            ".spec.containers[name=\"c\"].ports[containerPort=80,protocol="
                            "\"TCP\"]",
                            ".spec.containers[name=\"c\"].ports[containerPort=80,protocol="
                            "\"TCP\"].containerPort"))
        << "atomic lists and maps are one path; the protocol has its default";
}

TEST_F(Fieldset, Changes)
{
    Doc before = parse("{'metadata':{'labels':{'a':'1','b':'2'}},'spec':{'containers':[{'name':"
                       "'c','image':'i'},{'name':'old','image':'i'}]}}");
    Doc after = parse("{'metadata':{'labels':{'a':'1','b':'3'}},'spec':{'containers':[{'name':"
                      "'new','image':'i'},{'name':'c','image':'j'}],'nodeSelector':{'x':'y'}}}");
    opr_schema_changes c;
    opr_schema_compare(a, pod, before.get(), after.get(), &c);
    EXPECT_THAT(paths(c.modified),
                ElementsAre(".metadata.labels.b", ".spec.containers[name=\"c\"].image"));
    EXPECT_THAT(paths(c.added), ElementsAre(".spec.nodeSelector", ".spec.containers[name=\"new\"]",
                                            ".spec.containers[name=\"new\"].image",
                                            ".spec.containers[name=\"new\"].name"));
    EXPECT_THAT(paths(c.removed), ElementsAre(".spec.containers[name=\"old\"]",
                                              ".spec.containers[name=\"old\"].image",
                                              ".spec.containers[name=\"old\"].name"));
    opr_schema_compare(a, pod, before.get(), before.get(), &c);
    EXPECT_TRUE(opr_fieldset_is_empty(c.added) && opr_fieldset_is_empty(c.modified) &&
                opr_fieldset_is_empty(c.removed));
}

TEST_F(Fieldset, ListsMergeInTheOrderOfWhatIsApplied)
{
    auto merged = [&](const char *live, const char *config) {
        std::string head = "{'metadata':{'finalizers':", tail = "}}";
        Doc x = parse(head + live + tail), y = parse(head + config + tail);
        Doc m = doc_of(opr_schema_merge_applied(a, pod, x.get(), y.get()));
        return quoted(text_of(opr_doc_at(m.get(), "/metadata/finalizers")));
    };
    EXPECT_EQ(merged("['a','b','c']", "['c','a']"), "['b','c','a']");
    EXPECT_EQ(merged("['a','b']", "['x','b']"), "['a','x','b']");
    EXPECT_EQ(merged("['a','b','c']", "['b','y']"), "['a','b','c','y']");
    EXPECT_EQ(merged("[]", "['p','q']"), "['p','q']");
    EXPECT_EQ(merged("['p','q']", "[]"), "['p','q']");
}

TEST_F(Fieldset, TakesPathsOut)
{
    Doc d = parse("{'metadata':{'labels':{'a':'1'}},'spec':{'containers':[{'name':'c','image':'i'},"
                  "{'name':'d','image':'i'}],'nodeName':'n'}}");
    Doc left = doc_of(opr_schema_without(
        a, pod, d.get(),
        set(R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{}},"k:{\"name\":\"d\"}":{"f:image":{}}}}})")));
    EXPECT_EQ(quoted(text_of(left)),
              "{'metadata':{'labels':null},'spec':{'containers':[{'name':'d'}],"
              "'nodeName':'n'}}");
}

TEST_F(Fieldset, WhatMayNotBeApplied)
{
    auto problem = [&](const char *text) {
        const char *p = opr_schema_check_applied(a, pod, parse(text).get());
        return std::string(p ? p : "");
    };
    EXPECT_EQ(problem("{'spec':{'containers':[{'name':'c','image':null}]}}"), "");
    EXPECT_EQ(problem("{'spec':{'foo':1}}"), ".spec.foo: field not declared in schema");
    EXPECT_EQ(problem("{'spec':{'tolerations':[{'foo':1}]}}"),
              ".spec.tolerations[0].foo: field not declared in schema");
    EXPECT_EQ(problem("{'spec':{'priority':'abc'}}"),
              ".spec.priority: expected numeric (int or float), got string");
    EXPECT_EQ(problem("{'metadata':{'labels':{'a':1}}}"),
              ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}");
    EXPECT_EQ(problem("{'spec':{'containers':{'a':'b'}}}"),
              ".spec.containers: expected list, got &{map[a:b]}");
    EXPECT_EQ(problem("{'spec':[1]}"), ".spec: expected map, got &{[1]}");
    EXPECT_EQ(problem("{'spec':{'containers':['a']}}"),
              ".spec.containers: element 0: associative list with keys may not have non-map "
              "elements");
    EXPECT_EQ(problem("{'spec':{'containers':[{'name':'c','ports':[{'containerPort':80},"
                      "{'containerPort':80}]}]}}"),
              ".spec.containers[name=\"c\"].ports: duplicate entries for key "
              "[containerPort=80,protocol=\"TCP\"]");
}

TEST_F(Fieldset, DeclaredParentsAreMembers)
{
    EXPECT_EQ(shown(opr_schema_with_parents(
                  a, pod, set("{'f:metadata':{'f:labels':{'f:a':{}}},'f:other':{'f:x':{}}}"))),
              "{'f:metadata':{'.':{},'f:labels':{'.':{},'f:a':{}}},'f:other':{'f:x':{}}}");
}

} // namespace
