// Templates on hostile text: as an argument it never becomes more than the one string it stands
// for, as the template itself it is either JSON or refused.
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "core/base/str.h"
#include "core/json/doc.h"
}

extern const std::vector<std::string> fuzz_seeds = {"plain",
                                                    "it's",
                                                    "','x':'%s",
                                                    "\"},{\"a\":1",
                                                    "\\",
                                                    "\\\"",
                                                    "%",
                                                    "%%",
                                                    "%s%d%p%lld",
                                                    "\xc3\xa9\xff",
                                                    "{'a':'b','c':[1,2,'%%']}",
                                                    "{\"a\":\"it's\"}",
                                                    "['\\'']",
                                                    "\\u0027"};

static struct json_object *fill(const char *tmpl, ...)
{
    va_list args;
    va_start(args, tmpl);
    struct json_object *doc = nullptr;
    opr_status st = opr_doc_template(&doc, nullptr, tmpl, args);
    va_end(args);
    return st == OPR_OK ? doc : nullptr;
}

// Only %% converts without an argument; a backslash hides the byte after it.
static bool takes_arguments(const std::string &tmpl)
{
    if (tmpl.find('\\') != std::string::npos && tmpl.find('%') != std::string::npos) {
        return true;
    }
    for (size_t i = tmpl.find('%'); i != std::string::npos; i = tmpl.find('%', i + 2)) {
        if (i + 1 < tmpl.size() && tmpl[i + 1] != '%') {
            return true;
        }
    }
    return false;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    std::string text(reinterpret_cast<const char *>(data), size);
    struct json_object *doc = fill("{'a':%s,'b':[%s]}", text.c_str(), text.c_str());
    if (!doc || json_object_object_length(doc) != 2 || !opr_doc_str(doc, "/a", nullptr) ||
        json_object_array_length(opr_doc_at(doc, "/b")) != 1) {
        abort();
    }
    struct opr_buf safe = {};
    opr_buf_add_json(&safe, opr_str_of(text.c_str()));
    struct json_object *expected = nullptr;
    if (opr_doc_parse(opr_buf_str(&safe), &expected, nullptr) != OPR_OK ||
        strcmp(opr_doc_str(doc, "/a", ""), opr_doc_str(expected, "", "x")) != 0) {
        abort();
    }
    opr_buf_fini(&safe);
    json_object_put(expected);
    json_object_put(doc);
    if (!takes_arguments(text)) {
        json_object_put(fill(text.c_str()));
    }
    return 0;
}
