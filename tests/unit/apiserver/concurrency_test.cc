/* The handler is called by many threads at once. */
#include "support.h"

#include <atomic>
#include <thread>

class Concurrency : public Api
{
  protected:
    /* fn(thread, turn) on four threads. */
    template <typename Fn> void on_threads(int turns, Fn fn)
    {
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; t++) {
            threads.emplace_back([=] {
                for (int i = 0; i < turns; i++) {
                    fn(t, i);
                }
            });
        }
        for (auto &t : threads) {
            t.join();
        }
    }
};

TEST_F(Concurrency, PatchesOfOneObjectAllArrive)
{
    ASSERT_EQ(make("configmaps", "a").status, 201);
    std::atomic<int> refused{0};
    on_threads(10, [&](int t, int i) {
        std::string key = "k" + std::to_string(t) + "-" + std::to_string(i);
        Answer a = merge(CONFIGMAPS "/a", "{'data':{'" + key + "':'v'}}");
        refused += a.status != 200;
    });
    Answer a = get(CONFIGMAPS "/a");
    int there = 0;
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < 10; i++) {
            there += a.has("/data/k" + std::to_string(t) + "-" + std::to_string(i));
        }
    }
    EXPECT_EQ(there + refused, 40) << "none is lost that was acknowledged";
    EXPECT_GT(there, 20);
}

TEST_F(Concurrency, OneOfManyCreatesWins)
{
    std::atomic<int> won{0}, lost{0};
    on_threads(10, [&](int, int i) {
        int status = make("configmaps", "c" + std::to_string(i)).status;
        won += status == 201;
        lost += status == 409;
    });
    EXPECT_EQ(won, 10);
    EXPECT_EQ(lost, 30);
}

TEST_F(Concurrency, NoAddressIsGivenTwice)
{
    on_threads(10, [&](int t, int i) {
        make("services", "s" + std::to_string(t) + "-" + std::to_string(i),
             "'spec':{'type':'NodePort','ports':[{'port':80}]}");
    });
    Answer a = get("/api/v1/namespaces/default/services");
    std::vector<std::string> ips;
    std::vector<int64_t> ports;
    for (size_t i = 0; i < a.size("/items"); i++) {
        std::string at = "/items/" + std::to_string(i);
        ips.push_back(a.str(at + "/spec/clusterIP"));
        ports.push_back(a.num(at + "/spec/ports/0/nodePort"));
    }
    ASSERT_EQ(ips.size(), 41u);
    std::sort(ips.begin(), ips.end());
    std::sort(ports.begin(), ports.end());
    EXPECT_EQ(std::unique(ips.begin(), ips.end()), ips.end());
    EXPECT_EQ(std::unique(ports.begin(), ports.end()), ports.end());
}

TEST_F(Concurrency, WatchersSeeAllWrites)
{
    auto first = watch(CONFIGMAPS "?watch=1"), second = watch(CONFIGMAPS "?watch=1");
    std::vector<std::string> seen;
    std::atomic<bool> is_done{false};
    std::thread reader([&] {
        while (!is_done) {
            for (auto &n : first->names()) {
                seen.push_back(n);
            }
        }
    });
    on_threads(10, [&](int t, int i) {
        std::string name = "c" + std::to_string(t) + "-" + std::to_string(i);
        make("configmaps", name);
        get(CONFIGMAPS);
        remove(CONFIGMAPS "/" + name);
    });
    is_done = true;
    reader.join();
    for (auto &n : first->names()) {
        seen.push_back(n);
    }
    EXPECT_EQ(seen.size(), 80u);
    EXPECT_EQ(seen, second->names()) << "both in the same order";
}

TEST_F(Concurrency, KindsComeAndGoWhileTheyAreUsed)
{
    std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    on_threads(6, [&](int t, int) {
        std::string group = "g" + std::to_string(t) + ".io";
        post(crds, "{'metadata':{'name':'ws." + group + "'},'spec':{'group':'" + group +
                       "','scope':'Cluster','names':{'plural':'ws','kind':'W'},'versions':"
                       "[{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':"
                       "{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}]}}");
        post("/apis/" + group + "/v1/ws",
             "{'apiVersion':'" + group + "/v1','kind':'W','metadata':{'name':'a'}}");
        get("/apis/g0.io/v1/ws");
        get("/apis");
        remove(crds + "/ws." + group);
    });
    EXPECT_EQ(get(crds).size("/items"), 0u);
    EXPECT_EQ(get("/apis/g0.io/v1/ws").status, 404);
}
