#include "apiserver/registry/managed.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

#define MANAGERS_MAX 10 /* that update; older ones become one */
#define MANAGER_NAME_MAX 128
#define ANCIENT "ancient-changes"

/* --- entries ------------------------------------------------------------------------------------
 */

/* An apply is the same manager whatever the version that it used. */
static bool is_same(const struct opr_manager *x, const struct opr_manager *y)
{
    return x->is_apply == y->is_apply && strcmp(x->name, y->name) == 0 &&
           strcmp(x->sub, y->sub) == 0 && (x->is_apply || strcmp(x->version, y->version) == 0);
}

struct opr_managed_entry *opr_managed_find(struct opr_managed *m, const struct opr_manager *who)
{
    for (size_t i = 0; i < m->count; i++) {
        if (is_same(&m->items[i].manager, who)) {
            return &m->items[i];
        }
    }
    return NULL;
}

struct opr_managed_entry *opr_managed_take(struct opr_managed *m, const struct opr_manager *who)
{
    struct opr_managed_entry *e = opr_managed_find(m, who);
    if (e) {
        return e;
    }
    if (m->count == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 8;
        struct opr_managed_entry *items = opr_arena_alloc(m->arena, cap * sizeof *items);
        if (m->count > 0) {
            memcpy(items, m->items, m->count * sizeof *items);
        }
        m->items = items;
        m->cap = cap;
    }
    e = &m->items[m->count++];
    *e = (struct opr_managed_entry){.manager = *who};
    return e;
}

static opr_status read_entry(struct opr_managed *m, const struct opr_obj *o)
{
    struct opr_arena *a = m->arena;
    const struct opr_fieldset *set;
    const char *operation = opr_json_str(o, "/operation", "");
    struct opr_manager who = {opr_arena_dup(a, opr_json_text(o, "/manager")),
                              opr_arena_dup(a, opr_json_text(o, "/apiVersion")),
                              opr_arena_dup(a, opr_json_text(o, "/subresource")),
                              strcmp(operation, "Apply") == 0};
    struct opr_str time = opr_json_text(o, "/time");
    if ((!who.is_apply && strcmp(operation, "Update") != 0) ||
        strcmp(opr_json_str(o, "/fieldsType", ""), "FieldsV1") != 0) {
        return OPR_E_INVALID;
    }
    OPR_TRY(opr_fieldset_read(a, opr_json_at(o, "/fieldsV1"), &set, NULL));
    struct opr_managed_entry *e = opr_managed_take(m, &who);
    *e = (struct opr_managed_entry){who, time.len > 0 ? opr_arena_dup(a, time) : NULL, set};
    return OPR_OK;
}

opr_status opr_managed_read(struct opr_managed *m, const struct opr_obj *list)
{
    opr_status st = OPR_OK;
    m->count = 0;
    if (opr_json_type(list) != OPR_TYPE_ARRAY) {
        return OPR_OK;
    }
    for (const struct opr_obj *v = opr_json_first(list); v && st == OPR_OK; v = opr_json_next(v)) {
        st = read_entry(m, v);
    }
    m->count = st == OPR_OK ? m->count : 0;
    return st;
}

/* Times of this form sort as texts; no time is the oldest. */
static int by_time(const struct opr_managed_entry *x, const struct opr_managed_entry *y)
{
    return strcmp(x->time ? x->time : "", y->time ? y->time : "");
}

/* Kubernetes' key of a manager is the JSON of its name, operation, apiVersion, time, subresource.
 */
static int by_key(const void *a, const void *b)
{
    const struct opr_managed_entry *x = a, *y = b;
    int c = strcmp(x->manager.name, y->manager.name);
    c = c ? c : (int)y->manager.is_apply - (int)x->manager.is_apply;
    c = c ? c : strcmp(x->manager.version, y->manager.version);
    return c ? c : strcmp(x->manager.sub, y->manager.sub);
}

void opr_managed_sort(struct opr_managed *m)
{
    if (m->count > 0) {
        qsort(m->items, m->count, sizeof *m->items, by_key);
    }
}

static int by_order(const void *a, const void *b)
{
    const struct opr_managed_entry *x = a, *y = b;
    int c = (int)y->manager.is_apply - (int)x->manager.is_apply;
    c = c ? c : by_time(x, y);
    c = c ? c : strcmp(x->manager.name, y->manager.name);
    c = c ? c : strcmp(x->manager.version, y->manager.version);
    return c ? c : strcmp(x->manager.sub, y->manager.sub);
}

static struct json_object *entry_doc(const struct opr_managed_entry *e)
{
    struct json_object *d = json_object_new_object();
    json_object_object_add(d, "manager", json_object_new_string(e->manager.name));
    json_object_object_add(d, "operation",
                           json_object_new_string(e->manager.is_apply ? "Apply" : "Update"));
    json_object_object_add(d, "apiVersion", json_object_new_string(e->manager.version));
    if (e->time) {
        json_object_object_add(d, "time", json_object_new_string(e->time));
    }
    json_object_object_add(d, "fieldsType", json_object_new_string("FieldsV1"));
    json_object_object_add(d, "fieldsV1", opr_fieldset_to_json(e->set));
    if (*e->manager.sub) {
        json_object_object_add(d, "subresource", json_object_new_string(e->manager.sub));
    }
    return d;
}

