/* Kinds that are created and answered, never stored: access and token reviews, TokenRequest. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include "core/base/clock.h"

#define TOKEN_MIN_S 600
#define TOKEN_DEFAULT_S 3600
#define TOKEN_MAX_S (24 * 3600)

/* "" is none. */
static const char *text_or_null(struct json_object *doc, const char *ptr)
{
    const char *text = opr_doc_str(doc, ptr, "");
    return *text ? text : NULL;
}

static const char *const *groups_at(struct opr_req *r, struct json_object *doc, const char *ptr)
{
    struct json_object *list = opr_doc_at(doc, ptr);
    size_t count = list ? json_object_array_length(list) : 0;
    const char **groups = opr_arena_alloc(r->arena, (count + 1) * sizeof *groups);
    for (size_t i = 0; i < count; i++) {
        groups[i] = json_object_get_string(json_object_array_get_idx(list, i));
    }
    return groups;
}

static void review_access(struct opr_req *r, struct json_object *doc, bool is_self)
{
    struct opr_user user = r->user;
    if (!is_self) {
        user = (struct opr_user){
            .name = opr_doc_str(doc, "/spec/user", ""),
            .groups = groups_at(r, doc, "/spec/groups"),
        };
    }
    bool is_resource = opr_doc_at(doc, "/spec/resourceAttributes") != NULL;
    struct opr_access access = {
        .verb = opr_doc_str(
            doc, is_resource ? "/spec/resourceAttributes/verb" : "/spec/nonResourceAttributes/verb",
            ""),
        .group = opr_doc_str(doc, "/spec/resourceAttributes/group", ""),
        .plural = is_resource ? opr_doc_str(doc, "/spec/resourceAttributes/resource", "") : NULL,
        .sub = text_or_null(doc, "/spec/resourceAttributes/subresource"),
        .ns = text_or_null(doc, "/spec/resourceAttributes/namespace"),
        .name = text_or_null(doc, "/spec/resourceAttributes/name"),
        .path = opr_doc_str(doc, "/spec/nonResourceAttributes/path", ""),
    };
    bool is_allowed = opr_rbac_allows(r->api, r->arena, &user, &access);
    (void)!opr_doc_put(doc, "/status/allowed", json_object_new_boolean(is_allowed));
}

static void review_token(struct opr_req *r, struct json_object *doc)
{
    struct opr_user user;
    const char *const *audiences = groups_at(r, doc, "/spec/audiences");
    struct opr_str token = opr_str_of(opr_doc_str(doc, "/spec/token", ""));
    bool is_good =
        opr_token_verify(r->api, r->arena, token, audiences, &user, &audiences) == OPR_OK;
    (void)!opr_doc_put(doc, "/status/authenticated", json_object_new_boolean(is_good));
    if (!is_good) {
        opr_doc_put_str(doc, "/status/error", "the token is not valid");
        return;
    }
    opr_doc_put_str(doc, "/status/user/username", user.name);
    opr_doc_put_str(doc, "/status/user/uid", user.uid);
    for (size_t i = 0; user.groups[i]; i++) {
        (void)!opr_doc_put(doc, "/status/user/groups/-", json_object_new_string(user.groups[i]));
    }
    for (size_t i = 0; audiences[i]; i++) {
        (void)!opr_doc_put(doc, "/status/audiences/-", json_object_new_string(audiences[i]));
    }
}

static void review_self(struct opr_req *r, struct json_object *doc)
{
    opr_doc_put_str(doc, "/status/userInfo/username", r->user.name);
    if (r->user.uid) {
        opr_doc_put_str(doc, "/status/userInfo/uid", r->user.uid);
    }
    for (size_t i = 0; r->user.groups && r->user.groups[i]; i++) {
        (void)!opr_doc_put(doc, "/status/userInfo/groups/-",
                           json_object_new_string(r->user.groups[i]));
    }
}

static void review_rules(struct opr_req *r, struct json_object *doc)
{
    struct json_object *status = json_object_new_object();
    opr_rbac_rules(r->api, r->arena, &r->user, opr_doc_str(doc, "/spec/namespace", ""), status);
    json_object_object_add(status, "incomplete", json_object_new_boolean(0));
    json_object_object_add(doc, "status", status);
}

void opr_api_review(struct opr_req *r)
{
    struct json_object *doc = NULL;
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, r->kind, &doc) != OPR_OK) {
        return;
    }
    const char *kind = r->kind->kind;
    if (strcmp(kind, "SelfSubjectAccessReview") == 0) {
        review_access(r, doc, true);
    } else if (strcmp(kind, "SubjectAccessReview") == 0 ||
               strcmp(kind, "LocalSubjectAccessReview") == 0) {
        review_access(r, doc, false);
    } else if (strcmp(kind, "SelfSubjectRulesReview") == 0) {
        review_rules(r, doc);
    } else if (strcmp(kind, "TokenReview") == 0) {
        review_token(r, doc);
    } else if (strcmp(kind, "SelfSubjectReview") == 0) {
        review_self(r, doc);
    } else {
        opr_api_method(r);
        json_object_put(doc);
        return;
    }
    opr_api_json(r, 201, doc);
}

void opr_api_token(struct opr_req *r)
{
    struct json_object *doc = NULL;
    const struct opr_kind *kind = opr_kind_find_kind(OPR_STR("authentication.k8s.io"),
                                                     OPR_STR("v1"), OPR_STR("TokenRequest"));
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, kind, &doc) != OPR_OK) {
        return;
    }
    struct opr_obj *account =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    int64_t seconds = opr_doc_int(doc, "/spec/expirationSeconds", TOKEN_DEFAULT_S);
    struct opr_buf token = {0};
    struct opr_error err = {0};
    char expires[OPR_TIME_TEXT_MAX];
    if (!account) {
        opr_api_not_found(r, r->plural, r->name);
    } else if (seconds < TOKEN_MIN_S) {
        struct opr_field_errors errors = {.arena = r->arena};
        opr_field_errors_add(&errors, "FieldValueInvalid", "spec.expirationSeconds",
                             opr_arena_printf(r->arena,
                                              "Invalid value: %lld: may not specify a duration "
                                              "less than 10 minutes",
                                              (long long)seconds));
        opr_api_invalid(r, kind, "", &errors);
    } else {
        seconds = seconds > TOKEN_MAX_S ? TOKEN_MAX_S : seconds;
        struct opr_token_claims claims = {
            .ns = r->ns,
            .name = r->name,
            .uid = opr_meta_uid(account),
            .audiences = groups_at(r, doc, "/spec/audiences"),
            .seconds = seconds,
        };
        if (opr_token_bind(r, doc, &claims) != OPR_OK) {
            /* answered */
        } else if (opr_token_issue(r->api, r->arena, &claims, r->now_ms, &token, &err) != OPR_OK) {
            opr_api_fail(r, 500, "InternalError", "Internal error occurred: %s", err.message);
        } else {
            opr_time_format(r->now_ms + seconds * 1000, expires);
            opr_doc_put_str(doc, "/metadata/name", r->name);
            opr_doc_put_str(doc, "/metadata/namespace", r->ns);
            opr_doc_put_str(doc, "/status/token", token.data);
            opr_doc_put_str(doc, "/status/expirationTimestamp", expires);
            opr_api_json(r, 201, json_object_get(doc));
        }
    }
    opr_buf_fini(&token);
    opr_json_unref(account);
    json_object_put(doc);
}
