#include "core/api/patch.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define OPERATIONS_MAX 10000 /* as kube-apiserver */

/* A copy of a merge patch as a value: members that are null are dropped (RFC 7386, section 2). */
static struct json_object *without_nulls(struct json_object *patch)
{
    if (!json_object_is_type(patch, json_type_object)) {
        return opr_doc_dup(patch);
    }
    struct json_object *copy = json_object_new_object();
    json_object_object_foreach(patch, name, value)
    {
        if (value) {
            json_object_object_add(copy, name, without_nulls(value));
        }
    }
    return copy;
}

static void merge_members(struct json_object *doc, struct json_object *patch)
{
    json_object_object_foreach(patch, name, value)
    {
        struct json_object *was = NULL;
        if (!value) {
            json_object_object_del(doc, name);
        } else if (json_object_is_type(value, json_type_object) &&
                   json_object_object_get_ex(doc, name, &was) &&
                   json_object_is_type(was, json_type_object)) {
            merge_members(was, value);
        } else {
            json_object_object_add(doc, name, without_nulls(value));
        }
    }
}

opr_status opr_patch_merge(struct json_object **doc, struct json_object *patch,
                           struct opr_error *reterr)
{
    (void)reterr; /* any JSON value is a merge patch */
    if (json_object_is_type(*doc, json_type_object) &&
        json_object_is_type(patch, json_type_object)) {
        merge_members(*doc, patch);
        return OPR_OK;
    }
    struct json_object *fresh = without_nulls(patch);
    json_object_put(*doc);
    *doc = fresh;
    return OPR_OK;
}

static opr_status refuse(struct opr_error *reterr, size_t i, const char *why)
{
    return opr_error_set(reterr, OPR_E_INVALID, "JSON patch: operation %zu: %s", i, why);
}

/* The container that holds the last token of a path, and that token. */
static struct json_object *parent_of(struct json_object *doc, const char *path,
                                     const char **ret_token)
{
    const char *last = strrchr(path, '/');
    char *head = opr_xstrndup(path, (size_t)(last - path));
    struct json_object *parent = opr_doc_at(doc, head);
    opr_free(head);
    *ret_token = last;
    return parent;
}

/* Inserts before an index; takes the value. */
static bool array_insert(struct json_object *array, const char *token, struct json_object *take)
{
    size_t count = json_object_array_length(array);
    uint64_t at = count;
    bool is_end = strcmp(token, "/-") == 0;
    if (!is_end && (opr_str_to_u64(opr_str_of(token + 1), &at) != OPR_OK || at > count ||
                    (token[1] == '0' && token[2]))) {
        json_object_put(take);
        return false;
    }
    for (size_t i = count; i > at; i--) {
        json_object_array_put_idx(array, i,
                                  json_object_get(json_object_array_get_idx(array, i - 1)));
    }
    json_object_array_put_idx(array, at, take);
    return true;
}

/* Takes the value. */
static bool add_at(struct json_object **doc, const char *path, struct json_object *take)
{
    if (*path == '\0') {
        json_object_put(*doc);
        *doc = take;
        return true;
    }
    const char *token;
    struct json_object *parent = *path == '/' ? parent_of(*doc, path, &token) : NULL;
    if (json_object_is_type(parent, json_type_array)) {
        return array_insert(parent, token, take);
    }
    if (json_object_is_type(parent, json_type_object)) {
        return opr_doc_put(parent, token, take) == OPR_OK;
    }
    json_object_put(take);
    return false;
}

/* True where a value stands at a path (a null does, too). */
static bool is_there(struct json_object *doc, const char *path)
{
    if (*path == '\0') {
        return true;
    }
    if (*path != '/') {
        return false;
    }
    const char *token;
    struct json_object *parent = parent_of(doc, path, &token);
    if (json_object_is_type(parent, json_type_array)) {
        uint64_t i;
        return opr_str_to_u64(opr_str_of(token + 1), &i) == OPR_OK &&
               i < json_object_array_length(parent);
    }
    if (!json_object_is_type(parent, json_type_object)) {
        return false;
    }
    if (opr_doc_at(parent, token)) {
        return true;
    }
    json_object_object_foreach(parent, name, value)
    {
        if (!value && opr_str_eq(opr_str_of(name), opr_str_of(token + 1))) {
            return true;
        }
    }
    return false;
}

