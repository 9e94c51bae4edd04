// Questions of hostile Pods to the node's name service: an answer is a response of the size that
// was allowed, or there is none.
#include "agent/dns_message.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

static std::string question(const std::string &name, char type)
{
    return std::string("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01", 12) + name +
           std::string("\x00\x00", 2) + type + std::string("\x00\x01", 2) +
           std::string("\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00", 11);
}

extern const std::vector<std::string> fuzz_seeds = {
    question("\x03web\x04shop\x03svc\x07"
             "cluster\x05local",
             1),
    question("\x05_http\x04_tcp\x03web\x04shop\x03svc\x07"
             "cluster\x05local",
             33),
    question("\x08"
             "10-1-0-2\x04shop\x03pod\x07"
             "cluster\x05local",
             1),
    question("\x07"
             "example\x03"
             "com",
             28)};

static struct opr_obj *parse(const char *text)
{
    struct opr_obj *o = nullptr;
    if (opr_json_parse(opr_str_of(text), &o, nullptr) != OPR_OK) {
        abort();
    }
    return o;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct opr_obj *const service =
        parse(R"({"metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIP":"None",)"
              R"("ports":[{"name":"http","port":80}]}})");
    static const struct opr_obj *const slice =
        parse(R"({"metadata":{"namespace":"shop","labels":{"kubernetes.io/service-name":"web"}},)"
              R"("ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[)"
              R"({"addresses":["10.1.0.2"],"hostname":"a"},{"addresses":["10.1.0.3"]}]})");
    struct opr__dns_question q;
    if (!opr__dns_parse(data, size, &q)) {
        return 0;
    }
    struct opr__dns_view v = {};
    v.service = q.ns && q.service ? service : nullptr;
    v.slices = &slice;
    v.n_slices = 1;
    v.has_namespace = q.ns != nullptr;
    uint8_t answer[OPR__DNS_SIZE_MAX];
    size_t n = opr__dns_answer(data, &q, &v, answer);
    if (n < 12 || n > q.size_max || n > sizeof answer || !(answer[2] & 0x80)) {
        abort();
    }
    return 0;
}
