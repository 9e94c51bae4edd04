#include "core/runtime/testing/policies.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/base/vec.h"

/* One function of one policy. */
struct answer {
    char *name, *function;          /* owned */
    struct opr_obj *result, *input; /* refs; may be NULL */
};

struct test_policies {
    struct opr_policy_service service; /* first */
    struct opr_vec answers;            /* of struct answer, owned */
};

static struct answer *find(struct test_policies *p, const char *name, const char *function)
{
    for (size_t i = 0; i < p->answers.count; i++) {
        struct answer *a = p->answers.items[i];
        if (strcmp(a->name, name) == 0 && strcmp(a->function, function) == 0) {
            return a;
        }
    }
    return NULL;
}

/* A source that begins with "error" does not load. */
static opr_status load(struct opr_policy_service *s, const char *name, struct opr_str source,
                       struct opr_error *reterr)
{
    (void)s;
    if (opr_str_starts(source, "error")) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s:1: syntax error", name);
    }
    return OPR_OK;
}

static void free_answer(struct answer *a)
{
    opr_free(a->name);
    opr_free(a->function);
    opr_json_unref(a->result);
    opr_json_unref(a->input);
    opr_free(a);
}

static void unload(struct opr_policy_service *s, const char *name)
{
    struct test_policies *p = (struct test_policies *)s;
    for (size_t i = p->answers.count; i-- > 0;) {
        struct answer *a = p->answers.items[i];
        if (strcmp(a->name, name) == 0) {
            opr_vec_remove(&p->answers, i);
            free_answer(a);
        }
    }
}

static opr_status call(struct opr_policy_service *s, const char *name, const char *function,
                       const struct opr_obj *input, struct opr_obj **ret_result,
                       struct opr_error *reterr)
{
    struct answer *a = find((struct test_policies *)s, name, function);
    if (!a) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND, "policy %s has no function %s", name,
                             function);
    }
    opr_json_unref(a->input);
    a->input = opr_json_ref(input);
    if (!a->result) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s:1: raised by the test", name);
    }
    *ret_result = opr_json_ref(a->result);
    return OPR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static uint32_t list(struct opr_policy_service *s, const char *function, struct opr_arena *arena,
                     const char *const **ret_names)
{
    struct test_policies *p = (struct test_policies *)s;
    struct opr_vec found = {0};
    for (size_t i = 0; i < p->answers.count; i++) {
        struct answer *a = p->answers.items[i];
        if (strcmp(a->function, function) == 0) {
            opr_vec_push(&found, a->name);
        }
    }
    opr_vec_sort(&found, by_name);
    const char **names = opr_arena_alloc(arena, (found.count + 1) * sizeof(const char *));
    for (size_t i = 0; i < found.count; i++) {
        names[i] = opr_arena_dup(arena, opr_str_of(found.items[i]));
    }
    uint32_t count = (uint32_t)found.count;
    opr_vec_fini(&found);
    *ret_names = names;
    return count;
}

struct test_policies *test_policies_new(void)
{
    struct test_policies *p = opr_xalloc(sizeof *p);
    p->service = (struct opr_policy_service){load, unload, call, list};
    return p;
}

void test_policies_free(struct test_policies *p)
{
    for (size_t i = 0; i < p->answers.count; i++) {
        free_answer(p->answers.items[i]);
    }
    opr_vec_fini(&p->answers);
    opr_free(p);
}

struct opr_policy_service *test_policies_service(struct test_policies *p)
{
    return &p->service;
}

void test_policies_set(struct test_policies *p, const char *name, const char *function,
                       struct opr_obj *take_result)
{
    struct answer *a = find(p, name, function);
    if (!a) {
        a = opr_xalloc(sizeof *a);
        a->name = opr_xstrdup(name);
        a->function = opr_xstrdup(function);
        opr_vec_push(&p->answers, a);
    }
    opr_json_unref(a->result);
    a->result = take_result;
}

const struct opr_obj *test_policies_input(struct test_policies *p, const char *name,
                                          const char *function)
{
    const struct answer *a = find(p, name, function);
    return a ? a->input : NULL;
}