static opr_status copy_or_move(struct json_object **doc, struct json_object *op, bool is_move,
                               size_t i, struct opr_error *reterr)
{
    const char *path = opr_doc_str(op, "/path", "");
    const char *from = opr_doc_str(op, "/from", NULL);
    if (!from || !is_there(*doc, from)) {
        return refuse(reterr, i, "from names nothing");
    }
    size_t len = strlen(from);
    if (is_move && strncmp(path, from, len) == 0 && path[len] == '/') {
        return refuse(reterr, i, "a value can not move into itself");
    }
    struct json_object *value = opr_doc_dup(opr_doc_at(*doc, from));
    if (is_move && *from) {
        opr_doc_del(*doc, from);
    }
    return add_at(doc, path, value) ? OPR_OK : refuse(reterr, i, "path has no parent");
}

static opr_status apply_operation(struct json_object **doc, struct json_object *op, size_t i,
                                  struct opr_error *reterr)
{
    const char *name = opr_doc_str(op, "/op", "");
    const char *path = opr_doc_str(op, "/path", NULL);
    struct json_object *value = NULL;
    bool has_value =
        json_object_is_type(op, json_type_object) && json_object_object_get_ex(op, "value", &value);
    if (!path) {
        return refuse(reterr, i, "path is missing");
    }
    if (strcmp(name, "copy") == 0 || strcmp(name, "move") == 0) {
        return copy_or_move(doc, op, *name == 'm', i, reterr);
    }
    if (strcmp(name, "add") == 0 && has_value) {
        return add_at(doc, path, opr_doc_dup(value)) ? OPR_OK
                                                     : refuse(reterr, i, "path has no parent");
    }
    bool is_found = is_there(*doc, path);
    if (strcmp(name, "remove") == 0) {
        return is_found && *path && opr_doc_del(*doc, path)
                   ? OPR_OK
                   : refuse(reterr, i, "nothing to remove");
    }
    if (strcmp(name, "replace") == 0 && has_value) {
        if (!is_found) {
            return refuse(reterr, i, "nothing to replace");
        }
        if (*path) {
            return opr_doc_put(*doc, path, opr_doc_dup(value));
        }
        return add_at(doc, path, opr_doc_dup(value)) ? OPR_OK : OPR_E_INVALID;
    }
    if (strcmp(name, "test") == 0 && has_value) {
        bool is_same = is_found && json_object_equal(opr_doc_at(*doc, path), value);
        return is_same ? OPR_OK : refuse(reterr, i, "the test failed");
    }
    return refuse(reterr, i, has_value ? "unknown op" : "unknown op, or value is missing");
}

opr_status opr_patch_json(struct json_object **doc, struct json_object *patch,
                          struct opr_error *reterr)
{
    if (!json_object_is_type(patch, json_type_array)) {
        return opr_error_set(reterr, OPR_E_INVALID, "JSON patch: it must be an array");
    }
    size_t count = json_object_array_length(patch);
    if (count > OPERATIONS_MAX) {
        return opr_error_set(reterr, OPR_E_LIMIT, "JSON patch: %zu operations, the limit is %d",
                             count, OPERATIONS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        OPR_TRY(apply_operation(doc, json_object_array_get_idx(patch, i), i, reterr));
    }
    return OPR_OK;
}

struct json_object *opr_patch_diff(struct json_object *a, struct json_object *b)
{
    if (json_object_equal(a, b)) {
        return NULL;
    }
    if (!json_object_is_type(a, json_type_object) || !json_object_is_type(b, json_type_object)) {
        return opr_doc_dup(b);
    }
    struct json_object *patch = json_object_new_object();
    json_object_object_foreach(a, gone, old_value)
    {
        (void)old_value;
        if (!json_object_object_get_ex(b, gone, NULL)) {
            json_object_object_add(patch, gone, NULL);
        }
    }
    json_object_object_foreach(b, name, value)
    {
        struct json_object *was = NULL;
        bool had = json_object_object_get_ex(a, name, &was);
        if (!had || !json_object_equal(was, value)) {
            json_object_object_add(
                patch, name, had && was && value ? opr_patch_diff(was, value) : opr_doc_dup(value));
        }
    }
    return patch;
}
