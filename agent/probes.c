/* Probes of containers, on the loop: a small non-blocking exchange for httpGet and tcpSocket, a
 * child process for exec. Rules (kubernetes pkg/kubelet/prober): startup holds the others back;
 * liveness begins as passed, readiness as failed; thresholds count in a row; a liveness or startup
 * failure is told once for a run. */
#include "agent/internal.h"

#include "agent/probe_check.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

enum { EARLY_FIRST_MS = 20, EARLY_MAX_MS = 500 };
#define SLACK_NS 50000000ull

enum probe_kind { STARTUP, LIVENESS, READINESS, PROBE_KINDS };
static const char *const kind_ptrs[] = {"/startupProbe", "/livenessProbe", "/readinessProbe"};
static const char *const kind_names[] = {"startup probe", "liveness probe", "readiness probe"};

struct probe {
    struct opr__probe_set *set;
    struct opr__container *container; /* borrowed: it lives as long as the Pod */
    enum probe_kind kind;
    uint32_t attempt;     /* of the run it belongs to */
    struct opr_obj *spec; /* ref */
    struct opr_timer *timer;
    struct opr__check *check; /* running; NULL: none */
    uint64_t period_ms, timeout_ms;
    uint32_t successes, failures, success_threshold, failure_threshold;
    bool is_passed, has_passed;
    uint32_t early;      /* tries before the first success */
    uint64_t counted_ns; /* when a failure was counted last */
};

/* An event that waits for the Pod's next sync, which sends it. */
struct note {
    const char *container; /* borrowed */
    char text[256];
};

struct opr__probe_set {
    struct opr__pod *pod;
    struct opr_vec probes; /* of struct probe, owned */
    struct opr_vec notes;  /* of struct note, owned */
    struct opr_vec health; /* of struct opr__health, owned; in the order of the containers */
};

static struct opr__health *health_of(struct opr__probe_set *s, const struct opr__container *c)
{
    struct opr__pod *p = s->pod;
    while (s->health.count < p->containers.count) {
        opr_vec_push(&s->health, opr_xalloc(sizeof(struct opr__health)));
    }
    for (size_t i = 0; i < p->containers.count; i++) {
        if (p->containers.items[i] == c) {
            return s->health.items[i];
        }
    }
    OPR_UNREACHABLE();
}

static void add_note(struct probe *b, const char *output)
{
    struct note *n = opr_xalloc(sizeof *n);
    n->container = b->container->name;
    snprintf(n->text, sizeof n->text, "%s failed: %s", kind_names[b->kind], output);
    n->text[0] = (char)(n->text[0] - 'a' + 'A');
    opr_vec_push(&b->set->notes, n);
}

static void schedule(struct probe *b, uint64_t after_ms)
{
    opr_timer_set(b->timer, after_ms);
}

/* Until a container has come up once, readiness and startup are asked for more often than the
 * period says, so that it serves as soon as it can; such failures count once a period. */
static bool is_early(const struct probe *b)
{
    return b->kind != LIVENESS && !b->has_passed && b->success_threshold <= 1;
}

static uint64_t next_ms(struct probe *b)
{
    if (!is_early(b)) {
        return b->period_ms;
    }
    uint64_t ms = EARLY_FIRST_MS << (b->early < 8 ? b->early : 8);
    b->early++;
    ms = ms > EARLY_MAX_MS ? EARLY_MAX_MS : ms;
    return ms < b->period_ms ? ms : b->period_ms;
}

static bool must_count(struct probe *b)
{
    uint64_t now = opr__now_ns(b->set->pod->agent);
    bool is_due = !is_early(b) || now - b->counted_ns + SLACK_NS >= b->period_ms * 1000000;
    b->counted_ns = is_due ? now : b->counted_ns;
    return is_due;
}

