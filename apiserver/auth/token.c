/* ServiceAccount tokens: JWTs signed with ES256 (RFC 7519, RFC 7518 3.4), checked against the
 * account that they name. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#define ISSUER "https://kubernetes.default.svc"
#define EXTRA_MAX 5

const char opr_token_issuer[] = ISSUER;

static void add_base64url(struct opr_buf *out, const void *data, size_t len)
{
    size_t begin = out->len;
    opr_buf_base64(out, data, len);
    for (size_t i = begin; i < out->len; i++) {
        char c = out->data[i];
        out->data[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    while (out->len > begin && out->data[out->len - 1] == '=') {
        out->data[--out->len] = '\0';
    }
}

static bool from_base64url(struct opr_buf *out, struct opr_str text)
{
    struct opr_buf plain = {0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        opr_buf_add_char(&plain, c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' ? '!' : c);
    }
    while (plain.len % 4 != 0) {
        opr_buf_add_char(&plain, '=');
    }
    bool is_good = opr_buf_unbase64(out, opr_buf_str(&plain)) == OPR_OK;
    opr_buf_fini(&plain);
    return is_good;
}

/* The audiences as a JSON array. */
static const char *audience_list(struct opr_arena *a, const char *const *audiences)
{
    struct opr_buf text = {0};
    opr_buf_add_char(&text, '[');
    for (size_t i = 0; audiences[i]; i++) {
        opr_buf_add_text(&text, i > 0 ? "," : "");
        opr_buf_add_json(&text, opr_str_of(audiences[i]));
    }
    opr_buf_add_char(&text, ']');
    const char *list = opr_arena_dup(a, opr_buf_str(&text));
    opr_buf_fini(&text);
    return list;
}

opr_status opr_token_issue(struct opr_apiserver *s, struct opr_arena *a,
                           const struct opr_token_claims *c, int64_t now_ms,
                           struct opr_buf *ret_token, struct opr_error *reterr)
{
    static const char *const own[] = {ISSUER, NULL};
    static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    char id[OPR_UUID_TEXT_MAX];
    uint8_t signature[64];
    int64_t now = now_ms / 1000;
    opr_uuid4(id);
    const char *warning = c->warn_after_s > 0 ? opr_arena_printf(a, ",\"warnafter\":%lld",
                                                                 (long long)(now + c->warn_after_s))
                                              : "";
    const char *claims = opr_arena_printf(
        a,
        "{\"aud\":%s,\"exp\":%lld,\"iat\":%lld,\"iss\":\"" ISSUER "\",\"jti\":\"%s\","
        "\"kubernetes.io\":{\"namespace\":\"%s\",\"serviceaccount\":{\"name\":\"%s\",\"uid\":\"%"
        "s\"}%s%s},"
        "\"nbf\":%lld,\"sub\":\"system:serviceaccount:%s:%s\"}",
        audience_list(a, c->audiences && c->audiences[0] ? c->audiences : own),
        (long long)(now + c->seconds), (long long)now, id, c->ns, c->name, c->uid,
        c->bound ? c->bound : "", warning, (long long)now, c->ns, c->name);
    add_base64url(ret_token, header, sizeof header - 1);
    opr_buf_add_char(ret_token, '.');
    add_base64url(ret_token, claims, strlen(claims));
    OPR_TRY(opr_pki_es256_sign(s->pki.sa_key, opr_buf_str(ret_token), signature, reterr));
    opr_buf_add_char(ret_token, '.');
    add_base64url(ret_token, signature, sizeof signature);
    return OPR_OK;
}

/* The claims of a token whose signature is right; owned. */
static struct opr_obj *checked_claims(struct opr_apiserver *s, struct opr_str token)
{
    const char *last = token.len > 0 ? memrchr(token.ptr, '.', token.len) : NULL;
    const char *first = last ? memchr(token.ptr, '.', token.len) : NULL;
    struct opr_buf signature = {0}, claims = {0}, header = {0};
    struct opr_obj *obj = NULL, *head = NULL;
    if (first && first != last) {
        struct opr_str data = opr_str_n(token.ptr, (size_t)(last - token.ptr));
        struct opr_str tail = opr_str_n(last + 1, (size_t)(token.ptr + token.len - last - 1));
        bool is_good = from_base64url(&signature, tail) && signature.len == 64 &&
                       from_base64url(&header, opr_str_n(token.ptr, (size_t)(first - token.ptr))) &&
                       opr_json_parse(opr_buf_str(&header), &head, NULL) == OPR_OK &&
                       strcmp(opr_json_str(head, "/alg", ""), "ES256") == 0 &&
                       opr_pki_es256_verify(s->pki.sa_key, data, (const uint8_t *)signature.data) &&
                       from_base64url(&claims, opr_str_n(first + 1, (size_t)(last - first - 1)));
        if (is_good && opr_json_parse(opr_buf_str(&claims), &obj, NULL) != OPR_OK) {
            obj = NULL;
        }
    }
    opr_json_unref(head);
    opr_buf_fini(&header);
    opr_buf_fini(&signature);
    opr_buf_fini(&claims);
    return obj;
}

