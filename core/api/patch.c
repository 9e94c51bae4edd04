#include "core/api/patch.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

/* As kube-apiserver: the copies of one patch together are bounded like a request body. */
#define OPERATIONS_MAX 10000
#define COPIED_MAX (3 * 1024 * 1024)

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

/* One JSON patch in progress. */
struct patch {
    struct json_object **doc;
    struct json_object *op; /* borrowed */
    size_t i;               /* number of the operation */
    size_t copied;          /* bytes, about, that "copy" made so far */
    struct opr_error *reterr;
};

static opr_status refuse(const struct patch *p, const char *why)
{
    return opr_error_set(p->reterr, OPR_E_INVALID, "JSON patch: operation %zu: %s", p->i, why);
}

/* The container that holds the last token of a path, and that token with its '/'. */
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

/* An array index (RFC 6901: no leading zero). */
static bool read_index(const char *token, size_t *ret_index)
{
    uint64_t i;
    bool is_good = opr_str_to_u64(opr_str_of(token + 1), &i) == OPR_OK &&
                   (token[1] != '0' || token[2] == '\0');
    *ret_index = is_good ? (size_t)i : 0;
    return is_good;
}

/* Levels of containers in a value, at most limit + 1. */
static unsigned depth_of(struct json_object *value, unsigned limit)
{
    unsigned deepest = 0;
    if (limit == 0) {
        return json_object_is_type(value, json_type_object) ||
               json_object_is_type(value, json_type_array);
    }
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            unsigned d = depth_of(json_object_array_get_idx(value, i), limit - 1);
            deepest = d > deepest ? d : deepest;
        }
        return deepest + 1;
    }
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            unsigned d = depth_of(member, limit - 1);
            deepest = d > deepest ? d : deepest;
        }
        return deepest + 1;
    }
    return 0;
}

/* Inserts before an index; takes the value. */
static bool array_insert(struct json_object *array, const char *token, struct json_object *take)
{
    size_t count = json_object_array_length(array), at = count;
    if (strcmp(token, "/-") != 0 && (!read_index(token, &at) || at > count)) {
        json_object_put(take);
        return false;
    }
    json_object_array_add(array, take);
    void **items = json_object_get_array(array)->array;
    memmove(items + at + 1, items + at, (count - at) * sizeof *items);
    items[at] = take;
    return true;
}

/* A value at a path keeps the document within the depth that the parser allows. */
static opr_status check_depth(const struct patch *p, const char *path, struct json_object *value)
{
    unsigned levels = 0;
    for (const char *c = path; *c; c++) {
        levels += *c == '/';
    }
    if (levels + depth_of(value, OPR_JSON_MAX_DEPTH) <= OPR_JSON_MAX_DEPTH) {
        return OPR_OK;
    }
    return opr_error_set(p->reterr, OPR_E_LIMIT, "JSON patch: operation %zu: deeper than %d", p->i,
                         OPR_JSON_MAX_DEPTH);
}

/* RFC 6902, 4.1; takes the value. */
static opr_status add_at(const struct patch *p, const char *path, struct json_object *take)
{
    opr_status st = check_depth(p, path, take);
    if (st != OPR_OK) {
        json_object_put(take);
        return st;
    }
    if (*path == '\0') {
        json_object_put(*p->doc);
        *p->doc = take;
        return OPR_OK;
    }
    const char *token = NULL;
    struct json_object *parent = *path == '/' ? parent_of(*p->doc, path, &token) : NULL;
    bool is_added = false;
    if (json_object_is_type(parent, json_type_array)) {
        is_added = array_insert(parent, token, take);
    } else if (json_object_is_type(parent, json_type_object)) {
        is_added = opr_doc_put(parent, token, take) == OPR_OK;
    } else {
        json_object_put(take);
    }
    return is_added ? OPR_OK : refuse(p, "path has no parent, or is no index of it");
}

/* True where a member stands, be it null. */
static bool has_member(struct json_object *object, const char *token)
{
    struct opr_buf name = {0};
    opr_buf_reserve(&name, strlen(token));
    for (const char *c = token + 1; *c; c++) {
        bool is_escape = *c == '~' && (c[1] == '0' || c[1] == '1');
        opr_buf_add_char(&name, !is_escape ? *c : *++c == '1' ? '/' : '~');
    }
    bool has = json_object_object_get_ex(object, name.data, NULL);
    opr_buf_fini(&name);
    return has;
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
    const char *token = NULL;
    size_t i;
    struct json_object *parent = parent_of(doc, path, &token);
    if (json_object_is_type(parent, json_type_array)) {
        return read_index(token, &i) && i < json_object_array_length(parent);
    }
    return json_object_is_type(parent, json_type_object) && has_member(parent, token);
}

static size_t weight_of(struct json_object *value)
{
    struct opr_buf text = {0};
    opr_doc_write(&text, value);
    size_t weight = text.len;
    opr_buf_fini(&text);
    return weight;
}

/* A member that an object lacks is null for Kubernetes: it may be copied, and replaced. */
static bool may_be_made(struct json_object *doc, const char *path)
{
    const char *token = NULL;
    return *path == '/' && json_object_is_type(parent_of(doc, path, &token), json_type_object);
}