void opr_managed_write(struct opr_managed *m, struct json_object *doc)
{
    struct json_object *list = json_object_new_array();
    if (m->count > 0) {
        qsort(m->items, m->count, sizeof *m->items, by_order);
    }
    for (size_t i = 0; i < m->count; i++) {
        if (!opr_fieldset_is_empty(m->items[i].set)) {
            json_object_array_add(list, entry_doc(&m->items[i]));
        }
    }
    opr_doc_del(doc, "/metadata/managedFields");
    if (json_object_array_length(list) > 0) {
        (void)!opr_doc_put(doc, "/metadata/managedFields", list); /* metadata is an object */
    } else {
        json_object_put(list);
    }
}

/* --- who and what -------------------------------------------------------------------------------
 */

struct opr_manager opr_managed_who(struct opr_req *r, bool is_apply)
{
    const char *name = opr_api_query(r, "fieldManager");
    if (!name || !*name) {
        struct opr_str agent = opr_http_request_header(r->http, "user-agent"), program = {0};
        opr_str_next(&agent, '/', &program);
        char *clean = opr_arena_alloc(r->arena, MANAGER_NAME_MAX + 1);
        size_t len = 0;
        for (size_t i = 0; i < program.len && len < MANAGER_NAME_MAX; i++) {
            unsigned char c = (unsigned char)program.ptr[i];
            if (c >= ' ' && c < 0x7f) {
                clean[len++] = (char)c;
            }
        }
        name = len > 0 ? clean : "unknown";
    }
    const struct opr_kind *k = r->kind;
    const char *sub = r->written_as ? r->written_as : r->sub;
    return (struct opr_manager){
        .name = name,
        .version = opr_arena_printf(r->arena, "%s%s%s", k->group, *k->group ? "/" : "", k->version),
        .sub = sub ? sub : "",
        .is_apply = is_apply};
}

const struct opr_fieldset *opr_managed_ignored(struct opr_req *r)
{
    static const struct {
        const char *plural; /* NULL: custom kinds */
        const char *paths[4];
    } statuses[] = {
        {"deployments", {"spec", "metadata.labels", NULL}},
        {"pods", {"spec", "metadata.deletionTimestamp", "metadata.ownerReferences", NULL}},
        {"customresourcedefinitions", {"spec", "metadata", NULL}},
        {NULL, {"spec", "metadata", NULL}}};
    static const char *const other[] = {"spec", NULL}, *const object[] = {"status", NULL};
    if (!(r->kind->subresources & OPR_SUB_STATUS)) {
        return NULL;
    }
    if (!r->sub || strcmp(r->sub, "status") != 0) {
        return opr_fieldset_of(r->arena, object);
    }
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        const char *plural = statuses[i].plural;
        if (plural ? !r->kind->is_custom && strcmp(plural, r->kind->plural) == 0
                   : r->kind->is_custom) {
            return opr_fieldset_of(r->arena, statuses[i].paths);
        }
    }
    return opr_fieldset_of(r->arena, other);
}

const struct opr_fieldset *opr_managed_never(struct opr_req *r)
{
    static const char *const paths[] = {"apiVersion",
                                        "kind",
                                        "metadata",
                                        "metadata.name",
                                        "metadata.namespace",
                                        "metadata.creationTimestamp",
                                        "metadata.selfLink",
                                        "metadata.uid",
                                        "metadata.generation",
                                        "metadata.managedFields",
                                        "metadata.resourceVersion",
                                        NULL};
    return opr_fieldset_of(r->arena, paths);
}

/* --- changes ------------------------------------------------------------------------------------
 */

static int by_age(const void *a, const void *b)
{
    const struct opr_managed_entry *x = *(struct opr_managed_entry *const *)a;
    const struct opr_managed_entry *y = *(struct opr_managed_entry *const *)b;
    int c = by_time(x, y);
    return c ? c : by_key(x, y);
}

/* The first of a version among the entries that were passed over; it is the bucket's seed. */
static struct opr_managed_entry *first_of(struct opr_managed_entry **all, size_t count,
                                          const char *version)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i]->manager.version, version) == 0) {
            return all[i];
        }
    }
    return NULL;
}

