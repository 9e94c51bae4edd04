#include "support.h"

#include <gmock/gmock.h>

#include <memory>

using testing::HasSubstr;
using testing::MatchesRegex;

using Crud = Api;

TEST_F(Crud, CreateFillsInMetadata)
{
    Answer a = make("configmaps", "a", "'data':{'k':'v'}");
    EXPECT_EQ(a.status, 201);
    EXPECT_EQ(a.str("/kind"), "ConfigMap");
    EXPECT_EQ(a.str("/apiVersion"), "v1");
    EXPECT_EQ(a.str("/metadata/namespace"), "default");
    EXPECT_EQ(a.str("/metadata/creationTimestamp"), "2026-01-02T00:00:00Z");
    EXPECT_EQ(a.str("/metadata/uid").size(), 36u);
    EXPECT_NE(a.str("/metadata/resourceVersion"), "-");
    EXPECT_EQ(get(CONFIGMAPS "/a").body, a.body);
    EXPECT_EQ(a.header("Audit-Id").size(), 36u);
    EXPECT_EQ(a.header("Cache-Control"), "no-cache, private");
}

TEST_F(Crud, CreateDropsWhatTheServerOwns)
{
    Answer a = post(CONFIGMAPS, "{'metadata':{'name':'a','uid':'x','generation':7,"
                                "'creationTimestamp':'2001-01-01T00:00:00Z',"
                                "'deletionTimestamp':'2001-01-01T00:00:00Z'}}");
    EXPECT_EQ(a.status, 201);
    EXPECT_NE(a.str("/metadata/uid"), "x");
    EXPECT_FALSE(a.has("/metadata/deletionTimestamp"));
    EXPECT_EQ(a.str("/metadata/creationTimestamp"), "2026-01-02T00:00:00Z");
}

TEST_F(Crud, GeneratesNames)
{
    Answer a = post(CONFIGMAPS, "{'metadata':{'generateName':'g-'}}");
    EXPECT_EQ(a.status, 201);
    EXPECT_THAT(a.str("/metadata/name"), MatchesRegex("g-[bcdfghjklmnpqrstvwxz2456789]{5}"));
}

TEST_F(Crud, RefusalsAreWordedAsKubernetesDoes)
{
    ASSERT_EQ(make("configmaps", "a").status, 201);
    Answer a = make("configmaps", "a");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(a.body, quoted("{'kind':'Status','apiVersion':'v1','metadata':{},"
                             "'status':'Failure','message':'configmaps \\'a\\' already exists',"
                             "'reason':'AlreadyExists',"
                             "'details':{'name':'a','kind':'configmaps'},'code':409}"));
    a = get(PODS "/none");
    EXPECT_EQ(a.status, 404);
    EXPECT_EQ(a.str("/message"), "pods \"none\" not found");
    EXPECT_EQ(a.str("/details/kind"), "pods");
    a = get("/apis/apps/v1/namespaces/default/deployments/none");
    EXPECT_EQ(a.str("/message"), "deployments.apps \"none\" not found");
    EXPECT_EQ(a.str("/details/group"), "apps");
    a = post("/api/v1/namespaces/none/configmaps", "{'metadata':{'name':'a'}}");
    EXPECT_EQ(a.status, 404);
    EXPECT_EQ(a.str("/message"), "namespaces \"none\" not found");
    EXPECT_EQ(a.str("/details/kind"), "namespaces");
    a = get("/api/v1/foos");
    EXPECT_EQ(a.status, 404);
    EXPECT_EQ(a.str("/message"), "the server could not find the requested resource");
    a = get("/apis/foo/v1/bars");
    EXPECT_EQ(a.status, 404);
    EXPECT_EQ(a.body, "404 page not found\n");
    EXPECT_EQ(call("OPTIONS", PODS).status, 405);
    a = call("PUT", PODS, "{}");
    EXPECT_EQ(a.status, 405);
    EXPECT_EQ(a.str("/reason"), "MethodNotAllowed");
}

