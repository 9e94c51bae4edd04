/* Questions and answers of the node's name service. */
#include "agent/dns_message.h"
#include "core/base/arena.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace
{

enum { A = 1, CNAME = 5, SOA = 6, SRV = 33, AAAA = 28 };
using Bytes = std::vector<uint8_t>;

void put16(Bytes &b, unsigned v)
{
    b.push_back(static_cast<uint8_t>(v >> 8));
    b.push_back(static_cast<uint8_t>(v));
}

Bytes query(const std::string &name, int type, uint16_t id = 7, int edns = 0)
{
    Bytes b;
    for (unsigned v : {unsigned{id}, 0x0100u, 1u, 0u, 0u, edns ? 1u : 0u}) {
        put16(b, v);
    }
    for (size_t at = 0; at < name.size();) {
        size_t end = std::min(name.find('.', at), name.size());
        b.push_back(static_cast<uint8_t>(end - at));
        b.insert(b.end(), name.begin() + static_cast<long>(at),
                 name.begin() + static_cast<long>(end));
        at = end + 1;
    }
    b.push_back(0);
    put16(b, static_cast<unsigned>(type));
    put16(b, 1);
    if (edns) {
        b.push_back(0);
        for (unsigned v : {41u, static_cast<unsigned>(edns), 0u, 0u, 0u}) {
            put16(b, v);
        }
    }
    return b;
}

struct Answer {
    size_t size = 0;
    int code = -1, authorities = 0;
    bool is_authoritative = false;
    std::vector<std::string> records; /* "A 10.1.2.3", "SRV 80 name", "CNAME name" */
};

std::string name_at(const Bytes &b, size_t at)
{
    std::string name;
    while (b[at] != 0 && b[at] < 64) {
        name +=
            (name.empty() ? "" : ".") + std::string(b.begin() + static_cast<long>(at) + 1,
                                                    b.begin() + static_cast<long>(at) + 1 + b[at]);
        at += 1u + b[at];
    }
    return name;
}

unsigned get16(const Bytes &b, size_t at)
{
    return static_cast<unsigned>(b[at] << 8 | b[at + 1]);
}

class Dns : public ::testing::Test
{
  protected:
    void TearDown() override
    {
        for (struct opr_obj *o : all) {
            opr_json_unref(o);
        }
    }
    struct opr_obj *parse(const std::string &text)
    {
        struct opr_obj *o = nullptr;
        EXPECT_EQ(OPR_OK, opr_json_parse(opr_str_n(text.data(), text.size()), &o, nullptr)) << text;
        all.push_back(o);
        return o;
    }
    void service(const std::string &name, const std::string &spec)
    {
        services.push_back(parse(R"({"metadata":{"name":")" + name +
                                 R"(","namespace":"shop"},"spec":)" + spec + "}"));
    }
    void slice(const std::string &of, const std::string &rest)
    {
        slices.push_back(parse(R"({"metadata":{"name":"s","namespace":"shop","labels":)"
                               R"({"kubernetes.io/service-name":")" +
                               of + R"("}},"addressType":"IPv4",)" + rest + "}"));
    }
    Answer ask(const Bytes &text)
    {
        Answer result;
        struct opr__dns_question q;
        if (!opr__dns_parse(text.data(), text.size(), &q)) {
            return result;
        }
        struct opr__dns_view v = {};
        v.slices = slices.data();
        v.n_slices = slices.size();
        v.has_namespace = q.ns && std::string(q.ns) == "shop";
        for (const struct opr_obj *s : services) {
            if (v.has_namespace && q.service && std::string(q.service) == opr_meta_name(s)) {
                v.service = s;
            }
        }
        Bytes b(OPR__DNS_SIZE_MAX);
        result.size = opr__dns_answer(text.data(), &q, &v, b.data());
        EXPECT_LE(result.size, q.size_max);
        EXPECT_EQ(get16(b, 0), get16(text, 0));
        EXPECT_TRUE(b[2] & 0x80);
        result.code = b[3] & 15;
        result.is_authoritative = b[2] & 4;
        result.authorities = static_cast<int>(get16(b, 8));
        size_t at = q.end;
        for (unsigned i = 0; i < get16(b, 6); i++) {
            EXPECT_EQ(get16(b, at), 0xc00cu);
            unsigned type = get16(b, at + 2), len = get16(b, at + 10);
            at += 12;
            if (type == A) {
                result.records.push_back(
                    "A " + std::to_string(b[at]) + "." + std::to_string(b[at + 1]) + "." +
                    std::to_string(b[at + 2]) + "." + std::to_string(b[at + 3]));
            } else if (type == SRV) {
                result.records.push_back("SRV " + std::to_string(get16(b, at + 4)) + " " +
                                         name_at(b, at + 6));
            } else {
                result.records.push_back((type == CNAME ? "CNAME " : "? ") + name_at(b, at));
            }
            at += len;
        }
        std::sort(result.records.begin(), result.records.end());
        return result;
    }
    Answer ask(const std::string &name, int type = A)
    {
        return ask(query(name, type));
    }
    std::vector<struct opr_obj *> all;
    std::vector<const struct opr_obj *> services, slices;
};

