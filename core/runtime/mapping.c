/* From a change of an object to keys of a controller's queue. Threads: loop. */
#include "core/base/str.h"
#include "core/runtime/internal.h"

static void enqueue_self(struct opr__sub *sub, const struct opr__child *child,
                         const struct opr_obj *o)
{
    if (!sub->source->is_wildcard) {
        opr__controller_enqueue(sub->controller, opr_meta_ns(o), opr_meta_name(o), 0);
        return;
    }
    struct opr_arena *a = opr_arena_new();
    const char *gvk = opr_informer_resource(child->informer)->gvk;
    opr__controller_enqueue(sub->controller, opr__wildcard_ns(a, gvk, opr_meta_ns(o)),
                            opr_meta_name(o), 0);
    opr_arena_free(a);
}

/* Group and kind count, the version does not: an owner may have been written through another one.
 */
static bool is_primary_kind(const struct opr__controller *c, const struct opr_obj *owner)
{
    struct opr_gvk primary;
    if (opr_gvk_parse(c->decl.primary.gvk, &primary) != OPR_OK) {
        return false; /* a wildcard owns nothing by default */
    }
    struct opr_str api_version = opr_json_text(owner, "/apiVersion");
    struct opr_str group = {0}, rest = api_version;
    if (api_version.ptr && memchr(api_version.ptr, '/', api_version.len)) {
        (void)opr_str_next(&rest, '/', &group); /* there is one */
    }
    return opr_str_eq(group, primary.group) &&
           opr_str_eq(opr_json_text(owner, "/kind"), primary.kind);
}

static const struct opr_obj *owner_of(const struct opr__controller *c, const struct opr_obj *o)
{
    const struct opr_obj *owner = o ? opr_meta_controller(o) : NULL;
    return owner && is_primary_kind(c, owner) ? owner : NULL;
}

/* The object's namespace is the owner's, unless the owner has none. */
static void enqueue_owner(struct opr__controller *c, const struct opr_obj *o,
                          const struct opr_obj *owner)
{
    const struct opr__sub *primary = c->subs.items[0];
    const char *name = opr_json_str(owner, "/name", "");
    const char *ns = opr_meta_ns(o);
    if (primary->source->children.count > 0) {
        const struct opr__child *child = primary->source->children.items[0];
        ns = opr_informer_resource(child->informer)->is_namespaced ? ns : "";
    }
    opr__controller_enqueue(c, ns, name, 0);
}

static void enqueue_owners(struct opr__controller *c, const struct opr_obj *was,
                           const struct opr_obj *is)
{
    const struct opr_obj *before = owner_of(c, was), *now = owner_of(c, is);
    bool is_same = before && now &&
                   strcmp(opr_json_str(before, "/uid", ""), opr_json_str(now, "/uid", "")) == 0;
    if (before && !is_same) {
        enqueue_owner(c, was, before);
    }
    if (now) {
        enqueue_owner(c, is, now);
    }
}

void opr__map_tell(struct opr__sub *sub, const struct opr__child *child, const struct opr_obj *was,
                   const struct opr_obj *is)
{
    if (sub->watch->map) {
        struct opr_mapper mapper = {.controller = sub->controller};
        sub->watch->map(&mapper, was, is, sub->controller->plugin->state);
    } else if (sub->is_primary) {
        enqueue_self(sub, child, is ? is : was);
    } else {
        enqueue_owners(sub->controller, was, is);
    }
}

void opr__map_change(void *arg, const struct opr_obj *was, const struct opr_obj *is)
{
    const struct opr__child *child = arg;
    const struct opr__source *s = child->source;
    for (size_t i = 0; i < s->subs.count; i++) {
        opr__map_tell(s->subs.items[i], child, was, is);
    }
}

void opr__host_map_enqueue(struct opr_mapper *m, const char *ns, const char *name)
{
    opr__controller_enqueue(m->controller, ns, name, 0);
}

void opr__host_map_each(struct opr_mapper *m, const char *gvk, const char *ns, const char *index,
                        const char *value, void (*fn)(const struct opr_obj *, void *arg), void *arg)
{
    const struct opr__source *s = opr__controller_source(m->controller, gvk);
    if (!s) {
        return;
    }
    struct opr_arena *a = opr_arena_new();
    const struct opr_obj *const *objs;
    uint32_t count;
    if (opr__source_list(s, a, gvk, ns, index, value, &objs, &count) == OPR_OK) {
        for (uint32_t i = 0; i < count; i++) {
            fn(objs[i], arg);
        }
    }
    opr_arena_free(a);
}

void opr__host_map_expected(struct opr_mapper *m, const char *ns, const char *name,
                            uint32_t creates, uint32_t deletes)
{
    struct opr_key key = {ns, name};
    opr__expectations_lower(m->controller->expectations, key, creates, deletes);
}
