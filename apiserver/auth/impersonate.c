/* Impersonation: the headers Impersonate-User, -Group, -Uid and -Extra-KEY make a request another
 * user's, where its own user may "impersonate" each of them
 * (kubernetes.io/docs/reference/access-authn-authz/user-impersonation). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <ctype.h>

#define ACCOUNTS "system:serviceaccount:"
#define EXTRA "Impersonate-Extra-"
#define AUTHENTICATION "authentication.k8s.io"

static opr_status may(struct opr_req *r, struct opr_access access)
{
    access.verb = "impersonate";
    if (opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        return OPR_OK;
    }
    const char *dot = *access.group ? "." : "";
    const char *sub = access.sub ? opr_arena_printf(r->arena, "/%s", access.sub) : "";
    const char *scope = access.ns ? opr_arena_printf(r->arena, "in the namespace \"%s\"", access.ns)
                                  : "at the cluster scope";
    r->group = opr_str_of(access.group);
    r->plural = access.plural;
    r->name = access.name;
    return opr_api_refuse(r, 403, "Forbidden",
                          "%s%s%s \"%s\" is forbidden: User \"%s\" cannot impersonate resource "
                          "\"%s%s\" in API group \"%s\" %s",
                          access.plural, dot, access.group, access.name, r->user.name,
                          access.plural, sub, access.group, scope);
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One part of an account's name: what a namespace may be called, or with dots an account. */
static bool is_name(struct opr_str part, bool has_dots)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (!is_alphanumeric(c) && c != '-' && !(has_dots && c == '.')) {
            return false;
        }
    }
    return part.len > 0 && is_alphanumeric(part.ptr[0]) && is_alphanumeric(part.ptr[part.len - 1]);
}

/* The namespace and the name of an account's user; false: it is another user. */
static bool split_account(struct opr_req *r, struct opr_str user, const char **ret_ns,
                          const char **ret_name)
{
    struct opr_str rest = user, ns = {0};
    if (!opr_str_starts(user, ACCOUNTS)) {
        return false;
    }
    rest = opr_str_n(user.ptr + strlen(ACCOUNTS), user.len - strlen(ACCOUNTS));
    if (!opr_str_next(&rest, ':', &ns) || !is_name(ns, false) || !is_name(rest, true)) {
        return false;
    }
    *ret_ns = opr_arena_dup(r->arena, ns);
    *ret_name = opr_arena_dup(r->arena, rest);
    return true;
}

static bool has(const char *const *groups, const char *group)
{
    for (; *groups; groups++) {
        if (strcmp(*groups, group) == 0) {
            return true;
        }
    }
    return false;
}

/* The groups of the headers, and with them those that every such user is in. */
static opr_status wanted_groups(struct opr_req *r, const char *user, const char *account_ns,
                                const char *const **ret_groups)
{
    const char **groups = opr_arena_alloc(r->arena, (r->http->n_headers + 4) * sizeof *groups);
    size_t n = 0;
    for (size_t i = 0; i < r->http->n_headers; i++) {
        if (opr_str_ieq(r->http->headers[i].name, OPR_STR("Impersonate-Group"))) {
            groups[n] = opr_arena_dup(r->arena, r->http->headers[i].value);
            OPR_TRY(
                may(r, (struct opr_access){.group = "", .plural = "groups", .name = groups[n]}));
            n++;
        }
    }
    if (account_ns && n == 0) {
        groups[n++] = "system:serviceaccounts";
        groups[n++] = opr_arena_printf(r->arena, "system:serviceaccounts:%s", account_ns);
    }
    bool is_nobody = has(groups, "system:unauthenticated");
    if (strcmp(user, "system:anonymous") == 0 && !is_nobody) {
        groups[n] = "system:unauthenticated";
    } else if (strcmp(user, "system:anonymous") != 0 && !is_nobody &&
               !has(groups, "system:authenticated")) {
        groups[n] = "system:authenticated";
    }
    *ret_groups = groups;
    return OPR_OK;
}

