/* serviceaccounts/token: a token of the account, for a time, for who is named, perhaps only for as
 * long as an object lives. Checks and words: Kubernetes' pkg/registry/core/serviceaccount/storage.
 */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#define TOKEN_MIN_S 600
#define TOKEN_DEFAULT_S 3600
#define TOKEN_MAX_S (24 * 3600)
#define ASKED_MAX_S (1LL << 32)
/* What the volume of every Pod asks for (service_account.c). Its token is good for a year, as long
 * as its Pod lives: programs that read it once go on, as they do in Kubernetes. */
#define POD_TOKEN_S 3607
#define POD_TOKEN_GOOD_S (365 * 24 * 3600)

static const struct opr_kind *request_kind(void)
{
    return opr_kind_find_kind(OPR_STR("authentication.k8s.io"), OPR_STR("v1"),
                              OPR_STR("TokenRequest"));
}

static opr_status check_metadata(struct opr_req *r, struct json_object *doc,
                                 const struct opr_obj *account)
{
    struct opr_field_errors errors = {.arena = r->arena};
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    const char *ns = opr_doc_str(doc, "/metadata/namespace", "");
    const char *uid = opr_doc_str(doc, "/metadata/uid", "");
    if (*ns && strcmp(ns, r->ns) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the namespace of the provided object does not match the namespace "
                            "sent on the request");
    }
    if (*name && strcmp(name, r->name) != 0) {
        opr_field_errors_add(&errors, "FieldValueInvalid", "metadata.name",
                             opr_arena_printf(r->arena,
                                              "Invalid value: \"%s\": must match the service "
                                              "account name if specified",
                                              name));
        return opr_api_invalid(r, request_kind(), r->name, &errors);
    }
    if (*uid && strcmp(uid, opr_meta_uid(account)) != 0) {
        r->kind = request_kind();
        r->group = opr_str_of(r->kind->group);
        return opr_api_refuse_kind(r, 409, "Conflict",
                                   "Operation cannot be fulfilled on "
                                   "TokenRequest.authentication.k8s.io \"%s\": the UID in the "
                                   "token request (%s) does not match the UID of the service "
                                   "account (%s)",
                                   r->name, uid, opr_meta_uid(account));
    }
    return OPR_OK;
}

static opr_status check_seconds(struct opr_req *r, int64_t seconds)
{
    struct opr_field_errors errors = {.arena = r->arena};
    const char *why = seconds < TOKEN_MIN_S ? "may not specify a duration less than 10 minutes"
                      : seconds > ASKED_MAX_S
                          ? "may not specify a duration larger than 2^32 seconds"
                          : NULL;
    if (!why) {
        return OPR_OK;
    }
    opr_field_errors_add(
        &errors, "FieldValueInvalid", "spec.expirationSeconds",
        opr_arena_printf(r->arena, "Invalid value: %lld: %s", (long long)seconds, why));
    return opr_api_invalid(r, request_kind(), "", &errors);
}

static const char *const *audiences_of(struct opr_req *r, struct json_object *doc)
{
    struct json_object *list = opr_doc_at(doc, "/spec/audiences");
    size_t count = list ? json_object_array_length(list) : 0;
    const char **all = opr_arena_alloc(r->arena, (count + 2) * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        all[i] = json_object_get_string(json_object_array_get_idx(list, i));
    }
    if (count == 0) {
        all[0] = opr_token_issuer;
    }
    return all;
}

/* The answer: the request with what was made of it. */
static void answer(struct opr_req *r, struct json_object *doc,
                   const struct opr_token_claims *claims, int64_t asked_s, int64_t told_s,
                   const char *token)
{
    char text[OPR_TIME_TEXT_MAX], uid[OPR_UUID_TEXT_MAX];
    struct json_object *audiences = json_object_new_array();
    for (size_t i = 0; claims->audiences[i]; i++) {
        json_object_array_add(audiences, json_object_new_string(claims->audiences[i]));
    }
    (void)!opr_doc_put(doc, "/spec/audiences", audiences); /* spec is an object or absent */
    opr_doc_put_int(doc, "/spec/expirationSeconds", asked_s);
    opr_doc_put_str(doc, "/metadata/name", r->name);
    opr_doc_put_str(doc, "/metadata/namespace", r->ns);
    opr_uuid4(uid);
    opr_doc_put_str(doc, "/metadata/uid", uid);
    opr_time_format(r->now_ms, text);
    opr_doc_put_str(doc, "/metadata/creationTimestamp", text);
    opr_time_format(r->now_ms + told_s * 1000, text);
    opr_doc_put_str(doc, "/status/token", token);
    opr_doc_put_str(doc, "/status/expirationTimestamp", text);
    opr_api_json(r, 201, json_object_get(doc));
}

static bool is_for_pod(struct json_object *doc)
{
    return strcmp(opr_doc_str(doc, "/spec/boundObjectRef/kind", ""), "Pod") == 0;
}

static bool is_for_us(const char *const *audiences)
{
    return strcmp(audiences[0], opr_token_issuer) == 0 && !audiences[1];
}

static opr_status issue(struct opr_req *r, struct json_object *doc, const struct opr_obj *account)
{
    int64_t asked_s = opr_doc_int(doc, "/spec/expirationSeconds", TOKEN_DEFAULT_S);
    struct opr_buf token = {0};
    struct opr_error err = {0};
    OPR_TRY(check_metadata(r, doc, account));
    OPR_TRY(check_seconds(r, asked_s));
    struct opr_token_claims claims = {
        .ns = r->ns,
        .name = r->name,
        .uid = opr_meta_uid(account),
        .audiences = audiences_of(r, doc),
        .seconds = asked_s > TOKEN_MAX_S ? TOKEN_MAX_S : asked_s,
    };
    int64_t told_s = claims.seconds;
    OPR_TRY(opr_token_bind(r, doc, &claims));
    if (asked_s == POD_TOKEN_S && is_for_pod(doc) && is_for_us(claims.audiences)) {
        claims.seconds = POD_TOKEN_GOOD_S;
        claims.warn_after_s = POD_TOKEN_S;
    }
    opr_status st = opr_token_issue(r->api, r->arena, &claims, r->now_ms, &token, &err);
    if (st == OPR_OK) {
        answer(r, doc, &claims, asked_s, told_s, token.data);
    } else {
        opr_api_fail(r, 500, "InternalError", "Internal error occurred: %s", err.message);
    }
    opr_buf_fini(&token);
    return st;
}

void opr_api_token(struct opr_req *r)
{
    struct json_object *doc = NULL;
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, request_kind(), &doc) != OPR_OK) {
        return;
    }
    struct opr_obj *account =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    if (opr_admit_namespace(r) != OPR_OK) {
        /* answered */
    } else if (!account) {
        opr_api_not_found(r, r->plural, r->name);
    } else {
        (void)issue(r, doc, account); /* answered, also where it failed */
    }
    opr_json_unref(account);
    json_object_put(doc);
}
