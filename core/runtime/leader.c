/* Leader election on a Lease (client-go tools/leaderelection: 15 s lease, 10 s renew deadline, 2 s
 * retry). Ages are taken from the clock that counts suspension, so that a machine that slept does
 * not wake as leader. A manager that loses the lease cancels what runs, stands by, and tries again.
 * One that stops keeps the lease until its reconciles have ended, and then gives it back.
 * Threads: loop; the requests run on a thread of their own. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

#define SECOND_NS 1000000000ull
#define LEASE_S 15
#define RENEW_DEADLINE_NS (10 * SECOND_NS)
#define RETRY_NS (2 * SECOND_NS)
#define CALL_LIMIT_NS (5 * SECOND_NS)
#define RELEASE_LIMIT_NS (2 * SECOND_NS)

struct opr__leader {
    struct opr_manager *m;
    char *path, *list_path, *ns, *name; /* owned */
    struct opr_executor *executor;      /* owned */

    /* loop */
    bool is_busy; /* an attempt is under way */
    bool is_leading;
    uint64_t due_ns;        /* next attempt, monotonic */
    uint64_t renewed_at_ns; /* boot clock, when the request of the last good renewal began */

    /* the attempt's, one at a time */
    struct opr_caller *caller; /* owned */
    struct opr_obj *held;      /* owned; the Lease as we wrote it last */
    char *observed;            /* owned; holder, time and transitions as seen last */
    uint64_t observed_at_ns;   /* boot clock */
};

struct attempt {
    struct opr__leader *leader;
    uint64_t began_ns; /* boot clock */
    opr_status st;
    bool is_held; /* by us, renewed */
    struct opr_error error;
};

static void set_deadline(struct opr__leader *l, uint64_t limit_ns)
{
    const struct opr_clock *clock = opr_client_clock(l->m->config.client);
    opr_caller_set_deadline(l->caller, opr_clock_mono_ns(clock) + limit_ns);
}

static struct json_object *lease_doc(struct opr__leader *l, const struct opr_obj *lease)
{
    struct json_object *doc = opr_doc_from_obj(lease);
    if (doc) {
        return doc;
    }
    doc = json_object_new_object();
    opr_doc_put_str(doc, "/apiVersion", "coordination.k8s.io/v1");
    opr_doc_put_str(doc, "/kind", "Lease");
    opr_doc_put_str(doc, "/metadata/name", l->name);
    opr_doc_put_str(doc, "/metadata/namespace", l->ns);
    return doc;
}

static opr_status write_lease(struct opr__leader *l, const struct opr_obj *lease,
                              struct json_object *doc, struct opr_error *reterr)
{
    struct opr_buf body = {0};
    struct opr_obj *answer = NULL;
    opr_doc_write(&body, doc);
    opr_status st = opr_call(l->caller, lease ? "PUT" : "POST", lease ? l->path : l->list_path,
                             "application/json", opr_buf_str(&body), &answer, reterr);
    opr_buf_fini(&body);
    if (st == OPR_OK) {
        opr_json_unref(l->held);
        l->held = answer;
    }
    return st;
}

static opr_status take_lease(struct opr__leader *l, const struct opr_obj *lease,
                             struct opr_error *reterr)
{
    const char *me = l->m->config.identity;
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format_micro(opr_clock_wall_ms(l->m->clock), now);
    struct json_object *doc = lease_doc(l, lease);
    if (strcmp(opr_json_str(lease, "/spec/holderIdentity", ""), me) != 0) {
        int64_t before = opr_json_int(lease, "/spec/leaseTransitions", -1);
        opr_doc_put_str(doc, "/spec/holderIdentity", me);
        opr_doc_put_str(doc, "/spec/acquireTime", now);
        opr_doc_put_int(doc, "/spec/leaseTransitions", before + 1);
    }
    opr_doc_put_str(doc, "/spec/renewTime", now);
    opr_doc_put_int(doc, "/spec/leaseDurationSeconds", LEASE_S);
    opr_status st = write_lease(l, lease, doc, reterr);
    json_object_put(doc);
    return st;
}