/* The verdict over several results. */
static void judge(struct probe *b, bool is_success, const char *output)
{
    struct opr__health *h = health_of(b->set, b->container);
    struct opr__pod *p = b->set->pod;
    if (!is_success && !must_count(b)) {
        return;
    }
    b->has_passed = b->has_passed || is_success;
    b->successes = is_success ? b->successes + 1 : 0;
    b->failures = is_success ? 0 : b->failures + 1;
    bool was = b->is_passed;
    if (is_success && b->successes >= b->success_threshold) {
        b->is_passed = true;
    } else if (!is_success && b->failures >= b->failure_threshold) {
        b->is_passed = false;
    }
    bool is_told = false;
    if (b->kind == READINESS) {
        is_told = h->is_ready != b->is_passed;
        h->is_ready = b->is_passed;
    } else if (b->kind == STARTUP && b->is_passed && !was) {
        h->has_started = is_told = true;
    } else if (!is_success && b->failures == b->failure_threshold && !h->is_failed) {
        h->is_failed = is_told = true;
        snprintf(h->why, sizeof h->why, "%s", kind_names[b->kind]);
    }
    if (!is_success) {
        opr_log(OPR_LOG_DEBUG, "agent", "probe failed",
                "pod=%s/%s container=%s kind=\"%s\" output=\"%s\"", p->ns, p->name,
                b->container->name, kind_names[b->kind], output);
    }
    bool is_noted = !is_success && (b->failures == 1 || is_told);
    if (is_noted) {
        add_note(b, output);
    }
    if (is_told || is_noted) {
        opr__pod_poke(p);
    }
}

static void on_checked(void *arg, bool is_success, const char *output)
{
    struct probe *b = arg;
    b->check = NULL; /* it frees itself after the call */
    judge(b, is_success, output);
    bool is_over = b->kind == STARTUP && b->is_passed;
    is_over = is_over || (b->kind != READINESS && health_of(b->set, b->container)->is_failed);
    if (!is_over) {
        schedule(b, next_ms(b));
    }
}

static bool is_held_back(const struct probe *b)
{
    return b->kind != STARTUP && !health_of(b->set, b->container)->has_started;
}

static void on_due(void *arg)
{
    struct probe *b = arg;
    struct opr__pod *p = b->set->pod;
    if (is_held_back(b)) {
        schedule(b, 100);
        return;
    }
    struct opr__check_target target = {
        .agent = p->agent,
        .address = p->ip[0] ? p->ip : "127.0.0.1",
        .ports = opr_json_at(b->spec, "/ports"),
        .probe = opr_json_at(b->spec, kind_ptrs[b->kind]),
        .timeout_ms = b->timeout_ms,
    };
    char *dir = opr__run_dir(p, b->container, b->attempt);
    target.run_dir = dir;
    b->check = opr__check_start(&target, on_checked, b);
    opr_free(dir);
}

static void probe_free(struct probe *b)
{
    opr__check_cancel(b->check);
    opr_timer_free(b->timer);
    opr_json_unref(b->spec);
    opr_free(b);
}

static const struct opr_obj *spec_of(const struct opr__pod *p, const struct opr__container *c)
{
    const struct opr_obj *list =
        opr_json_at(p->obj, c->is_init ? "/spec/initContainers" : "/spec/containers");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "/name", ""), c->name) == 0) {
            return v;
        }
    }
    return NULL;
}

static void add_probe(struct opr__probe_set *s, struct opr__container *c, enum probe_kind kind,
                      const struct opr_obj *spec)
{
    const struct opr_obj *conf = opr_json_at(spec, kind_ptrs[kind]);
    struct probe *b = opr_xalloc(sizeof *b);
    b->set = s;
    b->container = c;
    b->kind = kind;
    b->attempt = c->attempt;
    b->spec = opr_json_ref(spec);
    b->timer = opr_timer_new(s->pod->agent->loop, on_due, b);
    b->period_ms = (uint64_t)opr_json_int(conf, "/periodSeconds", 10) * 1000;
    b->timeout_ms = (uint64_t)opr_json_int(conf, "/timeoutSeconds", 1) * 1000;
    b->success_threshold = (uint32_t)opr_json_int(conf, "/successThreshold", 1);
    b->failure_threshold = (uint32_t)opr_json_int(conf, "/failureThreshold", 3);
    b->is_passed = kind == LIVENESS;
    uint64_t delay_ms = (uint64_t)opr_json_int(conf, "/initialDelaySeconds", 0) * 1000;
    int64_t age_ms = opr_clock_wall_ms(s->pod->agent->clock) - c->run.started_ms;
    uint64_t passed = age_ms > 0 ? (uint64_t)age_ms : 0;
    schedule(b, delay_ms > passed ? delay_ms - passed : 0);
    opr_vec_push(&s->probes, b);
}