TEST_F(Crud, BadBodies)
{
    Answer a = post(CONFIGMAPS, "{'metadata':{}}");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/message"),
              "ConfigMap \"\" is invalid: metadata.name: Required value: name or "
              "generateName is required");
    EXPECT_EQ(a.str("/details/causes/0/reason"), "FieldValueRequired");
    a = post(CONFIGMAPS, "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'x'}}");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "Secret in version \"v1\" cannot be handled as a ConfigMap: "
                                 "converting (v1.Secret) to (core.ConfigMap): unknown conversion");
    a = post(CONFIGMAPS, "{'metadata':{'name':'x','namespace':'other'}}");
    EXPECT_EQ(a.status, 400);
    EXPECT_THAT(a.str("/message"), HasSubstr("does not match the namespace sent on the request"));
    a = post(CONFIGMAPS, "{'metadata':{'name':'x'},'data':{'a':1}}");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(
        a.str("/message"),
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal "
        "number into Go struct field ConfigMap.data of type string");
    EXPECT_EQ(post(CONFIGMAPS, "{bad").status, 400);
    EXPECT_EQ(call("POST", CONFIGMAPS, "{}", "text/csv").status, 415);
}

TEST_F(Crud, StrictFieldsAndWarnings)
{
    std::string body = "{'metadata':{'name':'q'},'dta':{'a':'1'},'data':{'a':'1','a':'2'}}";
    Answer a = post(CONFIGMAPS "?fieldValidation=Strict", body);
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: "
                                 "strict decoding error: unknown field \"dta\", duplicate field "
                                 "\"data.a\"");
    a = post(CONFIGMAPS "?fieldValidation=Warn&dryRun=All", body);
    EXPECT_EQ(a.status, 201);
    EXPECT_THAT(a.header("Warning"), HasSubstr("299 - \"unknown field"));
    EXPECT_EQ(post(CONFIGMAPS "?fieldValidation=Ignore&dryRun=All", body).header("Warning"), "");
    EXPECT_EQ(post(CONFIGMAPS "?fieldValidation=Foo", body).status, 422);
    a = post(CONFIGMAPS "?dryRun=Foo", body);
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/message"), "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported "
                                 "value: [\"Foo\"]: supported values: \"All\"");
}

TEST_F(Crud, DryRunStoresNothing)
{
    EXPECT_EQ(post(CONFIGMAPS "?dryRun=All", "{'metadata':{'name':'a'}}").status, 201);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 404);
    ASSERT_EQ(make("configmaps", "a", "'data':{'k':'v'}").status, 201);
    EXPECT_EQ(call("PATCH", CONFIGMAPS "/a?dryRun=All", "{'data':{'k':'w'}}",
                   "application/merge-patch+json")
                  .str("/data/k"),
              "w");
    EXPECT_EQ(get(CONFIGMAPS "/a").str("/data/k"), "v");
    EXPECT_EQ(remove(CONFIGMAPS "/a?dryRun=All").status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 200);
}

TEST_F(Crud, UpdateChecksVersionNameAndUid)
{
    Answer a = make("configmaps", "a", "'data':{'k':'1'}");
    std::string rv = a.str("/metadata/resourceVersion");
    Answer b = call("PUT", CONFIGMAPS "/a",
                    "{'metadata':{'name':'a','resourceVersion':'" + rv + "'},'data':{'k':'2'}}");
    EXPECT_EQ(b.status, 200);
    EXPECT_EQ(b.str("/metadata/uid"), a.str("/metadata/uid"));
    b = call("PUT", CONFIGMAPS "/a",
             "{'metadata':{'name':'a','resourceVersion':'" + rv + "'},'data':{'k':'3'}}");
    EXPECT_EQ(b.status, 409);
    EXPECT_EQ(b.str("/message"),
              "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; "
              "please apply your changes to the latest version and try again");
    EXPECT_EQ(call("PUT", CONFIGMAPS "/a", "{'metadata':{'name':'b'}}").str("/message"),
              "the name of the object (b) does not match the name on the URL (a)");
    b = call("PUT", CONFIGMAPS "/a", "{'metadata':{'name':'a','uid':'x'}}");
    EXPECT_EQ(b.status, 409);
    EXPECT_THAT(b.str("/message"), HasSubstr("Precondition failed: UID in precondition: x"));
    EXPECT_EQ(call("PUT", CONFIGMAPS "/a", "{'metadata':{'name':'a'},'data':{'k':'4'}}").status,
              200)
        << "without a version it replaces";
    EXPECT_EQ(call("PUT", CONFIGMAPS "/no", "{'metadata':{'name':'no'}}").status, 404);
}

