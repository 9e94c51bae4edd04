/* Offline tests of a policy: the list `tests` of its table, or what the function
 * `tests` returns; each case run twice, in two states with
 * different hash seeds, in the sandbox and limits of production. */
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "lua/policy_diff.h"
#include "lua/sandbox.h"

#include <stdio.h>

struct run {
    const char *name; /* borrowed */
    struct opr__lua *state[2];
    struct opr_buf *report; /* borrowed */
};

static int do_read_tests(lua_State *L)
{
    struct opr__lua *l = opr__lua_of(L);
    opr__lua_push_policy(L);
    if (!lua_istable(L, -1)) {
        return luaL_error(L, "%s: the policy returns no table", l->name);
    }
    lua_pushliteral(L, "tests");
    /* A function makes its list only here, not in each call of the policy. */
    if (lua_rawget(L, -2) == LUA_TFUNCTION) {
        lua_call(L, 0, 1);
    }
    if (!lua_istable(L, -1)) {
        return luaL_error(L,
                          "%s: the policy has no tests: add tests = {{name=, call=, input=, "
                          "expect=}} to the table it returns",
                          l->name);
    }
    opr__lua_copy_out(L, -1);
    return 0;
}

static void line(struct run *r, const char *verdict, const char *name)
{
    opr_buf_printf(r->report, "%s  %s: %s\n", verdict, r->name, name);
}

static void detail(struct run *r, const char *label, const struct opr_obj *o)
{
    opr_buf_printf(r->report, "        %s ", label);
    if (o) {
        opr_json_write(r->report, o);
    } else {
        opr_buf_add_text(r->report, "(nothing)");
    }
    opr_buf_add_char(r->report, '\n');
}

static bool check_error(struct run *r, const char *name, const char *want, opr_status st,
                        const struct opr_error *err)
{
    if (st == OPR_OK) {
        line(r, "FAIL", name);
        opr_buf_printf(r->report, "        want an error with \"%s\"\n        got  none\n", want);
        return false;
    }
    if (!strstr(err->message, want)) {
        line(r, "FAIL", name);
        opr_buf_printf(r->report, "        want an error with \"%s\"\n        got  %s\n", want,
                       err->message);
        return false;
    }
    line(r, "ok  ", name);
    return true;
}

/* A list names the returned values in order, anything else the first one. */
static uint32_t compare(struct opr_buf *report, const struct opr_obj *expect,
                        const struct opr_obj *result)
{
    if (opr_json_type(expect) != OPR_TYPE_ARRAY) {
        return opr__policy_diff(report, "result", false, expect, opr_json_index(result, 0));
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < opr_json_len(expect); i++) {
        char what[32];
        snprintf(what, sizeof what, "result %u", i + 1);
        count += opr__policy_diff(report, what, false, opr_json_index(expect, i),
                                  opr_json_index(result, i));
    }
    return count;
}

static bool check_result(struct run *r, const char *name, const struct opr_obj *test,
                         const struct opr_obj *result)
{
    const struct opr_obj *expect = opr_json_at(test, "/expect");
    const struct opr_obj *part = opr_json_at(test, "/contains");
    struct opr_buf text = {0};
    uint32_t differences = 0;
    if (expect) {
        differences += compare(&text, expect, result);
    }
    if (part) {
        differences += opr__policy_diff(&text, "result", true, part, opr_json_index(result, 0));
    }
    bool is_ok = (expect || part) && differences == 0;
    line(r, is_ok ? "ok  " : "FAIL", name);
    if (!expect && !part) {
        opr_buf_add_text(r->report, "        the case has no expect, contains or error: add one\n");
        detail(r, "returned", result);
    }
    opr_buf_add(r->report, text.data, text.len);
    opr_buf_fini(&text);
    return is_ok;
}

/* A state that died, or holds no chunk, is of no more use: the next case needs a new one. */
static opr_status call(struct run *r, int which, const char *function, const struct opr_obj *input,
                       struct opr_str source, struct opr_obj **ret_result, struct opr_error *err)
{
    opr_status st = OPR_OK;
    if (!r->state[which]) {
        r->state[which] = opr__lua_new(NULL, r->name, err);
        if (!r->state[which]) {
            return OPR_E_NOMEM;
        }
        st = opr__lua_compile(r->state[which], source, err);
    }
    if (st == OPR_OK) {
        st = opr__lua_call_policy(r->state[which], function, input, ret_result, err);
    }
    if (st != OPR_OK) {
        opr__lua_free(r->state[which]);
        r->state[which] = NULL;
    }
    return st;
}