/* Too many managers that update: the oldest of a version become one entry. */
static void cap(struct opr_managed *m)
{
    struct opr_managed_entry **old = opr_arena_alloc(m->arena, (m->count + 1) * sizeof *old);
    size_t n = 0, left, kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->items[i].manager.is_apply && !opr_fieldset_is_empty(m->items[i].set)) {
            old[n++] = &m->items[i];
        }
    }
    qsort(old, n, sizeof *old, by_age);
    left = n;
    for (size_t i = 0; i < n && left > MANAGERS_MAX; i++) {
        struct opr_manager ancient = {ANCIENT, old[i]->manager.version, "", false};
        struct opr_managed_entry *bucket = opr_managed_find(m, &ancient);
        struct opr_managed_entry *first = first_of(old, kept, ancient.version);
        if (!first || bucket == old[i]) {
            old[kept++] = old[i];
            continue;
        }
        bucket = bucket ? bucket : first;
        bucket->manager = ancient;
        bucket->time = old[i]->time;
        bucket->set = opr_fieldset_union(m->arena, bucket->set, old[i]->set);
        old[i]->set = NULL;
        left--;
    }
}

void opr_managed_update(struct opr_req *r, struct opr_managed *m, const struct opr_manager *who,
                        struct json_object *before, struct json_object *after)
{
    struct opr_arena *a = r->arena;
    struct opr_schema_changes c;
    opr_schema_compare(a, r->kind->type, before, after, &c);
    const struct opr_fieldset *ignored = opr_managed_ignored(r);
    const struct opr_fieldset *gained =
        opr_fieldset_minus_tree(a, opr_fieldset_union(a, c.added, c.modified), ignored);
    const struct opr_fieldset *lost = opr_fieldset_minus_tree(a, c.removed, ignored);
    for (size_t i = 0; i < m->count; i++) {
        struct opr_managed_entry *e = &m->items[i];
        const struct opr_fieldset *taken = opr_fieldset_common(a, e->set, gained);
        const struct opr_fieldset *gone = opr_fieldset_common(a, e->set, lost);
        if (taken || gone) {
            e->set = opr_fieldset_minus(a, opr_fieldset_minus(a, e->set, taken), gone);
            m->is_changed = true;
        }
    }
    gained = opr_fieldset_minus(a, gained, opr_managed_never(r));
    if (opr_fieldset_is_empty(gained)) {
        return;
    }
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format(r->now_ms, now);
    struct opr_managed_entry *e = opr_managed_take(m, who);
    e->set = opr_fieldset_union(a, e->set, gained);
    m->is_changed = true;
    e->time = opr_arena_dup(a, opr_str_of(now));
    cap(m);
}

/* A client that sends one empty entry wants none. */
static bool is_reset(const struct opr_obj *list)
{
    const struct opr_obj *first = opr_json_type(list) == OPR_TYPE_ARRAY && opr_json_len(list) == 1
                                      ? opr_json_first(list)
                                      : NULL;
    return opr_json_type(first) == OPR_TYPE_OBJECT && opr_json_len(first) == 0;
}

struct json_object *opr_managed_doc(const struct opr_obj *obj)
{
    struct json_object *doc = json_object_new_object();
    for (const struct opr_obj *v = opr_json_first(obj); v; v = opr_json_next(v)) {
        struct json_object *value;
        if (strcmp(opr_json_name(v), "metadata") == 0) {
            value = json_object_new_object();
            for (const struct opr_obj *m = opr_json_first(v); m; m = opr_json_next(m)) {
                if (strcmp(opr_json_name(m), "managedFields") != 0) {
                    json_object_object_add(value, opr_json_name(m), opr_doc_from_obj(m));
                }
            }
        } else {
            value = opr_doc_from_obj(v);
        }
        json_object_object_add(doc, opr_json_name(v), value);
    }
    return doc;
}

/* The entries to begin with: those that the client sent, if they are of use, else the stored ones.
 * A subresource takes none from its body. */
static void read_given(struct opr_req *r, struct opr_managed *m, struct json_object *doc,
                       const struct opr_obj *stored)
{
    struct json_object *given =
        r->sub || r->written_as ? NULL : opr_doc_at(doc, "/metadata/managedFields");
    struct opr_obj *list = given ? opr_doc_to_obj(given) : NULL;
    if (is_reset(list)) {
        m->is_changed = stored != NULL;
    } else if (opr_managed_read(m, list) == OPR_OK && m->count > 0) {
        m->is_changed = !opr_json_equal(list, stored);
    } else {
        (void)!opr_managed_read(m, stored); /* what cannot be read is as good as none */
    }
    opr_json_unref(list);
    opr_doc_del(doc, "/metadata/managedFields");
}

void opr_managed_track(struct opr_req *r, struct json_object *doc, struct json_object *live,
                       const struct opr_obj *old)
{
    if (r->is_applied) {
        return;
    }
    struct opr_managed *m = opr_arena_alloc(r->arena, sizeof *m);
    m->arena = r->arena;
    read_given(r, m, doc, opr_json_at(old, "/metadata/managedFields"));
    if (!old || m->count > 0) { /* an object whose fields nobody managed stays so */
        struct json_object *before = old ? json_object_get(live) : opr_schema_zero(r->kind);
        struct opr_manager who = opr_managed_who(r, false);
        opr_managed_update(r, m, &who, before, doc);
        json_object_put(before);
    }
    r->managed = m;
}