TEST_F(Crud, AnUpdateThatChangesNothingIsNotWritten)
{
    Answer a = make("configmaps", "a", "'data':{'k':'1'}");
    Answer b = call("PUT", CONFIGMAPS "/a", "{'metadata':{'name':'a'},'data':{'k':'1'}}");
    EXPECT_EQ(b.status, 200);
    EXPECT_EQ(b.str("/metadata/resourceVersion"), a.str("/metadata/resourceVersion"));
    b = merge(CONFIGMAPS "/a", "{'data':{'k':'1'}}");
    EXPECT_EQ(b.str("/metadata/resourceVersion"), a.str("/metadata/resourceVersion"));
}

TEST_F(Crud, GenerationFollowsTheSpecOnly)
{
    std::string path = "/apis/apps/v1/namespaces/default/deployments";
    Answer a = post(path, "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},"
                          "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':"
                          "[{'name':'c','image':'i'}]}}},'status':{'replicas':9}}");
    ASSERT_EQ(a.status, 201) << a.body;
    EXPECT_EQ(a.num("/metadata/generation"), 1);
    EXPECT_FALSE(a.has("/status/replicas")) << "a status is not created";
    EXPECT_EQ(merge(path + "/d", "{'metadata':{'labels':{'x':'y'}}}").num("/metadata/generation"),
              1);
    a = merge(path + "/d", "{'spec':{'replicas':3},'status':{'replicas':3}}");
    EXPECT_EQ(a.num("/metadata/generation"), 2);
    EXPECT_FALSE(a.has("/status/replicas")) << "the object leaves the status alone";
    a = merge(path + "/d/status", "{'spec':{'replicas':5},'status':{'replicas':3}}");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.num("/status/replicas"), 3);
    EXPECT_EQ(a.num("/spec/replicas"), 3) << "the status leaves the object alone";
    EXPECT_EQ(a.num("/metadata/generation"), 2);
}

TEST_F(Crud, TablesAndMetadataByAccept)
{
    ASSERT_EQ(make("configmaps", "a", "'data':{'k':'v'}").status, 201);
    caller.headers = {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}};
    Answer a = get(CONFIGMAPS);
    EXPECT_EQ(a.str("/kind"), "Table");
    EXPECT_EQ(a.str("/columnDefinitions/0/name"), "Name");
    EXPECT_EQ(a.str("/rows/0/cells/0"), "a");
    EXPECT_EQ(a.num("/rows/0/cells/1"), 1);
    EXPECT_EQ(a.str("/rows/0/object/kind"), "PartialObjectMetadata");
    EXPECT_EQ(get(CONFIGMAPS "/a").str("/kind"), "Table");
    caller.headers = {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}};
    EXPECT_EQ(post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                   "{'spec':{'nonResourceAttributes':{'path':'/','verb':'get'}}}")
                  .status,
              406)
        << "a review has no metadata";
    EXPECT_EQ(get(CONFIGMAPS "?includeObject=Object").str("/rows/0/object/data/k"), "v");
    EXPECT_FALSE(get(CONFIGMAPS "?includeObject=None").has("/rows/0/object"));
    caller.headers = {
        {"Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}};
    a = get(CONFIGMAPS);
    EXPECT_EQ(a.str("/kind"), "PartialObjectMetadataList");
    EXPECT_EQ(a.str("/items/0/metadata/name"), "a");
    EXPECT_FALSE(a.has("/items/0/data"));
    caller.headers = {{"Accept", "application/vnd.kubernetes.protobuf,application/json"}};
    EXPECT_EQ(get(CONFIGMAPS).str("/kind"), "ConfigMapList");
    caller.headers = {{"Accept", "text/csv"}};
    a = get(CONFIGMAPS);
    EXPECT_EQ(a.status, 406);
    EXPECT_EQ(a.str("/reason"), "NotAcceptable");
}

TEST_F(Crud, Metrics)
{
    ASSERT_EQ(make("configmaps", "a").status, 201);
    std::string text = get("/metrics").body;
    EXPECT_THAT(text, HasSubstr("apiserver_request_total{code=\"201\",group=\"\",resource="
                                "\"configmaps\",subresource=\"\",verb=\"create\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("apiserver_storage_objects{resource=\"configmaps\"} 1\n"));
}
