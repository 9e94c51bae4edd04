/* Scripts that attack the host. Each must end in time with an error (or, where it is harmless, end
 * well), and the host must serve the next call. */
#include "tests/unit/lua/support.h"

#include <gtest/gtest.h>

#include <time.h>

namespace
{

struct Attack {
    const char *name;
    const char *body;  /* of scale(ctx) */
    const char *error; /* part of the message; NULL: it may end well */
};

const Attack attacks[] = {
    {"endless_loop", "while true do end", "used up its"},
    {"endless_goto", "::a:: goto a", "used up its"},
    {"endless_repeat", "repeat until false", "used up its"},
    {"endless_for", "for i = 1, math.huge do end", "used up its"},
    {"endless_empty_for", "for i = 1, 2^53 do end", "used up its"},
    {"loop_in_pcall", "pcall(function() while true do end end)", "used up its"},
    {"pcall_again_and_again", "while true do pcall(function() while true do end end) end",
     "used up its"},
    {"pcall_nested_150",
     "local function f(n) if n == 0 then while true do end end "
     "while true do pcall(f, n - 1) end end f(150)",
     "used up its"},
    {"pcall_pcall_pcall", "pcall(pcall, pcall, pcall, function() while true do end end)",
     "used up its"},
    {"pcall_then_return", "pcall(function() while true do end end) return 1", "used up its"},
    {"loop_in_index", "return setmetatable({}, {__index = function() while true do end end}).x",
     "used up its"},
    {"loop_in_newindex", "setmetatable({}, {__newindex = function() while true do end end}).x = 1",
     "used up its"},
    {"loop_in_eq",
     "local m = {__eq = function() while true do end end} "
     "return setmetatable({}, m) == setmetatable({}, m)",
     "used up its"},
    {"loop_in_concat",
     "return setmetatable({}, {__concat = function() while true do end end}) .. ''", "used up its"},
    {"loop_in_call", "setmetatable({}, {__call = function() while true do end end})()",
     "used up its"},
    {"loop_in_len", "return #setmetatable({}, {__len = function() while true do end end})",
     "used up its"},
    {"loop_in_tostring",
     "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
     "used up its"},
    {"loop_in_comparator", "table.sort({3, 2, 1}, function() while true do end end)",
     "used up its"},
    {"loop_in_gsub", "string.gsub('abc', '.', function() while true do end end)", "used up its"},
    {"loop_in_error_object",
     "error(setmetatable({}, {__tostring = function() while true do end end}))", "non-string"},
    {"throwing_error_object", "error(setmetatable({}, {__tostring = function() error('x') end}))",
     "non-string"},
    {"error_table", "error({})", "non-string"},
    {"error_nil", "error(nil)", "non-string"},
    {"error_function", "error(function() end)", "non-string"},
    {"index_chain_deep",
     "local t = {} for i = 1, 2000 do t = setmetatable({}, {__index = t}) end "
     "while true do local x = t.y end",
     ""},
    {"index_cycle", "local t = {} setmetatable(t, {__index = t}) return t.x", "loop"},
    {"bad_comparator",
     "local t = {} for i = 1, 5000 do t[i] = i end "
     "table.sort(t, function(a, b) return true end)",
     nullptr},
    {"sort_long_equal_strings",
     "local s = ('x'):rep(1000) for i = 1, 7 do s = s .. s end local t = {} "
     "for i = 1, 16000 do t[i] = s end table.sort(t)",
     "used up its"},
    {"compare_long_strings",
     "local s = ('x'):rep(100000) local a, b = s .. 'a', s .. 'b' while true do local x = a < b "
     "end",
     "used up its"},
    {"memory_strings", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
     "used up its"},
    {"memory_tables", "local t = {} for i = 1, 1e9 do t = {t, {}, {}, {}} end", "used up its"},
    {"memory_doubling", "local s = 'xxxxxxxx' while true do s = s .. s end", "block"},
    {"memory_doubling_in_pcall",
     "while true do pcall(function() local s = 'xxxxxxxx' while true do s = s .. s end end) end",
     "block"},
    {"memory_array", "local t = {} for i = 1, 1e9 do t[i] = i end", "block"},
    {"memory_hash", "local t = {} for i = 1, 1e9 do t['k' .. i] = i end", nullptr},
    {"memory_closures", "local t for i = 1, 1e9 do local p = t t = function() return p end end",
     "used up its"},
    {"memory_rep_in_pcall",
     "local t = {} while true do "
     "pcall(function() t[#t + 1] = ('x'):rep(100000) end) end",
     "used up its"},
    {"rep_huge", "return (''):rep(2^53)", "string.rep"},
    {"rep_overflow", "return ('xxxxxxxx'):rep(math.maxinteger)", "string.rep"},
    {"rep_sep", "return (''):rep(2^40, 'xx')", "string.rep"},
    {"rep_many", "while true do local s = ('x'):rep(100000) end", "used up its"},
    {"format_width", "return string.format('%999999999d', 1)", "over 99"},
    {"format_precision", "return string.format('%.999999999f', 1)", "over 99"},
    {"format_address", "return string.format('%p', {})", "does not know"},
    {"format_star", "return string.format('%*d', 5, 1)", "does not know"},
    {"format_long",
     "local f = ('%99d'):rep(2000) while true do "
     "pcall(string.format, f, table.unpack({}, 1, 2000)) end",
     "used up its"},
    {"concat_forged_len",
     "return table.concat(setmetatable({}, {__len = function() return 2^53 end}))", "__len"},
    {"concat_range", "return table.concat({}, '', 1, 2^53)", "range"},
    {"concat_sep",
     "local s, t = ('x'):rep(1000), {} for i = 1, 9000 do t[i] = '' end "
     "return table.concat(t, s)",
     "used up its"},
    {"unpack_range", "return table.unpack({}, 1, 1e8)", "range"},
    {"unpack_edges", "return table.unpack({}, math.mininteger, math.maxinteger)", "range"},
    {"move_huge", "table.move({}, 1, 1e9, 2)", "range"},
    {"move_edges", "table.move({}, math.mininteger, math.maxinteger, 1)", "range"},
    {"move_wrap", "table.move({1, 2}, 1, 2, math.maxinteger)", "out of bounds"},
    {"move_forged_index",
     "table.move(setmetatable({}, {__index = function() while true do end end}), 1, 10, 1, {})",
     "__index"},
    {"insert_forged_len",
     "table.insert(setmetatable({}, {__len = function() return 1e9 end}), 1, 0)", "__len"},
    {"remove_forged_len", "table.remove(setmetatable({}, {__len = function() return 1e9 end}), 1)",
     "__len"},
    {"sort_forged_len", "table.sort(setmetatable({}, {__len = function() return 1e9 end}))",
     "__len"},
    {"insert_front", "local t = {} while true do table.insert(t, 1, 0) end", "used up its"},
    {"pattern_classic", "return (('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(30) .. 'b')",
     "used up its"},
    {"pattern_lazy", "return ('a'):rep(100000):find('.-.-.-.-b')", "used up its"},
    {"pattern_stars", "return ('a'):rep(10000):find('a*a*a*a*a*b')", "used up its"},
    {"pattern_nested_captures", "return ('a'):rep(100):find(('('):rep(40))", "captures"},
    {"pattern_deep", "return ('a'):rep(1000):find(('a-'):rep(300) .. 'b')", nullptr},
    {"pattern_balance", "return (('('):rep(100000)):find('%b()x')", "used up its"},
    {"pattern_back_reference", "return ('a'):rep(50000):find('(a*)%1b')", "used up its"},
    {"pattern_set", "return ('a'):rep(100000):find('[' .. ('b'):rep(10000) .. ']')", "used up its"},
    {"pattern_gsub_empty", "while true do local s = ('a'):rep(50000):gsub('', 'x') end",
     "used up its"},
    {"pattern_gmatch", "for _ in ('a'):rep(100000):gmatch('.-b') do end", "used up its"},
    {"pattern_bad", "return ('a'):find('[a')", "malformed"},
    {"pattern_percent", "return ('a'):find('%')", "malformed"},
    {"recursion", "local function f() return 1 + f() end return f()", "block"},
    {"recursion_pcall", "local function f() pcall(f) return f() end f()", ""},
    {"recursion_tostring",
     "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(x) "
     "return tostring(x) end return tostring(t)",
     "stack overflow"},
    {"recursion_gsub", "local function f(s) return (s:gsub('.', f)) end return f('a')",
     "stack overflow"},
    {"tail_calls", "local function f() return f() end return f()", "used up its"},
    {"gc_metamethod", "setmetatable({}, {__gc = function() while true do end end})", "__gc"},
    {"close_metamethod", "setmetatable({}, {__close = function() end})", "__close"},
    {"weak_table", "setmetatable({}, {__mode = 'k'})", "__mode"},
    {"gc_added_later",
     "local m = {} for i = 1, 1000 do setmetatable({}, m) end "
     "m.__gc = function() while true do end end local t = {} for i = 1, 50000 do t = {} end",
     nullptr},
    {"string_metatable", "getmetatable('').__index = nil", "index a nil value"},
    {"string_library", "string.rep = nil", "read-only"},
    {"library_metatable", "setmetatable(string, {})", "locked"},
    {"library_rawset", "rawset(string, 'rep', 1)", "'rawset'"},
    {"global_write", "x = 1", "declare it local"},
    {"env_metatable", "setmetatable(_ENV, {})", "locked"},
    {"input_write", "ctx.x = 1", "read-only"},
    {"input_insert", "table.insert(ctx.list, 1)", "read-only"},
    {"input_metatable", "setmetatable(ctx, {})", "read-only"},
    {"load", "return load('return 1')()", "'load'"},
    {"loadstring", "return loadstring('return 1')()", "'loadstring'"},
    {"dofile", "return dofile('/etc/passwd')", "'dofile'"},
    {"require", "return require('os')", "'require'"},
    {"os", "return os.time()", "'os'"},
    {"io", "return io.open('/etc/passwd')", "'io'"},
    {"debug", "return debug.getregistry()", "'debug'"},
    {"coroutine", "return coroutine.create(print)", "'coroutine'"},
    {"collectgarbage", "collectgarbage()", "'collectgarbage'"},
    {"xpcall", "xpcall(function() error() end, function() while true do end end)", "'xpcall'"},
    {"string_dump", "return string.dump(function() end)", "'dump'"},
    {"string_pack", "return string.pack('i', 1)", "'pack'"},
    {"random", "return math.random()", "'random'"},
    {"result_cycle", "local t = {} t[1] = t return t", "nested"},
    {"result_wide", "local t = {} for i = 1, 60 do t = {t, t} end return t", "returns over"},
    {"result_large", "return ('x'):rep(100000), ('x'):rep(100000), ('x'):rep(100000)",
     "returns over"},
    {"result_function", "return function() end", "plain values"},
    {"result_nan", "return 0/0", "not-a-number"},
    {"result_hole", "return {1, nil, 3, [9] = 1}", "position"},
    {"result_mixed", "return {1, x = 2}", "position"},
    {"result_input_many",
     "local t = {} for i = 1, 4000 do t[i] = {ctx.list, ctx.list, ctx.list, ctx.list, ctx.list, "
     "ctx.list, ctx.list, ctx.list, ctx.list} end return t",
     "returns over"},
    {"utf8_continuation", "local s = ('\\x80'):rep(100000) while true do pcall(utf8.len, s) end",
     "used up its"},
    {"utf8_offset", "local s = ('\\x80'):rep(100000) while true do pcall(utf8.offset, s, 9, 1) end",
     "used up its"},
    {"utf8_codepoint", "return utf8.codepoint(('x'):rep(100000), 1, -1)", "fewer"},
    {"byte_many", "return string.byte(('x'):rep(100000), 1, -1)", "at most"},
    {"tonumber_long", "local s = ('9'):rep(100000) while true do tonumber(s) end", "used up its"},
    {"tonumber_base", "local s = ('9'):rep(100000) while true do tonumber(s, 36) end",
     "used up its"},
    {"next_sparse",
     "local t = {} for i = 1, 4000 do t['k' .. i] = 1 end for k in pairs(t) do "
     "t[k] = nil end while true do next(t) end",
     "used up its"},
    {"next_bad_key", "return next({}, 'x')", "next"},
    {"input_next_bad_key", "return next(ctx, 'absent')", "no such key"},
    {"select_edges", "return select(math.mininteger, 1)", "out of range"},
    {"math_overflow", "return math.mininteger // -1, math.mininteger % -1", nullptr},
    {"modulo_zero", "return 1 // 0", "divi"},
};

class Hostile : public testing::TestWithParam<Attack>
{
};

double cpu_ms()
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

TEST_P(Hostile, EndsInTimeAndTheHostGoesOn)
{
    const Attack &a = GetParam();
    Host host;
    ASSERT_EQ(host.load(std::string("return {scale=function(ctx) ") + a.body + "\nend}").error, "");
    double begin = cpu_ms();
    Outcome o = host.call("scale", "{\"list\":[1,2,3],\"o\":{\"a\":1}}");
    double took = cpu_ms() - begin;
    /* 50 ms and 10 more, wide enough for a sanitizer's slowdown of what stands between two checks
     */
    EXPECT_LT(took, 100.0) << o.error;
    if (a.error) {
        EXPECT_NE(o.status, OPR_OK) << o.result;
        /* A slow build (a sanitizer) may run out of time before it meets the other limit. */
        bool is_late = o.error.find("ms of CPU time") != std::string::npos;
        EXPECT_TRUE(is_late || o.error.find(a.error) != std::string::npos) << o.error;
        EXPECT_EQ(o.error.find("0x"), std::string::npos) << o.error;
        EXPECT_EQ(o.error.compare(0, 1, "p"), 0) << o.error;
    }
    EXPECT_EQ(host.eval("return ctx.n + 1", "{\"n\":41}"), "[42]");
}

INSTANTIATE_TEST_SUITE_P(Scripts, Hostile, testing::ValuesIn(attacks),
                         [](const auto &p) { return std::string(p.param.name); });

std::string repeat(const std::string &text, int n)
{
    std::string all;
    for (int i = 0; i < n; i++) {
        all += text;
    }
    return all;
}

/* Names are looked for in all locals of all enclosing functions. */
std::string many_locals()
{
    std::string locals = "local a" + repeat(",a", 199) + " ";
    std::string s = "return {scale = function() ";
    int depth = 0;
    for (; depth < 38; depth++) {
        s += locals + "return function() ";
    }
    while (s.size() < 64000) {
        s += "x=x ";
    }
    return s + repeat(" end", depth) + " end}";
}

std::string many_labels()
{
    std::string s = "return {scale = function() ";
    for (int i = 0; s.size() < 65000; i++) {
        s += "::l" + std::to_string(i) + "::";
    }
    return s + " end}";
}

std::string many_gotos()
{
    std::string s = "return {scale = function() ";
    for (int i = 0; s.size() < 30000; i++) {
        s += "goto l" + std::to_string(i) + " ";
    }
    for (int i = 0; s.size() < 65000; i++) {
        s += "::l" + std::to_string(i) + "::";
    }
    return s + " end}";
}

/* Sources that attack the compiler: each ends in time, loaded or refused. */
TEST(HostileChunk, TheCompilerEndsInTime)
{
    const struct {
        const char *name;
        std::string source;
    } cases[] = {
        {"many_locals", many_locals()},
        {"many_labels", many_labels()},
        {"many_gotos", many_gotos()},
        {"deep_braces", "return " + repeat("{", 30000)},
        {"deep_parentheses", "return " + repeat("(", 30000) + "1" + repeat(")", 30000)},
        {"deep_calls", "return " + repeat("f(", 20000)},
        {"deep_functions", repeat("return function() ", 3000)},
        {"deep_blocks", repeat("do ", 20000)},
        {"deep_loops", repeat("while 1 do ", 5000)},
        {"deep_ifs", repeat("if a then ", 6000)},
        {"deep_unary", "return " + repeat("-", 60000) + "1"},
        {"deep_not", "return " + repeat("not ", 15000) + "1"},
        {"deep_concat", "return " + repeat("a..", 20000) + "a"},
        {"deep_power", "return " + repeat("2^", 30000) + "2"},
        {"long_sum", "return " + repeat("a+", 30000) + "a"},
        {"long_elseif", "if a then " + repeat("elseif a then ", 4500) + "end"},
        {"many_upvalues", "local a" + repeat(",a", 190) + " return function() return a" +
                              repeat("+a", 20000) + " end"},
        {"too_many_locals", "local a" + repeat(",a", 30000)},
        {"many_constants",
         []() {
             std::string s = "return {";
             for (int i = 0; s.size() < 64000; i++) {
                 s += std::to_string(i) + ".5,";
             }
             return s + "}";
         }()},
        {"many_strings",
         []() {
             std::string s = "return {";
             for (int i = 0; s.size() < 64000; i++) {
                 s += "'" + std::to_string(i) + "',";
             }
             return s + "}";
         }()},
        {"long_string", "return '" + std::string(65000, 'x') + "'"},
        {"long_bracket", "return [" + std::string(60000, '=') + "["},
        {"long_comment", "--[[" + std::string(65000, '-')},
        {"long_name", "local " + std::string(65000, 'x')},
        {"long_number", "return " + std::string(65000, '9')},
        {"many_escapes", "return '" + repeat("\\u{7FFFFFFF}", 5000) + "'"},
        {"many_returns", "return " + repeat("f(),", 15000) + "1"},
        {"nulls", std::string(65000, '\0')},
        {"high_bytes", std::string(65000, '\xff')},
        {"attributes", "local x <const> = 1 " + repeat("local y <const> = x ", 3000)},
    };
    for (const auto &c : cases) {
        Host host;
        double begin = cpu_ms();
        Outcome o = host.load(c.source);
        double took = cpu_ms() - begin;
        EXPECT_LT(took, 100.0) << c.name << ": " << o.error;
        EXPECT_EQ(o.error.find("0x"), std::string::npos) << o.error;
        EXPECT_TRUE(o.status == OPR_OK || !o.error.empty()) << c.name;
        EXPECT_EQ(host.eval("return 1"), "[1]") << c.name;
        RecordProperty(c.name, o.error);
    }
}

/* What must be refused before it runs. */
TEST(HostileChunk, IsRefusedAtLoad)
{
    Host host;
    const struct {
        std::string source;
        const char *error;
    } cases[] = {
        {std::string("\x1bLua\x54\x00", 6), "bytecode"},
        {"", "empty"},
        {std::string(70000, ' '), "over 65536"},
        {"while true do end", "used up its"},
        {"local s = 'xxxx' while true do s = s .. s end", "block"},
        {"return 1", "returns a number"},
        {"return {}", "none of the functions"},
        {"return {scale = 1}", "none of the functions"},
        {"return {scale = function() local x <close> = nil end}", "<close>"},
        {"return {scale = function() local x < --[[c]] close > = nil end}", "<close>"},
        {"syntax error here", "p:1:"},
        {"return " + std::string(1000, '{') + std::string(1000, '}'), "overflow"},
        {"error({})", "non-string"},
    };
    for (const auto &c : cases) {
        Outcome o = host.load(c.source);
        EXPECT_NE(o.status, OPR_OK) << c.source.substr(0, 60);
        EXPECT_NE(o.error.find(c.error), std::string::npos) << o.error;
    }
    EXPECT_EQ(host.eval("return 1"), "[1]");
}

TEST(HostileChunk, CloseInTextIsNoAttribute)
{
    Host host;
    EXPECT_EQ(host.eval("-- <close>\n--[[ <close> ]] local s = '<close>' .. \"<close>\" .. "
                        "[==[<close>]==]\nlocal close, a = 2, 1 return #s, a < close"),
              "[21,true]");
}

/* What an author changes in a state of an API policy is gone with the call. */
TEST(HostileChunk, APolicyOfTheApiGetsANewStateForEachCall)
{
    const std::string source = "local n = 0 local t = {} return {scale = function() "
                               "for i = 1, 20 do t[i] = i end n = n + 1 return n, #t end}";
    struct opr_policy_host *host = opr_policy_host_new(nullptr);
    struct opr_error err = {};
    struct opr_obj *in = nullptr;
    ASSERT_EQ(opr_json_parse({"{}", 2}, &in, &err), OPR_OK);
    ASSERT_EQ(opr_policy_host_load(host, "p", {source.data(), source.size()}, &err), OPR_OK)
        << err.message;
    for (int i = 0; i < 5; i++) {
        struct opr_obj *out = nullptr;
        ASSERT_EQ(opr_policy_host_call(host, "p", "scale", in, &out, &err), OPR_OK) << err.message;
        EXPECT_EQ(opr_json_int(out, "/0", 0), 1);
        opr_json_unref(out);
    }
    opr_json_unref(in);
    opr_policy_host_free(host);
}

TEST(HostileChunk, LastGoodOneStays)
{
    Host host;
    ASSERT_EQ(host.load("return {scale=function() return 7 end}").status, OPR_OK);
    EXPECT_NE(host.load("return {scale=").status, OPR_OK);
    EXPECT_EQ(host.call("scale", "{}").result, "[7]");
}

} // namespace
