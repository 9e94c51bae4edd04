// Lua policies: any text loads or is refused, any function of it returns or is stopped, and the
// host goes on: a good policy beside it answers as before.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

extern "C" {
#include "core/base/str.h"
#include "lua/policy_host.h"
}

extern const std::vector<std::string> fuzz_seeds = {
    "return { scale = function(ctx) return ctx.replicas + 1, 'more' end }",
    "local t = {} for i = 1, 100 do t[i] = ('x'):rep(i) end return { scale = function() return "
    "#table.concat(t) end }",
    "return { scale = function(ctx) return (string.gsub('abc', '%w', '%0%0')), ctx end }",
    "return { scale = function(ctx) while true do pcall(error, ctx) end end }",
    "return { scale = setmetatable({}, { __call = function(self) return self() end }) }",
    "return { scale = function(ctx) return string.format('%5.2f|%q', 1/0, '\\0') end }",
    "return { filter = function(p, n) return p == n, #p end, score = function(...) return ... end "
    "}",
    "return { controller = { primary = 'v1/ConfigMap', owns = {} }, reconcile = function(o, c) "
    "return { children = policy.array { policy.copy(o) }, status = c } end }",
    "local a, b, c <const> = 1, 2, 3 goto x ::x:: return { scale = function() return a + b, "
    "select('#', table.unpack({1, 2, nil, 4}, 1, 4)), utf8.char(228), math.tointeger(3.0) end }",
    "return { scale = function(ctx) for k, v in pairs(ctx) do if type(v) == 'table' then for i, x "
    "in ipairs(v) do table.insert({}, x.name:match('(%a+)-?(.-)$')) end end end return "
    "policy.quantity('250m') + policy.seconds('5m'), policy.round(2.5), tostring(ctx) end }",
};

static const char GOOD[] = "return { scale = function(ctx) return 7 end }";

static bool answers_seven(struct opr_policy_host *h, const struct opr_obj *input)
{
    struct opr_obj *result = nullptr;
    bool is_seven = opr_policy_host_call(h, "good", "scale", input, &result, nullptr) == OPR_OK &&
                    opr_json_int(result, "/0", 0) == 7;
    opr_json_unref(result);
    return is_seven;
}

static double cpu_ms()
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct opr_policy_host *host;
    static struct opr_obj *input;
    if (!host) {
        struct opr_lua_limits limits = {};
        limits.steps = 20000;
        limits.memory_bytes = 1 << 20;
        host = opr_policy_host_new(&limits);
        if (opr_policy_host_load(host, "good", opr_str_of(GOOD), nullptr) != OPR_OK ||
            opr_json_parse(opr_str_of(R"({"replicas":1,"pods":[{"name":"a"}]})"), &input,
                           nullptr) != OPR_OK) {
            abort();
        }
    }
    struct opr_str source = opr_str_n(reinterpret_cast<const char *>(data), size);
    double begin = cpu_ms();
    int calls = 1;
    if (opr_policy_host_load(host, "fuzzed", source, nullptr) == OPR_OK) {
        for (const char *function : {"scale", "filter", "score", "reconcile", "controller"}) {
            struct opr_obj *result = nullptr;
            calls += opr_policy_host_call(host, "fuzzed", function, input, &result, nullptr) !=
                     OPR_E_NOT_FOUND;
            opr_json_unref(result);
        }
        opr_policy_host_unload(host, "fuzzed");
    }
    // 50 ms each, and as much again for a sanitizer's slowness between two looks at the clock.
    if (cpu_ms() - begin > 100.0 * calls) {
        abort();
    }
    if (!answers_seven(host, input)) {
        abort();
    }
    return 0;
}
