/* More scripts that attack the host, by kind: metamethods, colliding keys, libraries that look for
 * long work, state that would outlive a call, sources that hide from the scan. Each ends in time,
 * in bounded memory, and the next policy and the next call see nothing of it. */
#include "tests/unit/lua/support.h"

#include <gtest/gtest.h>

#include <malloc.h>
#include <time.h>

namespace
{

struct Attack {
    const char *name;
    const char *body;  /* of scale(ctx) */
    const char *error; /* part of the message; NULL: it may end well */
};

const char *const budget = "used up its";

const Attack attacks[] = {
    /* Metamethods. */
    {"lt_loops",
     "local m = {__lt = function() while true do end end} "
     "return setmetatable({}, m) < setmetatable({}, m)",
     budget},
    {"le_loops",
     "local m = {__le = function() while true do end end} "
     "return setmetatable({}, m) <= setmetatable({}, m)",
     budget},
    {"arithmetic_loops",
     "local m = {} for _, e in ipairs({'add', 'sub', 'mul', 'div', 'mod', 'pow', 'unm', 'idiv', "
     "'band', 'bor', 'bxor', 'shl', 'shr', 'bnot'}) do "
     "m['__' .. e] = function(a) return a + 1 end end return setmetatable({}, m) ~ 1",
     ""},
    {"index_recursion",
     "local t = {} setmetatable(t, {__index = function(s, k) return s[k .. 'x'] end}) return t.x",
     "stack overflow"},
    {"newindex_recursion",
     "local t = {} setmetatable(t, {__newindex = function(s, k, v) s[k .. 'x'] = v end}) t.x = 1",
     "stack overflow"},
    {"newindex_chain",
     "local t = {} for i = 1, 1999 do t = setmetatable({}, {__newindex = t}) end "
     "while true do t.x = 1 t.x = nil end",
     ""},
    {"call_chain",
     "local t = function() end for i = 1, 100000 do t = setmetatable({}, {__call = t}) end "
     "return t()",
     ""},
    {"call_itself", "local t = {} setmetatable(t, {__call = t}) return t()", ""},
    {"concat_doubles",
     "local m = {} m.__concat = function(a, b) return setmetatable({a, b}, m) end "
     "local t = setmetatable({}, m) while true do t = t .. t end",
     budget},
    {"concat_recursion",
     "local m = {} m.__concat = function(a, b) return b .. a end return setmetatable({}, m) .. "
     "'x'",
     "stack overflow"},
    {"name_of_error", "local t = setmetatable({}, {__name = ('n'):rep(200000)}) return t + 1", ""},
    {"name_in_argument", "return ('x'):rep(setmetatable({}, {__name = 'number'}))", "number"},
    {"tostring_not_a_string",
     "return tostring(setmetatable({}, {__tostring = function() return "
     "{} end}))",
     "must return a string"},
    {"tostring_in_format",
     "return ('%s'):format(setmetatable({}, {__tostring = function() while true do end end}))",
     budget},
    {"tostring_large_in_format",
     "local t = setmetatable({}, {__tostring = function() return ('x'):rep(99999) end}) "
     "return ('%s%s%s%s'):format(t, t, t, t)",
     ""},
    {"pairs_metamethod",
     "for k in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end",
     nullptr},
    {"metatable_field", "return getmetatable(setmetatable({}, {__metatable = getmetatable})).x",
     "index a function"},
    {"metatable_locked_by_script",
     "local t = setmetatable({}, {__metatable = false}) setmetatable(t, {})", "locked"},
    {"metatable_shared_cycle",
     "local m = {} m.__index = m m.__newindex = m setmetatable(m, m) m.x.y = 1", ""},
    {"close_added_later",
     "local m = {} local t = setmetatable({}, m) m.__close = function() while true do end end "
     "for _ in function() end, nil, nil, t do end",
     budget},
    {"close_added_later_throws",
     "local m = {} local t = setmetatable({}, m) m.__close = function() error({}) end "
     "for i = 1, 1000 do pcall(function() for _ in function() end, nil, nil, t do end end) end",
     nullptr},
    {"close_resurrects_the_loop",
     "local m = {} local t = setmetatable({}, m) "
     "m.__close = function() for i = 1, 1e9 do pcall(function() while true do end end) end end "
     "for _ in function() while true do end end, nil, nil, t do end",
     budget},
    {"close_nested",
     "local m = {} local t = setmetatable({}, m) local function f() "
     "for _ in function() end, nil, nil, t do end end m.__close = f f()",
     ""},
    {"close_yields_memory",
     "local m, keep = {}, {} local t = setmetatable({}, m) "
     "m.__close = function() while true do keep[#keep + 1] = ('x'):rep(99999) end end "
     "for _ in function() end, nil, nil, t do end",
     ""},
    {"gc_by_pairs_copy",
     "local m = {} for k, v in pairs({__gc = function() while true do end end}) do m[k] = v end "
     "setmetatable({}, m)",
     "__gc"},
    {"gc_by_index_of_metatable",
     "setmetatable({}, setmetatable({}, {__index = {__gc = function() while true do end end}})) "
     "for i = 1, 20000 do local t = {} end",
     nullptr},
    /* Control flow. */
    {"goto_continue", "for i = 1, 1e15 do goto next ::next:: end", budget},
    {"goto_backward_in_pcall", "::again:: pcall(function() ::inner:: goto inner end) goto again",
     budget},
    {"loop_by_step_zero", "for i = 1, 2, 0 do end", "'for' step is zero"},
    {"loop_by_float", "for i = 1.0, 2.0, 1e-300 do end", budget},
    {"loop_by_iterator", "for _ in function() return 1 end do end", budget},
    {"loop_by_next", "local t = {1} while true do local k = next(t) end", budget},
    {"error_in_error",
     "local function f() error(setmetatable({}, {__index = function(_, k) error(k) end})) end "
     "for i = 1, 1000 do pcall(f) end",
     nullptr},
    {"error_of_error_level", "for i = 1, 1000 do pcall(error, 'x', i) end", nullptr},
    {"error_level_huge", "error('x', math.maxinteger)", "x"},
    {"error_long_message", "error(('x'):rep(100000))", "xxx"},
    {"error_with_control_bytes", "error('a\\0b\\27[2Jc\\nd')", "a"},
    {"mutual_recursion",
     "local f, g f = function() return 1 + g() end "
     "g = function() return 1 + f() end return f()",
     ""},
    {"varargs_grow", "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end return f()",
     ""},
    {"varargs_loop",
     "local function f(...) while true do math.max(...) end end f(table.unpack({}, 1, 4000))", ""},
    {"upvalue_chain",
     "local f = function() end while true do local g = f f = function() return g end end", budget},
    /* Tables. */
    {"colliding_keys",
     "local t, n = {}, 8191 for i = 1, n do t[i * n] = true end local at, last = 1, n "
     "while true do t[at * n] = nil at = at + 1 last = last + 1 t[last * n] = true end",
     ""},
    {"colliding_keys_half",
     "local t, n = {}, 4095 for i = 1, n do t[i * n] = true end local at, last = 1, n "
     "while true do t[at * n] = nil at = at + 1 last = last + 1 t[last * n] = true end",
     ""},
    {"collecting_for_each_string",
     "local t, s = {}, ('x'):rep(99000) for i = 1, 8000 do t[i] = {{}, {}, {}, {}, {}, {}, {}, {}, "
     "{}} end while true do local x = s .. #t end",
     ""},
    {"collecting_for_each_small_string",
     "local t, s, n = {}, ('x'):rep(900), 0 for i = 1, 8000 do t[i] = {{}, {}, {}, {}, {}, {}, {}, "
     "{}, {}} end while true do n = n + 1 local x = s .. n end",
     ""},
    {"colliding_keys_small",
     "local t, n = {}, 2047 for i = 1, n do t[i * n] = true end local at, last = 1, n "
     "while true do t[at * n] = nil at = at + 1 last = last + 1 t[last * n] = true end",
     budget},
    {"colliding_next",
     "local t, n = {}, 4095 for i = 1, n do t[i * n] = true end "
     "while true do for k in pairs(t) do end end",
     budget},
    {"colliding_lookup",
     "local t, n = {}, 4095 for i = 1, n do t[i * n] = true end "
     "while true do local x = t[-n] end",
     budget},
    {"rehash_again_and_again",
     "local t = {} for i = 1, 8191 do t[-i] = 1 end local i = 8191 "
     "while true do t[-i] = nil i = i + 1 t[-i - 1] = nil t[i * 7] = nil t['k' .. i] = 1 "
     "t['k' .. i] = nil end",
     ""},
    {"strings_interned", "local t, s = {}, '' for i = 1, 1e9 do t[i & 4095] = 's' .. i end",
     budget},
    {"length_of_sparse",
     "local t = {} for i = 0, 62 do t[1 << i] = 1 end while true do local n = #t end", budget},
    {"sort_changes_the_table",
     "local t = {} for i = 1, 3000 do t[i] = -i end table.sort(t, function(a, b) "
     "for i = 1, 3000 do t[i] = nil end return (a or 0) < (b or 0) end)",
     nullptr},
    {"sort_throws", "table.sort({3, 2, 1}, function() error({}) end)", "non-string"},
    {"sort_sorts",
     "local function cmp(a, b) table.sort({3, 2, 1}, cmp) return a < b end "
     "local t = {} for i = 1, 99 do t[i] = -i end "
     "local f f = function() table.sort({2, 1}, f) end f()",
     "stack overflow"},
    {"sort_mixed", "table.sort({1, 'x', {}, true})", "compare"},
    {"concat_cyclic", "local t = {} t[1] = t return table.concat(t)", "convert it"},
    {"concat_nested_numbers",
     "local t = {} for i = 1, 9000 do t[i] = 1e300 + i end while true do table.concat(t) end", ""},
    {"unpack_into_function", "local t = {} while true do math.max(table.unpack(t, 1, 3999), 1) end",
     ""},
    {"pack_unpack",
     "local t = {1} while true do t = table.pack(table.unpack(t), "
     "table.unpack(t)) end",
     budget},
    {"insert_position_edges", "table.insert({}, math.mininteger, 1)", "out of bounds"},
    {"move_onto_itself", "local t = {1, 2, 3} table.move(t, 1, 3, 2, t) return t[4]", nullptr},
    {"ipairs_from_the_end", "local f = ipairs({}) return f({}, math.maxinteger)", nullptr},
    {"ipairs_endless",
     "for i in ipairs(setmetatable({}, {__index = function() return 1 end})) do end", budget},
    /* Text. */
    {"format_flags", "return ('%' .. ('-'):rep(60000) .. 'd'):format(1)", "flags"},
    {"format_edges", "return ('%099.99f %#99.99a %+99.99e'):format(-1.7e308, -5e-324, 0/0)",
     nullptr},
    {"format_character_zero", "return #('%99c'):format(0)", nullptr},
    {"format_quoted", "return ('%q'):format(1/0)", "does not know"},
    {"format_missing", "return ('%d%d'):format(1)", "no value"},
    {"format_grows", "local s = 'x' while true do s = ('%s%s'):format(s, s) end", ""},
    {"pattern_anchored",
     "while true do local x = ('a'):rep(50000):find('^' .. ('a*'):rep(60) .. 'b') end", budget},
    {"pattern_frontier", "while true do local x = ('ab '):rep(30000):find('%f[%w]%f[%W]x') end",
     budget},
    {"pattern_sets_nested", "return ('a'):rep(50000):find(('[^b%d%s]*'):rep(30) .. 'b')", budget},
    {"pattern_captures_all", "for i = 1, 1e9 do ('a'):rep(32):match(('(a)'):rep(32)) end", budget},
    {"pattern_position_reference", "return ('aa'):find('()%1')", nullptr},
    {"pattern_reference_open", "return ('aa'):find('(a%1)')", "not closed"},
    {"pattern_with_zeros", "return ('a\\0b'):rep(30000):find('[%z\\0]-\\0\\0')", ""},
    {"gsub_calls_gsub",
     "local n = 0 local function f(s) n = n + 1 return (('ab'):rep(50):gsub('.', n < 100 and f or "
     "'x')) end return f('a')",
     ""},
    {"gsub_grows", "return (('a'):rep(60000):gsub('.', ('x'):rep(60000)))", ""},
    {"gsub_by_evil_table",
     "return ('abc'):gsub('.', setmetatable({}, {__index = function() while true do end end}))",
     budget},
    {"gsub_throws_in_pcall",
     "for i = 1, 1000 do pcall(string.gsub, ('a'):rep(1000), '.', error) end", nullptr},
    {"gmatch_shared", "local f = ('a'):rep(90000):gmatch('()') while true do f() end", budget},
    {"utf8_codes_broken", "for _ in utf8.codes(('\\xff'):rep(100000)) do end", "UTF-8"},
    {"utf8_char_many",
     "while true do utf8.char(table.unpack(table.pack(('a'):rep(3999):byte(1, "
     "-1)))) end",
     ""},
    {"utf8_len_edges", "return utf8.len('abc', math.mininteger, math.maxinteger)", "out of"},
    {"utf8_offset_edges", "return utf8.offset('abc', math.mininteger)", nullptr},
    {"sub_edges", "return #('abc'):sub(math.mininteger, math.maxinteger)", nullptr},
    {"compare_zeros",
     "local s = ('\\0'):rep(90000) while true do local x = s .. 'a' < s .. 'b' "
     "end",
     budget},
    {"compare_equal_long",
     "local s = ('x'):rep(90000) while true do local x = s .. 'a' == s .. 'b' end", budget},
    {"tonumber_hex", "local s = '0x' .. ('f'):rep(90000) while true do tonumber(s) end", budget},
    /* Ways round the missing library. */
    {"coroutine_by_wrap", "coroutine.wrap(function() while true do end end)()", "'coroutine'"},
    {"print", "print(1)", "'print'"},
    {"load_by_string_metatable", "return ('').__index.dump", "index a nil"},
    {"global_table", "return _G.os", "'_G'"},
    {"environment_of_strings", "return ('x').format.os", ""},
    {"exit", "os.exit(1)", "'os'"},
    {"signal", "os.execute('kill -9 $PPID')", "'os'"},
    {"environment_replaced", "local _ENV = {} os.exit()", "'os'"},
    {"metatable_of_number", "return getmetatable(1).__index", "index a nil"},
    {"metatable_of_function", "return getmetatable(function() end).__index", "index a nil"},
    {"metatable_of_input", "return getmetatable(ctx).__index", ""},
    /* Results. */
    {"result_deep", "local t = {} for i = 1, 60000 do t = {t} end return t", "nested"},
    {"result_deep_object", "local t = {} for i = 1, 900 do t = {x = t} end return t", "nested"},
    {"result_cycle_object", "local t = {} t.a = {b = {c = t}} return t", "nested"},
    {"result_infinity", "return math.huge", "infinity"},
    {"result_minus_infinity", "return {replicas = -math.huge}", "infinity"},
    {"result_name_with_zero", "return {['a\\0b'] = 1}", "name"},
    {"result_names_alike", "return {['\\xff'] = 1, ['\\xfe'] = 2}", "name"},
    {"result_number_names", "return {[1.5] = 1}", ""},
    {"result_boolean_names", "return {[true] = 1}", "names and positions"},
    {"result_userdata_library", "return string", nullptr},
    {"result_many_values", "return table.unpack({}, 1, 4000)", nullptr},
    {"result_names_long", "local t = {} for i = 1, 30 do t[('k'):rep(9999) .. i] = 1 end return t",
     "returns over"},
    {"result_escapes", "return ('\\1'):rep(90000)", "returns over"},
    {"result_wide_object",
     "local t, s = {}, {} for i = 1, 8000 do t['k' .. i] = 1 end for i = 1, 60 do s['a' .. i] = t "
     "end return s",
     ""},
    /* Input. */
    {"input_name_with_zero", "return ctx['list\\0and more than that, far beyond the text']",
     nullptr},
    {"input_kept", "keep = ctx", "declare it local"},
    {"input_copy_repeated", "local t = {} for i = 1, 1e9 do t[i & 8191] = policy.copy(ctx) end",
     budget},
    {"input_walked", "while true do for k, v in pairs(ctx) do local n = #ctx.list end end", budget},
};

class HostileKind : public testing::TestWithParam<Attack>
{
};

double cpu_ms()
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

TEST_P(HostileKind, EndsInTimeAndTheOthersGoOn)
{
    const Attack &a = GetParam();
    Host host;
    ASSERT_EQ(host.load("return {scale=function(c) return c.n * 2 end}", "other").error, "");
    ASSERT_EQ(host.load(std::string("return {scale=function(ctx) ") + a.body + "\nend}").error, "");
    double begin = cpu_ms();
    Outcome o = host.call("scale", "{\"list\":[1,2,3],\"o\":{\"a\":1}}");
    double took = cpu_ms() - begin;
    RecordProperty("ms", std::to_string(took));
    EXPECT_LT(took, 100.0) << o.error;
    if (a.error) {
        EXPECT_NE(o.status, OPR_OK) << o.result;
        bool is_late = o.error.find("ms of CPU time") != std::string::npos;
        EXPECT_TRUE(is_late || o.error.find(a.error) != std::string::npos) << o.error;
        EXPECT_EQ(o.error.find("0x"), std::string::npos) << o.error;
        EXPECT_EQ(o.error.compare(0, 1, "p"), 0) << o.error;
        EXPECT_LT(o.error.size(), 512u);
    }
    EXPECT_EQ(host.call("scale", "{\"n\":21}", "other").result, "[42]");
    EXPECT_EQ(host.eval("return ctx.n + 1", "{\"n\":41}"), "[42]");
}

INSTANTIATE_TEST_SUITE_P(Scripts, HostileKind, testing::ValuesIn(attacks),
                         [](const auto &p) { return std::string(p.param.name); });

/* <close> where only the compiler's own reading of the text finds it. */
TEST(HostileSource, CloseIsFoundWhereTextHidesIt)
{
    const char *const hidden[] = {
        "--\rlocal x <close> = nil",
        "local s = \"\\z\n\" local x <close> = nil --\"",
        "local s = \"\\z  \r\n  a\" local x <close> = nil --\"",
        "local s = '\\\r\n' local x <close> = nil --'",
        "local s = '\\\n\r' local x <close> = nil --'",
        "local s = '\\\\' local x <close> = nil --'",
        "local s = [==[ ]=] ]==] local x <close> = nil",
        "--[==[ ]] ]==] local x < --[[c]] --\r close --\n > = nil",
        "local a = {} local b = a[ [[x]] ] local x <const>, y <close> = 1, nil",
    };
    Host host;
    for (const char *body : hidden) {
        Outcome o = host.load(std::string("return {scale = function() ") + body + "\nend}");
        EXPECT_NE(o.status, OPR_OK) << body;
        EXPECT_NE(o.error.find("<close>"), std::string::npos) << body << ": " << o.error;
    }
}

TEST(HostileSource, TextWithCloseInItLoads)
{
    Host host;
    EXPECT_EQ(host.eval("local s = \"\\z\n <close> \" return #s"), "[8]");
    EXPECT_EQ(host.eval("local s = 'a\\\n<close>' return #s"), "[9]");
    EXPECT_EQ(host.eval("local s = 'a\\\r\n<close>' return #s"), "[9]");
}

/* A call that must compile the policy first has one budget for both. */
TEST(HostileSource, CompilingAndRunningShareABudget)
{
    const std::string source = "for i = 1, 240000 do end "
                               "return {scale = function() for i = 1, 240000 do end return 1 end}";
    struct opr_policy_host *host = opr_policy_host_new(nullptr);
    struct opr_lua_limits limits = {};
    limits.steps = 300000;
    struct opr_policy_host *small = opr_policy_host_new(&limits);
    struct opr_error err = {};
    struct opr_obj *in = nullptr, *out = nullptr;
    ASSERT_EQ(opr_json_parse({"{}", 2}, &in, &err), OPR_OK);
    ASSERT_EQ(opr_policy_host_load(host, "p", {source.data(), source.size()}, &err), OPR_OK)
        << err.message;
    EXPECT_EQ(opr_policy_host_call(host, "p", "scale", in, &out, &err), OPR_OK) << err.message;
    ASSERT_EQ(opr_policy_host_load(small, "p", {source.data(), source.size()}, &err), OPR_OK)
        << err.message;
    struct opr_obj *none = nullptr;
    EXPECT_EQ(opr_policy_host_call(small, "p", "scale", in, &none, &err), OPR_E_LIMIT);
    EXPECT_NE(std::string(err.message).find("steps"), std::string::npos) << err.message;
    opr_json_unref(in);
    opr_json_unref(out);
    opr_policy_host_free(host);
    opr_policy_host_free(small);
}

/* Numbers keep their value on the way in and out, to the ends of 64 bits and of doubles. */
TEST(HostileSource, NumbersAtTheEdges)
{
    Host host;
    const char *const same[] = {"9223372036854775807",
                                "-9223372036854775808",
                                "9007199254740993",
                                "0.1",
                                "1e+300",
                                "2.2250738585072014e-308",
                                "-1.5"};
    for (const char *number : same) {
        EXPECT_EQ(host.eval("return ctx", number), std::string("[") + number + "]");
    }
    EXPECT_EQ(host.eval("return ctx", "-0"), "[0]");
    EXPECT_EQ(host.eval("return math.type(ctx)", "18446744073709551615"), "[\"float\"]");
    EXPECT_EQ(host.eval("return ctx == math.huge", "1e400"), "[true]");
}

/* What a policy changes is its own: the library of the next call and of the next policy is whole.
 */
TEST(HostileSource, NothingLeaksIntoTheNextCallOrPolicy)
{
    Host host;
    ASSERT_EQ(host.load("string, tostring, pairs = nil, nil, nil local seen = {} "
                        "return {scale = function(c) seen[#seen + 1] = c ipairs = seen math = seen "
                        "table = {concat = seen} return #seen end}")
                  .error,
              "");
    EXPECT_EQ(host.call("scale", "{}").result, "[1]");
    EXPECT_EQ(host.call("scale", "{}").result, "[1]");
    ASSERT_EQ(host.load("return {scale = function(c) return tostring(string.rep('a', 2)) .. "
                        "table.concat({1, math.abs(-2)}), select('#', ipairs(c)) end, "
                        "score = function() return seen end}",
                        "q")
                  .error,
              "");
    EXPECT_EQ(host.call("scale", "[[]]", "q").result, "[\"aa12\",3]");
    EXPECT_EQ(host.call("score", "[[]]", "q").result, "[null]");
}

/* Twenty bombs later the process is no larger. */
TEST(HostileSource, MemoryComesBack)
{
    Host host;
    ASSERT_EQ(host.load("return {scale = function() local t = {} for i = 1, 1e9 do "
                        "t[i & 63] = ('x'):rep(100000) .. i end end}")
                  .error,
              "");
    auto bytes = []() { return mallinfo2().uordblks + mallinfo2().hblkhd; };
    ASSERT_EQ(host.call("scale", "{}").status, OPR_E_LIMIT);
    size_t before = bytes();
    for (int i = 0; i < 20; i++) {
        ASSERT_EQ(host.call("scale", "{}").status, OPR_E_LIMIT);
    }
    EXPECT_LT(bytes(), before + (1u << 20));
}

} // namespace
