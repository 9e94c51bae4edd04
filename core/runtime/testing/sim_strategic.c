#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

static const struct {
    const char *field, *key;
} merge_keys[] = {
    {"ownerReferences", "uid"},
    {"conditions", "type"},
    {"containers", "name"},
    {"initContainers", "name"},
    {"ephemeralContainers", "name"},
    {"containerStatuses", "name"},
    {"volumes", "name"},
    {"env", "name"},
    {"secrets", "name"},
    {"imagePullSecrets", "name"},
    {"volumeMounts", "mountPath"},
    {"addresses", "type"},
    {"taints", "key"},
};

static const char *key_of(const char *field)
{
    for (size_t i = 0; i < sizeof merge_keys / sizeof merge_keys[0]; i++) {
        if (strcmp(merge_keys[i].field, field) == 0) {
            return merge_keys[i].key;
        }
    }
    return NULL;
}

static const char *text_of(struct json_object *o, const char *name)
{
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, name, &v) ? json_object_get_string(v) : NULL;
}

/* Position of the element with the same key, or -1. */
static int find_element(struct json_object *list, const char *key, const char *value)
{
    for (size_t i = 0; value && i < json_object_array_length(list); i++) {
        const char *has = text_of(json_object_array_get_idx(list, i), key);
        if (has && strcmp(has, value) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_directive(struct json_object *o, const char *what)
{
    const char *has = json_object_is_type(o, json_type_object) ? text_of(o, "$patch") : NULL;
    return has && strcmp(has, what) == 0;
}

static void merge_element(struct json_object *list, const char *key, struct json_object *patch)
{
    int at = find_element(list, key, text_of(patch, key));
    if (is_directive(patch, "delete")) {
        if (at >= 0) {
            json_object_array_del_idx(list, (size_t)at, 1);
        }
        return;
    }
    if (at < 0) {
        json_object_array_add(list, opr_doc_dup(patch));
        return;
    }
    struct json_object *merged = opr_doc_dup(json_object_array_get_idx(list, (size_t)at));
    sim_strategic_merge(&merged, patch);
    json_object_array_put_idx(list, (size_t)at, merged);
}

/* A list of plain values that is a set (finalizers). */
static void merge_set(struct json_object *list, struct json_object *patch)
{
    for (size_t i = 0; i < json_object_array_length(patch); i++) {
        struct json_object *v = json_object_array_get_idx(patch, i);
        bool has = false;
        for (size_t n = 0; n < json_object_array_length(list) && !has; n++) {
            has = opr_doc_equal(json_object_array_get_idx(list, n), v);
        }
        if (!has) {
            json_object_array_add(list, opr_doc_dup(v));
        }
    }
}

static void delete_from_set(struct json_object *doc, const char *field, struct json_object *values)
{
    struct json_object *list = NULL;
    if (!json_object_object_get_ex(doc, field, &list)) {
        return;
    }
    for (size_t i = json_object_array_length(list); i-- > 0;) {
        for (size_t n = 0; n < json_object_array_length(values); n++) {
            if (opr_doc_equal(json_object_array_get_idx(list, i),
                              json_object_array_get_idx(values, n))) {
                json_object_array_del_idx(list, i, 1);
                break;
            }
        }
    }
}

/* True where the list was merged in place; false: it is replaced. */
static bool merge_list(struct json_object *has, const char *field, struct json_object *patch)
{
    const char *key = key_of(field);
    if (!json_object_is_type(has, json_type_array)) {
        return false;
    }
    if (strcmp(field, "finalizers") == 0) {
        merge_set(has, patch);
        return true;
    }
    for (size_t i = 0; key && i < json_object_array_length(patch); i++) {
        merge_element(has, key, json_object_array_get_idx(patch, i));
    }
    return key != NULL;
}

static const char delete_prefix[] = "$deleteFromPrimitiveList/";

static void merge_member(struct json_object *doc, const char *field, struct json_object *value)
{
    struct json_object *has = NULL;
    (void)json_object_object_get_ex(doc, field, &has); /* absent: has stays NULL */
    if (strncmp(field, delete_prefix, sizeof delete_prefix - 1) == 0) {
        delete_from_set(doc, field + sizeof delete_prefix - 1, value);
    } else if (field[0] == '$') {
        return; /* an order of elements, which tests do not look at */
    } else if (!value || is_directive(value, "delete")) {
        json_object_object_del(doc, field);
    } else if (json_object_is_type(value, json_type_object)) {
        struct json_object *merged = is_directive(value, "replace") ? NULL : opr_doc_dup(has);
        sim_strategic_merge(&merged, value);
        json_object_object_add(doc, field, merged);
    } else if (!json_object_is_type(value, json_type_array) || !merge_list(has, field, value)) {
        json_object_object_add(doc, field, opr_doc_dup(value));
    }
}

void sim_strategic_merge(struct json_object **doc, struct json_object *patch)
{
    if (!json_object_is_type(*doc, json_type_object)) {
        json_object_put(*doc);
        *doc = json_object_new_object();
    }
    json_object_object_foreach(patch, field, value)
    {
        merge_member(*doc, field, value);
    }
}
