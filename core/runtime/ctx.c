/* One reconcile as its plugin sees it. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/runtime/internal.h"

static void unref_obj(void *arg)
{
    opr_json_unref(arg);
}

const struct opr_obj *opr__ctx_keep(struct opr_ctx *c, struct opr_obj *take_obj)
{
    if (take_obj) {
        opr_arena_defer(c->arena, unref_obj, take_obj);
    }
    return take_obj;
}

struct opr_key opr__host_ctx_key(const struct opr_ctx *c)
{
    return c->key;
}

int64_t opr__host_ctx_now_ms(const struct opr_ctx *c)
{
    return opr_clock_wall_ms(c->m->clock);
}

bool opr__host_ctx_cancelled(const struct opr_ctx *c)
{
    return opr_caller_is_cancelled(c->caller) || opr_clock_mono_ns(c->m->clock) >= c->deadline_ns;
}

const char *opr__host_ctx_error(const struct opr_ctx *c)
{
    return c->error.message;
}

void *opr__host_ctx_state(const struct opr_ctx *c)
{
    return c->controller->plugin->state;
}

char *opr__host_ctx_text(struct opr_ctx *c, const char *fmt, va_list args)
{
    return opr_arena_vprintf(c->arena, fmt, args);
}

void *opr__host_ctx_alloc(struct opr_ctx *c, size_t size_bytes)
{
    return opr_arena_alloc(c->arena, size_bytes);
}

void opr__host_ctx_log(struct opr_ctx *c, int32_t level, const char *msg, va_list args)
{
    if (!opr_log_enabled(level)) {
        return;
    }
    const char *text = opr_arena_vprintf(c->arena, msg, args);
    opr_log(level, c->controller->decl.name, text, "key=%s/%s", c->key.ns, c->key.name);
}

void opr__host_event(struct opr_ctx *c, const struct opr_obj *about, const char *type,
                     const char *reason, const char *msg, va_list args)
{
    const struct opr_controller *decl = &c->controller->decl;
    const char *text = opr_arena_vprintf(c->arena, msg, args);
    opr__recorder_add(c->m->events, decl->event_source ? decl->event_source : decl->name, about,
                      type, reason, text);
}

bool opr__host_expect_satisfied(struct opr_ctx *c)
{
    return opr__expectations_satisfied(c->controller->expectations, c->key);
}

void opr__host_expect(struct opr_ctx *c, uint32_t creates, uint32_t deletes)
{
    opr__expectations_set(c->controller->expectations, c->key, creates, deletes);
}

void opr__host_expect_lower(struct opr_ctx *c, uint32_t creates, uint32_t deletes)
{
    opr__expectations_lower(c->controller->expectations, c->key, creates, deletes);
}

void opr__host_enqueue_after(struct opr_ctx *c, const char *controller, struct opr_key key,
                             uint32_t ms)
{
    struct opr__controller *to =
        controller ? opr__controller_find(c->m, controller) : c->controller;
    if (to) {
        opr__controller_enqueue(to, key.ns, key.name, ms);
    } else {
        opr_log(OPR_LOG_ERROR, c->controller->decl.name, "no such controller", "name=%s",
                controller);
    }
}
