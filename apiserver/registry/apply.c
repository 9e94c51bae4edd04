/* Server-side apply: PATCH with application/apply-patch+yaml. The body says all that its manager
 * wants of an object; what it said before and says no more goes, what another manager owns is a
 * conflict. The rules are those of structured-merge-diff (merge) and apimachinery's
 * managedfields. */
#include "apiserver/registry/api.h"
#include "apiserver/registry/managed.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#define APPLY_TRIES 10
#define BEFORE_APPLY "before-first-apply"
#define LAST_APPLIED "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"

struct apply {
    struct opr_req *r;
    struct json_object *config; /* borrowed: what is applied */
    struct json_object *live;   /* owned; without managedFields */
    struct json_object *result; /* owned; NULL until it is merged */
    struct opr_managed managed;
    struct opr_manager who;
    const struct opr_fieldset *last; /* what this manager owned before */
    bool is_forced;
};

/* --- the body -----------------------------------------------------------------------------------
 */

static opr_status check_type(struct opr_req *r, struct json_object *config)
{
    const char *kind = opr_doc_str(config, "/kind", "");
    const char *version = opr_doc_str(config, "/apiVersion", "");
    struct opr_str rest = opr_str_of(version), group = {"", 0};
    if (strchr(version, '/')) {
        (void)opr_str_next(&rest, '/', &group); /* there is a '/' */
    }
    if (strcmp(kind, r->kind->kind) == 0 && opr_str_is(group, r->kind->group) &&
        opr_str_is(rest, r->kind->version)) {
        return OPR_OK;
    }
    if (!*kind || !*version) { /* Go's parser of a version leaves nothing of a lone one */
        return opr_api_fail(r, 400, "BadRequest", "invalid object type: /%s, Kind=%s", version,
                            kind);
    }
    return opr_api_fail(r, 400, "BadRequest", "invalid object type: %.*s/%.*s, Kind=%s",
                        OPR_STR_ARG(group), OPR_STR_ARG(rest), kind);
}

static opr_status check_config(struct opr_req *r, struct json_object *config)
{
    OPR_TRY(check_type(r, config));
    if (opr_doc_at(config, "/metadata/managedFields")) {
        return opr_api_fail(r, 400, "BadRequest", "metadata.managedFields must be nil");
    }
    const char *problem = opr_schema_check_applied(r->arena, r->kind->type, config);
    if (problem) {
        return opr_api_fail(r, 500, NULL,
                            "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s",
                            opr_doc_str(config, "/metadata/namespace", ""),
                            opr_doc_str(config, "/metadata/name", ""), r->kind->group,
                            r->kind->version, r->kind->kind, problem);
    }
    if (!*opr_doc_str(config, "/metadata/name", "")) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the name of the object (%s based on URL) was undeterminable: name "
                            "must be provided",
                            r->name);
    }
    return OPR_OK;
}

/* Keys that stand twice in a map: an error or warnings. */
static opr_status judge_duplicates(struct opr_req *r, const struct opr_field_errors *duplicates)
{
    struct opr_buf text = {0};
    for (size_t i = 0; i < duplicates->count; i++) {
        opr_buf_printf(&text, "\n  %s", duplicates->items[i].message);
        if (r->strictness == OPR_STRICT_WARN) {
            opr_api_warn(r, duplicates->items[i].message);
        }
    }
    opr_status st = OPR_OK;
    if (text.len > 0 && r->strictness == OPR_STRICT_ERROR) {
        st = opr_api_fail(r, 400, "BadRequest",
                          "error strict decoding YAML: error converting YAML to JSON: yaml: "
                          "unmarshal errors:%.*s",
                          (int)text.len, text.data);
    }
    opr_buf_fini(&text);
    return st;
}

static opr_status read_config(struct opr_req *r, struct json_object **ret_config)
{
    struct opr_error err = {0};
    struct opr_field_errors duplicates = {.arena = r->arena};
    struct json_object *config = NULL;
    if (opr_yaml_to_doc(r->http->body, &duplicates, &config, &err) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest", "error decoding YAML: %s", err.message);
    }
    if (!config) { /* nothing was said */
        config = json_object_new_object();
    }
    opr_status st = judge_duplicates(r, &duplicates);
    if (st == OPR_OK && !json_object_is_type(config, json_type_object)) {
        st = opr_api_fail(r, 400, "BadRequest",
                          "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
                          "json: cannot unmarshal array into Go value of type "
                          "map[string]interface {}");
    } else if (st == OPR_OK) {
        st = check_config(r, config);
    }
    if (st != OPR_OK) {
        json_object_put(config);
        return st;
    }
    *ret_config = config;
    return OPR_OK;
}