using Records = std::vector<std::string>;

TEST_F(Dns, AServiceHasItsAddress)
{
    service("web", R"({"clusterIP":"10.96.0.7","ports":[{"name":"http","port":80}]})");
    Answer a = ask("web.shop.svc.cluster.local");
    EXPECT_EQ(0, a.code);
    EXPECT_TRUE(a.is_authoritative);
    EXPECT_EQ(Records{"A 10.96.0.7"}, a.records);
    EXPECT_EQ(Records{"A 10.96.0.7"}, ask("WEB.Shop.svc.CLUSTER.local").records);
    EXPECT_EQ(Records{"SRV 80 web.shop.svc.cluster.local"},
              ask("_http._tcp.web.shop.svc.cluster.local", SRV).records);
    EXPECT_EQ(3, ask("_http._udp.web.shop.svc.cluster.local", SRV).code);
    EXPECT_EQ(3, ask("10-1-1-1.web.shop.svc.cluster.local").code);
}

TEST_F(Dns, AHeadlessServiceHasThoseOfItsReadyPods)
{
    service("db", R"({"clusterIP":"None","ports":[{"name":"sql","port":5432,"targetPort":5433}]})");
    slice("db", R"("ports":[{"name":"sql","port":5433,"protocol":"TCP"}],"endpoints":[)"
                R"({"addresses":["10.1.0.2"],"hostname":"db-0","conditions":{"ready":true}},)"
                R"({"addresses":["10.1.0.3"]},{"addresses":["10.1.0.3"]},)"
                R"({"addresses":["10.1.0.4"],"hostname":"db-2","conditions":{"ready":false}}])");
    slice("other", R"("endpoints":[{"addresses":["10.1.0.9"]}])");
    EXPECT_EQ((Records{"A 10.1.0.2", "A 10.1.0.3"}), ask("db.shop.svc.cluster.local").records);
    EXPECT_EQ(Records{"A 10.1.0.2"}, ask("db-0.db.shop.svc.cluster.local").records);
    EXPECT_EQ(Records{"A 10.1.0.3"}, ask("10-1-0-3.db.shop.svc.cluster.local").records);
    EXPECT_EQ(3, ask("db-2.db.shop.svc.cluster.local").code);
    EXPECT_EQ((Records{"SRV 5433 10-1-0-3.db.shop.svc.cluster.local",
                       "SRV 5433 db-0.db.shop.svc.cluster.local"}),
              ask("_sql._tcp.db.shop.svc.cluster.local", SRV).records);
}