static bool has_probes_of(const struct opr__probe_set *s, const struct opr__container *c)
{
    for (size_t i = 0; i < s->probes.count; i++) {
        const struct probe *b = s->probes.items[i];
        if (b->container == c && b->attempt == c->attempt) {
            return true;
        }
    }
    return false;
}

/* What the API says of this very run: an adopted container does not lose its readiness. */
static void known_state(const struct opr__pod *p, const struct opr__container *c, bool *ret_started,
                        bool *ret_ready)
{
    const struct opr_obj *list = opr_json_at(p->obj, c->is_init ? "/status/initContainerStatuses"
                                                                : "/status/containerStatuses");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "/name", ""), c->name) == 0 &&
            opr_json_at(v, "/state/running") &&
            opr_json_int(v, "/restartCount", -1) == (int64_t)c->attempt) {
            *ret_started = opr_json_bool(v, "/started", false);
            *ret_ready = opr_json_bool(v, "/ready", false);
        }
    }
}

static void begin(struct opr__probe_set *s, struct opr__container *c)
{
    const struct opr_obj *spec = spec_of(s->pod, c);
    struct opr__health *h = health_of(s, c);
    if (has_probes_of(s, c)) {
        return;
    }
    bool was_ready = false, was_started = false;
    known_state(s->pod, c, &was_started, &was_ready);
    *h = (struct opr__health){.attempt = c->attempt, .is_ready = was_ready};
    h->has_started = was_started || opr_json_at(spec, kind_ptrs[STARTUP]) == NULL;
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        if (opr_json_at(spec, kind_ptrs[kind])) {
            add_probe(s, c, kind, spec);
        }
    }
    for (size_t i = 0; i < s->probes.count; i++) {
        struct probe *b = s->probes.items[i];
        if (b->container == c) {
            b->is_passed = b->kind == READINESS ? was_ready : b->is_passed;
            b->has_passed = b->is_passed;
        }
    }
}

/* Probes of runs that are over, and of a Pod that ends (readiness goes on then). */
static void drop_old(struct opr__probe_set *s)
{
    bool is_ending = s->pod->is_ending;
    for (size_t i = s->probes.count; i-- > 0;) {
        struct probe *b = s->probes.items[i];
        bool runs =
            b->container->run.phase == OPR__RUN_RUNNING && b->attempt == b->container->attempt;
        if (!runs || (is_ending && b->kind != READINESS)) {
            probe_free(opr_vec_remove(&s->probes, i));
        }
    }
}

void opr__probes_update(struct opr__pod *p)
{
    if (!p->probes) {
        p->probes = opr_xalloc(sizeof *p->probes);
        p->probes->pod = p;
    }
    drop_old(p->probes);
    for (size_t i = 0; i < p->containers.count && !p->is_ending; i++) {
        struct opr__container *c = p->containers.items[i];
        if (c->run.phase == OPR__RUN_RUNNING && !c->is_starting) {
            begin(p->probes, c);
        }
    }
}

void opr__probes_health(struct opr__pod *p)
{
    for (size_t i = 0; p->probes && i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        c->health = *health_of(p->probes, c);
    }
    for (size_t i = 0; p->probes && i < p->probes->notes.count; i++) {
        struct note *n = p->probes->notes.items[i];
        opr__event_add(p, n->container, "Warning", "Unhealthy", "%s", n->text);
        opr_free(n);
    }
    if (p->probes) {
        p->probes->notes.count = 0;
    }
}

void opr__probes_free(struct opr__pod *p)
{
    struct opr__probe_set *s = p->probes;
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->probes.count; i++) {
        probe_free(s->probes.items[i]);
    }
    for (size_t i = 0; i < s->health.count; i++) {
        opr_free(s->health.items[i]);
    }
    for (size_t i = 0; i < s->notes.count; i++) {
        opr_free(s->notes.items[i]);
    }
    opr_vec_fini(&s->probes);
    opr_vec_fini(&s->notes);
    opr_vec_fini(&s->health);
    opr_free(s);
    p->probes = NULL;
}