/* --- merging ------------------------------------------------------------------------------------
 */

static const struct opr_fieldset *named(struct apply *p, const struct opr_fieldset *set)
{
    return opr_schema_with_parents(p->r->arena, p->r->kind->type, set);
}

static const struct opr_fieldset *paths_of(struct apply *p, struct json_object *doc)
{
    return opr_schema_fields_of(p->r->arena, p->r->kind->type, doc);
}

/* Takes what this manager owned and no longer applies out of the result, but for what a manager
 * owns now and for what it never owned. */
static void prune(struct apply *p)
{
    struct opr_arena *a = p->r->arena;
    const struct opr_schema_type *type = p->r->kind->type;
    if (opr_fieldset_is_empty(p->last)) {
        return;
    }
    struct json_object *merged = p->result;
    struct json_object *rest = opr_schema_without(a, type, merged, named(p, p->last));
    const struct opr_fieldset *owned = NULL, *all = named(p, paths_of(p, merged));
    for (size_t i = 0; i < p->managed.count; i++) {
        owned = opr_fieldset_union(a, owned, p->managed.items[i].set);
    }
    const struct opr_fieldset *kept =
        opr_fieldset_union(a, named(p, paths_of(p, rest)), named(p, owned));
    struct json_object *pruned =
        opr_schema_without(a, type, merged, opr_fieldset_minus(a, all, kept));
    const struct opr_fieldset *gone = opr_fieldset_minus(a, all, named(p, paths_of(p, pruned)));
    p->result =
        opr_schema_without(a, type, merged, opr_fieldset_common(a, gone, named(p, p->last)));
    json_object_put(rest);
    json_object_put(pruned);
    json_object_put(merged);
}

/* --- conflicts ----------------------------------------------------------------------------------
 */

struct conflict {
    const char *manager; /* as it is told */
    const char *path;
};
struct conflicts {
    struct opr_arena *arena;
    const char *manager;
    struct conflict *items;
    size_t count, cap;
};

static void add_conflict(void *arg, const char *path)
{
    struct conflicts *all = arg;
    if (all->count == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 8;
        struct conflict *items = opr_arena_alloc(all->arena, cap * sizeof *items);
        if (all->count > 0) {
            memcpy(items, all->items, all->count * sizeof *items);
        }
        all->items = items;
        all->cap = cap;
    }
    all->items[all->count++] =
        (struct conflict){all->manager, opr_arena_dup(all->arena, opr_str_of(path))};
}

static const char *told(struct opr_arena *a, const struct opr_managed_entry *e)
{
    const char *sub =
        *e->manager.sub ? opr_arena_printf(a, " with subresource \"%s\"", e->manager.sub) : "";
    const char *using =
        e->manager.is_apply ? "" : opr_arena_printf(a, " using %s", e->manager.version);
    return opr_arena_printf(a, "\"%s\"%s%s", e->manager.name, sub, using);
}

static opr_status refuse(struct opr_req *r, const struct conflicts *all)
{
    struct opr_buf text = {0};
    if (all->count == 1) {
        opr_buf_printf(&text, "Apply failed with 1 conflict: conflict with %s: %s",
                       all->items[0].manager, all->items[0].path);
    } else {
        opr_buf_printf(&text, "Apply failed with %zu conflicts: ", all->count);
    }
    for (size_t i = 0; all->count > 1 && i < all->count; i++) {
        if (i == 0 || all->items[i].manager != all->items[i - 1].manager) {
            opr_buf_printf(&text, "%sconflicts with %s:", i > 0 ? "\n" : "", all->items[i].manager);
        }
        opr_buf_printf(&text, "\n- %s", all->items[i].path);
    }
    struct json_object *causes = json_object_new_array();
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *c = json_object_new_object();
        opr_doc_put_str(c, "/reason", "FieldManagerConflict");
        opr_doc_put_str(c, "/message",
                        opr_arena_printf(r->arena, "conflict with %s", all->items[i].manager));
        opr_doc_put_str(c, "/field", all->items[i].path);
        json_object_array_add(causes, c);
    }
    struct json_object *d = opr_status_doc(409, "Conflict", text.data);
    json_object_object_del(d, "code");
    (void)!opr_doc_put(d, "/details/causes", causes); /* an object of ours */
    opr_doc_put_int(d, "/code", 409);
    opr_buf_fini(&text);
    opr_api_json(r, 409, d);
    return OPR_E_INVALID;
}

