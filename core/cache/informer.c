#include "core/cache/informer.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/cache/informer_internal.h"
#include "core/net/loop.h"

static char *dup_or_null(const char *text)
{
    return text && *text ? opr_xstrdup(text) : NULL;
}

static void parse_selectors(struct opr_informer *i)
{
    struct opr_error err = {0};
    opr_status st = OPR_OK;
    if (i->labels) {
        st = opr_selector_parse(opr_str_of(i->labels), &i->selector, &err);
    }
    if (st == OPR_OK && i->fields) {
        st = opr_field_selector_parse(i->arena, opr_str_of(i->fields), &i->field_reqs,
                                      &i->n_field_reqs, &err);
    }
    i->field_paths = opr_xalloc(i->n_field_reqs * sizeof i->field_paths[0] + 1);
    for (size_t n = 0; n < i->n_field_reqs; n++) {
        i->field_paths[n] = opr_path_from_field(i->field_reqs[n].field);
    }
    if (st != OPR_OK) {
        opr_log(OPR_LOG_ERROR, "cache", "selector not understood", "kind=%s error=%s",
                i->resource->gvk, err.message);
    }
}

static void on_timer(void *arg)
{
    opr_informer_tick(arg);
}

struct opr_informer *opr_informer_new(const struct opr_informer_config *config)
{
    struct opr_informer *i = opr_xalloc(sizeof *i);
    const struct opr_resource *r = config->resource;
    i->loop = config->loop;
    i->client = config->client;
    i->clock = config->clock;
    i->resource = r;
    i->api_version =
        *r->group ? opr_xprintf("%s/%s", r->group, r->version) : opr_xstrdup(r->version);
    i->ns = dup_or_null(config->ns);
    i->labels = dup_or_null(config->labels);
    i->fields = dup_or_null(config->fields);
    i->is_meta_only = config->is_meta_only;
    i->arena = opr_arena_new();
    i->due_ns = UINT64_MAX;
    opr__store_init(&i->store);
    parse_selectors(i);
    if (i->loop) {
        i->timer = opr_timer_new(i->loop, on_timer, i);
    }
    return i;
}

opr_status opr_informer_add_index(struct opr_informer *i, const char *spec,
                                  struct opr_error *reterr)
{
    return opr__store_add_index(&i->store, spec, reterr);
}

void opr_informer_add_handler(struct opr_informer *i, opr_informer_fn fn, void *arg)
{
    struct opr__handler *h = opr_xalloc(sizeof *h);
    *h = (struct opr__handler){.fn = fn, .arg = arg, .is_late = i->phase != OPR__PHASE_STOPPED};
    opr_vec_push(&i->handlers, h);
    opr__reflector_arm(i);
}

void opr_informer_on_sync(struct opr_informer *i, void (*fn)(void *arg), void *arg)
{
    i->on_sync = fn;
    i->on_sync_arg = arg;
}

void opr_informer_on_failure(struct opr_informer *i, void (*fn)(void *arg), void *arg)
{
    i->on_failure = fn;
    i->on_failure_arg = arg;
}

void opr_informer_on_answer(struct opr_informer *i, void (*fn)(void *arg), void *arg)
{
    i->on_answer = fn;
    i->on_answer_arg = arg;
}

void opr_informer_start(struct opr_informer *i)
{
    opr__reflector_start(i);
}

void opr_informer_stop(struct opr_informer *i)
{
    opr__reflector_stop(i);
}

void opr_informer_free(struct opr_informer *i)
{
    if (!i) {
        return;
    }
    opr__reflector_stop(i);
    opr_timer_free(i->timer);
    opr__store_fini(&i->store);
    for (size_t n = 0; n < i->handlers.count; n++) {
        opr_free(i->handlers.items[n]);
    }
    opr_vec_fini(&i->handlers);
    opr_buf_fini(&i->pending);
    opr_buf_fini(&i->text);
    opr_selector_free(i->selector);
    for (size_t n = 0; n < i->n_field_reqs; n++) {
        opr_path_free(i->field_paths[n]);
    }
    opr_free(i->field_paths);
    opr_arena_free(i->arena);
    opr_free(i->rv);
    opr_free(i->page);
    opr_free(i->api_version);
    opr_free(i->ns);
    opr_free(i->labels);
    opr_free(i->fields);
    opr_free(i);
}

