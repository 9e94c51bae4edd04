/* The public face: a manager with inline workers over the in-memory server, and the fake clock. */
#include <operon/testing.h>

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"
#include "core/runtime/testing/policies.h"
#include "core/runtime/testing/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define RECONCILES_MAX 10000u
#define START_MS 1767225600000 /* 2026-01-01T00:00:00Z */
#define MS_NS 1000000ull

/* What is loaded again after a crash. */
struct test_plugin {
    opr_plugin_entry_fn entry; /* NULL: from the file */
    char *path, *config;       /* owned; NULL: none */
};

struct opr_test {
    struct opr_clock *clock;        /* owned */
    struct sim *sim;                /* owned by the client */
    struct opr_client *client;      /* owned */
    struct test_policies *policies; /* owned */
    struct opr_manager *manager;    /* owned */
    struct opr_vec plugins;         /* of struct test_plugin, owned */
    struct opr_vec held;            /* of struct opr_obj, refs handed to the test */
    bool is_started;                /* with the first run: until then plugins are added */
    char message[512];
};

static struct opr_manager *manager_new(struct opr_test *t)
{
    struct opr_manager_config config = {
        .client = t->client,
        .clock = t->clock,
        .policies = test_policies_service(t->policies),
        .identity = "test",
        .workers = UINT32_MAX,
    };
    return opr_manager_new(&config);
}

static opr_status add_plugin(struct opr_test *t, const struct test_plugin *p,
                             struct opr_error *reterr)
{
    return p->entry ? opr_manager_add(t->manager, p->entry, p->config, reterr)
                    : opr_manager_load(t->manager, p->path, p->config, reterr);
}

static void free_plugin(struct test_plugin *p)
{
    opr_free(p->path);
    opr_free(p->config);
    opr_free(p);
}

/* Remembers a plugin that the manager took. */
static opr_status note_plugin(struct opr_test *t, opr_plugin_entry_fn entry, const char *path,
                              const char *config, struct opr_error *reterr)
{
    struct test_plugin *p = opr_xalloc(sizeof *p);
    *p = (struct test_plugin){
        .entry = entry,
        .path = path ? opr_xstrdup(path) : NULL,
        .config = config ? opr_xstrdup(config) : NULL,
    };
    opr_status st = add_plugin(t, p, reterr);
    if (st == OPR_OK) {
        opr_vec_push(&t->plugins, p);
    } else {
        free_plugin(p);
    }
    return st;
}

struct opr_test *opr_test_new(opr_plugin_entry_fn entry, const char *config)
{
    struct opr_test *t = opr_xalloc(sizeof *t);
    struct opr_error err = {0};
    opr_rand_seed(1);
    t->clock = opr_clock_fake_new(START_MS);
    t->sim = sim_new(t->clock);
    t->client = opr_client_new(&t->sim->transport);
    opr_client_set_clock(t->client, t->clock);
    t->policies = test_policies_new();
    t->manager = manager_new(t);
    if (entry && note_plugin(t, entry, NULL, config, &err) != OPR_OK) {
        fprintf(stderr, "opr_test_new: %s\n", err.message);
        abort();
    }
    return t;
}

static const char *note_or_say(struct opr_test *t, opr_plugin_entry_fn entry, const char *path,
                               const char *config)
{
    struct opr_error err = {0};
    opr_status st = note_plugin(t, entry, path, config, &err);
    snprintf(t->message, sizeof t->message, "%s", st == OPR_OK ? "" : err.message);
    return t->message;
}

const char *opr_test_add(struct opr_test *t, opr_plugin_entry_fn entry, const char *config)
{
    return note_or_say(t, entry, NULL, config);
}

const char *opr_test_load(struct opr_test *t, const char *path, const char *config)
{
    return note_or_say(t, NULL, path, config);
}

void opr_test_crash(struct opr_test *t, uint32_t n, int32_t is_after)
{
    t->sim->crash_in = n;
    t->sim->is_crash_after = is_after != 0;
}

int32_t opr_test_has_crashed(const struct opr_test *t)
{
    return t->sim->is_client_crashed;
}

void opr_test_restart(struct opr_test *t)
{
    struct opr_error err = {0};
    opr_manager_free(t->manager);
    t->sim->crash_in = 0;
    t->sim->is_client_crashed = false;
    t->is_started = false;
    t->manager = manager_new(t);
    for (size_t i = 0; i < t->plugins.count; i++) {
        if (add_plugin(t, t->plugins.items[i], &err) != OPR_OK) {
            fprintf(stderr, "opr_test_restart: %s\n", err.message);
            abort();
        }
    }
}

