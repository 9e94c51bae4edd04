// Selectors, quantities, times and patches on hostile text. A selector that parses survives a round
// trip through its text.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "core/api/patch.h"
#include "core/api/quantity.h"
#include "core/api/selector.h"
#include "core/base/clock.h"
#include "core/base/str.h"
}

extern const std::vector<std::string> fuzz_seeds = {
    "a=b,c!=d,e in (f,g),h,!i,j>1",
    "x notin (a, b),y<5",
    "250m",
    "1.5Gi",
    "metadata.name=x,a!=b\\,c",
    "-2e3",
    "2026-01-02T03:04:05.678Z",
    "1h30m5.5s",
    R"([{"op":"add","path":"/a/-","value":1},{"op":"move","from":"/b","path":"/c"}])",
    R"([{"op":"test","path":"/a/0","value":1},{"op":"copy","from":"/a","path":"/d/e"},{"op":"remove","path":"/a/0"}])",
    R"({"a":null,"b":{"c":[1]}})"};

static void selectors(struct opr_str text)
{
    struct opr_selector *s = nullptr, *again = nullptr;
    if (opr_selector_parse(text, &s, nullptr) != OPR_OK) {
        return;
    }
    struct opr_buf b = {};
    opr_buf_reserve(&b, 1);
    opr_selector_format(s, &b);
    if (opr_selector_parse(opr_buf_str(&b), &again, nullptr) != OPR_OK) {
        abort();
    }
    size_t len = b.len;
    opr_selector_format(again, &b);
    if (b.len != 2 * len || memcmp(b.data, b.data + len, len) != 0) {
        abort();
    }
    opr_buf_fini(&b);
    opr_selector_free(s);
    opr_selector_free(again);
}

static void field_selectors(struct opr_str text)
{
    struct opr_arena *a = opr_arena_new();
    struct opr_field_req *reqs;
    size_t count;
    (void)!opr_field_selector_parse(a, text, &reqs, &count, nullptr);
    opr_arena_free(a);
}

// What is formatted reads as the same value.
static void quantities(struct opr_str text)
{
    int64_t milli, again;
    char formatted[OPR_QUANTITY_TEXT_MAX];
    if (opr_quantity_parse(text, &milli) != OPR_OK) {
        return;
    }
    for (bool is_binary : {false, true}) {
        opr_quantity_format(milli, is_binary, formatted);
        if (opr_quantity_parse(opr_str_of(formatted), &again) != OPR_OK || again != milli) {
            abort();
        }
    }
}

static void patches(struct opr_str text)
{
    struct json_object *patch = nullptr, *doc = nullptr;
    if (opr_doc_parse(text, &patch, nullptr) != OPR_OK) {
        return;
    }
    (void)!opr_doc_parse(opr_str_of(R"({"a":[1,2],"b":{"c":"d"}})"), &doc, nullptr);
    (void)!opr_patch_json(&doc, patch, nullptr);
    struct json_object *before = opr_doc_dup(doc);
    (void)!opr_patch_merge(&doc, patch, nullptr);
    struct json_object *difference = opr_patch_diff(before, doc);
    if (difference || !doc) {
        (void)!opr_patch_merge(&before, difference, nullptr);
    }
    if (!opr_doc_equal(before, doc)) {
        abort();
    }
    json_object_put(difference);
    json_object_put(before);
    json_object_put(doc);
    json_object_put(patch);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opr_str text = opr_str_n(reinterpret_cast<const char *>(data), size);
    int64_t value;
    selectors(text);
    patches(text);
    field_selectors(text);
    quantities(text);
    (void)!opr_time_parse(text, &value);
    (void)!opr_duration_parse(text, &value);
    return 0;
}