bool opr_informer_is_synced(const struct opr_informer *i)
{
    return atomic_load(&i->is_synced);
}

bool opr_informer_has_failed(const struct opr_informer *i)
{
    return atomic_load(&i->has_failed);
}

const struct opr_resource *opr_informer_resource(const struct opr_informer *i)
{
    return i->resource;
}

static bool has_late_handler(const struct opr_informer *i)
{
    for (size_t n = 0; n < i->handlers.count; n++) {
        if (((const struct opr__handler *)i->handlers.items[n])->is_late) {
            return true;
        }
    }
    return false;
}

uint64_t opr_informer_next_due_ns(const struct opr_informer *i)
{
    return has_late_handler(i) ? opr_clock_mono_ns(i->clock) : i->due_ns;
}

/* Shows what is there to the handlers that came after it. */
static void tell_late_handlers(struct opr_informer *i)
{
    struct opr_vec objs = {0};
    opr__store_seen(&i->store, &objs);
    for (size_t n = 0; n < i->handlers.count; n++) {
        struct opr__handler *h = i->handlers.items[n];
        if (!h->is_late) {
            continue;
        }
        h->is_late = false;
        for (size_t o = 0; o < objs.count; o++) {
            h->fn(h->arg, NULL, objs.items[o]);
        }
    }
    for (size_t o = 0; o < objs.count; o++) {
        opr_json_unref(objs.items[o]);
    }
    opr_vec_fini(&objs);
}

void opr_informer_tick(struct opr_informer *i)
{
    if (has_late_handler(i)) {
        tell_late_handlers(i);
    }
    opr__reflector_tick(i);
}

struct opr_obj *opr_informer_get(const struct opr_informer *i, const char *ns, const char *name)
{
    return opr__store_get(&i->store, ns, name);
}

opr_status opr_informer_list(const struct opr_informer *i, struct opr_arena *a, const char *ns,
                             const char *index, const char *value,
                             const struct opr_obj *const **ret_objs, uint32_t *ret_count)
{
    return opr__store_list(&i->store, a, ns, index, value, ret_objs, ret_count);
}

size_t opr_informer_count(const struct opr_informer *i)
{
    return opr__store_count(&i->store);
}

/* A field of an object, as the server's field selectors mean it. */
static bool matches_field(const struct opr_path *field, const struct opr_field_req *req,
                          const struct opr_obj *obj)
{
    const struct opr_obj *value = opr_path_at(field, obj);
    struct opr_buf text = {0};
    if (opr_json_type(value) == OPR_TYPE_STRING) {
        opr_buf_add_str(&text, opr_json_text(value, ""));
    } else if (value) {
        opr_json_write(&text, value);
    }
    bool is_equal = opr_str_eq(opr_buf_str(&text), req->value);
    opr_buf_fini(&text);
    return is_equal != req->is_negated;
}

static bool is_selected(const struct opr_informer *i, const struct opr_obj *obj)
{
    if (i->selector && !opr_selector_match(i->selector, opr_json_at(obj, "/metadata/labels"))) {
        return false;
    }
    for (size_t n = 0; n < i->n_field_reqs; n++) {
        if (!matches_field(i->field_paths[n], &i->field_reqs[n], obj)) {
            return false;
        }
    }
    return true;
}

void opr_informer_note_write(struct opr_informer *i, const struct opr_obj *obj, bool is_deleted)
{
    if (i->ns && strcmp(i->ns, opr_meta_ns(obj)) != 0) {
        return;
    }
    opr__store_note(&i->store, obj, !is_selected(i, obj), is_deleted);
}
