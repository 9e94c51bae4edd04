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

void opr_managed_set(struct opr_managed_entry *e, const struct opr_fieldset *set)
{
    if (set != e->set) {
        e->set = set;
        e->raw = NULL;
    }
}

static const char *text(struct opr_arena *a, struct json_object *doc, const char *name)
{
    struct json_object *value = json_object_object_get(doc, name);
    return json_object_is_type(value, json_type_string)
               ? opr_arena_dup(a, opr_str_of(json_object_get_string(value)))
               : "";
}

static opr_status read_entry(struct opr_managed *m, struct json_object *doc)
{
    struct opr_arena *a = m->arena;
    const struct opr_fieldset *set;
    if (!json_object_is_type(doc, json_type_object)) {
        return OPR_E_INVALID;
    }
    const char *operation = text(a, doc, "operation");
    struct opr_manager who = {text(a, doc, "manager"), text(a, doc, "apiVersion"),
                              text(a, doc, "subresource"), strcmp(operation, "Apply") == 0};
    const char *time = text(a, doc, "time");
    struct json_object *fields = json_object_object_get(doc, "fieldsV1");
    if ((!who.is_apply && strcmp(operation, "Update") != 0) ||
        strcmp(text(a, doc, "fieldsType"), "FieldsV1") != 0) {
        return OPR_E_INVALID;
    }
    OPR_TRY(opr_fieldset_from_json(a, fields, &set, NULL));
    struct opr_managed_entry *e = opr_managed_take(m, &who);
    *e = (struct opr_managed_entry){who, *time ? time : NULL, set, fields};
    return OPR_OK;
}

opr_status opr_managed_read(struct opr_managed *m, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    opr_status st = OPR_OK;
    m->count = 0;
    for (size_t i = 0; i < n && st == OPR_OK; i++) {
        st = read_entry(m, json_object_array_get_idx(list, i));
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
    json_object_object_add(d, "fieldsV1",
                           e->raw ? json_object_get(e->raw) : opr_fieldset_to_json(e->set));
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
        opr_managed_set(bucket, opr_fieldset_union(m->arena, bucket->set, old[i]->set));
        opr_managed_set(old[i], NULL);
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
            opr_managed_set(e, opr_fieldset_minus(a, opr_fieldset_minus(a, e->set, taken), gone));
        }
    }
    gained = opr_fieldset_minus(a, gained, opr_managed_never(r));
    if (opr_fieldset_is_empty(gained)) {
        return;
    }
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format(r->now_ms, now);
    struct opr_managed_entry *e = opr_managed_take(m, who);
    opr_managed_set(e, opr_fieldset_union(a, e->set, gained));
    e->time = opr_arena_dup(a, opr_str_of(now));
    cap(m);
}

/* A client that sends one empty entry wants none. */
static bool is_reset(struct json_object *list)
{
    struct json_object *first =
        json_object_is_type(list, json_type_array) && json_object_array_length(list) == 1
            ? json_object_array_get_idx(list, 0)
            : NULL;
    return json_object_is_type(first, json_type_object) && json_object_object_length(first) == 0;
}

void opr_managed_track(struct opr_req *r, struct json_object *doc, struct json_object *live)
{
    if (r->is_applied) {
        return;
    }
    struct opr_managed m = {.arena = r->arena};
    struct json_object *given = json_object_get(opr_doc_at(doc, "/metadata/managedFields"));
    struct json_object *kept = live ? opr_doc_at(live, "/metadata/managedFields") : NULL;
    bool is_sub = r->sub || r->written_as;
    if (!is_reset(given) || is_sub) {
        if (is_sub || opr_managed_read(&m, given) != OPR_OK || m.count == 0) {
            (void)!opr_managed_read(&m, kept); /* what cannot be read is as good as none */
        }
    }
    opr_doc_del(doc, "/metadata/managedFields");
    if (!live || m.count > 0) { /* an object whose fields nobody managed stays so */
        struct json_object *before = live ? json_object_get(live) : opr_schema_zero(r->kind);
        struct opr_manager who = opr_managed_who(r, false);
        opr_managed_update(r, &m, &who, before, doc);
        json_object_put(before);
    }
    opr_managed_write(&m, doc);
    json_object_put(given);
}