/* Whether another one holds the lease. Its age counts from when we saw it change: clocks of two
 * machines need not agree. */
static bool is_taken(struct opr__leader *l, const struct opr_obj *lease, uint64_t now_ns)
{
    const char *holder = opr_json_str(lease, "/spec/holderIdentity", "");
    char *seen = opr_xprintf("%s|%s|%lld", holder, opr_json_str(lease, "/spec/renewTime", ""),
                             (long long)opr_json_int(lease, "/spec/leaseTransitions", 0));
    if (!l->observed || strcmp(l->observed, seen) != 0) {
        opr_free(l->observed);
        l->observed = seen;
        l->observed_at_ns = now_ns;
    } else {
        opr_free(seen);
    }
    if (!*holder || strcmp(holder, l->m->config.identity) == 0) {
        return false;
    }
    int64_t lasts_s = opr_json_int(lease, "/spec/leaseDurationSeconds", LEASE_S);
    return now_ns - l->observed_at_ns < (uint64_t)(lasts_s > 0 ? lasts_s : 1) * SECOND_NS;
}

static void try_lease(struct opr__leader *l, struct attempt *a)
{
    struct opr_obj *lease = NULL;
    set_deadline(l, CALL_LIMIT_NS);
    a->st = opr_call(l->caller, "GET", l->path, NULL, (struct opr_str){0}, &lease, &a->error);
    if (a->st == OPR_E_NOT_FOUND) {
        a->st = OPR_OK;
    }
    if (a->st == OPR_OK && !(lease && is_taken(l, lease, a->began_ns))) {
        a->st = take_lease(l, lease, &a->error);
        a->is_held = a->st == OPR_OK;
    }
    opr_json_unref(lease);
}

static void become(struct opr__leader *l, bool is_leading)
{
    struct opr_manager *m = l->m;
    if (l->is_leading == is_leading) {
        return;
    }
    l->is_leading = is_leading;
    atomic_store(&m->is_leading, is_leading);
    if (is_leading) {
        opr_log(OPR_LOG_INFO, "leader", "leading", "lease=%s/%s", l->ns, l->name);
        opr__manager_wake_workers(m);
        return;
    }
    opr_log(OPR_LOG_WARN, "leader", "lease lost, standing by", "lease=%s/%s", l->ns, l->name);
    for (uint32_t i = 0; i < m->n_workers; i++) {
        opr_caller_cancel(m->workers[i]->ctx.caller);
    }
}

/* The end of an attempt may be late: a machine slept between it and here. */
static bool is_fresh(const struct opr__leader *l, const struct attempt *a)
{
    return opr_clock_boot_ns(l->m->clock) - a->began_ns < RENEW_DEADLINE_NS;
}

static void attempted(struct opr_manager *m, void *arg)
{
    struct attempt *a = arg;
    struct opr__leader *l = m->leader;
    if (l && l == a->leader) {
        l->is_busy = false;
        uint64_t wait_ns = RETRY_NS;
        if (a->is_held && !is_fresh(l, a)) {
            wait_ns = 0; /* ours on the server, perhaps: asked again before anything runs */
        } else if (a->is_held) {
            l->renewed_at_ns = a->began_ns;
            opr__source_retry_all(m);
            become(l, true);
        } else {
            wait_ns += l->is_leading ? 0 : opr_rand_below(RETRY_NS);
            bool is_others = a->st == OPR_OK;
            if (is_others) {
                become(l, false);
            } else {
                opr_log(OPR_LOG_WARN, "leader", "lease not renewed, will retry", "error=%s",
                        a->error.message);
            }
        }
        l->due_ns = opr_clock_mono_ns(m->clock) + wait_ns;
        opr__manager_rearm(m);
    }
    opr_free(a);
}

static void attempt(void *arg)
{
    struct attempt *a = arg;
    try_lease(a->leader, a);
    opr__manager_post(a->leader->m, attempted, a, opr_free);
}

