/* Field sets as fieldsV1 JSON, and paths as Kubernetes prints them. */
#include "apiserver/schema/fieldset.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

static void add_members(struct opr_buf *key, struct json_object *into, const struct opr_fieldset *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct opr_fieldset *c = s->children[i];
        struct json_object *value = json_object_new_object();
        if (c->is_member && c->count > 0) {
            json_object_object_add(value, ".", json_object_new_object());
        }
        opr_buf_clear(key);
        opr_buf_printf(key, "%c:%s", c->kind, c->name);
        json_object_object_add(into, key->data, value);
        add_members(key, value, c);
    }
}

struct json_object *opr_fieldset_to_json(const struct opr_fieldset *s)
{
    struct opr_buf key = {0};
    struct json_object *fields = json_object_new_object();
    if (s) {
        add_members(&key, fields, s);
    }
    opr_buf_fini(&key);
    return fields;
}

/* Keys and values in our own spelling, so that equal ones have equal text. NULL: no JSON. */
static const char *canonical(struct opr_arena *a, char kind, const char *text)
{
    struct json_object *doc = NULL;
    if (kind == 'f') {
        return text;
    }
    if (opr_doc_parse(opr_str_of(text), &doc, NULL) != OPR_OK) {
        return NULL;
    }
    struct opr_buf out = {0};
    const char *name = NULL;
    if (kind == 'v' || json_object_is_type(doc, json_type_object)) {
        opr_doc_write(&out, doc);
        name = opr_arena_dup(a, opr_buf_str(&out));
    }
    opr_buf_fini(&out);
    json_object_put(doc);
    return name;
}

static opr_status read_members(struct opr_arena *a, struct opr_fieldset *root,
                               const struct opr_fieldstep *up, struct json_object *fields,
                               struct opr_error *reterr)
{
    if (!json_object_is_type(fields, json_type_object)) {
        return opr_error_set(reterr, OPR_E_INVALID, "fieldsV1 is no set of fields");
    }
    bool is_leaf = json_object_object_length(fields) == 0;
    json_object_object_foreach(fields, key, value)
    {
        if (strcmp(key, ".") == 0) {
            is_leaf = true;
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
        struct opr_fieldstep step = {up, *key, name};
        OPR_TRY(read_members(a, root, &step, value, reterr));
    }
    if (is_leaf && up) {
        opr_fieldset_insert(a, root, up);
    }
    return OPR_OK;
}

opr_status opr_fieldset_from_json(struct opr_arena *a, struct json_object *fields,
                                  const struct opr_fieldset **ret_set, struct opr_error *reterr)
{
    struct opr_fieldset *root = opr_arena_alloc(a, sizeof *root);
    if (fields) {
        OPR_TRY(read_members(a, root, NULL, fields, reterr));
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