/* A misspelt member would make a case that checks nothing. */
static const char *unknown_member(const struct opr_obj *test)
{
    static const char *const members[] = {"name",   "call",     "input", "args",
                                          "expect", "contains", "error"};
    for (const struct opr_obj *m = opr_json_first(test); m; m = opr_json_next(m)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            is_known = is_known || strcmp(opr_json_name(m), members[i]) == 0;
        }
        if (!is_known) {
            return opr_json_name(m);
        }
    }
    return NULL;
}

static bool run_case(struct run *r, const struct opr_obj *test, uint32_t number,
                     struct opr_str source)
{
    char fallback[32];
    snprintf(fallback, sizeof fallback, "case %u", number);
    const char *name = opr_json_str(test, "/name", fallback);
    const char *function = opr_json_str(test, "/call", "scale");
    const struct opr_obj *args = opr_json_at(test, "/args");
    const struct opr_obj *input = args ? args : opr_json_at(test, "/input");
    const char *want_error = opr_json_str(test, "/error", NULL);
    struct opr_obj *result[2] = {NULL, NULL};
    struct opr_error err = {0};
    bool is_ok = false;
    const char *unknown = opr_json_type(test) == OPR_TYPE_OBJECT ? unknown_member(test) : "";
    if (unknown) {
        line(r, "FAIL", name);
        opr_buf_printf(r->report,
                       "        the case has a member '%s': it has name, call, input or args, "
                       "expect, contains or error\n",
                       unknown);
        return false;
    }
    opr_status st = call(r, 0, function, input, source, &result[0], &err);
    if (st == OPR_OK) {
        st = call(r, 1, function, input, source, &result[1], &err);
    }
    if (want_error) {
        is_ok = check_error(r, name, want_error, st, &err);
    } else if (st != OPR_OK) {
        line(r, "FAIL", name);
        opr_buf_printf(r->report, "        %s%s\n",
                       st == OPR_E_LIMIT ? "over budget: " : "raised: ", err.message);
    } else if (!opr_json_equal(result[0], result[1])) {
        line(r, "FAIL", name);
        opr_buf_add_text(r->report,
                         "        two runs differ: do not depend on the order of pairs\n");
        detail(r, "first ", result[0]);
        detail(r, "second", result[1]);
    } else {
        is_ok = check_result(r, name, test, result[0]);
    }
    opr_json_unref(result[0]);
    opr_json_unref(result[1]);
    return is_ok;
}

static int run_all(struct run *r, struct opr_str source, struct opr_error *reterr)
{
    struct opr_policy_host *h = opr_policy_host_new(NULL);
    struct opr_obj *tests = NULL;
    int failures = 0;
    opr_status st = opr_policy_host_load(h, r->name, source, reterr);
    opr_policy_host_free(h);
    if (st == OPR_OK) {
        r->state[0] = opr__lua_new(NULL, r->name, reterr);
        st = r->state[0] ? opr__lua_compile(r->state[0], source, reterr) : OPR_E_NOMEM;
    }
    if (st == OPR_OK) {
        st = opr__lua_run(r->state[0], do_read_tests, reterr);
    }
    if (st == OPR_OK) {
        st = opr_json_parse(opr_buf_str(&r->state[0]->out), &tests, reterr);
    }
    if (st == OPR_OK && opr_json_len(tests) == 0) {
        st = opr_error_set(reterr, OPR_E_INVALID,
                           "%s: the policy's list tests is empty: add a case", r->name);
    }
    if (st == OPR_OK) {
        uint32_t number = 0;
        for (const struct opr_obj *t = opr_json_first(tests); t; t = opr_json_next(t)) {
            failures += run_case(r, t, ++number, source) ? 0 : 1;
        }
        opr_buf_printf(r->report, "%s: %u cases, %d failed\n", r->name, number, failures);
    }
    opr_json_unref(tests);
    return st == OPR_OK ? failures : -1;
}

int opr_policy_test(const char *path, struct opr_buf *ret_report, struct opr_error *reterr)
{
    struct opr_buf source = {0};
    const char *slash = strrchr(path, '/');
    struct run r = {.name = slash ? slash + 1 : path, .report = ret_report};
    /* One byte over the limit, so that the sandbox names its own limit. */
    opr_status st = opr_fs_read(path, (64u << 10) + 1, &source, reterr);
    int failures = st == OPR_OK ? run_all(&r, opr_buf_str(&source), reterr) : -1;
    opr__lua_free(r.state[0]);
    opr__lua_free(r.state[1]);
    opr_buf_fini(&source);
    return failures;
}
