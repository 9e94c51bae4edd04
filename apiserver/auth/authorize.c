/* Whether a request may be made, and the words for the one who may not. */
#include "apiserver/registry/api.h"

#include "core/api/selector.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>

/* A list or a watch that selects one name is a request for that object: a rule with
 * resourceNames allows it. Measurements are not selected by fields. */
static const char *selected_name(struct opr_req *r)
{
    struct opr_field_req *fields;
    size_t count;
    struct opr_error err = {0};
    const char *text = opr_api_query(r, "fieldSelector");
    bool is_many = strcmp(r->verb, "list") == 0 || strcmp(r->verb, "watch") == 0;
    if (!is_many || !text || opr_samples_handles(r->group) ||
        opr_field_selector_parse(r->arena, opr_str_of(text), &fields, &count, &err) != OPR_OK) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct opr_str value = fields[i].value;
        if (opr_str_is(fields[i].field, "metadata.name") && !fields[i].is_negated) {
            bool is_segment = value.len > 0 && !opr_str_is(value, ".") &&
                              !opr_str_is(value, "..") && !memchr(value.ptr, '/', value.len) &&
                              !memchr(value.ptr, '%', value.len);
            return is_segment ? opr_arena_dup(r->arena, value) : NULL;
        }
    }
    return NULL;
}

/* The verb of a path is its method. */
static const char *path_verb(struct opr_req *r)
{
    char *verb = opr_arena_dup(r->arena, r->http->method);
    for (char *c = verb; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return verb;
}

static opr_status refuse_path(struct opr_req *r, const struct opr_access *access,
                              const char *reason)
{
    return opr_api_reject(
        r, 403, "Forbidden",
        opr_arena_printf(r->arena, "forbidden: User \"%s\" cannot %s path \"%s\"%s%s", r->user.name,
                         access->verb, access->path, *reason ? ": " : "", reason));
}

static opr_status refuse(struct opr_req *r, const struct opr_access *access, const char *reason)
{
    const char *node_reason = NULL;
    (void)opr_node_allows(r->api, r->arena, &r->user, access, &node_reason);
    reason = node_reason ? node_reason : reason;
    const char *scope = r->ns ? opr_arena_printf(r->arena, "in the namespace \"%s\"", r->ns)
                              : "at the cluster scope";
    const char *sub = r->sub ? opr_arena_printf(r->arena, "/%s", r->sub) : "";
    const char *name = access->name ? opr_arena_printf(r->arena, " \"%s\"", access->name) : "";
    const char *qualified =
        *access->group ? opr_arena_printf(r->arena, "%s.%s", r->plural, access->group) : r->plural;
    r->name = access->name;
    return opr_api_refuse(r, 403, "Forbidden",
                          "%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s\" in API group "
                          "\"%s\" %s%s%s",
                          qualified, name, r->user.name, r->verb, r->plural, sub, access->group,
                          scope, *reason ? ": " : "", reason);
}

opr_status opr_authorize(struct opr_req *r)
{
    struct opr_access access = {
        .verb = r->plural ? r->verb : path_verb(r),
        .group = opr_arena_dup(r->arena, r->group),
        .plural = r->plural,
        .sub = r->sub,
        .ns = r->ns,
        .path = opr_arena_dup(r->arena, r->http->path),
    };
    const char *reason;
    access.name = r->name || !r->plural ? r->name : selected_name(r);
    if (opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        return OPR_OK;
    }
    (void)opr_rbac_decide(r->api, r->arena, &r->user, &access, &reason);
    return r->plural ? refuse(r, &access, reason) : refuse_path(r, &access, reason);
}
