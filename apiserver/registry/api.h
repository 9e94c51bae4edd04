/* The API server's inside: the server, one request, and what the parts offer each other. Threads: a
 * request belongs to one worker; the server is shared, each member says how. */
#ifndef OPR_APISERVER_REGISTRY_API_H
#define OPR_APISERVER_REGISTRY_API_H

#include "apiserver/apiserver.h"
#include "apiserver/schema/schema.h"
#include "apiserver/store/store.h"
#include "core/net/client.h"

#include <pthread.h>

struct opr_managed;      /* owners of an object's fields (managed.h) */
struct opr_texts;        /* objects' JSON that several watchers want (texts.c) */
struct opr_metrics;      /* counts of requests (http/metrics.c) */
struct opr_samples;      /* node measurements (samples.c) */
struct opr_watch_clock;  /* wakes watches whose time has come (watch_clock.c) */
struct opr_custom_kinds; /* kinds of the CRDs (kinds.c) */

struct opr_pki_files {
    char *ca_cert, *ca_key, *server_cert, *server_key, *sa_key, *client_cert,
        *client_key; /* owned */
};

struct opr_apiserver {
    struct opr_http_handler handler; /* first member */
    const struct opr_clock *clock;
    struct opr_store *store;             /* owned */
    struct opr_pki_files pki;            /* owned; immutable after start */
    struct opr_custom_kinds *custom;     /* owned; own lock */
    struct opr_samples *samples;         /* owned; own lock */
    struct opr_metrics *metrics;         /* owned; own lock */
    struct opr_watch_clock *watch_clock; /* owned; own lock */
    pthread_mutex_t eviction_lock;       /* one eviction is weighed against the budgets at a time */
    struct opr_texts *texts;             /* owned; own lock */
    pthread_mutex_t service_lock;        /* one Service address is given at a time */
    uint32_t service_base, service_count; /* of service_cidr, host byte order */
    pthread_t sweeper;                    /* takes old Events away */
    bool has_sweeper;
    pthread_mutex_t sweep_lock; /* guards is_closing */
    pthread_cond_t sweep_stop;
    bool is_closing;
};

/* What is known of a user beside its groups: of its token, or what the impersonator says. */
struct opr_extra {
    const char *key;           /* NULL: the end */
    const char *const *values; /* ends with NULL */
};
/* Who asks. Strings live as long as the request. */
struct opr_user {
    const char *name, *uid;        /* uid may be NULL */
    const char *const *groups;     /* ends with NULL */
    const struct opr_extra *extra; /* ends with a key NULL; NULL: nothing */
};

enum opr_form {
    OPR_FORM_OBJECT,
    OPR_FORM_PARTIAL,
    OPR_FORM_TABLE,      /* each row with its object's metadata */
    OPR_FORM_TABLE_FULL, /* with the whole object: includeObject=Object */
    OPR_FORM_TABLE_BARE  /* with none: includeObject=None */
};
static inline bool opr_form_is_table(enum opr_form form)
{
    return form >= OPR_FORM_TABLE;
}

struct opr_req {
    struct opr_apiserver *api;
    const struct opr_http_request *http;
    struct opr_http_response *res;
    struct opr_arena *arena;
    struct opr_user user;
    /* from the path */
    struct opr_str group, version;
    const char *ns, *plural, *name, *sub; /* NULL: none; plural NULL: no resource */
    const char *rest;                     /* what follows the subresource; NULL: none */
    const struct opr_kind *kind;          /* held for the request */
    const char *verb;                     /* of RBAC: "get", "list", ... */
    bool is_dry_run;
    int strictness;         /* OPR_STRICT_* */
    const char *written_as; /* the subresource that managedFields name; NULL: sub */
    bool is_applied;        /* server-side apply: managed is known before the state is checked */
    struct opr_managed *managed; /* who owns what of the new state (managed.h) */
    enum opr_form form;
    bool is_yaml; /* the answer is to be YAML */
    int64_t now_ms;
};

/* -- answers (status.c) ------------------------------------------------------------------- */

/* Writes a failure Status; reason may be NULL. Always returns OPR_E_INVALID, so that a part can
 * say: return opr_api_fail(req, 404, "NotFound", "..."). */
