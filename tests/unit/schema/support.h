/* What the tests of the schema share: documents from text, requests, errors as text. */
#ifndef OPR_TESTS_UNIT_SCHEMA_SUPPORT_H
#define OPR_TESTS_UNIT_SCHEMA_SUPPORT_H

#include "apiserver/schema/schema.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using Doc = std::unique_ptr<json_object, int (*)(json_object *)>;

inline Doc doc_of(json_object *o)
{
    return Doc(o, json_object_put);
}

inline opr_str str_of(const std::string &s)
{
    return opr_str_n(s.data(), s.size());
}

/* JSON with ' for ". */
inline Doc parse(std::string text)
{
    for (char &c : text) {
        c = c == '\'' ? '"' : c;
    }
    json_object *o = nullptr;
    opr_error err = {};
    if (opr_doc_parse(str_of(text), &o, &err) != OPR_OK) {
        throw std::runtime_error(err.message);
    }
    return doc_of(o);
}

inline std::string text_of(json_object *o)
{
    opr_buf b = {};
    opr_doc_write(&b, o);
    std::string s(b.data ? b.data : "", b.len);
    opr_buf_fini(&b);
    return s;
}

inline std::string text_of(const Doc &d)
{
    return text_of(d.get());
}

/* Canonical text with ' for ", for comparisons that read well. */
inline std::string quoted(std::string text)
{
    for (char &c : text) {
        c = c == '"' ? '\'' : c;
    }
    return text;
}

inline const opr_kind *kind_of(const char *group, const char *version, const char *kind)
{
    return opr_kind_find_kind(opr_str_of(group), opr_str_of(version), opr_str_of(kind));
}

struct Errors {
    opr_arena *arena = opr_arena_new();
    opr_field_errors e = {arena, nullptr, 0, 0};
    Errors() = default;
    Errors(const Errors &) = delete;
    Errors &operator=(const Errors &) = delete;
    ~Errors()
    {
        opr_arena_free(arena);
    }
    /* "field: message" of each. */
    std::vector<std::string> list() const
    {
        std::vector<std::string> out;
        for (size_t i = 0; i < e.count; i++) {
            out.push_back(std::string(e.items[i].field) + ": " + e.items[i].message);
        }
        return out;
    }
    std::vector<std::string> messages() const
    {
        std::vector<std::string> out;
        for (size_t i = 0; i < e.count; i++) {
            out.push_back(e.items[i].message);
        }
        return out;
    }
};

struct Decoded {
    opr_status status = OPR_OK;
    Doc doc = doc_of(nullptr);
    std::string error;
    std::vector<std::string> strict;
};

inline Decoded decode(const opr_kind *k, std::string body,
                      const char *content_type = "application/json",
                      int strictness = OPR_STRICT_ERROR)
{
    Decoded d;
    Errors errors;
    opr_error err = {};
    json_object *o = nullptr;
    d.status = opr_schema_decode(k, opr_str_of(content_type), str_of(body), strictness, &o,
                                 &errors.e, &err);
    d.doc = doc_of(o);
    d.error = err.message;
    d.strict = errors.messages();
    return d;
}

#endif