/* Fields that kubectl set by client-side apply and that nobody changed since: kubectl may have them
 * by server-side apply. */
static const struct opr_fieldset *last_applied(struct apply *p)
{
    const char *text = opr_doc_str(p->live, LAST_APPLIED, NULL);
    struct json_object *doc = NULL;
    struct opr_schema_changes c;
    struct opr_arena *a = p->r->arena;
    if (strcmp(p->who.name, "kubectl") != 0 || !text ||
        opr_doc_parse(opr_str_of(text), &doc, NULL) != OPR_OK) {
        return NULL;
    }
    const struct opr_fieldset *set = NULL;
    if (json_object_is_type(doc, json_type_object) &&
        !opr_schema_check_applied(a, p->r->kind->type, doc)) {
        opr_schema_compare(a, p->r->kind->type, doc, p->live, &c);
        set = opr_fieldset_minus(a, paths_of(p, doc), c.modified);
        set = opr_fieldset_minus(a, set, c.removed);
    }
    json_object_put(doc);
    return set;
}

/* What the result changes of others' fields; forced or allowed ones are taken from them. */
static opr_status settle_owners(struct apply *p)
{
    struct opr_arena *a = p->r->arena;
    struct opr_schema_changes c;
    opr_schema_compare(a, p->r->kind->type, p->live, p->result, &c);
    const struct opr_fieldset *ignored = opr_managed_ignored(p->r);
    const struct opr_fieldset *changed =
        opr_fieldset_minus_tree(a, opr_fieldset_union(a, c.added, c.modified), ignored);
    const struct opr_fieldset *removed = opr_fieldset_minus_tree(a, c.removed, ignored);
    const struct opr_fieldset *allowed = p->is_forced ? NULL : last_applied(p);
    struct conflicts all = {.arena = a};
    opr_managed_sort(&p->managed);
    struct opr_managed_entry *own = opr_managed_find(&p->managed, &p->who);
    for (size_t i = 0; i < p->managed.count; i++) {
        struct opr_managed_entry *e = &p->managed.items[i];
        if (e == own) {
            continue;
        }
        const struct opr_fieldset *taken = opr_fieldset_common(a, e->set, changed);
        const struct opr_fieldset *gone = opr_fieldset_common(a, e->set, removed);
        if (!p->is_forced) {
            all.manager = told(a, e);
            opr_fieldset_each(opr_fieldset_minus(a, taken, allowed), add_conflict, &all);
        }
        if (taken || gone) {
            e->set = opr_fieldset_minus(a, opr_fieldset_minus(a, e->set, taken), gone);
            p->managed.is_changed = true;
        }
    }
    return all.count == 0 ? OPR_OK : refuse(p->r, &all);
}

/* --- applying -----------------------------------------------------------------------------------
 */

/* Who owned what until now: what nobody did belongs to the time before. */
static void read_owners(struct apply *p, const struct opr_obj *old)
{
    struct opr_req *r = p->r;
    p->managed = (struct opr_managed){.arena = r->arena};
    /* What cannot be read is as good as none. */
    (void)!opr_managed_read(&p->managed, opr_json_at(old, "/metadata/managedFields"));
    if (p->managed.count == 0 && old) {
        struct opr_manager before = p->who;
        struct json_object *zero = opr_schema_zero(r->kind);
        before.name = BEFORE_APPLY;
        before.is_apply = false;
        opr_managed_update(r, &p->managed, &before, zero, p->live);
        json_object_put(zero);
    }
}

/* kubectl's own annotation follows what kubectl applies, so that client-side apply can go on. */
static void sync_last_applied(struct apply *p)
{
    if (strcmp(p->who.name, "kubectl") != 0 || !opr_doc_at(p->live, LAST_APPLIED)) {
        return;
    }
    struct json_object *copy = opr_doc_dup(p->config);
    struct opr_buf text = {0};
    opr_doc_del(copy, LAST_APPLIED);
    struct json_object *annotations = opr_doc_at(copy, "/metadata/annotations");
    if (annotations && json_object_object_length(annotations) == 0) {
        opr_doc_del(copy, "/metadata/annotations");
    }
    opr_doc_write(&text, copy);
    opr_buf_add_char(&text, '\n');
    opr_doc_put_str(p->result, LAST_APPLIED, text.data);
    opr_buf_fini(&text);
    json_object_put(copy);
}

