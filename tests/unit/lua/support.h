/* Shared by the tests of the policy host. */
#ifndef TESTS_UNIT_LUA_SUPPORT_H
#define TESTS_UNIT_LUA_SUPPORT_H

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/json/json.h"
#include "lua/policy_host.h"

#include <string>

struct Outcome {
    opr_status status = OPR_OK;
    std::string error;
    std::string result; /* JSON text */
};

class Host
{
  public:
    explicit Host(const struct opr_lua_limits *limits = nullptr)
        : host_(opr_policy_host_new(limits))
    {
    }
    ~Host()
    {
        opr_policy_host_free(host_);
    }
    Host(const Host &) = delete;

    Outcome load(const std::string &source, const char *name = "p")
    {
        Outcome o;
        struct opr_error err = {};
        struct opr_str s = {source.data(), source.size()};
        o.status = opr_policy_host_install(host_, name, s, &err);
        o.error = err.message;
        return o;
    }
    Outcome call(const char *function, const std::string &input, const char *name = "p")
    {
        Outcome o;
        struct opr_error err = {};
        struct opr_obj *in = nullptr, *out = nullptr;
        struct opr_str s = {input.data(), input.size()};
        o.status = opr_json_parse(s, &in, &err);
        if (o.status == OPR_OK) {
            o.status = opr_policy_host_call(host_, name, function, in, &out, &err);
        }
        if (o.status == OPR_OK) {
            struct opr_buf text = {};
            opr_json_write(&text, out);
            o.result = std::string(text.data, text.len);
            opr_buf_fini(&text);
        }
        o.error = err.message;
        opr_json_unref(in);
        opr_json_unref(out);
        return o;
    }
    /* The JSON list of what the body of a scale function returns, or "error: ...". */
    std::string eval(const std::string &body, const std::string &input = "{}")
    {
        Outcome o = load("return {scale=function(ctx)\n" + body + "\nend}");
        if (o.status == OPR_OK) {
            o = call("scale", input);
        }
        return o.status == OPR_OK ? o.result : "error: " + o.error;
    }
    struct opr_policy_host *get()
    {
        return host_;
    }

  private:
    struct opr_policy_host *host_;
};

#endif