static opr_status copy_or_move(struct patch *p, bool is_move, const char *path)
{
    const char *from = opr_doc_str(p->op, "/from", NULL);
    if (!from || (!is_there(*p->doc, from) && (is_move || !may_be_made(*p->doc, from)))) {
        return refuse(p, "from names nothing");
    }
    size_t len = strlen(from);
    if (is_move && strncmp(path, from, len) == 0 && path[len] == '/') {
        return refuse(p, "a value can not move into itself");
    }
    struct json_object *value = opr_doc_at(*p->doc, from);
    if (is_move) {
        value = json_object_get(value);
        if (*from) {
            opr_doc_del(*p->doc, from);
        }
        return add_at(p, path, value);
    }
    p->copied += weight_of(value);
    if (p->copied > COPIED_MAX) {
        return opr_error_set(p->reterr, OPR_E_LIMIT, "JSON patch: it copies more than %d bytes",
                             COPIED_MAX);
    }
    return add_at(p, path, opr_doc_dup(value));
}

static opr_status replace_at(const struct patch *p, const char *path, struct json_object *value)
{
    if (!is_there(*p->doc, path) && !may_be_made(*p->doc, path)) {
        return refuse(p, "nothing to replace");
    }
    if (*path == '\0' || !is_there(*p->doc, path)) {
        return add_at(p, path, opr_doc_dup(value));
    }
    OPR_TRY(check_depth(p, path, value));
    return opr_doc_put(*p->doc, path, opr_doc_dup(value)); /* keeps the member's place */
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

/* RFC 6902, 4.6: numbers by value, members in any order. */
static bool is_same(struct json_object *a, struct json_object *b)
{
    enum json_type type = json_object_get_type(a);
    if (is_number(a) && is_number(b) && type != json_object_get_type(b)) {
        return json_object_get_double(a) == json_object_get_double(b);
    }
    if (type != json_object_get_type(b)) {
        return false;
    }
    if (type == json_type_array) {
        size_t count = json_object_array_length(a), i = 0;
        while (i < count && count == json_object_array_length(b) &&
               is_same(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i))) {
            i++;
        }
        return i == count && count == json_object_array_length(b);
    }
    if (type != json_type_object) {
        return json_object_equal(a, b);
    }
    json_object_object_foreach(a, name, value)
    {
        struct json_object *other;
        if (!json_object_object_get_ex(b, name, &other) || !is_same(value, other)) {
            return false;
        }
    }
    return json_object_object_length(a) == json_object_object_length(b);
}

/* Where the parent is there, an absent member tests as null, as in kube-apiserver. */
static opr_status test_at(const struct patch *p, const char *path, struct json_object *value)
{
    const char *token = NULL;
    bool has_place = *path == '\0' || (*path == '/' && parent_of(*p->doc, path, &token));
    return has_place && is_same(opr_doc_at(*p->doc, path), value) ? OPR_OK
                                                                  : refuse(p, "the test failed");
}

static opr_status apply_operation(struct patch *p)
{
    const char *name = opr_doc_str(p->op, "/op", "");
    const char *path = opr_doc_str(p->op, "/path", NULL);
    struct json_object *value = NULL;
    if (!path) {
        return refuse(p, "path is missing");
    }
    if (strcmp(name, "copy") == 0 || strcmp(name, "move") == 0) {
        return copy_or_move(p, *name == 'm', path);
    }
    if (strcmp(name, "remove") == 0) {
        bool is_removed = *path && is_there(*p->doc, path) && opr_doc_del(*p->doc, path);
        return is_removed ? OPR_OK : refuse(p, "nothing to remove");
    }
    value = json_object_object_get(p->op, "value"); /* none is null, as for Kubernetes */
    if (strcmp(name, "add") == 0) {
        return add_at(p, path, opr_doc_dup(value));
    }
    if (strcmp(name, "replace") == 0) {
        return replace_at(p, path, value);
    }
    if (strcmp(name, "test") == 0) {
        return test_at(p, path, value);
    }
    return refuse(p, "unknown op");
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
    struct patch p = {.doc = doc, .reterr = reterr};
    for (; p.i < count; p.i++) {
        p.op = json_object_array_get_idx(patch, p.i);
        OPR_TRY(apply_operation(&p));
    }
    return OPR_OK;
}

/* Fills patch with what turns object a into object b. */
static void add_differences(struct json_object *patch, struct json_object *a, struct json_object *b)
{
    json_object_object_foreach(a, gone, old_value)
    {
        if (old_value && !json_object_object_get_ex(b, gone, NULL)) {
            json_object_object_add(patch, gone, NULL);
        }
    }
    json_object_object_foreach(b, name, value)
    {
        struct json_object *was = NULL;
        json_object_object_get_ex(a, name, &was);
        if (json_object_equal(was, value)) {
            continue;
        }
        if (json_object_is_type(was, json_type_object) &&
            json_object_is_type(value, json_type_object)) {
            struct json_object *inner = json_object_new_object();
            add_differences(inner, was, value);
            if (json_object_object_length(inner) > 0) {
                json_object_object_add(patch, name, inner);
            } else {
                json_object_put(inner);
            }
        } else {
            json_object_object_add(patch, name, opr_doc_dup(value));
        }
    }
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
    add_differences(patch, a, b);
    if (json_object_object_length(patch) == 0) {
        json_object_put(patch);
        return NULL;
    }
    return patch;
}
