/* Server-side apply, and who owns what after each kind of write. */
#include "support.h"

#include <gmock/gmock.h>

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

class Apply : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        caller.headers = {{"User-Agent", "tool/1.2 (linux)"}};
    }
    Answer apply(const std::string &path, const std::string &manager, const std::string &body,
                 const std::string &more = "")
    {
        return call("PATCH", path + "?fieldManager=" + manager + more, body,
                    "application/apply-patch+yaml");
    }
    Answer config(const std::string &manager, const std::string &data, const std::string &more = "")
    {
        return apply(
            CONFIGMAPS "/a", manager,
            "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'data':" + data + "}",
            more);
    }
    /* "manager Operation subresource {fields}" of each entry; quotes as ' in the fields. */
    static std::vector<std::string> owners(const Answer &a)
    {
        std::vector<std::string> all;
        for (size_t i = 0; i < a.size("/metadata/managedFields"); i++) {
            std::string at = "/metadata/managedFields/" + std::to_string(i);
            std::string sub = a.has(at + "/subresource") ? a.str(at + "/subresource") + " " : "";
            all.push_back(a.str(at + "/manager") + " " + a.str(at + "/operation") + " " + sub +
                          fields_of(a.body, i));
        }
        return all;
    }
    static std::string deployment(const std::string &name, const std::string &containers)
    {
        return "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'" + name +
               "'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':"
               "{'a':'b'}},'spec':{'containers':[" +
               containers + "]}}}}";
    }

  private:
    static std::string fields_of(const std::string &body, size_t nth)
    {
        json_object *doc = nullptr;
        EXPECT_EQ(opr_doc_parse(opr_str_n(body.data(), body.size()), &doc, nullptr), OPR_OK);
        std::string at = "/metadata/managedFields/" + std::to_string(nth) + "/fieldsV1";
        opr_buf text = {};
        opr_doc_write(&text, opr_doc_at(doc, at.c_str()));
        std::string out(text.data, text.len);
        std::replace(out.begin(), out.end(), '"', '\'');
        opr_buf_fini(&text);
        json_object_put(doc);
        return out;
    }
};

TEST_F(Apply, CreatesAndOwnsWhatItSays)
{
    Answer a = config("m", "{'k':'v'}");
    EXPECT_EQ(a.status, 201) << a.body;
    EXPECT_THAT(owners(a), ElementsAre("m Apply {'f:data':{'f:k':{}}}"));
    EXPECT_EQ(a.str("/metadata/managedFields/0/apiVersion"), "v1");
    EXPECT_EQ(a.str("/metadata/managedFields/0/fieldsType"), "FieldsV1");
    EXPECT_EQ(a.str("/metadata/managedFields/0/time"), "2026-01-02T00:00:00Z");
    advance(5000);
    Answer again = config("m", "{'k':'v'}");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.str("/metadata/resourceVersion"), a.str("/metadata/resourceVersion"));
    EXPECT_EQ(again.str("/metadata/managedFields/0/time"), "2026-01-02T00:00:00Z");
}

TEST_F(Apply, TakesYaml)
{
    Answer a = apply(CONFIGMAPS "/yaml", "m",
                     "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  k: v\n");
    EXPECT_EQ(a.status, 201) << a.body;
    EXPECT_EQ(a.str("/data/k"), "v");
}