static bool is_account_there(struct opr_apiserver *s, struct opr_arena *a, const char *ns,
                             const char *name, const char *uid)
{
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("serviceaccounts"));
    struct opr_obj *account = opr_store_get(s->store, opr_api_key(a, kind, ns, name));
    bool is_there = account && strcmp(opr_meta_uid(account), uid) == 0;
    opr_json_unref(account);
    return is_there;
}

static bool names_audience(const struct opr_obj *claims, const char *audience)
{
    const struct opr_obj *list = opr_json_at(claims, "/aud");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "", ""), audience) == 0) {
            return true;
        }
    }
    return false;
}

/* Those of the audiences that the token names; ends with NULL. */
static const char *const *common_audiences(struct opr_arena *a, const struct opr_obj *claims,
                                           const char *const *audiences)
{
    static const char *const own[] = {ISSUER, NULL};
    size_t n = 0, count = 0;
    audiences = audiences && audiences[0] ? audiences : own;
    while (audiences[n]) {
        n++;
    }
    const char **common = opr_arena_alloc(a, (n + 1) * sizeof *common);
    for (size_t i = 0; i < n; i++) {
        if (names_audience(claims, audiences[i])) {
            common[count++] = audiences[i];
        }
    }
    common[count] = NULL;
    return common;
}

static void add_extra(struct opr_arena *a, struct opr_extra *extra, const char *key,
                      const char *prefix, const char *value)
{
    const char **values = opr_arena_alloc(a, 2 * sizeof *values);
    if (!*value) {
        return;
    }
    while (extra->key) {
        extra++;
    }
    values[0] = opr_arena_printf(a, "%s%s", prefix, value);
    *extra = (struct opr_extra){.key = opr_arena_printf(a, "authentication.kubernetes.io/%s", key),
                                .values = values};
}

/* What a token says of its user beside the groups: which token, of which Pod, on which node. */
static const struct opr_extra *extra_of(struct opr_arena *a, const struct opr_obj *claims,
                                        const struct opr_obj *own)
{
    struct opr_extra *extra = opr_arena_alloc(a, (EXTRA_MAX + 1) * sizeof *extra);
    add_extra(a, extra, "credential-id", "JTI=", opr_json_str(claims, "/jti", ""));
    add_extra(a, extra, "pod-name", "", opr_json_str(own, "/pod/name", ""));
    add_extra(a, extra, "pod-uid", "", opr_json_str(own, "/pod/uid", ""));
    add_extra(a, extra, "node-name", "", opr_json_str(own, "/node/name", ""));
    add_extra(a, extra, "node-uid", "", opr_json_str(own, "/node/uid", ""));
    return extra;
}

opr_status opr_token_verify(struct opr_apiserver *s, struct opr_arena *a, struct opr_str token,
                            const char *const *audiences, struct opr_user *ret_user,
                            const char *const **ret_audiences)
{
    struct opr_obj *claims = checked_claims(s, token);
    int64_t now = opr_clock_wall_ms(s->clock) / 1000;
    const struct opr_obj *own = opr_json_member(claims, OPR_STR("kubernetes.io"));
    const char *ns = opr_arena_dup(a, opr_str_of(opr_json_str(own, "/namespace", "")));
    const char *name = opr_arena_dup(a, opr_str_of(opr_json_str(own, "/serviceaccount/name", "")));
    const char *uid = opr_arena_dup(a, opr_str_of(opr_json_str(own, "/serviceaccount/uid", "")));
    const char *const *common = common_audiences(a, claims, audiences);
    bool is_good = claims && strcmp(opr_json_str(claims, "/iss", ""), ISSUER) == 0 && common[0] &&
                   opr_json_int(claims, "/exp", 0) > now &&
                   opr_json_int(claims, "/nbf", INT64_MAX) <= now + 60 &&
                   is_account_there(s, a, ns, name, uid) && opr_token_is_bound(s, a, own);
    const struct opr_extra *extra = is_good ? extra_of(a, claims, own) : NULL;
    opr_json_unref(claims);
    if (!is_good) {
        return OPR_E_UNAUTHORIZED;
    }
    if (ret_audiences) {
        *ret_audiences = common;
    }
    const char **groups = opr_arena_alloc(a, 4 * sizeof *groups);
    groups[0] = "system:serviceaccounts";
    groups[1] = opr_arena_printf(a, "system:serviceaccounts:%s", ns);
    groups[2] = "system:authenticated";
    *ret_user = (struct opr_user){
        .name = opr_arena_printf(a, "system:serviceaccount:%s:%s", ns, name),
        .uid = uid,
        .groups = groups,
        .extra = extra,
    };
    return OPR_OK;
}
