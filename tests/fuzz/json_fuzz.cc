// What parses is written, parsed again and equal to itself; nothing else may happen.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
#include "core/base/str.h"
#include "core/json/doc.h"
#include "core/json/json.h"
}

extern const std::vector<std::string> fuzz_seeds = {
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x/y":"z"}},"spec":{"n":[1,-2.5e3,true,null]}})",
    R"(["\u00e9\ud83d\ude00\n\"\\",{},[],0,18446744073709551615])", "[[[[[[]]]]]]", "\"\\ud800\"",
    "1e5"};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opr_obj *o = nullptr, *again = nullptr;
    if (opr_json_parse(opr_str_n(reinterpret_cast<const char *>(data), size), &o, nullptr) !=
        OPR_OK) {
        return 0;
    }
    struct opr_buf text = {};
    opr_json_write(&text, o);
    if (opr_json_parse(opr_buf_str(&text), &again, nullptr) != OPR_OK ||
        !opr_json_equal(o, again)) {
        abort();
    }
    struct json_object *doc = opr_doc_from_obj(o);
    struct opr_obj *back = opr_doc_to_obj(doc);
    if (doc && !opr_json_equal(o, back)) {
        abort();
    }
    json_object_put(doc);
    opr_json_unref(back);
    opr_json_unref(o);
    opr_json_unref(again);
    opr_buf_fini(&text);
    return 0;
}
