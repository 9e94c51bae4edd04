/* Discovery, paths, and calls with their retries, deadlines and cancelling. */
#include "core/client/client.h"
#include "core/client/client_internal.h"
#include "tests/support/fake_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace
{

using ::testing::HasSubstr;

const char core_groups[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"items\":["
    "{\"metadata\":{\"creationTimestamp\":null},\"versions\":[{\"version\":\"v1\",\"resources\":["
    "{\"resource\":\"pods\",\"responseKind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"},"
    "\"scope\":\"Namespaced\",\"singularResource\":\"pod\",\"shortNames\":[\"po\"],\"verbs\":["
    "\"create\",\"delete\",\"get\",\"list\",\"watch\"],\"subresources\":[{\"subresource\":"
    "\"status\"}]},"
    "{\"resource\":\"bindings\",\"responseKind\":{\"kind\":\"Binding\"},\"scope\":\"Namespaced\","
    "\"verbs\":[\"create\"]}]}]}]}";
const char other_groups[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"items\":["
    "{\"metadata\":{\"name\":\"autoscaling\"},\"versions\":["
    "{\"version\":\"v2\",\"resources\":[{\"resource\":\"horizontalpodautoscalers\","
    "\"responseKind\":{\"kind\":\"HorizontalPodAutoscaler\"},\"scope\":\"Namespaced\","
    "\"shortNames\":[\"hpa\"],\"verbs\":[\"delete\",\"list\",\"watch\"]}]},"
    "{\"version\":\"v1\",\"resources\":[{\"resource\":\"horizontalpodautoscalers\","
    "\"responseKind\":{\"kind\":\"HorizontalPodAutoscaler\"},\"scope\":\"Namespaced\","
    "\"verbs\":[\"delete\",\"list\",\"watch\"]}]}]}]}";

class ClientTest : public ::testing::Test
{
  protected:
    FakeTransport transport;
    struct opr_clock *clock = opr_clock_fake_new(1767225600000);
    struct opr_client *client = opr_client_new(&transport.base);
    struct opr_caller *caller = opr_caller_new(client);
    std::map<std::string, FakeAnswer> answers;
    struct opr_error err = {};

    void SetUp() override
    {
        opr_client_set_clock(client, clock);
        transport.answer = [this](const FakeCall &call) {
            auto it = answers.find(call.path);
            return it != answers.end() ? it->second : FakeAnswer{404, "404 page not found", 0, 0};
        };
        answers["/api"] = {200, core_groups, 0, 0};
        answers["/apis"] = {200, other_groups, 0, 0};
    }
    ~ClientTest() override
    {
        opr_caller_free(caller);
        opr_client_free(client);
        opr_clock_fake_free(clock);
    }
    const struct opr_resource *Find(const char *name)
    {
        const struct opr_resource *r = nullptr;
        return opr_resource_find(caller, name, &r, &err) == OPR_OK ? r : nullptr;
    }
    opr_status Get(const char *path, struct opr_obj **ret = nullptr)
    {
        return opr_call(caller, "GET", path, nullptr, {nullptr, 0}, ret, &err);
    }
};

TEST_F(ClientTest, FindsKindsByAllTheirNames)
{
    const struct opr_resource *pod = Find("v1/Pod");
    ASSERT_NE(pod, nullptr);
    EXPECT_STREQ(pod->plural, "pods");
    EXPECT_STREQ(pod->group, "");
    EXPECT_TRUE(pod->is_namespaced && pod->can_list_watch && pod->can_delete);
    for (const char *name : {"pods", "pod", "po", "Pod"}) {
        EXPECT_EQ(Find(name), pod) << name;
    }
    EXPECT_STREQ(Find("hpa")->gvk, "autoscaling/v2/HorizontalPodAutoscaler");
    EXPECT_STREQ(Find("horizontalpodautoscalers.autoscaling")->version, "v2");
    EXPECT_STREQ(Find("autoscaling/v1/HorizontalPodAutoscaler")->version, "v1");
    EXPECT_FALSE(Find("autoscaling/v1/HorizontalPodAutoscaler")->is_preferred);
    EXPECT_FALSE(Find("v1/Binding")->can_list_watch);
    EXPECT_EQ(transport.calls.size(), 2u) << "one discovery for all";
    EXPECT_THAT(transport.calls[0].accept, HasSubstr("as=APIGroupDiscoveryList"));
}

TEST_F(ClientTest, AsksAgainForAKindThatIsMissingButNotAllTheTime)
{
    EXPECT_EQ(Find("demo.dev/v1/Web"), nullptr);
    EXPECT_THAT(err.message, HasSubstr("demo.dev/v1/Web"));
    EXPECT_EQ(Find("demo.dev/v1/Web"), nullptr);
    EXPECT_EQ(transport.calls.size(), 2u);
    const struct opr_resource *pod = Find("v1/Pod");
    answers["/apis"] = {200,
                        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":"
                        "\"demo.dev\"},\"versions\":[{\"version\":\"v1\",\"resources\":[{"
                        "\"resource\":\"webs\",\"responseKind\":{\"kind\":\"Web\"},\"scope\":"
                        "\"Cluster\",\"verbs\":[\"list\",\"watch\"]}]}]}]}",
                        0, 0};
    opr_clock_fake_advance(clock, 9999);
    EXPECT_EQ(Find("demo.dev/v1/Web"), nullptr);
    opr_clock_fake_advance(clock, 1);
    ASSERT_NE(Find("demo.dev/v1/Web"), nullptr);
    EXPECT_FALSE(Find("demo.dev/v1/Web")->is_namespaced);
    EXPECT_EQ(Find("v1/Pod"), pod) << "pointers stay good";
    EXPECT_EQ(Find("hpa"), nullptr) << "no longer served";
}

TEST_F(ClientTest, ReadsTheOlderDiscoveryToo)
{
    answers["/api"] = {200, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}", 0, 0};
    answers["/api/v1"] = {
        200,
        "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":[{"
        "\"name\":\"pods\",\"singularName\":\"pod\",\"namespaced\":true,\"kind\":"
        "\"Pod\",\"verbs\":[\"list\",\"watch\"],\"shortNames\":[\"po\"]},{\"name\":"
        "\"pods/status\",\"namespaced\":true,\"kind\":\"Pod\",\"verbs\":[\"get\"]}"
        "]}",
        0, 0};
    answers["/apis"] = {200,
                        "{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"apps\",\"versions\":[{"
                        "\"version\":\"v1beta1\"},{\"version\":\"v1\"}],\"preferredVersion\":{"
                        "\"version\":\"v1\"}},{\"name\":\"down.dev\",\"versions\":[{\"version\":"
                        "\"v1\"}],\"preferredVersion\":{\"version\":\"v1\"}}]}",
                        0, 0};
    std::string apps = "{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"deployments\","
                       "\"namespaced\":true,\"kind\":\"Deployment\",\"verbs\":[\"list\"]}]}";
    answers["/apis/apps/v1"] = {200, apps, 0, 0};
    answers["/apis/apps/v1beta1"] = {200, apps, 0, 0};
    answers["/apis/down.dev/v1"] = {503, "", 0, 0};
    ASSERT_NE(Find("po"), nullptr);
    EXPECT_STREQ(Find("deployments")->version, "v1") << "the preferred version";
    EXPECT_NE(Find("apps/v1beta1/Deployment"), nullptr);
}

TEST_F(ClientTest, AFailedDiscoveryIsAnError)
{
    answers["/apis"] = {500, "", 0, 0};
    EXPECT_EQ(Find("v1/Pod"), nullptr);
    EXPECT_EQ(err.status, OPR_E_SERVER);
    answers["/api"] = {200, "{\"kind\":\"Hello\"}", 0, 0};
    EXPECT_EQ(Find("v1/Pod"), nullptr);
    EXPECT_EQ(err.status, OPR_E_UNSUPPORTED);
    SetUp();
    EXPECT_NE(Find("v1/Pod"), nullptr) << "and is not remembered";
}

TEST_F(ClientTest, ListsAllListableKinds)
{
    struct opr_arena *a = opr_arena_new();
    const struct opr_resource *const *all;
    size_t n;
    ASSERT_EQ(opr_resource_all(caller, a, &all, &n, &err), OPR_OK);
    EXPECT_EQ(n, 3u);
    opr_arena_free(a);
}

TEST_F(ClientTest, BuildsPaths)
{
    struct opr_arena *a = opr_arena_new();
    const struct opr_resource *pod = Find("v1/Pod"), *hpa = Find("hpa");
    EXPECT_STREQ(opr_resource_path(a, pod, nullptr, nullptr, nullptr), "/api/v1/pods");
    EXPECT_STREQ(opr_resource_path(a, pod, "ns", "x", "status"),
                 "/api/v1/namespaces/ns/pods/x/status");
    EXPECT_STREQ(opr_resource_path(a, hpa, "ns", nullptr, nullptr),
                 "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers");
    EXPECT_STREQ(opr_resource_path(a, pod, "a/b", "x?y", nullptr),
                 "/api/v1/namespaces/a%2Fb/pods/x%3Fy");
    struct opr_resource node = *pod;
    node.is_namespaced = false;
    node.plural = "nodes";
    EXPECT_STREQ(opr_resource_path(a, &node, "ns", "n1", ""), "/api/v1/nodes/n1");
    opr_arena_free(a);
}

TEST_F(ClientTest, AnswersBecomeObjectsAndRefusalsStatuses)
{
    answers["/ok"] = {200, "{\"kind\":\"Pod\"}", 0, 0};
    answers["/empty"] = {200, "", 0, 0};
    answers["/broken"] = {200, "{\"kind\":", 0, 0};
    answers["/cut"] = {0, "", 0, OPR_E_IO};
    struct opr_obj *o = nullptr;
    ASSERT_EQ(Get("/ok", &o), OPR_OK);
    EXPECT_STREQ(opr_json_str(o, "/kind", ""), "Pod");
    opr_json_unref(o);
    EXPECT_EQ(Get("/ok"), OPR_OK);
    EXPECT_EQ(Get("/empty", &o), OPR_OK);
    EXPECT_EQ(o, nullptr);
    EXPECT_EQ(Get("/broken", &o), OPR_E_INVALID);
    EXPECT_EQ(Get("/nothing", &o), OPR_E_NOT_FOUND);
    EXPECT_EQ(Get("/cut", &o), OPR_E_IO);
}

TEST_F(ClientTest, RepeatsWhereTheServerNamesATime)
{
    static std::vector<uint32_t> waits;
    waits.clear();
    client->wait = [](struct opr_caller *, uint32_t after_s) {
        waits.push_back(after_s);
        return true;
    };
    int left = 2;
    transport.answer = [&](const FakeCall &) {
        return left-- > 0 ? FakeAnswer{429, "", 3, 0} : FakeAnswer{200, "{}", 0, 0};
    };
    EXPECT_EQ(Get("/x"), OPR_OK);
    EXPECT_EQ(waits, (std::vector<uint32_t>{3, 3}));
    EXPECT_EQ(opr_client_retries(client), 2u);
    left = 1000;
    waits.clear();
    EXPECT_EQ(Get("/x"), OPR_E_BUSY) << "not for ever";
    EXPECT_EQ(waits.size(), 10u);
    transport.answer = [](const FakeCall &) { return FakeAnswer{503, "", 0, 0}; };
    waits.clear();
    EXPECT_EQ(Get("/x"), OPR_E_BUSY);
    EXPECT_TRUE(waits.empty()) << "it named no time";
    for (int status : {500, 503, 504}) {
        int n = 0;
        transport.answer = [&](const FakeCall &) {
            return n++ == 0 ? FakeAnswer{status, "", 1, 0} : FakeAnswer{200, "{}", 0, 0};
        };
        EXPECT_EQ(Get("/x"), OPR_OK) << status;
    }
    transport.answer = [](const FakeCall &) { return FakeAnswer{409, "", 1, 0}; };
    waits.clear();
    EXPECT_EQ(Get("/x"), OPR_E_CONFLICT);
    EXPECT_TRUE(waits.empty()) << "that is an answer";
}

TEST_F(ClientTest, DoesNotWaitPastTheDeadline)
{
    answers["/x"] = {429, "", 5, 0};
    opr_caller_set_deadline(caller, opr_clock_mono_ns(clock) + 5000000000ull);
    EXPECT_EQ(Get("/x"), OPR_E_BUSY);
    EXPECT_EQ(transport.calls.size(), 1u);
}

TEST_F(ClientTest, TheDeadlineBoundsEachCall)
{
    answers["/x"] = {200, "{}", 0, 0};
    EXPECT_EQ(Get("/x"), OPR_OK);
    EXPECT_EQ(transport.calls.back().timeout_ms, 30000u);
    opr_caller_set_deadline(caller, opr_clock_mono_ns(clock) + 1500000000ull);
    EXPECT_EQ(Get("/x"), OPR_OK);
    EXPECT_EQ(transport.calls.back().timeout_ms, 1500u);
    opr_clock_fake_advance(clock, 1500);
    EXPECT_EQ(Get("/x"), OPR_E_TIMEOUT);
    EXPECT_EQ(transport.calls.size(), 2u);
}

TEST_F(ClientTest, CancelledCallsFailUntilTheNextDeadline)
{
    answers["/x"] = {200, "{}", 0, 0};
    opr_caller_cancel(caller);
    EXPECT_EQ(transport.cancels, 0) << "no call is on its way";
    EXPECT_EQ(Get("/x"), OPR_E_CANCELLED);
    struct opr_call_item item = {};
    item.method = "GET";
    item.path_query = "/x";
    opr_call_many(caller, &item, 1);
    EXPECT_EQ(item.status, OPR_E_CANCELLED);
    EXPECT_TRUE(transport.calls.empty());
    opr_caller_set_deadline(caller, 0);
    EXPECT_EQ(Get("/x"), OPR_OK);
}

TEST_F(ClientTest, ACallOnItsWayIsCancelled)
{
    transport.answer = [this](const FakeCall &) {
        opr_caller_cancel(caller);
        return FakeAnswer{0, "", 0, OPR_E_CANCELLED};
    };
    EXPECT_EQ(Get("/x"), OPR_E_CANCELLED);
    EXPECT_EQ(transport.cancels, 1);
}

TEST_F(ClientTest, AWaitForTheServerEndsWhenCancelled)
{
    answers["/x"] = {429, "", 3600, 0};
    transport.answer = [this](const FakeCall &) {
        caller->is_cancelled = true; /* while the answer is on its way */
        return FakeAnswer{429, "", 3600, 0};
    };
    EXPECT_EQ(Get("/x"), OPR_E_BUSY);
}

TEST_F(ClientTest, ManyCallsEachHaveTheirResult)
{
    answers["/a"] = {200, "{\"n\":1}", 0, 0};
    answers["/b"] = {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"b\"}", 0,
                     0};
    answers["/c"] = {0, "", 0, OPR_E_TIMEOUT};
    struct opr_call_item items[3] = {};
    const char *paths[] = {"/a", "/b", "/c"};
    for (int i = 0; i < 3; i++) {
        items[i].method = "POST";
        items[i].path_query = paths[i];
    }
    opr_call_many(caller, items, 3);
    EXPECT_EQ(items[0].status, OPR_OK);
    EXPECT_EQ(opr_json_int(items[0].ret_obj, "/n", 0), 1);
    EXPECT_EQ(items[1].status, OPR_E_EXISTS);
    EXPECT_STREQ(items[1].error.message, "b");
    EXPECT_EQ(items[2].status, OPR_E_TIMEOUT);
    opr_json_unref(items[0].ret_obj);
    std::map<std::string, uint64_t> counts;
    opr_client_each_count(
        client,
        [](void *arg, const char *method, int code, uint64_t count) {
            (*static_cast<std::map<std::string, uint64_t> *>(
                arg))[std::string(method) + " " + std::to_string(code)] = count;
        },
        &counts);
    EXPECT_EQ(counts,
              (std::map<std::string, uint64_t>{{"POST 0", 1}, {"POST 200", 1}, {"POST 409", 1}}));
    uint64_t timed = 0;
    opr_client_each_latency(
        client,
        [](void *arg, const struct opr_client_latency *l) {
            uint64_t sum = 0;
            for (uint64_t count : l->counts) {
                sum += count;
            }
            EXPECT_EQ(sum, l->total);
            EXPECT_STREQ(l->method, "POST");
            *static_cast<uint64_t *>(arg) += l->total;
        },
        &timed);
    EXPECT_EQ(timed, 3u);
}

} // namespace