TEST_F(Apply, RemovesWhatItNoLongerSays)
{
    ASSERT_EQ(make("configmaps", "a", "'data':{'others':'1','both':'2'}").status, 201);
    ASSERT_EQ(config("m", "{'mine':'x','both':'2'}").status, 200);
    Answer a = config("m", "{'new':'y'}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_FALSE(a.has("/data/mine"));
    EXPECT_EQ(a.str("/data/both"), "2") << "another manager owns it too";
    EXPECT_EQ(a.str("/data/others"), "1");
    EXPECT_THAT(owners(a),
                ElementsAre("m Apply {'f:data':{'f:new':{}}}",
                            "tool Update {'f:data':{'.':{},'f:both':{},'f:others':{}}}"));
    a = config("m", "{}");
    EXPECT_FALSE(a.has("/data/new"));
}

TEST_F(Apply, RefusesConflicts)
{
    ASSERT_EQ(make("configmaps", "a", "'data':{'x':'1','y':'2','z':'3'}").status, 201);
    Answer a = config("m", "{'x':'9','z':'3'}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(a.str("/reason"), "Conflict");
    EXPECT_EQ(a.str("/message"),
              "Apply failed with 1 conflict: conflict with \"tool\" using v1: .data.x");
    EXPECT_EQ(a.size("/details/causes"), 1u);
    EXPECT_EQ(a.str("/details/causes/0/reason"), "FieldManagerConflict");
    EXPECT_EQ(a.str("/details/causes/0/field"), ".data.x");
    EXPECT_EQ(a.str("/details/causes/0/message"), "conflict with \"tool\" using v1");
    EXPECT_EQ(get(CONFIGMAPS "/a").str("/data/x"), "1");
    a = config("m", "{'x':'9','y':'9'}");
    EXPECT_EQ(a.str("/message"), "Apply failed with 2 conflicts: conflicts with \"tool\" using "
                                 "v1:\n- .data.x\n- .data.y");
    EXPECT_EQ(config("m", "{'z':'3'}").status, 200) << "the same value is shared";
}

TEST_F(Apply, ConflictsWithAppliersAreToldWithoutTheirVersion)
{
    ASSERT_EQ(config("first", "{'x':'1'}").status, 201);
    EXPECT_EQ(config("second", "{'x':'2'}").str("/message"),
              "Apply failed with 1 conflict: conflict with \"first\": .data.x");
}

TEST_F(Apply, ForceTakesTheField)
{
    ASSERT_EQ(config("first", "{'x':'1','y':'1'}").status, 201);
    Answer a = config("second", "{'x':'2'}", "&force=true");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.str("/data/x"), "2");
    EXPECT_THAT(owners(a), ElementsAre("first Apply {'f:data':{'f:y':{}}}",
                                       "second Apply {'f:data':{'f:x':{}}}"));
}

TEST_F(Apply, DryRunWritesNothing)
{
    EXPECT_EQ(config("m", "{'x':'1'}", "&dryRun=All").status, 201);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 404);
}

TEST_F(Apply, JudgesKeysThatStandTwice)
{
    std::string body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: a\n"
                       "  y: b\n  x: c\n";
    std::string path = CONFIGMAPS "/a?fieldManager=m&fieldValidation=";
    const char *type = "application/apply-patch+yaml";
    Answer a = call("PATCH", path + "Strict", body, type);
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "error strict decoding YAML: error converting YAML to JSON: yaml: "
                                 "unmarshal errors:\n  line 8: key \"x\" already set in map");
    a = call("PATCH", path + "Warn", body, type);
    EXPECT_EQ(a.status, 201);
    EXPECT_EQ(a.header("Warning"), "299 - \"line 8: key \\\"x\\\" already set in map\"");
    EXPECT_EQ(a.str("/data/x"), "c");
    EXPECT_EQ(call("PATCH", path + "Ignore", body, type).header("Warning"), "");
}

TEST_F(Apply, RefusesRequestsThatAreWrong)
{
    std::string good = "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'}}";
    Answer a = call("PATCH", CONFIGMAPS "/a", good, "application/apply-patch+yaml");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/message"), "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required "
                                 "value: is required for apply patch");
    a = merge(CONFIGMAPS "/a?force=true", "{}");
    EXPECT_EQ(a.status, 422);
    EXPECT_THAT(a.str("/message"), HasSubstr("may not be specified for non-apply patch"));
    EXPECT_EQ(apply(CONFIGMAPS "/a", std::string(129, 'm'), good).status, 422);
    EXPECT_EQ(apply(CONFIGMAPS "/a", "m%07", good).status, 422);
    struct {
        const char *body, *message;
        int status;
    } cases[] = {
        {"[1]", "error decoding YAML", 400},
        {"{a: b: c", "error decoding YAML", 400},
        {"", "invalid object type: /, Kind=", 400},
        {"{'apiVersion':'v1','kind':'Secret','metadata':{'name':'a'}}",
         "invalid object type: /v1, Kind=Secret", 400},
        {"{'apiVersion':'v1','kind':'ConfigMap'}", "name must be provided", 400},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'b'}}",
         "the name of the object (b) does not match the name on the URL (a)", 400},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','managedFields':[]}}",
         "metadata.managedFields must be nil", 400},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'foo':1}",
         "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .foo: field not declared "
         "in schema",
         500},
        {"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'data':[]}",
         ".data: expected map, got &{[]}", 500},
    };
    for (const auto &c : cases) {
        a = apply(CONFIGMAPS "/a", "m", c.body);
        EXPECT_EQ(a.status, c.status) << c.body << a.body;
        EXPECT_THAT(a.str("/message"), HasSubstr(c.message)) << c.body;
    }
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 404) << "none of them created it";
}