OPR_PRINTF(4, 5)
opr_status opr_api_fail(struct opr_req *r, int code, const char *reason, const char *fmt, ...);
/* The same with details {name, group, kind = the plural}. */
OPR_PRINTF(4, 5)
opr_status opr_api_refuse(struct opr_req *r, int code, const char *reason, const char *fmt, ...);
opr_status opr_api_not_found(struct opr_req *r, const char *plural, const char *name);
opr_status opr_api_conflict(struct opr_req *r);
opr_status opr_api_unknown_resource(struct opr_req *r);
/* A failure with empty details. */
opr_status opr_api_reject(struct opr_req *r, int code, const char *reason, const char *message);
opr_status opr_api_method(struct opr_req *r);
/* 422 with causes. */
opr_status opr_api_invalid(struct opr_req *r, const struct opr_kind *kind, const char *name,
                           const struct opr_field_errors *errors);
/* 422 about the query: "ListOptions.meta.k8s.io "" is invalid: field: message". */
opr_status opr_api_bad_option(struct opr_req *r, const char *options, const char *reason,
                              const char *field, const char *message);
/* A store failure on the request's object. */
opr_status opr_api_store_failure(struct opr_req *r, opr_status st, const struct opr_error *err);
/* The same with the Kind in the place of the plural. */
OPR_PRINTF(4, 5)
opr_status opr_api_refuse_kind(struct opr_req *r, int code, const char *reason, const char *fmt,
                               ...);
/* Adds a member to the last failure's details ("causes" entry). */
void opr_api_add_cause(struct opr_req *r, const char *reason, const char *message,
                       const char *field);
/* A failure Status as a value, for the ERROR event of a watch. */
struct json_object *opr_status_doc(int code, const char *reason, const char *message);
/* Sets a header; one of that name is replaced. */
void opr_api_header(struct opr_req *r, const char *name, struct opr_str value);
void opr_api_json(struct opr_req *r, int code, struct json_object *take_doc);
void opr_api_text(struct opr_req *r, int code, const char *text);
void opr_api_warn(struct opr_req *r, const char *text);
void opr_api_deleted(struct opr_req *r, const struct opr_obj *obj);
void opr_api_succeed(struct opr_req *r); /* 201: a binding or an eviction was done */

/* -- output (output.c) --------------------------------------------------------------------- */

/* The form that the Accept header asks for; answers 406. */
opr_status opr_api_negotiate(struct opr_req *r);
void opr_api_finish_yaml(struct opr_req *r); /* turns a whole answer into YAML where asked for */
/* Answers with an object in the form that was asked for. */
void opr_api_object(struct opr_req *r, int code, const struct opr_obj *obj);
void opr_api_doc(struct opr_req *r, int code, struct json_object *doc);
/* Appends one object's text in a form, as the request's kind. has_columns: of the first Table. */
void opr_form_object(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                     bool has_columns, const struct opr_obj *obj, int64_t now_ms);
/* A list: begin (metadata is JSON text), items with commas between them, then "]}". */
void opr_form_list_begin(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                         const char *metadata);
void opr_form_list_item(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                        const struct opr_obj *obj, int64_t now_ms);
/* A stored object as the kind that was asked for; owned. */
struct opr_obj *opr_api_view(const struct opr_kind *kind, const struct opr_obj *stored);

struct opr_texts *opr_texts_new(void);
void opr_texts_free(struct opr_texts *t);
/* Adds an object's JSON, written once for all who ask within a short time. */
void opr_texts_add(struct opr_texts *t, const struct opr_obj *obj, struct opr_buf *out);

/* -- kinds (kinds.c) ----------------------------------------------------------------------- */

struct opr_custom_kinds *opr_custom_kinds_new(void);
void opr_custom_kinds_free(struct opr_custom_kinds *c);
/* Built-in or custom; a reference is released with the arena. NULL: no such kind. */
const struct opr_kind *opr_api_find_kind(struct opr_apiserver *s, struct opr_arena *a,
                                         struct opr_str group, struct opr_str version,
                                         struct opr_str plural);
/* All kinds, in the arena. */
const struct opr_kind *const *opr_api_kinds(struct opr_apiserver *s, struct opr_arena *a,
                                            size_t *ret_count);
/* version "": any. */
bool opr_api_has_group(struct opr_apiserver *s, struct opr_arena *a, struct opr_str group,
                       struct opr_str version);
/* Registers the served versions of a CRD in the place of those of the same name; NULL crd: removes.
 */
opr_status opr_custom_kinds_set(struct opr_custom_kinds *c, const char *crd_name,
                                struct json_object *crd, struct opr_field_errors *errors);