TEST_F(Dns, WhatIsNotThereAndWhatHasNoRecordOfTheType)
{
    service("web", R"({"clusterIP":"10.96.0.7"})");
    service("empty", R"({"clusterIP":"None"})");
    for (const char *name :
         {"no.shop.svc.cluster.local", "web.nope.svc.cluster.local", "nope.svc.cluster.local",
          "web.shop.cluster.local", "a.b.c.d.web.shop.svc.cluster.local",
          "empty.shop.svc.cluster.local"}) {
        Answer a = ask(name);
        EXPECT_EQ(3, a.code) << name;
        EXPECT_EQ(1, a.authorities) << name;
        EXPECT_TRUE(a.records.empty()) << name;
    }
    for (const char *name : {"web.shop.svc.cluster.local", "shop.svc.cluster.local",
                             "svc.cluster.local", "cluster.local"}) {
        Answer a = ask(name, AAAA);
        EXPECT_EQ(0, a.code) << name;
        EXPECT_EQ(1, a.authorities) << name;
        EXPECT_TRUE(a.records.empty()) << name;
    }
}

TEST_F(Dns, OtherNamesAreRefused)
{
    for (const char *name : {"example.com", "local", "web", "cluster.local.example.com"}) {
        Answer a = ask(name);
        EXPECT_EQ(5, a.code) << name;
        EXPECT_FALSE(a.is_authoritative) << name;
        EXPECT_TRUE(a.records.empty()) << name;
    }
    Bytes chaos = query("web.shop.svc.cluster.local", A);
    chaos.back() = 3;
    EXPECT_EQ(5, ask(chaos).code);
}

TEST_F(Dns, AliasesAndPods)
{
    service("out", R"({"type":"ExternalName","externalName":"db.example.com"})");
    EXPECT_EQ(Records{"CNAME db.example.com"}, ask("out.shop.svc.cluster.local").records);
    EXPECT_EQ(Records{"A 10.1.0.2"}, ask("10-1-0-2.shop.pod.cluster.local").records);
    EXPECT_EQ(3, ask("10-1-0-2.nope.pod.cluster.local").code);
    EXPECT_EQ(3, ask("10-1-0.shop.pod.cluster.local").code);
}

TEST_F(Dns, AsManyAddressesAsFitAndAnotherFirstEachTime)
{
    std::string list;
    for (int i = 1; i <= 200; i++) {
        list += (i > 1 ? "," : "") + std::string(R"({"addresses":["10.1.0.)") + std::to_string(i) +
                "\"]}";
    }
    service("many", R"({"clusterIP":"None"})");
    slice("many", "\"endpoints\":[" + list + "]");
    const char *name = "many.shop.svc.cluster.local";
    Answer plain = ask(query(name, A)), large = ask(query(name, A, 7, 4096));
    EXPECT_LE(plain.size, 512u);
    EXPECT_EQ(29u, plain.records.size());
    EXPECT_LE(large.size, 1232u);
    EXPECT_GT(large.records.size(), 70u);
    EXPECT_NE(ask(query(name, A, 50)).records, plain.records);
}

TEST_F(Dns, BrokenQuestions)
{
    service("web", R"({"clusterIP":"10.96.0.7"})");
    Bytes good = query("web.shop.svc.cluster.local", A, 7, 1232);
    for (size_t len = 0; len < good.size(); len++) {
        Answer a = ask(Bytes(good.begin(), good.begin() + static_cast<long>(len)));
        EXPECT_TRUE(len < 12 ? a.size == 0 : a.code == 1 || a.code == 0) << len;
    }
    Bytes answer = good;
    answer[2] |= 0x80;
    EXPECT_EQ(0u, ask(answer).size);
    Bytes update = good;
    update[2] |= 0x28;
    EXPECT_EQ(4, ask(update).code);
    Bytes pointer = good;
    pointer[12] = 0xc0;
    EXPECT_EQ(1, ask(pointer).code);
    Bytes two = good;
    two[5] = 2;
    EXPECT_EQ(1, ask(two).code);
    Bytes endless(12, 0);
    endless[5] = 1;
    for (int i = 0; i < 40; i++) {
        endless.push_back(1);
        endless.push_back('a');
    }
    endless.insert(endless.end(), {0, 0, 1, 0, 1});
    EXPECT_EQ(1, ask(endless).code);
}

} // namespace