TEST_F(Apply, AVersionInTheBodyIsAPrecondition)
{
    ASSERT_EQ(config("m", "{'k':'v'}").status, 201);
    Answer a = apply(CONFIGMAPS "/a", "m",
                     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a',"
                     "'resourceVersion':'1'},'data':{'k':'w'}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_THAT(a.str("/message"), HasSubstr("the object has been modified"));
}

TEST_F(Apply, CreatingNeedsTheRightToCreate)
{
    ASSERT_EQ(post("/apis/rbac.authorization.k8s.io/v1/clusterroles",
                   "{'metadata':{'name':'p'},'rules':[{'apiGroups':[''],'resources':['configmaps'],"
                   "'verbs':['patch']}]}")
                  .status,
              201);
    ASSERT_EQ(post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                   "{'metadata':{'name':'p'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
                   "'kind':'ClusterRole','name':'p'},'subjects':[{'kind':'User','name':'u'}]}")
                  .status,
              201);
    ASSERT_EQ(make("configmaps", "a").status, 201);
    caller.name = "u";
    caller.groups = {"system:authenticated"};
    EXPECT_EQ(config("m", "{'k':'v'}").status, 200);
    Answer a = apply(CONFIGMAPS "/new", "m",
                     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'new'}}");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("cannot create resource \"configmaps\""));
}

TEST_F(Apply, ItemsOfAListBelongToTheirManagers)
{
    ASSERT_EQ(apply(DEPLOYMENTS "/d", "app", deployment("d", "{'name':'c','image':'i'}")).status,
              201);
    Answer a = apply(DEPLOYMENTS "/d", "mesh",
                     "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},'spec':"
                     "{'template':{'spec':{'containers':[{'name':'proxy','image':'p'}]}}}}");
    ASSERT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.size("/spec/template/spec/containers"), 2u);
    a = apply(DEPLOYMENTS "/d", "app", deployment("d", "{'name':'c','image':'j'}"));
    EXPECT_EQ(a.size("/spec/template/spec/containers"), 2u) << "the other's container stays";
    a = apply(DEPLOYMENTS "/d", "mesh",
              "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'}}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.size("/spec/template/spec/containers"), 1u);
    EXPECT_EQ(a.str("/spec/template/spec/containers/0/image"), "j");
    EXPECT_EQ(a.size("/metadata/managedFields"), 1u) << "a manager without fields goes";
}

TEST_F(Apply, ADefaultComesBackWhereAFieldGoes)
{
    std::string body = deployment("d", "{'name':'c','image':'i'}");
    std::string with = body;
    with.replace(with.find("'selector'"), 0, "'replicas':3,");
    ASSERT_EQ(apply(DEPLOYMENTS "/d", "m", with).num("/spec/replicas"), 3);
    EXPECT_EQ(apply(DEPLOYMENTS "/d", "m", body).num("/spec/replicas"), 1);
}

TEST_F(Apply, SetsMergeValueByValue)
{
    auto with = [&](const char *manager, const char *finalizers, const char *more = "") {
        return apply(CONFIGMAPS "/s", manager,
                     std::string("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'s',"
                                 "'finalizers':") +
                         finalizers + "}}",
                     more);
    };
    ASSERT_EQ(with("one", "['x.io/a']").status, 201);
    Answer a = with("two", "['x.io/b']");
    EXPECT_EQ(a.size("/metadata/finalizers"), 2u);
    a = with("one", "[]");
    EXPECT_EQ(a.size("/metadata/finalizers"), 1u);
    EXPECT_EQ(a.str("/metadata/finalizers/0"), "x.io/b");
    EXPECT_EQ(with("one", "['x','x']").status, 500) << "a value stands once in a set";
}

