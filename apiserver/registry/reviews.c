/* Kinds that are created and answered, never stored. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"

/* A review that names a namespace of its own names that of the path. */
static opr_status check_namespace(struct opr_req *r, struct json_object *doc)
{
    const char *ns = opr_doc_str(doc, "/metadata/namespace", "");
    if (r->kind->is_namespaced && *ns && strcmp(ns, r->ns) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the namespace of the provided object does not match the namespace "
                            "sent on the request");
    }
    return OPR_OK;
}

void opr_api_review(struct opr_req *r)
{
    static const struct {
        const char *kind;
        void (*review)(struct opr_req *r, struct json_object *doc);
    } reviews[] = {{"SubjectAccessReview", opr_review_access},
                   {"LocalSubjectAccessReview", opr_review_access},
                   {"SelfSubjectAccessReview", opr_review_access},
                   {"SelfSubjectRulesReview", opr_review_rules},
                   {"TokenReview", opr_review_token},
                   {"SelfSubjectReview", opr_review_self}};
    struct json_object *doc = NULL;
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, r->kind, &doc) != OPR_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof reviews / sizeof *reviews; i++) {
        if (strcmp(r->kind->kind, reviews[i].kind) == 0) {
            if (check_namespace(r, doc) == OPR_OK) {
                reviews[i].review(r, doc);
            }
            json_object_put(doc);
            return;
        }
    }
    opr_api_method(r);
    json_object_put(doc);
}