/* The key of an Impersonate-Extra- header, in lower case; NULL: it is another header. */
static const char *extra_key(struct opr_req *r, struct opr_str header)
{
    size_t len = strlen(EXTRA);
    if (header.len <= len || !opr_str_ieq(opr_str_n(header.ptr, len), OPR_STR(EXTRA))) {
        return NULL;
    }
    struct opr_str rest = opr_str_n(header.ptr + len, header.len - len);
    char *low = opr_arena_dup(r->arena, rest);
    for (char *c = low; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return opr_arena_dup(r->arena, opr_url_decode(r->arena, opr_str_of(low), false));
}

static opr_status wanted_extra(struct opr_req *r, const struct opr_extra **ret_extra)
{
    size_t n = 0, max = r->http->n_headers + 1;
    struct opr_extra *extra = opr_arena_alloc(r->arena, max * sizeof *extra);
    for (size_t i = 0; i < r->http->n_headers; i++) {
        const char *key = extra_key(r, r->http->headers[i].name);
        if (!key) {
            continue;
        }
        const char *value = opr_arena_dup(r->arena, r->http->headers[i].value);
        OPR_TRY(may(
            r, (struct opr_access){
                   .group = AUTHENTICATION, .plural = "userextras", .sub = key, .name = value}));
        size_t at = 0, count = 0;
        while (at < n && strcmp(extra[at].key, key) != 0) {
            at++;
        }
        if (at == n) {
            extra[n++] = (struct opr_extra){
                .key = key, .values = opr_arena_alloc(r->arena, max * sizeof *extra->values)};
        }
        while (extra[at].values[count]) {
            count++;
        }
        ((const char **)extra[at].values)[count] = value; /* the arena's, not yet published */
    }
    *ret_extra = n > 0 ? extra : NULL;
    return OPR_OK;
}

static bool wants_more_than_user(const struct opr_req *r)
{
    for (size_t i = 0; i < r->http->n_headers; i++) {
        struct opr_str name = r->http->headers[i].name;
        if (opr_str_ieq(name, OPR_STR("Impersonate-Group")) ||
            (opr_str_ieq(name, OPR_STR("Impersonate-Uid")) && r->http->headers[i].value.len > 0) ||
            (name.len > strlen(EXTRA) &&
             opr_str_ieq(opr_str_n(name.ptr, strlen(EXTRA)), OPR_STR(EXTRA)))) {
            return true;
        }
    }
    return false;
}

opr_status opr_impersonate(struct opr_req *r)
{
    struct opr_str header = opr_http_request_header(r->http, "impersonate-user");
    struct opr_str uid = opr_http_request_header(r->http, "impersonate-uid");
    const char *ns = NULL, *account = NULL;
    struct opr_user user = {0};
    if (header.len == 0) {
        return wants_more_than_user(r)
                   ? opr_api_fail(r, 400, "BadRequest",
                                  "groups, a uid and extra can be impersonated only with a user")
                   : OPR_OK;
    }
    user.name = opr_arena_dup(r->arena, header);
    if (split_account(r, header, &ns, &account)) {
        OPR_TRY(may(r, (struct opr_access){
                           .group = "", .plural = "serviceaccounts", .ns = ns, .name = account}));
    } else {
        OPR_TRY(may(r, (struct opr_access){.group = "", .plural = "users", .name = user.name}));
    }
    OPR_TRY(wanted_groups(r, user.name, ns, &user.groups));
    OPR_TRY(wanted_extra(r, &user.extra));
    if (uid.len > 0) {
        user.uid = opr_arena_dup(r->arena, uid);
        OPR_TRY(may(
            r, (struct opr_access){.group = AUTHENTICATION, .plural = "uids", .name = user.uid}));
    }
    r->user = user;
    return OPR_OK;
}