TEST_F(Apply, AnAtomicFieldIsOwnedAsOne)
{
    std::string pod = "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'},'spec':{";
    std::string rest = "'containers':[{'name':'c','image':'i'}]}}";
    ASSERT_EQ(apply(PODS "/p", "one", pod + "'nodeSelector':{'a':'b'}," + rest).status, 201);
    Answer a = apply(PODS "/p", "two", pod + "'nodeSelector':{'c':'d'}}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(a.str("/details/causes/0/field"), ".spec.nodeSelector");
}

TEST_F(Apply, EveryWriteIsTracked)
{
    caller.headers = {{"User-Agent", "kubectl/v1.36"}};
    Answer a = post(DEPLOYMENTS, deployment("d", "{'name':'c','image':'i'}"));
    ASSERT_EQ(a.status, 201);
    ASSERT_EQ(owners(a).size(), 1u);
    EXPECT_THAT(owners(a)[0],
                testing::AllOf(HasSubstr("kubectl Update {'f:spec':{"),
                               HasSubstr("'f:replicas':{}"),
                               HasSubstr("'f:rollingUpdate':{'.':{},'f:maxSurge':{}"),
                               HasSubstr("'k:{\\'name\\':\\'c\\'}':{'.':{},'f:image':{}")));
    advance(1000);
    a = merge(DEPLOYMENTS "/d?fieldManager=setter", "{'metadata':{'labels':{'l':'m'}}}");
    EXPECT_EQ(owners(a)[1], "setter Update {'f:metadata':{'f:labels':{'.':{},'f:l':{}}}}");
    merge(DEPLOYMENTS "/d/scale?fieldManager=scaler", "{'spec':{'replicas':4}}");
    a = merge(DEPLOYMENTS "/d/status?fieldManager=ctl",
              "{'status':{'replicas':4},'metadata':{'managedFields':[{}]}}");
    EXPECT_THAT(owners(a), testing::Contains("scaler Update scale {'f:spec':{'f:replicas':{}}}"))
        << "a subresource does not take managedFields from its body";
    EXPECT_THAT(owners(a), testing::Contains("ctl Update status {'f:status':{'f:replicas':{}}}"));
    EXPECT_THAT(owners(a)[0], testing::Not(HasSubstr("f:replicas")));
}

TEST_F(Apply, TheManagerOfAnUnnamedClientIsUnknown)
{
    caller.headers.clear();
    EXPECT_EQ(make("configmaps", "a", "'data':{'k':'v'}").str("/metadata/managedFields/0/manager"),
              "unknown");
}

TEST_F(Apply, AWriteThatChangesNothingKeepsTheTime)
{
    Answer a = make("configmaps", "a", "'data':{'k':'v'}");
    advance(60000);
    Answer b = merge(CONFIGMAPS "/a", "{'data':{'k':'v'}}");
    EXPECT_EQ(b.str("/metadata/resourceVersion"), a.str("/metadata/resourceVersion"));
    EXPECT_EQ(b.str("/metadata/managedFields/0/time"), "2026-01-02T00:00:00Z");
    b = merge(CONFIGMAPS "/a", "{'data':{'k':'w'}}");
    EXPECT_EQ(b.str("/metadata/managedFields/0/time"), "2026-01-02T00:01:00Z");
}

TEST_F(Apply, ManagedFieldsMayBeClearedAndSet)
{
    ASSERT_EQ(make("configmaps", "a", "'data':{'k':'v'}").status, 201);
    Answer a = merge(CONFIGMAPS "/a", "{'metadata':{'managedFields':[{'manager':'x','operation':"
                                      "'Nope','fieldsType':'FieldsV1','fieldsV1':{}}]}}");
    EXPECT_EQ(a.str("/metadata/managedFields/0/manager"), "tool") << "what is invalid is ignored";
    a = merge(CONFIGMAPS "/a", "{'metadata':{'managedFields':[{'manager':'x','operation':'Update',"
                               "'apiVersion':'v1','fieldsType':'FieldsV1','fieldsV1':{'f:data':"
                               "{'f:k':{}}}}]}}");
    EXPECT_THAT(owners(a), ElementsAre("x Update {'f:data':{'f:k':{}}}"));
    a = merge(CONFIGMAPS "/a", "{'metadata':{'managedFields':[{}]}}");
    EXPECT_FALSE(a.has("/metadata/managedFields"));
    a = merge(CONFIGMAPS "/a", "{'data':{'k':'w'}}");
    EXPECT_FALSE(a.has("/metadata/managedFields")) << "nobody manages it until it is applied";
    a = config("m", "{'l':'z'}");
    EXPECT_THAT(owners(a), ElementsAre("m Apply {'f:data':{'f:l':{}}}",
                                       "before-first-apply Update {'f:data':{'.':{},'f:k':{}}}"));
}

TEST_F(Apply, OldManagersBecomeOne)
{
    ASSERT_EQ(make("configmaps", "a", "'data':{'k':'v'}").status, 201);
    Answer a = get(CONFIGMAPS "/a");
    for (int i = 0; i < 14; i++) {
        advance(1000);
        std::string n = std::to_string(i);
        a = merge(CONFIGMAPS "/a?fieldManager=m" + n, "{'data':{'k" + n + "':'v'}}");
    }
    std::vector<std::string> all = owners(a);
    EXPECT_EQ(all.size(), 10u);
    EXPECT_THAT(all[0], HasSubstr("ancient-changes Update {'f:data':{'.':{},'f:k':{},'f:k0':{}"));
    EXPECT_THAT(all[9], HasSubstr("m13 Update"));
}

TEST_F(Apply, TheStatusIsAppliedThroughItsSubresource)
{
    ASSERT_EQ(apply(DEPLOYMENTS "/d", "m", deployment("d", "{'name':'c','image':'i'}")).status,
              201);
    std::string body =
        "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d','labels':"
        "{'l':'m'}},'spec':{'replicas':7},'status':{'replicas':2}}";
    Answer a = apply(DEPLOYMENTS "/d/status", "ctl", body);
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.num("/spec/replicas"), 1);
    EXPECT_EQ(a.num("/status/replicas"), 2);
    EXPECT_THAT(owners(a), testing::Contains("ctl Apply status {'f:status':{'f:replicas':{}}}"));
    a = apply(DEPLOYMENTS "/d", "other", body);
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_THAT(owners(a), testing::Contains("other Apply {'f:metadata':{'f:labels':{'f:l':{}}},"
                                             "'f:spec':{'f:replicas':{}}}"));
    EXPECT_EQ(apply(DEPLOYMENTS "/none/status", "ctl",
                    "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'none'}}")
                  .status,
              404);
    EXPECT_EQ(apply(DEPLOYMENTS "/d/scale", "ctl", "{}").status, 415);
}

