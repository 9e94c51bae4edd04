/* Who asks: the in-process transport's word, a client certificate, a bearer token, or nobody. */
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

/* The token of the header, up to the next blank; none where the header is no bearer token: such a
 * request is nobody's, as it is in Kubernetes. */
static struct opr_str bearer_token(struct opr_req *r)
{
    struct opr_str rest = opr_str_trim(opr_http_request_header(r->http, "authorization"));
    struct opr_str scheme = {0}, token = {0};
    if (!opr_str_next(&rest, ' ', &scheme) || !opr_str_ieq(scheme, OPR_STR("Bearer")) ||
        !opr_str_next(&rest, ' ', &token)) {
        return (struct opr_str){0};
    }
    return token;
}

static opr_status identify(struct opr_req *r)
{
    static const char *const nobody[] = {"system:unauthenticated", NULL};
    struct opr_str token = bearer_token(r);
    if (r->http->peer.cert_cn.len > 0) {
        certificate_user(r);
    } else if (token.len == 0) {
        r->user = (struct opr_user){.name = "system:anonymous", .groups = nobody};
    } else if (opr_token_verify(r->api, r->arena, token, NULL, &r->user, NULL) != OPR_OK) {
        return opr_api_fail(r, 401, "Unauthorized", "Unauthorized");
    }
    return OPR_OK;
}

opr_status opr_authenticate(struct opr_req *r)
{
    OPR_TRY(identify(r));
    return opr_impersonate(r);
}