static bool is_same_set(struct opr_arena *a, const struct opr_fieldset *x,
                        const struct opr_fieldset *y)
{
    return opr_fieldset_is_empty(opr_fieldset_minus(a, x, y)) &&
           opr_fieldset_is_empty(opr_fieldset_minus(a, y, x));
}

static opr_status merge(struct apply *p, const struct opr_obj *old)
{
    struct opr_req *r = p->r;
    struct opr_arena *a = r->arena;
    char now[OPR_TIME_TEXT_MAX];
    read_owners(p, old);
    p->result = opr_schema_merge_applied(a, r->kind->type, p->live, p->config);
    struct opr_managed_entry *own = opr_managed_take(&p->managed, &p->who);
    p->last = own->set;
    own->set = opr_fieldset_minus_tree(a, paths_of(p, p->config), opr_managed_ignored(r));
    own->manager.version = p->who.version;
    prune(p);
    OPR_TRY(settle_owners(p));
    own = opr_managed_take(&p->managed, &p->who);
    own->set = opr_fieldset_minus(a, own->set, opr_managed_never(r));
    if (!opr_doc_equal(p->live, p->result)) {
        opr_time_format(r->now_ms, now);
        own->time = opr_arena_dup(a, opr_str_of(now));
    }
    p->managed.is_changed = p->managed.is_changed || !is_same_set(a, own->set, p->last);
    sync_last_applied(p);
    r->managed = &p->managed;
    return OPR_OK;
}

/* What a patch made is canonical again; what the kind does not take is refused. */
static opr_status check_result(struct apply *p)
{
    struct opr_error err = {0};
    if (opr_schema_prune(p->r->kind, p->result, OPR_STRICT_IGNORE, NULL, &err) != OPR_OK) {
        return opr_api_fail(p->r, 400, "BadRequest", "%s", err.message);
    }
    return opr_api_check_names(p->r, p->result);
}

static opr_status create(struct apply *p)
{
    struct opr_req *r = p->r;
    struct opr_access access = {.verb = "create",
                                .group = r->kind->group,
                                .plural = r->plural,
                                .ns = r->ns,
                                .name = r->name};
    if (r->sub) {
        return opr_api_not_found(r, r->plural, r->name);
    }
    if (!opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        r->verb = "create";
        return opr_authorize(r); /* which says so */
    }
    if (*opr_doc_str(p->config, "/metadata/uid", "")) {
        return opr_api_refuse(r, 409, "Conflict",
                              "Operation cannot be fulfilled on %s \"%s\": uid mismatch: the "
                              "provided object specified uid %s, and no existing object was found",
                              r->plural, r->name, opr_doc_str(p->config, "/metadata/uid", ""));
    }
    opr_doc_del(p->result, "/metadata/resourceVersion");
    opr_status st = opr_api_create_doc(r, p->result);
    return st == OPR_E_EXISTS ? OPR_E_CONFLICT : st;
}

static opr_status replace(struct apply *p, const struct opr_obj *old)
{
    struct opr_obj *obj = NULL;
    opr_status st = opr_api_replace(p->r, p->result, old, &obj);
    if (st == OPR_OK) {
        opr_api_object(p->r, 200, obj);
        opr_json_unref(obj);
    }
    return st;
}

/* One try; OPR_E_CONFLICT without an answer: the object changed meanwhile. */
static opr_status apply_once(struct opr_req *r, struct json_object *config,
                             const struct opr_obj *old)
{
    struct opr_obj *view = old ? opr_api_view(r->kind, old) : NULL;
    struct apply p = {.r = r,
                      .config = config,
                      .live = old ? opr_managed_doc(view) : opr_schema_zero(r->kind),
                      .who = opr_managed_who(r, true),
                      .is_forced = opr_api_query_bool(r, "force")};
    opr_status st = merge(&p, old);
    if (st == OPR_OK) {
        st = check_result(&p);
    }
    if (st == OPR_OK) {
        st = old ? replace(&p, old) : create(&p);
    }
    r->managed = NULL; /* of this try */
    json_object_put(p.live);
    json_object_put(p.result);
    opr_json_unref(view);
    return st;
}

void opr_api_apply(struct opr_req *r)
{
    struct json_object *config = NULL;
    if (read_config(r, &config) != OPR_OK) {
        return;
    }
    r->is_applied = true;
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < APPLY_TRIES && st == OPR_E_CONFLICT; i++) {
        struct opr_obj *old =
            opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
        st = apply_once(r, config, old);
        opr_json_unref(old);
    }
    if (st == OPR_E_CONFLICT) {
        opr_api_conflict(r);
    }
    json_object_put(config);
}
