/* The in-memory API server of unit tests: storage, verbs, watches and discovery of any kind, on one
 * thread, with the test's clock. It knows a few kinds by their plural and learns others when they
 * are applied; it neither defaults nor validates. Lifetime: one test. */
#ifndef OPR_TESTING_SIM_H
#define OPR_TESTING_SIM_H

#include "core/api/meta.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/vec.h"
#include "core/client/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sim_kind {
    char *gvk, *group, *version, *kind, *plural; /* owned */
    bool is_namespaced;
    bool is_read_only;      /* metrics: no watch, no writes */
    bool is_held;           /* its watches stand still */
    struct opr_vec objects; /* of struct opr_obj, refs; by namespace and name */
};

/* One change, as watches see it. */
struct sim_change {
    struct sim_kind *kind;
    struct opr_obj *was, *is; /* refs; was NULL: added, is NULL: removed */
    struct opr_obj *last;     /* ref; of a removal: the last state with the removal's version */
    uint64_t rv;
};

struct sim_failure {
    char *verb; /* owned */
    uint32_t left;
    int http_status;
};

struct sim {
    struct opr_transport transport; /* first */
    const struct opr_clock *clock;  /* borrowed */
    struct opr_vec kinds;           /* of struct sim_kind, owned */
    struct opr_vec log;             /* of struct sim_change, owned */
    struct opr_vec streams;         /* of struct opr_transport_stream, owned */
    struct opr_vec failures;        /* of struct sim_failure, owned */
    struct opr_map *writes;         /* "verb gvk" -> count + 1, as a pointer */
    uint64_t rv, uids, names;
    uint32_t crash_in;      /* writes until the client crashes; 0: it does not */
    bool is_crash_after;    /* that write still reaches the server */
    bool is_client_crashed; /* nothing that it asks for is answered */
};

struct sim *sim_new(const struct opr_clock *clock);
/* The transport is freed by the client that took it; that frees the sim. */
void sim_free(struct sim *s);
/* Delivers what watches wait for. False: there was nothing. */
bool sim_pump(struct sim *s);

/* sim_kinds.c */
void sim_kinds_init(struct sim *s);
void sim_kinds_fini(struct sim *s);
struct sim_kind *sim_kind_find(struct sim *s, const char *gvk);
struct sim_kind *sim_kind_by_path(struct sim *s, struct opr_str group, struct opr_str version,
                                  struct opr_str plural);
/* By gvk; one that is not known is learned. NULL: it is no kind. */
struct sim_kind *sim_kind_learn(struct sim *s, const char *gvk, bool is_namespaced);
void sim_discovery(struct sim *s, bool is_core, struct opr_buf *out);
/* One group, or one version of it (group "": the core). False: there is none. */
bool sim_discovery_of(struct sim *s, struct opr_str group, struct opr_str version,
                      struct opr_buf *out);

/* An answer of a verb: an object or a Status. */
struct sim_answer {
    int code;
    struct opr_obj *obj; /* ref; NULL: see reason */
    const char *reason;
    const char *cause; /* of a Forbidden; NULL: none */
    char message[256];
};

/* sim_store.c and sim_delete.c: the verbs. Documents stay the caller's. is_user: as a user or a
 * node agent who may also set what the server sets (status, uid, creationTimestamp). */
struct opr_obj *sim_get(struct sim_kind *k, const char *ns, const char *name); /* borrowed */
void sim_create(struct sim *s, struct sim_kind *k, const char *ns, struct json_object *doc,
                bool is_user, struct sim_answer *ret);
/* sub: NULL, "status", "scale" or "finalize" */
void sim_update(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
                const char *sub, struct json_object *doc, bool is_user, struct sim_answer *ret);
void sim_patch(struct sim *s, struct sim_kind *k, const char *ns, const char *name, const char *sub,
               const char *type, struct json_object *patch, struct sim_answer *ret);
void sim_delete(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
                struct json_object *options, struct sim_answer *ret);

/* sim_objects.c: what the verbs are made of */
/* Stores a document as the new state and logs the change. The object is borrowed. */
struct opr_obj *sim_store(struct sim *s, struct sim_kind *k, struct json_object *doc);
void sim_erase(struct sim *s, struct sim_kind *k, const struct opr_obj *o);
void sim_put_now(struct sim *s, struct json_object *doc, const char *ptr);
bool sim_has_finalizers(struct json_object *doc);
void sim_answer_with(struct sim_answer *ret, int code, const struct opr_obj *o);
void sim_refuse_absent(struct sim_answer *ret, const struct sim_kind *k, const char *name);
void sim_refuse(struct sim_answer *ret, int code, const char *reason, const char *fmt, ...)
    OPR_PRINTF(4, 5);

/* sim_scale.c */
struct opr_obj *sim_scale_of(const struct opr_obj *o); /* owned; NULL: it has no scale */
void sim_bind(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
              struct json_object *binding, struct sim_answer *ret);

/* sim_strategic.c: the strategic merge patch with the list keys that core kinds use. */
void sim_strategic_merge(struct json_object **doc, struct json_object *patch);

/* sim_http.c. False: the client crashed at this request, before or after the server got it. */
bool sim_handle(struct sim *s, const struct opr_client_request *req,
                struct opr_client_response *res);

/* The HTTP status of a failure that the test asked for; 0: none. Events fail never: they are not
 * part of what is tested. */
int sim_planned_failure(struct sim *s, const char *verb, const struct sim_kind *k);
void sim_answer_failure(int code, struct opr_client_response *res);

/* What a list or watch asks for. */
struct sim_query {
    struct sim_kind *kind;
    char *ns, *name; /* in the arena; NULL: none */
    const char *sub; /* in the arena; NULL: none */
    struct opr_str query;
    struct opr_selector *labels; /* freed with the arena; NULL: all */
    struct opr_field_req *fields;
    size_t n_fields;
};
/* Reads a path and its selectors; false: there is no such path. */
bool sim_query_parse(struct sim *s, struct opr_arena *a, const char *path_query,
                     struct sim_query *ret);
bool sim_query_selects(const struct sim_query *q, const struct opr_obj *o);

/* sim_watch.c */
struct opr_transport_stream *sim_stream_open(struct opr_transport *t,
                                             const struct opr_client_request *req,
                                             const struct opr_stream_handler *handler, void *arg);
void sim_stream_close(struct opr_transport_stream *st);
void sim_streams_fini(struct sim *s);

#ifdef __cplusplus
}
#endif
#endif
