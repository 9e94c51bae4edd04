#include "apiserver/schema/table.h"

#include "core/base/str.h"
#include "core/json/node.h"

#include <stdio.h>

/* spec.nodeName as /spec/nodeName. */
static bool to_pointer(struct opr_str field, char *out, size_t size)
{
    if (field.len + 2 > size) {
        return false;
    }
    out[0] = '/';
    for (size_t i = 0; i < field.len; i++) {
        out[i + 1] = field.ptr[i] == '.' ? '/' : field.ptr[i];
    }
    out[field.len + 1] = 0;
    return true;
}

static bool is_selectable(const struct opr_kind *kind, struct opr_str field)
{
    const char *const *names = opr__info_of(kind)->selectable;
    if (opr_str_is(field, "metadata.name") ||
        (opr_str_is(field, "metadata.namespace") && (kind->is_namespaced || !kind->is_custom))) {
        return true;
    }
    for (; names && *names; names++) {
        if (opr_str_is(field, *names)) {
            return true;
        }
    }
    return false;
}

/* Numbers are compared as they are written. */
static struct opr_str number_text(const struct opr_obj *v)
{
    return opr__node_text(v);
}

/* Fields whose value is not what the pointer says. */
static bool special_field(const struct opr_kind *kind, const struct opr_obj *obj,
                          struct opr_str field, struct opr_str *ret_value)
{
    bool is_event = strcmp(kind->kind, "Event") == 0;
    if (is_event && opr_str_is(field, "source")) {
        const char *component = opr_json_str(obj, "/source/component", "");
        *ret_value =
            opr_str_of(*component ? component : opr_json_str(obj, "/reportingComponent", ""));
        return true;
    }
    if (strcmp(kind->kind, "Pod") == 0 &&
        (opr_str_is(field, "status.podIP") || opr_str_is(field, "status.podIPs"))) {
        *ret_value = opr_str_of(opr_json_str(obj, "/status/podIPs/0/ip", ""));
        return true;
    }
    return false;
}

/* events.k8s.io's names for members that are kept under the core names. */
static struct opr_str stored_name(const struct opr_kind *kind, struct opr_str field, char *buf,
                                  size_t size)
{
    static const char regarding[] = "regarding.";
    if (!kind->stored_as) {
        return field;
    }
    if (opr_str_is(field, "reportingController")) {
        return OPR_STR("reportingComponent");
    }
    if (opr_str_starts(field, regarding)) {
        int n = snprintf(buf, size, "involvedObject.%.*s", (int)(field.len - strlen(regarding)),
                         field.ptr + strlen(regarding));
        return n > 0 && (size_t)n < size ? opr_str_n(buf, (size_t)n) : field;
    }
    return field;
}

bool opr_schema_has_fields(const struct opr_kind *kind)
{
    return kind->is_custom || opr__info_of(kind)->selectable;
}

opr_status opr_schema_field(const struct opr_kind *kind, const struct opr_obj *obj,
                            struct opr_str field, struct opr_str *ret_value)
{
    char stored[128], ptr[160];
    if (!is_selectable(kind, field)) {
        return OPR_E_UNSUPPORTED;
    }
    field = stored_name(kind, field, stored, sizeof(stored));
    if (special_field(kind, obj, field, ret_value)) {
        return OPR_OK;
    }
    if (!to_pointer(field, ptr, sizeof(ptr))) {
        return OPR_E_LIMIT;
    }
    const struct opr_obj *v = opr_json_at(obj, ptr);
    switch (opr_json_type(v)) {
    case OPR_TYPE_STRING:
        *ret_value = opr_json_text(v, "");
        break;
    case OPR_TYPE_BOOL:
        *ret_value = opr_json_bool(v, "", false) ? OPR_STR("true") : OPR_STR("false");
        break;
    case OPR_TYPE_NUMBER:
        *ret_value = number_text(v);
        break;
    default: /* absent: the zero value of its type */
        *ret_value =
            opr_str_is(field, "spec.unschedulable") || opr_str_is(field, "spec.hostNetwork")
                ? OPR_STR("false")
                : OPR_STR("");
    }
    return OPR_OK;
}
