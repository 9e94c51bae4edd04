#include "controllers/replicaset/replicaset.h"

static struct opr_doc *new_pod(struct rset *rs)
{
    const struct opr_obj *t = opr_obj_at(rs->self, "/spec/template");
    struct opr_doc *d = opr_doc_new(
        rs->c,
        "{'apiVersion':'v1','kind':'Pod','metadata':{'generateName':%s,'namespace':%s,"
        "'labels':%p,'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':%s,"
        "'uid':%s,'controller':true,'blockOwnerDeletion':true}]},'spec':%p}",
        opr_ctx_text(rs->c, "%s-", rs->name), rs->ns, opr_obj_at(t, "/metadata/labels"), rs->name,
        rs->uid, opr_obj_at(t, "/spec"));
    const struct opr_obj *annotations = opr_obj_at(t, "/metadata/annotations");
    const struct opr_obj *finalizers = opr_obj_at(t, "/metadata/finalizers");
    if (annotations) {
        opr_doc_set(d, "/metadata/annotations", "%p", annotations);
    }
    if (finalizers) {
        opr_doc_set(d, "/metadata/finalizers", "%p", finalizers);
    }
    return d;
}

/* Creates in batches of 1, 2, 4, 8..., so that a request which the server always refuses costs few
 * calls; a batch with a failure is the last. */
static opr_status create_pods(struct rset *rs, uint32_t wanted)
{
    opr_status first_error = OPR_OK;
    uint32_t sent = 0, failed = 0;
    opr_expect(rs->c, wanted, 0);
    for (uint32_t size = 1; sent < wanted && failed == 0; size *= 2) {
        uint32_t n = size < wanted - sent ? size : wanted - sent;
        struct opr_batch *b = opr_batch_new(rs->c);
        for (uint32_t i = 0; i < n; i++) {
            opr_batch_create(b, new_pod(rs));
        }
        (void)opr_batch_run(b); /* each result is read below */
        sent += n;
        for (uint32_t i = 0; i < n; i++) {
            const struct opr_obj *pod = NULL;
            const char *error = "";
            opr_status st = opr_batch_status(b, i, &pod, &error);
            if (st == OPR_OK) {
                opr_event(rs->c, rs->self, "Normal", "SuccessfulCreate", "Created pod: %s",
                          meta_name(pod));
                continue;
            }
            failed++;
            if (st == OPR_E_TERMINATING) {
                continue; /* any create would be refused: no event, no retry */
            }
            opr_event(rs->c, rs->self, "Warning", "FailedCreate", "Error creating: %s", error);
            if (first_error == OPR_OK) {
                first_error = st;
                rs->failure_message = error;
            }
        }
    }
    if (failed + wanted - sent > 0) {
        opr_expect_lower(rs->c, failed + wanted - sent, 0);
    }
    if (first_error != OPR_OK) {
        rs->failure_reason = "FailedCreate";
    }
    return first_error;
}

static opr_status delete_pods(struct rset *rs, uint32_t n)
{
    opr_status first_error = OPR_OK;
    uint32_t failed = 0;
    rset_rank(rs, n);
    opr_expect(rs->c, 0, n);
    struct opr_batch *b = opr_batch_new(rs->c);
    for (uint32_t i = 0; i < n; i++) {
        opr_batch_delete(b, rs->pods[i], NULL);
    }
    (void)opr_batch_run(b); /* each result is read below */
    for (uint32_t i = 0; i < n; i++) {
        const char *error = "";
        opr_status st = opr_batch_status(b, i, NULL, &error);
        if (st == OPR_OK) {
            opr_event(rs->c, rs->self, "Normal", "SuccessfulDelete", "Deleted pod: %s",
                      meta_name(rs->pods[i]));
            continue;
        }
        failed++;
        if (st == OPR_E_NOT_FOUND) {
            continue;
        }
        opr_event(rs->c, rs->self, "Warning", "FailedDelete", "Error deleting: %s", error);
        if (first_error == OPR_OK) {
            first_error = st;
            rs->failure_message = error;
        }
    }
    if (failed > 0) {
        opr_expect_lower(rs->c, 0, failed);
    }
    if (first_error != OPR_OK) {
        rs->failure_reason = "FailedDelete";
    }
    return first_error;
}

opr_status rset_manage(struct rset *rs)
{
    int64_t missing = rs->replicas - (int64_t)rs->count;
    if (missing > 0) {
        return create_pods(rs, (uint32_t)(missing < REPLICASET_BURST ? missing : REPLICASET_BURST));
    }
    if (missing < 0) {
        return delete_pods(rs,
                           (uint32_t)(-missing < REPLICASET_BURST ? -missing : REPLICASET_BURST));
    }
    return OPR_OK;
}