TEST_F(Apply, KubectlMayTakeWhatItAppliedBefore)
{
    std::string last =
        "{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"ConfigMap\\\","
        "\\\"metadata\\\":{\\\"name\\\":\\\"a\\\"},\\\"data\\\":{\\\"k\\\":\\\"v\\\"}}";
    ASSERT_EQ(post(CONFIGMAPS "?fieldManager=kubectl-client-side-apply",
                   "{'metadata':{'name':'a','annotations':{"
                   "'kubectl.kubernetes.io/last-applied-configuration':'" +
                       last + "'}},'data':{'k':'v','l':'w'}}")
                  .status,
              201);
    EXPECT_EQ(config("someone", "{'k':'new'}").status, 409);
    EXPECT_EQ(config("kubectl", "{'l':'new'}").status, 409) << "it was not in what was applied";
    Answer a = config("kubectl", "{'k':'new'}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_THAT(a.str("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"),
                HasSubstr("\"k\":\"new\""));
}

TEST_F(Apply, CustomResources)
{
    ASSERT_EQ(
        post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
             "{'metadata':{'name':'ws.t.io'},'spec':{'group':'t.io','scope':'Namespaced','names':"
             "{'plural':'ws','singular':'w','kind':'W','listKind':'WList'},'versions':[{'name':"
             "'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"
             "'properties':{'spec':{'type':'object','properties':{'items':{'type':'array',"
             "'x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['id'],'items':{'type':"
             "'object','required':['id'],'properties':{'id':{'type':'string'},'v':{'type':"
             "'integer'}}}},'plain':{'type':'array','items':{'type':'integer'}},'any':{'type':"
             "'object','x-kubernetes-preserve-unknown-fields':true}}}}}}}]}}")
            .status,
        201);
    std::string path = "/apis/t.io/v1/namespaces/default/ws/w";
    auto with = [&](const char *manager, const std::string &spec) {
        return apply(path, manager,
                     "{'apiVersion':'t.io/v1','kind':'W','metadata':{'name':'w'},'spec':{" + spec +
                         "}}");
    };
    ASSERT_EQ(with("one", "'items':[{'id':'a','v':1}],'any':{'x':{'y':1}}").status, 201);
    Answer a = with("two", "'items':[{'id':'b','v':2}],'any':{'x':{'z':2}},'plain':[1]");
    ASSERT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.size("/spec/items"), 2u);
    EXPECT_EQ(a.num("/spec/any/x/y"), 1);
    EXPECT_EQ(a.num("/spec/any/x/z"), 2);
    EXPECT_EQ(with("one", "'plain':[2]").str("/details/causes/0/field"), ".spec.plain");
    EXPECT_EQ(with("two", "'items':[{'id':'a','v':5}]").str("/details/causes/0/field"),
              ".spec.items[id=\"a\"].v");
    a = with("one", "'nope':1");
    EXPECT_EQ(a.status, 500);
    EXPECT_THAT(a.str("/message"), HasSubstr(".spec.nope: field not declared in schema"));
    a = with("one", "");
    EXPECT_EQ(a.size("/spec/items"), 1u);
    EXPECT_FALSE(a.has("/spec/any/x/y"));
}
