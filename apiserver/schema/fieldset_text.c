/* Field sets as fieldsV1 JSON, and paths as Kubernetes prints them. */
#include "apiserver/schema/fieldset.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

/* Most elements have nothing below them: they share one empty object, which nobody changes. */
struct writing {
    struct opr_buf key;
    struct json_object *empty;
};

static struct json_object *members_of(struct writing *w, const struct opr_fieldset *s)
{
    if (s->count == 0) {
        return json_object_get(w->empty);
    }
    struct json_object *members = json_object_new_object();
    if (s->is_member) {
        json_object_object_add_ex(members, ".", json_object_get(w->empty),
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const struct opr_fieldset *c = s->children[i];
        opr_buf_clear(&w->key);
        opr_buf_add_char(&w->key, c->kind);
        opr_buf_add_char(&w->key, ':');
        opr_buf_add_text(&w->key, c->name);
        char *key = opr_xstrndup(w->key.data, w->key.len); /* members_of() uses the buffer again */
        json_object_object_add_ex(members, key, members_of(w, c), JSON_C_OBJECT_ADD_KEY_IS_NEW);
        opr_free(key);
    }
    return members;
}

struct json_object *opr_fieldset_to_json(const struct opr_fieldset *s)
{
    struct writing w = {{0}, json_object_new_object()};
    struct json_object *fields = s ? members_of(&w, s) : json_object_get(w.empty);
    json_object_put(w.empty);
    opr_buf_fini(&w.key);
    return fields;
}

const char *opr_fieldset_key(struct opr_arena *a, const char *key, struct json_object *value)
{
    struct opr_buf out = {0};
    opr_buf_add_json(&out, opr_str_of(key));
    opr_buf_add_char(&out, ':');
    opr_doc_write(&out, value);
    const char *text = opr_arena_dup(a, opr_buf_str(&out));
    opr_buf_fini(&out);
    return text;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

const char *opr_fieldset_keys(struct opr_arena *a, const char **parts, size_t count)
{
    struct opr_buf out = {0};
    if (count > 1) {
        qsort(parts, count, sizeof *parts, by_text);
    }
    opr_buf_add_char(&out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(parts[i], parts[i - 1]) != 0) { /* a schema may name a key twice */
            opr_buf_printf(&out, "%s%s", i == 0 ? "" : ",", parts[i]);
        }
    }
    opr_buf_add_char(&out, '}');
    const char *text = opr_arena_dup(a, opr_buf_str(&out));
    opr_buf_fini(&out);
    return text;
}

/* Keys and values in our own spelling, so that equal ones have equal text. NULL: no JSON. */
static const char *canonical(struct opr_arena *a, char kind, const char *text)
{
    struct json_object *doc = NULL;
    const char *name = NULL;
    if (kind == 'f') {
        return opr_arena_dup(a, opr_str_of(text));
    }
    if (opr_doc_parse(opr_str_of(text), &doc, NULL) != OPR_OK) {
        return NULL;
    }
    if (kind == 'v') {
        struct opr_buf out = {0};
        opr_doc_write(&out, doc);
        name = opr_arena_dup(a, opr_buf_str(&out));
        opr_buf_fini(&out);
    } else if (json_object_is_type(doc, json_type_object)) {
        size_t n = 0;
        const char **parts =
            opr_arena_alloc(a, ((size_t)json_object_object_length(doc) + 1) * sizeof *parts);
        json_object_object_foreach(doc, key, value)
        {
            parts[n++] = opr_fieldset_key(a, key, value);
        }
        name = opr_fieldset_keys(a, parts, n);
    }
    json_object_put(doc);
    return name;
}

static opr_status read_members(struct opr_arena *a, struct opr_fieldset *into,
                               const struct opr_obj *fields, struct opr_error *reterr)
{
    if (opr_json_type(fields) != OPR_TYPE_OBJECT) {
        return opr_error_set(reterr, OPR_E_INVALID, "fieldsV1 is no set of fields");
    }
    into->is_member = opr_json_len(fields) == 0;
    for (const struct opr_obj *v = opr_json_first(fields); v; v = opr_json_next(v)) {
        const char *key = opr_json_name(v);
        if (strcmp(key, ".") == 0) {
            into->is_member = true;
            continue;
        }
        if (!*key || key[1] != ':') {
            return opr_error_set(reterr, OPR_E_INVALID, "fieldsV1 has no element \"%s\"", key);
        }
        if (*key != 'f' && *key != 'k' && *key != 'v') {
            continue; /* of a later version, or the index of an item: passed over */
        }
        const char *name = canonical(a, *key, key + 2);
        if (!name) {
            return opr_error_set(reterr, OPR_E_INVALID, "fieldsV1 has no element \"%s\"", key);
        }
        OPR_TRY(read_members(a, opr_fieldset_child(a, into, *key, name), v, reterr));
    }
    return OPR_OK;
}

opr_status opr_fieldset_read(struct opr_arena *a, const struct opr_obj *fields,
                             const struct opr_fieldset **ret_set, struct opr_error *reterr)
{
    struct opr_fieldset *root = opr_arena_alloc(a, sizeof *root);
    if (fields) {
        OPR_TRY(read_members(a, root, fields, reterr));
        root->is_member = false;
    }
    *ret_set = root;
    return OPR_OK;
}

/* --- paths --------------------------------------------------------------------------------------
 */

void opr_fieldset_print_element(struct opr_buf *out, char kind, const char *name)
{
    struct json_object *keys = NULL;
    if (kind == 'f') {
        opr_buf_printf(out, ".%s", name);
        return;
    }
    if (kind == 'v' || opr_doc_parse(opr_str_of(name), &keys, NULL) != OPR_OK) {
        opr_buf_printf(out, "[=%s]", name);
        return;
    }
    char before = '[';
    json_object_object_foreach(keys, key, value)
    {
        opr_buf_printf(out, "%c%s=", before, key);
        opr_doc_write(out, value);
        before = ',';
    }
    opr_buf_add_char(out, ']');
    json_object_put(keys);
}

struct printing {
    struct opr_buf path;
    void (*fn)(void *arg, const char *path);
    void *arg;
};

/* The members of a level come before what is below them. */
static void each(struct printing *p, const struct opr_fieldset *s)
{
    size_t len = p->path.len;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < s->count; i++) {
            const struct opr_fieldset *c = s->children[i];
            opr_fieldset_print_element(&p->path, c->kind, c->name);
            if (pass == 0 && c->is_member) {
                p->fn(p->arg, p->path.data);
            } else if (pass == 1) {
                each(p, c);
            }
            p->path.len = len;
            p->path.data[len] = 0;
        }
    }
}

void opr_fieldset_each(const struct opr_fieldset *s, void (*fn)(void *arg, const char *path),
                       void *arg)
{
    struct printing p = {.fn = fn, .arg = arg};
    if (s) {
        each(&p, s);
    }
    opr_buf_fini(&p.path);
}