const struct opr_host *opr_test_host(void)
{
    return &opr__host_table;
}

void opr_test_free(struct opr_test *t)
{
    if (!t) {
        return;
    }
    opr_manager_free(t->manager);
    opr_client_free(t->client);
    test_policies_free(t->policies);
    for (size_t i = 0; i < t->plugins.count; i++) {
        free_plugin(t->plugins.items[i]);
    }
    opr_vec_fini(&t->plugins);
    for (size_t i = 0; i < t->held.count; i++) {
        opr_json_unref(t->held.items[i]);
    }
    opr_vec_fini(&t->held);
    opr_clock_fake_free(t->clock);
    opr_rand_seed(0);
    opr_free(t);
}

static const char *result_of(struct opr_test *t, struct sim_answer *answer)
{
    opr_json_unref(answer->obj);
    answer->obj = NULL;
    snprintf(t->message, sizeof t->message, "%s", answer->code < 300 ? "" : answer->message);
    return t->message;
}

static const char *failure(struct opr_test *t, const char *what)
{
    snprintf(t->message, sizeof t->message, "%s", what);
    return t->message;
}

/* JSON in which ' may stand for "; NULL and a message where it is none. Owned. */
static struct json_object *parse(struct opr_test *t, const char *json)
{
    char *text = opr_xstrdup(json);
    bool has_double = strchr(json, '"') != NULL;
    for (char *p = text; *p && !has_double; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    struct json_object *doc = NULL;
    struct opr_error err = {0};
    if (opr_doc_parse(opr_str_of(text), &doc, &err) != OPR_OK) {
        failure(t, err.message);
        doc = NULL;
    }
    opr_free(text);
    return doc;
}

static const char *apply_doc(struct opr_test *t, struct json_object *doc)
{
    const char *api_version = opr_doc_str(doc, "/apiVersion", "");
    const char *kind = opr_doc_str(doc, "/kind", "");
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    if (!*api_version || !*kind) {
        return failure(t, "the object has no apiVersion or no kind");
    }
    char *gvk = opr_xprintf("%s/%s", api_version, kind);
    bool has_ns = *opr_doc_str(doc, "/metadata/namespace", "") != '\0';
    bool is_new_kind = !sim_kind_find(t->sim, gvk);
    struct sim_kind *k = sim_kind_learn(t->sim, gvk, has_ns);
    opr_free(gvk);
    if (!k) {
        return failure(t, "the apiVersion and kind are no kind");
    }
    if (is_new_kind) {
        opr_manager_rediscover(t->manager);
    }
    char *ns =
        opr_xstrdup(k->is_namespaced ? opr_doc_str(doc, "/metadata/namespace", "default") : "");
    struct sim_answer answer = {0};
    if (*name && sim_get(k, ns, name)) {
        sim_update(t->sim, k, ns, name, NULL, doc, true, &answer);
    } else {
        sim_create(t->sim, k, ns, doc, true, &answer);
    }
    opr_free(ns);
    return result_of(t, &answer);
}

const char *opr_test_apply(struct opr_test *t, const char *json)
{
    struct json_object *doc = parse(t, json);
    if (!doc) {
        return t->message;
    }
    const char *message = apply_doc(t, doc);
    json_object_put(doc);
    return message;
}

static struct sim_kind *need_kind(struct opr_test *t, const char *gvk)
{
    struct sim_kind *k = sim_kind_find(t->sim, gvk);
    if (!k) {
        failure(t, "nothing of this kind was ever applied");
    }
    return k;
}

const char *opr_test_status(struct opr_test *t, const char *gvk, const char *ns, const char *name,
                            const char *status_json)
{
    struct sim_kind *k = need_kind(t, gvk);
    struct json_object *status = k ? parse(t, status_json) : NULL;
    if (!status) {
        return t->message;
    }
    struct json_object *patch = json_object_new_object();
    json_object_object_add(patch, "status", status);
    struct sim_answer answer = {0};
    sim_patch(t->sim, k, ns ? ns : "", name, "status", "application/merge-patch+json", patch,
              &answer);
    json_object_put(patch);
    return result_of(t, &answer);
}

const char *opr_test_delete(struct opr_test *t, const char *gvk, const char *ns, const char *name)
{
    struct sim_kind *k = need_kind(t, gvk);
    struct sim_answer answer = {0};
    if (!k) {
        return t->message;
    }
    sim_delete(t->sim, k, ns ? ns : "", name, NULL, &answer);
    return result_of(t, &answer);
}

uint32_t opr_test_run(struct opr_test *t)
{
    uint32_t ran = 0;
    bool is_going_on = true;
    if (!t->is_started) {
        t->is_started = true;
        opr_manager_start(t->manager);
    }
    while (is_going_on && ran < RECONCILES_MAX) {
        uint32_t n = opr_manager_turn(t->manager, RECONCILES_MAX - ran);
        bool has_news = sim_pump(t->sim);
        ran += n;
        is_going_on =
            has_news || n > 0 || opr_manager_next_due_ns(t->manager) <= opr_clock_mono_ns(t->clock);
    }
    return ran;
}

uint32_t opr_test_advance_ms(struct opr_test *t, uint64_t ms)
{
    uint64_t end = opr_clock_mono_ns(t->clock) + ms * MS_NS;
    uint32_t ran = t->is_started ? 0 : opr_test_run(t);
    for (;;) {
        uint64_t now = opr_clock_mono_ns(t->clock);
        uint64_t due = opr_manager_next_due_ns(t->manager);
        if (now >= end || ran >= RECONCILES_MAX) {
            return ran;
        }
        uint64_t step = due < end ? due : end;
        uint64_t step_ms = step > now ? (step - now + MS_NS - 1) / MS_NS : 1;
        opr_clock_fake_advance(t->clock, step_ms);
        ran += opr_test_run(t);
    }
}

static const struct opr_obj *hold(struct opr_test *t, const struct opr_obj *o)
{
    if (o) {
        opr_vec_push(&t->held, opr_json_ref(o));
    }
    return o;
}

const struct opr_obj *opr_test_get(struct opr_test *t, const char *gvk, const char *ns,
                                   const char *name)
{
    struct sim_kind *k = sim_kind_find(t->sim, gvk);
    return k ? hold(t, sim_get(k, ns, name)) : NULL;
}

static bool is_in(const struct opr_obj *o, const char *ns)
{
    return !ns || strcmp(opr_meta_ns(o), ns) == 0;
}

const struct opr_obj *opr_test_nth(struct opr_test *t, const char *gvk, const char *ns, uint32_t i)
{
    struct sim_kind *k = sim_kind_find(t->sim, gvk);
    for (size_t n = 0; k && n < k->objects.count; n++) {
        if (is_in(k->objects.items[n], ns) && i-- == 0) {
            return hold(t, k->objects.items[n]);
        }
    }
    return NULL;
}

uint32_t opr_test_count(struct opr_test *t, const char *gvk, const char *ns)
{
    struct sim_kind *k = sim_kind_find(t->sim, gvk);
    uint32_t count = 0;
    for (size_t n = 0; k && n < k->objects.count; n++) {
        count += is_in(k->objects.items[n], ns);
    }
    return count;
}

uint32_t opr_test_writes(struct opr_test *t, const char *verb, const char *gvk)
{
    char *key = opr_xprintf("%s %s", verb, gvk);
    uintptr_t count = (uintptr_t)opr_map_get(t->sim->writes, opr_str_of(key));
    opr_free(key);
    return (uint32_t)count;
}

void opr_test_fail_next(struct opr_test *t, const char *verb, uint32_t n, int32_t http_status)
{
    struct sim_failure *f = opr_xalloc(sizeof *f);
    f->verb = opr_xstrdup(verb);
    f->left = n;
    f->http_status = http_status;
    opr_vec_push(&t->sim->failures, f);
}

void opr_test_hold(struct opr_test *t, const char *gvk, bool is_held)
{
    struct sim_kind *k = sim_kind_learn(t->sim, gvk, true);
    if (k) {
        k->is_held = is_held;
    }
}

void opr_test_advance_clock(struct opr_test *t, uint64_t ms)
{
    opr_clock_fake_advance(t->clock, ms);
}

int64_t opr_test_now_ms(const struct opr_test *t)
{
    return opr_clock_wall_ms(t->clock);
}

void opr_test_policy(struct opr_test *t, const char *name, const char *function,
                     const char *result_json)
{
    struct json_object *doc = result_json ? parse(t, result_json) : NULL;
    test_policies_set(t->policies, name, function, doc ? opr_doc_to_obj(doc) : NULL);
    json_object_put(doc);
}

const struct opr_obj *opr_test_policy_input(struct opr_test *t, const char *name,
                                            const char *function)
{
    return hold(t, test_policies_input(t->policies, name, function));
}
