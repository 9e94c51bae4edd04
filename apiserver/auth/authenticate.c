/* Who asks: the in-process transport's word, a client certificate, a bearer token, or nobody; and
 * impersonation, where that user may. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static void certificate_user(struct opr_req *r)
{
    const struct opr_http_peer *peer = &r->http->peer;
    const char **groups = opr_arena_alloc(r->arena, (peer->n_cert_orgs + 2) * sizeof *groups);
    for (size_t i = 0; i < peer->n_cert_orgs; i++) {
        groups[i] = opr_arena_dup(r->arena, peer->cert_orgs[i]);
    }
    groups[peer->n_cert_orgs] = "system:authenticated";
    r->user = (struct opr_user){
        .name = opr_arena_dup(r->arena, peer->cert_cn),
        .groups = groups,
    };
}

static opr_status identify(struct opr_req *r)
{
    static const char *const nobody[] = {"system:unauthenticated", NULL};
    struct opr_str header = opr_http_request_header(r->http, "authorization");
    if (r->http->peer.cert_cn.len > 0) {
        certificate_user(r);
        return OPR_OK;
    }
    if (header.len == 0) {
        r->user = (struct opr_user){.name = "system:anonymous", .groups = nobody};
        return OPR_OK;
    }
    if (header.len > 7 && opr_str_ieq(opr_str_n(header.ptr, 7), OPR_STR("Bearer "))) {
        struct opr_str token = opr_str_trim(opr_str_n(header.ptr + 7, header.len - 7));
        if (opr_token_verify(r->api, r->arena, token, NULL, &r->user, NULL) == OPR_OK) {
            return OPR_OK;
        }
    }
    return opr_api_fail(r, 401, "Unauthorized", "Unauthorized");
}

static opr_status may_impersonate(struct opr_req *r, const char *what, const char *ns,
                                  const char *name)
{
    struct opr_access access = {
        .verb = "impersonate", .group = "", .plural = what, .ns = ns, .name = name};
    if (opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        return OPR_OK;
    }
    return opr_api_fail(r, 403, "Forbidden",
                        "%s \"%s\" is forbidden: User \"%s\" cannot impersonate resource \"%s\" in "
                        "API group \"\" %s",
                        what, name, r->user.name, what,
                        ns ? opr_arena_printf(r->arena, "in the namespace \"%s\"", ns)
                           : "at the cluster scope");
}

/* Groups of the Impersonate-Group headers; the last is NULL. */
static opr_status wanted_groups(struct opr_req *r, const char ***ret_groups)
{
    const char **groups = opr_arena_alloc(r->arena, (r->http->n_headers + 4) * sizeof *groups);
    size_t n = 0;
    for (size_t i = 0; i < r->http->n_headers; i++) {
        if (opr_str_ieq(r->http->headers[i].name, OPR_STR("Impersonate-Group"))) {
            groups[n] = opr_arena_dup(r->arena, r->http->headers[i].value);
            OPR_TRY(may_impersonate(r, "groups", NULL, groups[n]));
            n++;
        }
    }
    *ret_groups = groups;
    return OPR_OK;
}

static opr_status impersonate(struct opr_req *r, struct opr_str header)
{
    static const char accounts[] = "system:serviceaccount:";
    const char *name = opr_arena_dup(r->arena, header), *ns = NULL;
    const char **groups;
    if (opr_str_starts(header, accounts)) {
        size_t len = sizeof accounts - 1;
        struct opr_str rest = opr_str_n(header.ptr + len, header.len - len), part = {0};
        (void)opr_str_next(&rest, ':', &part); /* nothing: no namespace has that name */
        ns = opr_arena_dup(r->arena, part);
        OPR_TRY(may_impersonate(r, "serviceaccounts", ns, opr_arena_dup(r->arena, rest)));
    } else {
        OPR_TRY(may_impersonate(r, "users", NULL, name));
    }
    OPR_TRY(wanted_groups(r, &groups));
    size_t n = 0;
    while (groups[n]) {
        n++;
    }
    if (ns && n == 0) {
        groups[n++] = "system:serviceaccounts";
        groups[n++] = opr_arena_printf(r->arena, "system:serviceaccounts:%s", ns);
    }
    if (!opr_str_is(header, "system:anonymous")) {
        groups[n] = "system:authenticated";
    }
    r->user = (struct opr_user){.name = name, .groups = groups};
    return OPR_OK;
}

opr_status opr_authenticate(struct opr_req *r)
{
    OPR_TRY(identify(r));
    struct opr_str as = opr_http_request_header(r->http, "impersonate-user");
    if (as.len > 0) {
        return impersonate(r, as);
    }
    if (opr_http_request_header(r->http, "impersonate-group").len > 0 ||
        opr_http_request_header(r->http, "impersonate-uid").len > 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "groups and a uid can be impersonated only with a user");
    }
    return OPR_OK;
}
