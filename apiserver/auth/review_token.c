/* Whose token is this, and who am I: TokenReview and SelfSubjectReview. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static const char *const *audiences_at(struct opr_req *r, struct json_object *doc)
{
    struct json_object *list = opr_doc_at(doc, "/spec/audiences");
    size_t count = list ? json_object_array_length(list) : 0;
    const char **all = opr_arena_alloc(r->arena, (count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        all[i] = json_object_get_string(json_object_array_get_idx(list, i));
    }
    return all;
}

static struct json_object *list_of(const char *const *texts)
{
    struct json_object *list = json_object_new_array();
    for (; texts && *texts; texts++) {
        json_object_array_add(list, json_object_new_string(*texts));
    }
    return list;
}

static struct json_object *user_doc(const struct opr_user *user)
{
    struct json_object *d = json_object_new_object(), *extra = NULL;
    opr_doc_put_str(d, "/username", user->name);
    if (user->uid) {
        opr_doc_put_str(d, "/uid", user->uid);
    }
    if (user->groups && user->groups[0]) {
        json_object_object_add(d, "groups", list_of(user->groups));
    }
    for (const struct opr_extra *x = user->extra; x && x->key; x++) {
        extra = extra ? extra : json_object_new_object();
        json_object_object_add(extra, x->key, list_of(x->values));
    }
    if (extra) {
        json_object_object_add(d, "extra", extra);
    }
    return d;
}

void opr_review_token(struct opr_req *r, struct json_object *doc)
{
    struct opr_user user;
    const char *const *audiences = audiences_at(r, doc);
    const char *token = opr_doc_str(doc, "/spec/token", "");
    struct json_object *status = json_object_new_object();
    if (!*token) {
        opr_api_fail(r, 400, "BadRequest", "token is required for TokenReview in authentication");
        json_object_put(status);
        return;
    }
    if (opr_token_verify(r->api, r->arena, opr_str_of(token), audiences, &user, &audiences) ==
        OPR_OK) {
        json_object_object_add(status, "authenticated", json_object_new_boolean(1));
        json_object_object_add(status, "user", user_doc(&user));
        json_object_object_add(status, "audiences", list_of(audiences));
    } else {
        json_object_object_add(status, "user", json_object_new_object());
        opr_doc_put_str(status, "/error", "invalid bearer token");
    }
    (void)opr_doc_del(doc, "/metadata/namespace"); /* a review is in none */
    json_object_object_add(doc, "status", status);
    opr_api_json(r, 201, json_object_get(doc));
}

void opr_review_self(struct opr_req *r, struct json_object *doc)
{
    char now[OPR_TIME_TEXT_MAX];
    struct json_object *metadata = json_object_new_object(), *status = json_object_new_object();
    opr_time_format(r->now_ms, now);
    opr_doc_put_str(metadata, "/creationTimestamp", now);
    json_object_object_add(doc, "metadata", metadata);
    json_object_object_add(status, "userInfo", user_doc(&r->user));
    json_object_object_add(doc, "status", status);
    opr_api_json(r, 201, json_object_get(doc));
}