/* While the manager stops, only for the sake of the reconciles that run to their end. */
static bool may_try(const struct opr__leader *l)
{
    bool is_draining = l->is_leading && !l->m->is_cancelled;
    return !l->is_busy && (!atomic_load(&l->m->is_stopping) || is_draining);
}

void opr__leader_tick(struct opr__leader *l)
{
    uint64_t boot = opr_clock_boot_ns(l->m->clock);
    if (l->is_leading && boot - l->renewed_at_ns >= RENEW_DEADLINE_NS) {
        become(l, false);
    }
    if (may_try(l) && opr_clock_mono_ns(l->m->clock) >= l->due_ns) {
        struct attempt *a = opr_xalloc(sizeof *a);
        a->leader = l;
        a->began_ns = boot;
        l->is_busy = true;
        opr_executor_run(l->executor, attempt, a);
    }
}

uint64_t opr__leader_due_ns(const struct opr__leader *l)
{
    uint64_t due = may_try(l) ? l->due_ns : UINT64_MAX;
    if (l->is_leading) {
        uint64_t age = opr_clock_boot_ns(l->m->clock) - l->renewed_at_ns;
        uint64_t left = age < RENEW_DEADLINE_NS ? RENEW_DEADLINE_NS - age : 0;
        uint64_t end = opr_clock_mono_ns(l->m->clock) + left;
        due = end < due ? end : due;
    }
    return due;
}

struct opr__leader *opr__leader_new(struct opr_manager *m, const char *lease)
{
    struct opr__leader *l = opr_xalloc(sizeof *l);
    const char *slash = strchr(lease, '/');
    l->m = m;
    l->ns = slash ? opr_xstrndup(lease, (size_t)(slash - lease)) : opr_xstrdup("default");
    l->name = opr_xstrdup(slash ? slash + 1 : lease);
    l->list_path = opr_xprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", l->ns);
    l->path = opr_xprintf("%s/%s", l->list_path, l->name);
    l->caller = opr_caller_new(m->config.client);
    l->executor = m->is_inline ? opr_executor_inline_new() : opr_executor_pool_new("opr-lease", 1);
    return l;
}

void opr__leader_start(struct opr__leader *l)
{
    l->due_ns = opr_clock_mono_ns(l->m->clock);
    opr__leader_tick(l);
}

static opr_status write_release(struct opr__leader *l, const struct opr_obj *lease,
                                struct opr_error *reterr)
{
    struct json_object *doc = opr_doc_from_obj(lease);
    opr_doc_put_str(doc, "/spec/holderIdentity", "");
    opr_doc_put_int(doc, "/spec/leaseDurationSeconds", 1);
    opr_status st = write_lease(l, lease, doc, reterr);
    json_object_put(doc);
    return st;
}

/* Lets the next one in at once. The last renewal may have been cut off after the server had taken
 * it: then the Lease is newer than the one that we know. */
static void release_lease(struct opr__leader *l)
{
    struct opr_error err = {0};
    struct opr_obj *lease = NULL;
    set_deadline(l, RELEASE_LIMIT_NS);
    opr_status st = write_release(l, l->held, &err);
    if (st == OPR_E_CONFLICT) {
        st = opr_call(l->caller, "GET", l->path, NULL, (struct opr_str){0}, &lease, &err);
        const char *holder = opr_json_str(lease, "/spec/holderIdentity", "");
        if (st == OPR_OK && strcmp(holder, l->m->config.identity) == 0) {
            st = write_release(l, lease, &err);
        }
    }
    if (st != OPR_OK) {
        opr_log(OPR_LOG_WARN, "leader", "lease not given back", "error=%s", err.message);
    }
    opr_json_unref(lease);
}

void opr__leader_free(struct opr__leader *l)
{
    if (!l) {
        return;
    }
    opr_caller_cancel(l->caller);
    opr_executor_free(l->executor);
    if (l->is_leading && l->held) {
        release_lease(l);
    }
    opr_caller_free(l->caller);
    opr_json_unref(l->held);
    opr_free(l->observed);
    opr_free(l->path);
    opr_free(l->list_path);
    opr_free(l->ns);
    opr_free(l->name);
    opr_free(l);
}