/* "group/plural/ns/name" of the stored resource; name NULL: prefix of a namespace; ns and name
 * NULL: prefix of all. From the arena. */
struct opr_str opr_api_key(struct opr_arena *a, const struct opr_kind *kind, const char *ns,
                           const char *name);
/* The kind under which objects are stored: kind or kind->stored_as. */
const struct opr_kind *opr_api_stored_kind(const struct opr_kind *kind);

/* -- options (options.c) ------------------------------------------------------------------- */

const char *opr_api_query(struct opr_req *r, const char *name); /* NULL: absent */
bool opr_api_query_bool(struct opr_req *r, const char *name);
opr_status opr_api_write_options(struct opr_req *r, const char *options);

/* What a list or a watch asks for (list_options.c). Texts are "" where nothing was said. */
struct opr_list_options {
    const char *rv_text, *match, *token;
    uint64_t rv, limit, timeout_s; /* 0: none */
    bool has_initial, wants_initial, has_bookmarks;
};
opr_status opr_api_list_options(struct opr_req *r, bool is_watch, struct opr_list_options *ret);

struct opr_select {              /* what a list or watch selects */
    struct opr_selector *labels; /* owned */
    struct opr_field_req *fields;
    size_t n_fields;
    bool is_all;
};
opr_status opr_api_select(struct opr_req *r, struct opr_select *ret_select);
void opr_select_fini(struct opr_select *s);
bool opr_select_matches(const struct opr_select *s, const struct opr_kind *kind,
                        const struct opr_obj *obj);

/* -- verbs --------------------------------------------------------------------------------- */

void opr_api_get(struct opr_req *r);
void opr_api_list(struct opr_req *r);
void opr_api_watch(struct opr_req *r);
void opr_api_create(struct opr_req *r);
void opr_api_update(struct opr_req *r);
void opr_api_patch(struct opr_req *r);
void opr_api_delete(struct opr_req *r);
void opr_api_delete_collection(struct opr_req *r);
/* PATCH of application/apply-patch+yaml (apply.c); the options were read. */
bool opr_api_is_apply(struct opr_req *r);
void opr_api_apply(struct opr_req *r);

/* Decodes the request's body as a kind; strict errors and wrong kinds are answered. */
opr_status opr_api_decode(struct opr_req *r, const struct opr_kind *kind,
                          struct json_object **ret_doc);
/* The name and namespace of a body are those of the path. */
opr_status opr_api_check_names(struct opr_req *r, struct json_object *doc);
/* Checks and stores a new object and answers (create.c). OPR_E_EXISTS without an answer: an applied
 * object was created by another meanwhile. */
opr_status opr_api_create_doc(struct opr_req *r, struct json_object *doc);
/* Checks and stores a new state of an object (update.c). doc is changed; old is its stored state.
 * OPR_E_CONFLICT: it changed meanwhile (nothing was answered). ret_obj is owned. */
opr_status opr_api_replace(struct opr_req *r, struct json_object *doc, const struct opr_obj *old,
                           struct opr_obj **ret_obj);
/* Deletes one object as options say; answers where is_answered. */
struct opr_delete {
    const char *propagation; /* NULL: default */
    int64_t grace_s;         /* negative: the object's own */
    const char *uid, *rv;    /* preconditions; NULL: none */
};
opr_status opr_api_remove(struct opr_req *r, const char *ns, const char *name,
                          const struct opr_delete *options, bool is_answered);
opr_status opr_api_delete_options(struct opr_req *r, struct opr_delete *ret_options);
/* Answers 415 where the content type is no patch that the request's kind takes. */
opr_status opr_api_check_patch(struct opr_req *r);
/* Applies a patch of the request's content type (checked before) to *doc. */
opr_status opr_api_apply_patch(struct opr_req *r, const struct opr_kind *kind,
                               struct json_object **doc);

/* -- subresources -------------------------------------------------------------------------- */

void opr_api_scale(struct opr_req *r);
void opr_api_bind(struct opr_req *r);
void opr_api_evict(struct opr_req *r);
/* Gives a Pod the labels of its node's zone and region (topology.c). */
void opr_pod_take_topology(struct opr_req *r, struct json_object *pod, const char *node);
void opr_api_token(struct opr_req *r);
void opr_api_log(struct opr_req *r);
/* Answers with a log that goes on (log_follow.c), or with the agent's refusal. */
void opr_log_follow(struct opr_req *r, struct opr_endpoint *endpoint, const char *path);
void opr_log_refuse(struct opr_req *r, int status, struct opr_str text);
void opr_api_exec(struct opr_req *r); /* and attach */
/* The container that a request's query names, or the only one; answers where there is none
 * (node_agent.c). */
