/* A controller: its declaration, its queue, and what it reads. */
#include "core/runtime/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#define DEFAULT_TIMEOUT_MS 30000u

static void on_queue_ready(void *arg)
{
    struct opr__controller *c = arg;
    opr__manager_wake_workers(c->m);
    if (c->m->is_inline || opr_queue_next_due_ns(c->queue) < atomic_load(&c->m->armed_ns)) {
        opr__manager_rearm(c->m);
    }
}

static opr_status subscribe(struct opr__controller *c, const struct opr_watch *w, bool is_primary,
                            struct opr_error *reterr)
{
    struct opr__source *source = opr__source_need(c->m, w, reterr);
    if (!source) {
        return OPR_E_INVALID;
    }
    struct opr__sub *sub = opr_xalloc(sizeof *sub);
    *sub =
        (struct opr__sub){.controller = c, .watch = w, .source = source, .is_primary = is_primary};
    opr_vec_push(&c->subs, sub);
    opr_vec_push(&source->subs, sub);
    return OPR_OK;
}

static opr_status check_decl(const struct opr_controller *d, struct opr_error *reterr)
{
    if (!d->name || !*d->name || !d->reconcile || !d->primary.gvk) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "controller \"%s\" lacks its name, primary kind or reconcile function",
                             d->name ? d->name : "");
    }
    return OPR_OK;
}

static opr_status subscribe_all(struct opr__controller *c, const struct opr_controller *decl,
                                struct opr_error *reterr)
{
    OPR_TRY(check_decl(&c->decl, reterr));
    if (opr__controller_find(c->m, c->decl.name)) {
        return opr_error_set(reterr, OPR_E_EXISTS, "there is already a controller \"%s\"",
                             c->decl.name);
    }
    OPR_TRY(subscribe(c, &decl->primary, true, reterr));
    for (const struct opr_watch *w = c->decl.reads; w && w->gvk; w++) {
        OPR_TRY(subscribe(c, w, false, reterr));
    }
    return OPR_OK;
}

struct opr__controller *opr__controller_new(struct opr_manager *m, struct opr__plugin *plugin,
                                            const struct opr_controller *decl,
                                            struct opr_error *reterr)
{
    struct opr__controller *c = opr_xalloc(sizeof *c);
    size_t size = decl->size < sizeof c->decl ? decl->size : sizeof c->decl;
    c->m = m;
    c->plugin = plugin;
    memcpy(&c->decl, decl, size);
    if (subscribe_all(c, decl, reterr) != OPR_OK) {
        opr__controller_free(c);
        return NULL;
    }
    struct opr_queue_config config = {
        .name = c->decl.name, .clock = m->clock, .on_ready = on_queue_ready, .arg = c};
    c->queue = opr_queue_new(&config);
    c->expectations = opr__expectations_new(m->clock);
    c->max_workers = c->decl.workers ? c->decl.workers : 1;
    c->timeout_ns = (c->decl.timeout_ms ? c->decl.timeout_ms : DEFAULT_TIMEOUT_MS) * 1000000ull;
    return c;
}

void opr__sub_free(struct opr__sub *sub)
{
    opr_free(sub->own_watch);
    opr_free(sub);
}

void opr__controller_free(struct opr__controller *c)
{
    if (!c) {
        return;
    }
    opr_queue_free(c->queue);
    opr__expectations_free(c->expectations);
    for (size_t i = 0; i < c->subs.count; i++) {
        struct opr__sub *sub = c->subs.items[i];
        opr_vec_remove_item(&sub->source->subs, sub);
        opr__sub_free(sub);
    }
    opr_vec_fini(&c->subs);
    opr_free(c);
}

struct opr__controller *opr__controller_find(struct opr_manager *m, const char *name)
{
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        if (strcmp(c->decl.name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

const struct opr__source *opr__controller_source(const struct opr__controller *c, const char *gvk)
{
    const struct opr__source *found = NULL, *any = NULL;
    for (size_t i = 0; i < c->subs.count; i++) {
        const struct opr__source *s = ((struct opr__sub *)c->subs.items[i])->source;
        if (strcmp(s->gvk, gvk) == 0) {
            if (!s->ns && !s->labels && !s->fields && !s->is_meta_only) {
                return s;
            }
            found = found ? found : s;
        } else if (s->is_wildcard && opr__source_informer(s, gvk)) {
            any = s;
        }
    }
    return found ? found : any;
}

void opr__controller_check_ready(struct opr__controller *c)
{
    if (atomic_load(&c->is_ready)) {
        return;
    }
    for (size_t i = 0; i < c->subs.count; i++) {
        if (!opr__source_is_ready(((struct opr__sub *)c->subs.items[i])->source)) {
            return;
        }
    }
    atomic_store(&c->is_ready, true);
    opr_log(OPR_LOG_DEBUG, "runtime", "controller is ready", "controller=%s", c->decl.name);
    opr__manager_wake_workers(c->m);
    opr__manager_rearm(c->m);
}

void opr__controller_enqueue(struct opr__controller *c, const char *ns, const char *name,
                             uint64_t after_ms)
{
    char small[256];
    struct opr_buf large = {0};
    struct opr_str key;
    size_t ns_len = ns ? strlen(ns) : 0, name_len = strlen(name);
    if (ns_len + 1 + name_len <= sizeof small) {
        if (ns_len > 0) {
            memcpy(small, ns, ns_len);
        }
        small[ns_len] = '/';
        memcpy(small + ns_len + 1, name, name_len);
        key = opr_str_n(small, ns_len + 1 + name_len);
    } else {
        opr_buf_printf(&large, "%s/%s", ns ? ns : "", name);
        key = opr_buf_str(&large);
    }
    if (after_ms > 0) {
        opr_queue_add_after(c->queue, key, after_ms);
    } else {
        opr_queue_add(c->queue, key);
    }
    opr_buf_fini(&large);
}
