/* The policy host: loading, calling, values in and out, the library. */
#include "tests/unit/lua/support.h"

#include "core/base/arena.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>
#include <vector>

namespace
{

TEST(PolicyHost, CallsAndReturnsAllValues)
{
    Host host;
    EXPECT_EQ(host.eval("return ctx.a + 1, 'why', true, nil, 2.5", "{\"a\":1}"),
              "[2,\"why\",true,null,2.5]");
    EXPECT_EQ(host.eval("return"), "[]");
}

TEST(PolicyHost, UnknownNamesSaySo)
{
    Host host;
    EXPECT_EQ(host.call("scale", "{}").status, OPR_E_NOT_FOUND);
    ASSERT_EQ(host.load("return {scale=function() end}").status, OPR_OK);
    Outcome o = host.call("filter", "{}");
    EXPECT_EQ(o.status, OPR_E_NOT_FOUND);
    EXPECT_EQ(o.error, "policy p has no function filter");
    opr_policy_host_unload(host.get(), "p");
    EXPECT_EQ(host.call("scale", "{}").status, OPR_E_NOT_FOUND);
}

TEST(PolicyHost, ArgumentsByFunction)
{
    Host host;
    ASSERT_EQ(host.load("return {filter=function(p, n, all) return p.x, n.y, all.free end,"
                        "scale=function(a, b) return a, b end}")
                  .status,
              OPR_OK);
    EXPECT_EQ(host.call("filter", R"({"pod":{"x":1},"node":{"y":2},"free":3})").result, "[1,2,3]");
    EXPECT_EQ(host.call("filter", R"([{"x":1},{"y":2},{"free":4}])").result, "[1,2,4]");
    EXPECT_EQ(host.call("scale", "[1,2]").result, "[1,2]");
    EXPECT_EQ(host.call("scale", "5").result, "[5,null]");
}

TEST(PolicyHost, ListsByFunction)
{
    Host host;
    ASSERT_EQ(host.load("return {scale=print or function() end}", "b").status, OPR_OK);
    ASSERT_EQ(host.load("return {score=function() end, scale=function() end}", "a").status, OPR_OK);
    struct opr_arena *arena = opr_arena_new();
    const char *const *names;
    ASSERT_EQ(opr_policy_host_list(host.get(), "scale", arena, &names), 2u);
    EXPECT_STREQ(names[0], "a");
    EXPECT_STREQ(names[1], "b");
    EXPECT_EQ(opr_policy_host_list(host.get(), "score", arena, &names), 1u);
    EXPECT_EQ(opr_policy_host_list(host.get(), "reconcile", arena, &names), 0u);
    EXPECT_EQ(opr_policy_host_list(host.get(), "tests", arena, &names), 0u);
    opr_arena_free(arena);
}

TEST(PolicyHost, NothingIsKeptBetweenCalls)
{
    Host host;
    ASSERT_EQ(host.load("local n = 0 return {scale=function() n = n + 1 return n end}").status,
              OPR_OK);
    EXPECT_EQ(host.call("scale", "{}").result, "[1]");
    EXPECT_EQ(host.call("scale", "{}").result, "[1]");
    ASSERT_EQ(host.load("return {scale=function(c) local was = math.abs == tostring "
                        "tostring = math.abs return was, c end}")
                  .status,
              OPR_OK);
    EXPECT_EQ(host.call("scale", "1").result, "[false,1]");
    EXPECT_EQ(host.call("scale", "1").result, "[false,1]");
}

TEST(PolicyHost, ErrorsNameThePlace)
{
    Host host;
    Outcome o = host.load("return {\nscale=function(c)\n return c.a.b\nend}");
    ASSERT_EQ(o.status, OPR_OK);
    o = host.call("scale", "{}");
    EXPECT_EQ(o.status, OPR_E_INVALID);
    EXPECT_EQ(o.error, "p:3: attempt to index a nil value (field 'a')");
    ASSERT_EQ(host.load("return {scale=function()\n while true do\n end\nend}").status, OPR_OK);
    o = host.call("scale", "{}");
    EXPECT_EQ(o.status, OPR_E_LIMIT);
    EXPECT_EQ(o.error.compare(0, 4, "p:2:"), 0) << o.error;
    EXPECT_NE(host.load("error('line\\nbreak\\27')").error.find("line break "), std::string::npos);
}

TEST(PolicyHost, LimitsAreTheCallers)
{
    struct opr_lua_limits limits = {};
    limits.steps = 1000;
    limits.source_bytes = 100;
    Host host(&limits);
    EXPECT_NE(host.eval("for i = 1, 1000000 do end").find("1000 steps"), std::string::npos);
    EXPECT_EQ(host.load(std::string(101, ' ')).status, OPR_E_LIMIT);
    EXPECT_EQ(host.eval("for i = 1, 100 do end return 1"), "[1]");
}

TEST(PolicyHost, CpuTimeEndsACall)
{
    struct opr_lua_limits limits = {};
    limits.steps = 1ull << 60;
    limits.cpu_ms = 5;
    Host host(&limits);
    EXPECT_NE(host.eval("while true do end").find("5 ms of CPU time"), std::string::npos);
}

TEST(Values, InputReadsLikeTables)
{
    Host host;
    const char *in = R"({"list":[10,20,null,40],"o":{"b":1,"a":{"x":"y"}},"e":{},"l":[],"f":1.5,)"
                     R"("big":9007199254740993,"t":true,"n":null,"s":"\u00e9"})";
    EXPECT_EQ(host.eval("return #ctx.list, ctx.list[1], ctx.list[4], ctx.list[3], ctx.list[5]", in),
              "[4,10,40,null,null]");
    EXPECT_EQ(host.eval("return ctx.f, ctx.big, ctx.t, ctx.n, ctx.s, ctx.absent", in),
              "[1.5,9007199254740993,true,null,\"é\",null]");
    EXPECT_EQ(host.eval("local s = '' for k, v in pairs(ctx.o) do s = s .. k end return s", in),
              "[\"ba\"]");
    EXPECT_EQ(
        host.eval("local s = 0 for i, v in pairs(ctx.list) do s = s + i * v end return s", in),
        "[210]");
    EXPECT_EQ(host.eval("local s = 0 for i, v in ipairs(ctx.list) do s = s + v end return s", in),
              "[30]");
    EXPECT_EQ(host.eval("return type(ctx), type(ctx.list), tostring(ctx), ctx.o == ctx.o", in),
              "[\"table\",\"table\",\"table\",true]");
    EXPECT_EQ(
        host.eval("return table.concat({table.unpack(ctx.list, 1, 2)}, '+'), next(ctx.e)", in),
        "[\"10+20\",null]");
    EXPECT_EQ(host.eval("return getmetatable(ctx), getmetatable('')", in), "[null,null]");
    EXPECT_EQ(host.eval("return (('$b'):gsub('%$(%w+)', ctx.o))", in), "[\"1\"]");
}

TEST(Values, ArraysAndObjectsRoundTrip)
{
    Host host;
    const char *in = R"({"e":{},"l":[],"deep":[{"a":[]},{}]})";
    EXPECT_EQ(host.eval("return ctx", in), std::string("[") + in + "]");
    EXPECT_EQ(host.eval("local c = policy.copy(ctx) c.x = 1 return c", in),
              R"([{"deep":[{"a":[]},{}],"e":{},"l":[],"x":1}])");
    EXPECT_EQ(
        host.eval("local c = policy.copy(ctx.deep) table.remove(c) table.remove(c) return c", in),
        "[[]]");
    EXPECT_EQ(host.eval("return {}, policy.array(), policy.array({1}), policy.object({})"),
              "[{},[],[1],{}]");
    EXPECT_EQ(host.eval("return {1, {2}}, {b = 1, a = 2}, 3.0, -0.5, 1e300, 'x\\0y'"),
              "[[1,[2]],{\"a\":2,\"b\":1},3,-0.5,1e+300,\"x\\u0000y\"]");
}

TEST(Values, InputOfAnEarlierCallIsUnreachable)
{
    Host host;
    /* The only thing shared between calls is the locked library; writing to it is refused. */
    EXPECT_NE(host.eval("math.kept = ctx").find("read-only"), std::string::npos);
}

TEST(Library, IsExactlyTheAllowedOne)
{
    Host host;
    const char *walk = R"(
local seen, out = {}, {}
local function visit(path, v)
  out[#out + 1] = path
  if type(v) == 'table' and not seen[v] then
    seen[v] = true
    for k, x in pairs(v) do visit(path .. '.' .. tostring(k), x) end
  end
end
for k, v in pairs(_ENV) do visit(k, v) end
table.sort(out)
return table.concat(out, ' '), getmetatable(_ENV), getmetatable(string), getmetatable(policy))";
    EXPECT_EQ(
        host.eval(walk),
        "[\"_VERSION assert error getmetatable ipairs math math.abs math.acos math.asin math.atan "
        "math.ceil math.cos math.deg math.exp math.floor math.fmod math.huge math.log math.max "
        "math.maxinteger math.min math.mininteger math.modf math.pi math.rad math.sin math.sqrt "
        "math.tan math.tointeger math.type math.ult next pairs pcall policy policy.array "
        "policy.clamp policy.copy policy.object policy.quantity policy.round policy.seconds select "
        "setmetatable string string.byte string.char string.find string.format string.gmatch "
        "string.gsub string.len string.lower string.match string.rep string.reverse string.sub "
        "string.upper table table.concat table.insert table.move table.pack table.remove "
        "table.sort "
        "table.unpack tonumber tostring type utf8 utf8.char utf8.charpattern utf8.codepoint "
        "utf8.codes utf8.len utf8.offset\",false,false,false]");
}

struct Expression {
    const char *lua, *json;
};

class Library : public testing::TestWithParam<Expression>
{
};

/* Expected values follow the Lua 5.4 manual. */
const Expression expressions[] = {
    {"('hello world'):find('wor')", "[7,9]"},
    {"('hello'):find('l+')", "[3,4]"},
    {"('hello'):find('xyz')", "[null]"},
    {"('hello'):find('l', 4)", "[4,4]"},
    {"('hello'):find('')", "[1,0]"},
    {"('hello'):find('', 6)", "[6,5]"},
    {"('hello'):find('', 7)", "[null]"},
    {"('a.b'):find('.', 1, true)", "[2,2]"},
    {"('hello'):find('^h(.)')", "[1,2,\"e\"]"},
    {"('hello'):find('l', -2)", "[4,4]"},
    {"('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "[\"key\",\"value\"]"},
    {"('2024-01-02'):match('(%d+)-(%d+)-(%d+)')", "[\"2024\",\"01\",\"02\"]"},
    {"('hello'):match('()ll()')", "[3,5]"},
    {"('abc'):match('%a-c')", "[\"abc\"]"},
    {"('f(a(b)c)d'):match('%b()')", "[\"(a(b)c)\"]"},
    {"('THE (quick) fox'):find('%f[%a]%a+%f[%A]')", "[1,3]"},
    {"('xx\"hi\"yy'):match('([\"\\'])(.-)%1')", "[\"\\\"\",\"hi\"]"},
    {"('[test]'):match('%[(.*)%]')", "[\"test\"]"},
    {"('a-z'):match('[a%-z]+')", "[\"a-z\"]"},
    {"('b]c'):match('[]b]+')", "[\"b]\"]"},
    {"('abc'):match('[^b]+$')", "[\"c\"]"},
    {"('abc123'):match('[%a_][%w_]*')", "[\"abc123\"]"},
    {"('colour'):match('colou?r')", "[\"colour\"]"},
    {"('color'):match('colou?r')", "[\"color\"]"},
    {"('aaa'):match('a-$')", "[\"aaa\"]"},
    {"('x^y'):match('^x^y$')", "[\"x^y\"]"},
    {"('hello world'):gsub('o', '0')", "[\"hell0 w0rld\",2]"},
    {"('hello'):gsub('', '-')", "[\"-h-e-l-l-o-\",6]"},
    {"('hello'):gsub('l', 'L', 1)", "[\"heLlo\",1]"},
    {"('hello world'):gsub('(%w+)', '<%1>')", "[\"<hello> <world>\",2]"},
    {"('abc'):gsub('%w', '%0%0')", "[\"aabbcc\",3]"},
    {"('abc'):gsub('b', '%%')", "[\"a%c\",1]"},
    {"('abc'):gsub('%w', {a = '1', b = false})", "[\"1bc\",3]"},
    {"('abc'):gsub('%w', function(c) return c == 'b' and 'X' or nil end)", "[\"aXc\",3]"},
    {"('abc'):gsub('^a', 'x')", "[\"xbc\",1]"},
    {"('aaa'):gsub('^a', 'x')", "[\"xaa\",1]"},
    {"('abc'):gsub('.-', 'x')", "[\"xaxbxcx\",4]"},
    {"string.format('%5d|%-5d|%05.1f|%x|%s|%q', 1, 2, 3.14159, 255, 'z', 'q')", nullptr},
    {"string.format('%5d|%-5d|%05.1f|%x|%s|%%', 1, 2, 3.14159, 255, true)",
     "[\"    1|2    |003.1|ff|true|%\"]"},
    {"string.format('%10.3s|', 'abcdef')", "[\"       abc|\"]"},
    {"string.format('%g %g', 0.1, 1e20)", "[\"0.1 1e+20\"]"},
    {"string.format('%s %s', {}, print)", "[\"table nil\"]"},
    {"('abc'):byte(1, -1)", "[97,98,99]"},
    {"('abc'):byte(10)", "[]"},
    {"string.char(104, 105)", "[\"hi\"]"},
    {"('hello'):sub(2, -2), ('hello'):sub(-3), ('hello'):sub(4, 2), ('hello'):sub(-100, 100)",
     "[\"ell\",\"llo\",\"\",\"hello\"]"},
    {"('ab'):rep(3, ','), ('x'):rep(0), ('x'):rep(-1)", "[\"ab,ab,ab\",\"\",\"\"]"},
    {"('Ab'):upper(), ('Ab'):lower(), ('abc'):reverse(), ('abc'):len()",
     "[\"AB\",\"ab\",\"cba\",3]"},
    {"table.concat({1, 2, 'x'}, ', '), table.concat({}), table.concat({1, 2, 3}, '', 2, 3)",
     "[\"1, 2, x\",\"\",\"23\"]"},
    {"(function() local t = {1, 3} table.insert(t, 2, 2) table.insert(t, 4) return t end)()",
     "[[1,2,3,4]]"},
    {"(function() local t = {1, 2, 3} local x = table.remove(t, 1) return x, t, table.remove({}) "
     "end)()",
     "[1,[2,3],null]"},
    {"table.move({1, 2, 3}, 1, 3, 2), table.move({1, 2, 3}, 2, 3, 1), table.move({1}, 1, 1, 1, "
     "{9})",
     "[[1,1,2,3],[2,3,3],[1]]"},
    {"table.pack(1, nil, 3).n, select('#', table.unpack({1, nil, 3}, 1, 3)), select(-1, 1, 2)",
     "[3,3,2]"},
    {"(function() local t = {5, 3, 1, 4, 2} table.sort(t) return t end)()", "[[1,2,3,4,5]]"},
    {"(function() local t = {'b', 'a', 'c'} table.sort(t, function(x, y) return x > y end) "
     "return t end)()",
     "[[\"c\",\"b\",\"a\"]]"},
    {"(function() local t = {} for i = 1, 9 do t[i] = {i % 3, i} end table.sort(t, function(x, y) "
     "return x[1] < y[1] end) local s = '' for _, v in ipairs(t) do s = s .. v[2] end return s "
     "end)()",
     "[\"369147258\"]"},
    {"tonumber('10'), tonumber(' 0x1F '), tonumber('1e2'), tonumber('z', 36), tonumber('-ff', 16), "
     "tonumber('x'), tonumber('8', 8), tonumber('')",
     "[10,31,100,35,-255,null,null,null]"},
    {"tostring(1), tostring(1.5), tostring(nil), tostring(true), tostring({})",
     "[\"1\",\"1.5\",\"nil\",\"true\",\"table\"]"},
    {"tostring(setmetatable({}, {__tostring = function() return 'me' end}))", "[\"me\"]"},
    {"pcall(error, 'x', 0)", "[false,\"x\"]"},
    {"pcall(function() return 1, 2 end)", "[true,1,2]"},
    {"pcall(error, {code = 5})", "[false,{\"code\":5}]"},
    {"utf8.char(72, 228, 8364, 128512), utf8.len('häß€'), utf8.codepoint('€'), utf8.len('\\xff')",
     "[\"Hä€😀\",4,8364,null,1]"},
    {"utf8.offset('aäb', 3), utf8.offset('aäb', -1), utf8.offset('aäb', 9)", "[4,4,null]"},
    {"(function() local s = '' for p, c in utf8.codes('aä€') do s = s .. p .. ':' .. c .. ' ' end "
     "return s end)()",
     "[\"1:97 2:228 4:8364 \"]"},
    {"utf8.len('\\xed\\xa0\\x80'), utf8.len('\\xc0\\x80'), utf8.len('\\xf4\\x90\\x80\\x80')",
     nullptr},
    {"policy.clamp(5, 1, 3), policy.clamp(0, 1, 3), policy.clamp(2, 1, 3), policy.clamp(0/0, 1, 3)",
     "[3,1,2,1]"},
    {"policy.quantity('250m'), policy.quantity('64Mi'), policy.quantity('2')", "[0.25,67108864,2]"},
    {"policy.seconds('5m'), policy.seconds('1h30m'), policy.seconds('300ms'), policy.seconds(7)",
     "[300,5400,0.3,7]"},
    {"policy.round(2.5), policy.round(-2.5), policy.round(3.14159, 2)", "[3,-3,3.14]"},
    {"math.type(1), math.max(1, 5, 3), 7 // 2, 7 % 3, 2^10, math.tointeger(3.0)",
     "[\"integer\",5,3,1,1024,3]"},
};

TEST_P(Library, FollowsTheManual)
{
    Host host;
    std::string got = host.eval(std::string("return ") + GetParam().lua);
    if (GetParam().json) {
        EXPECT_EQ(got, GetParam().json);
    } else if (std::string(GetParam().lua).find("%q") != std::string::npos) {
        EXPECT_NE(got.find("does not know %q"), std::string::npos) << got;
    } else {
        EXPECT_EQ(got, "[null,null,null,1]");
    }
}

INSTANTIATE_TEST_SUITE_P(Manual, Library, testing::ValuesIn(expressions));

TEST(Library, GmatchAndErrors)
{
    Host host;
    EXPECT_EQ(host.eval("local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do "
                        "t[k] = v end return t"),
              R"([{"a":"1","b":"2"}])");
    EXPECT_EQ(host.eval("local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n"),
              "[4]");
    EXPECT_NE(host.eval("return policy.quantity('lots')").find("250m"), std::string::npos);
    EXPECT_NE(host.eval("return policy.seconds('soon')").find("5m"), std::string::npos);
    EXPECT_NE(host.eval("return policy.clamp(1, 3, 2)").find("lower bound"), std::string::npos);
    EXPECT_NE(host.eval("return '1' + 1").find("arithmetic"), std::string::npos);
}

TEST(PolicyHost, ManyThreadsShareOneHost)
{
    Host host;
    ASSERT_EQ(host.load("return {scale=function(c) local s = 0 for i = 1, c do s = s + i end "
                        "return s end}")
                  .status,
              OPR_OK);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&host, &wrong, t] {
            for (int i = 0; i < 100; i++) {
                if (t == 0 && i % 10 == 0) {
                    wrong += host.load("return {scale=function(c) local s = 0 for i = c, 1, -1 do "
                                       "s = s + i end return s end}")
                                 .status != OPR_OK;
                }
                wrong += host.call("scale", "100").result != "[5050]";
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(wrong, 0);
}

class TestRunner : public testing::Test
{
  protected:
    int run(const std::string &source)
    {
        path_ = testing::TempDir() + "operon_policy_" + std::to_string(getpid()) + ".lua";
        std::ofstream(path_) << source;
        struct opr_buf report = {};
        struct opr_error err = {};
        int failures = opr_policy_test(path_.c_str(), &report, &err);
        report_ = std::string(report.data ? report.data : "", report.len);
        error_ = err.message;
        opr_buf_fini(&report);
        unlink(path_.c_str());
        return failures;
    }
    bool reports(const char *text) const
    {
        return report_.find(text) != std::string::npos;
    }
    std::string path_, report_, error_;
};

TEST_F(TestRunner, ShowsTheDifference)
{
    EXPECT_EQ(run("return {scale = function(c) return c.n * 2, 'twice' end, tests = {"
                  "{name = 'right', input = {n = 2}, expect = {4, 'twice'}},"
                  "{name = 'wrong', input = {n = 2}, expect = {4, 'thrice'}},"
                  "{name = 'first', input = {n = 3}, expect = 7},"
                  "{name = 'raises', input = {}, error = 'arithmetic'},"
                  "{name = 'does not raise', input = {n = 1}, error = 'x'},"
                  "{name = 'no expectation', input = {n = 1}},"
                  "{input = {n = 1}, call = 'filter', expect = 1}}}"),
              5);
    EXPECT_TRUE(reports("ok    ")) << report_;
    EXPECT_TRUE(reports("        result 2\n          want \"thrice\"\n          got  \"twice\""))
        << report_;
    EXPECT_TRUE(reports("        result\n          want 7\n          got  6")) << report_;
    EXPECT_TRUE(reports("no expect, contains or error")) << report_;
    EXPECT_TRUE(reports("case 7")) << report_;
    EXPECT_TRUE(reports("7 cases, 5 failed")) << report_;
}

/* Field by field, each with its path. */
TEST_F(TestRunner, ShowsWhichFieldsDiffer)
{
    EXPECT_EQ(
        run("local function reconcile() return { children = { { kind = 'A', n = 1, "
            "labels = { ['a/b'] = 'x' } }, { kind = 'B' } }, status = { ok = true } } end "
            "return {controller = {primary = 'v1/ConfigMap'}, reconcile = reconcile, tests = {"
            "{name = 'whole', call = 'reconcile', args = {{}, {}}, expect = {children = {"
            "{kind = 'A', n = 2, labels = {['a/b'] = 'y'}}}, status = {ok = true}}},"
            "{name = 'part', call = 'reconcile', args = {{}, {}}, contains = {children = {"
            "{}, {kind = 'B'}}}},"
            "{name = 'wrong part', call = 'reconcile', args = {{}, {}}, contains = {children "
            "= {{}, {}, {}}}}}}"),
        2);
    EXPECT_TRUE(reports("result.children[1].n\n          want 2\n          got  1\n")) << report_;
    EXPECT_TRUE(reports("result.children[1].labels[\"a/b\"]\n          want \"y\"")) << report_;
    EXPECT_TRUE(reports("result.children[2]\n          want (nothing)\n          got  {\"kind\":"
                        "\"B\"}"))
        << report_;
    EXPECT_FALSE(reports("result.status")) << report_;
    EXPECT_TRUE(reports(": part\n")) << report_;
    EXPECT_TRUE(reports("result.children[3]\n          want {}\n          got  (nothing)"))
        << report_;
}

TEST_F(TestRunner, RefusesAMisspeltMember)
{
    EXPECT_EQ(run("return {scale = function() return 1 end, tests = {{input = {}, expects = 2}}}"),
              1);
    EXPECT_TRUE(reports("a member 'expects'")) << report_;
}

TEST_F(TestRunner, ReportsBudgets)
{
    EXPECT_EQ(run("return {scale = function() while true do end end, tests = {"
                  "{name = 'endless', input = {}, expect = 1},"
                  "{name = 'again', input = {}, expect = 1}}}"),
              2);
    EXPECT_TRUE(reports("over budget: ")) << report_;
    EXPECT_TRUE(reports("2 cases, 2 failed")) << report_;
}

TEST_F(TestRunner, ReportsDependenceOnTheHashSeed)
{
    int failures = run(
        "return {scale = function() local t, s = {}, '' for i = 1, 40 do t['k' .. i] = i end "
        "for k in pairs(t) do s = s .. k end return s end, tests = {{input = {}, expect = 1}}}");
    EXPECT_EQ(failures, 1);
    EXPECT_TRUE(reports("two runs differ")) << report_;
}

TEST_F(TestRunner, SaysWhyItCannotRun)
{
    EXPECT_EQ(run("return {scale = function() end}"), -1);
    EXPECT_NE(error_.find("no tests"), std::string::npos);
    EXPECT_EQ(run("return {scale = function() end, tests = {}}"), -1);
    EXPECT_NE(error_.find("is empty"), std::string::npos) << error_;
    EXPECT_EQ(run("return {"), -1);
    EXPECT_NE(error_.find(":1:"), std::string::npos);
    struct opr_error err = {};
    struct opr_buf report = {};
    EXPECT_EQ(opr_policy_test("/nonexistent.lua", &report, &err), -1);
    EXPECT_NE(err.status, OPR_OK);
    opr_buf_fini(&report);
}

} // namespace