opr_status opr_pod_container(struct opr_req *r, const struct opr_obj *pod, const char **ret_name);
/* The agent of a node, as the API server speaks to it. OPR_E_NOT_FOUND: no such node, or it has
 * told no address. Owned: opr_endpoint_unref(). */
opr_status opr_agent_endpoint(struct opr_req *r, const char *node,
                              struct opr_endpoint **ret_endpoint, struct opr_error *reterr);
void opr_api_review(struct opr_req *r); /* the virtual kinds that are created, never stored */
/* Each kind of them: answers a request whose body is doc (auth/review_access.c, review_token.c). */
void opr_review_access(struct opr_req *r, struct json_object *doc);
void opr_review_rules(struct opr_req *r, struct json_object *doc);
void opr_review_token(struct opr_req *r, struct json_object *doc);
void opr_review_self(struct opr_req *r, struct json_object *doc);

/* -- admission (admission.c, services.c) ---------------------------------------------------- */

/* The request's namespace is there and not being deleted. */
opr_status opr_admit_namespace(struct opr_req *r);
opr_status opr_admit_create(struct opr_req *r, struct json_object *doc);
opr_status opr_admit_update(struct opr_req *r, struct json_object *doc, const struct opr_obj *old);
/* Priority (priority.c): a new Pod gets that of its class, or of the default one; there is one
 * default class. */
opr_status opr_admit_priority(struct opr_req *r, struct json_object *pod);
opr_status opr_admit_priority_class(struct opr_req *r, struct json_object *class_doc);
/* Whether the type of a Service has node ports, and a port for health checks. */
bool opr_service_has_ports(struct json_object *service);
bool opr_service_has_check(struct json_object *service);
bool opr_service_uses(struct json_object *service, int64_t node_port);
/* Gives an updated Service what it had, and takes from it what its type no longer has. */
void opr_service_keep(struct json_object *service, struct json_object *old);
/* Gives a Service its address and node ports; the service lock is held by the caller. */
opr_status opr_service_assign(struct opr_req *r, struct json_object *service,
                              const struct opr_obj *old);
bool opr_kind_is(const struct opr_kind *k, const char *group, const char *plural);

/* -- CRDs (crds.c) --------------------------------------------------------------------------- */

/* After a CRD was written or removed: registers its kinds. Its conditions are set before. */
void opr_crd_prepare(struct opr_req *r, struct json_object *crd);
void opr_crd_changed(struct opr_apiserver *s, const struct opr_obj *crd, bool is_deleted);
void opr_crd_delete_objects(struct opr_req *r, const struct opr_obj *crd);
void opr_crd_load_all(struct opr_apiserver *s);

/* -- auth (auth/) ---------------------------------------------------------------------------- */

opr_status opr_authenticate(struct opr_req *r);
/* Makes the request another user's, where its headers say so and its user may (impersonate.c). */
opr_status opr_impersonate(struct opr_req *r);
/* verb on a resource, or on a path where plural is NULL. */
struct opr_access {
    const char *verb, *group, *plural, *sub, *ns, *name, *path;
};
bool opr_rbac_allows(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access);
/* The same with the words: ret_reason is the binding that allows, or the role that a binding names
 * in vain; "": nothing to say. */
bool opr_rbac_decide(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access, const char **ret_reason);
/* What a node's user may do beside what roles say (node.c): its Lease, and what its Pods name.
 * ret_reason (may be NULL) is set where a node asked for one of these in vain. */
bool opr_node_allows(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access, const char **ret_reason);
/* A node's user writes to nothing of other nodes; other users pass. Of the request's path, of a new
 * object, and of a change (old NULL: it is new). */
opr_status opr_node_admit(struct opr_req *r);
opr_status opr_node_admit_new(struct opr_req *r, struct json_object *doc);
opr_status opr_node_admit_change(struct opr_req *r, struct json_object *doc,
                                 const struct opr_obj *old);
/* "resourceRules" and "nonResourceRules" of a user in a namespace, and the "evaluationError" of
 * roles that are not there. */
void opr_rbac_rules(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                    const char *ns, struct json_object *status);
opr_status opr_authorize(struct opr_req *r);
/* A role or binding must give no more than its writer has; other kinds pass. old NULL: it is new.
 */
opr_status opr_admit_grant(struct opr_req *r, struct json_object *doc, const struct opr_obj *old);
/* The account of a new Pod, and the volume with its token. */
opr_status opr_admit_service_account(struct opr_req *r, struct json_object *pod);
/* User of a ServiceAccount token; OPR_E_UNAUTHORIZED. audiences: of whom the token must name one
 * (NULL: this server); ret_audiences (may be NULL): those that it names. */
opr_status opr_token_verify(struct opr_apiserver *s, struct opr_arena *a, struct opr_str token,
                            const char *const *audiences, struct opr_user *ret_user,
                            const char *const **ret_audiences);
extern const char opr_token_issuer[]; /* and the audience of tokens that name none */
struct opr_token_claims {
    const char *ns, *name, *uid;  /* of the ServiceAccount */
    const char *const *audiences; /* ends with NULL; none: this server */
    int64_t seconds;
    int64_t warn_after_s; /* a client that still uses it then does not renew it; 0: not told */
    const char *bound; /* the members of "kubernetes.io" for what the token ends with, each with a
                          comma before it; "": nothing */
};
/* What spec.boundObjectRef of a TokenRequest names becomes claims->bound; answers what is wrong. */
opr_status opr_token_bind(struct opr_req *r, struct json_object *request,
                          struct opr_token_claims *claims);
/* False where what the token is bound to is gone. own: the claim "kubernetes.io". */
bool opr_token_is_bound(struct opr_apiserver *s, struct opr_arena *a, const struct opr_obj *own);
opr_status opr_token_issue(struct opr_apiserver *s, struct opr_arena *a,
                           const struct opr_token_claims *claims, int64_t now_ms,
                           struct opr_buf *ret_token, struct opr_error *reterr);
opr_status opr_pki_files_open(struct opr_pki_files *p, const char *dir, const char *address,
                              const char *service_ip, struct opr_error *reterr);
void opr_pki_files_fini(struct opr_pki_files *p);

/* -- the rest -------------------------------------------------------------------------------- */

struct opr_watch_clock *opr_watch_clock_new(const struct opr_clock *clock);
void opr_watch_clock_free(struct opr_watch_clock *c);
/* fn(arg) is called on the clock's own thread at a monotonic time; set again replaces; 0 takes
 * away. After taking it away no call comes any more. */
struct opr_alarm {
    uint64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
};
void opr_alarm_set(struct opr_watch_clock *c, struct opr_alarm *a, uint64_t due_ns);

struct opr_samples *opr_samples_new(void);
void opr_samples_free(struct opr_samples *s);
bool opr_samples_handles(struct opr_str group);
void opr_samples_serve(struct opr_req *r);
struct json_object *opr_samples_groups(void); /* discovery v2 items of its groups */
struct json_object *opr_samples_resources(struct opr_str group); /* APIResourceList; NULL: none */

opr_status opr_bootstrap(struct opr_apiserver *s, struct opr_error *reterr);
/* Adds to a stored default role or binding what it lacks; none stored is no failure. */
opr_status opr_bootstrap_update(struct opr_store *store, struct opr_str key,
                                struct json_object *wanted, struct opr_error *reterr);
void opr_api_discovery(struct opr_req *r, struct opr_str path);
void opr_api_paths(struct opr_req *r); /* "/" */
bool opr_api_is_health(struct opr_str path);
bool opr_api_is_open(struct opr_str path); /* health without a check: nobody is refused */
void opr_api_health(struct opr_req *r, struct opr_str path); /* of one that is */
/* False for virtual kinds that are bodies of subresources only. */
bool opr_kind_is_served(const struct opr_kind *k);
struct opr_metrics *opr_metrics_new(void);
void opr_metrics_free(struct opr_metrics *m);
void opr_metrics_count(struct opr_metrics *m, const struct opr_req *r, uint64_t took_ns);
void opr_metrics_serve(struct opr_req *r); /* Prometheus text */
bool opr_api_serves_openapi(struct opr_req *r, struct opr_str path);
void opr_api_openapi_proto(struct opr_req *r, struct json_object *take_doc); /* v2 */
void opr_expire_events(struct opr_apiserver *s);
/* Handles one request; opr_http_handler.handle. */
void opr_api_handle(struct opr_http_handler *h, const struct opr_http_request *req,
                    struct opr_http_response *res);
#endif
