/* Typed verbs over a transport: paths from kinds (by discovery), Status errors into opr_status,
 * retry of 429 and 5xx with Retry-After. One client is shared; each worker has its session.
 * Threads: at each function. */
#ifndef OPR_CLIENT_CLIENT_H
#define OPR_CLIENT_CLIENT_H

#include "core/api/meta.h"
#include "core/client/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kind as discovery tells it. Strings are owned by the client and live as long as it does. */
struct opr_resource {
    const char *gvk; /* "apps/v1/Deployment" */
    const char *group, *version, *kind, *plural;
    bool is_namespaced;
    bool can_list_watch, can_delete;
    bool is_preferred; /* of the versions in which the server offers this group's plural, the first
                        */
};

struct opr_client; /* shared; threads: any */
struct opr_client *opr_client_new(struct opr_transport *take_transport);
void opr_client_free(struct opr_client *c);
struct opr_transport *opr_client_transport(struct opr_client *c);
/* The clock of deadlines, waits and the age of what discovery said. Before first use; NULL and by
 * default: the system's. */
void opr_client_set_clock(struct opr_client *c, const struct opr_clock *clock);
const struct opr_clock *opr_client_clock(const struct opr_client *c);
/* Forgets how old discovery's answers are, so that the next miss asks at once. Any thread. */
void opr_client_expire_discovery(struct opr_client *c);

/* How many answers of each HTTP status each method got (code 0: none came). Any thread. */
typedef void (*opr_client_count_fn)(void *arg, const char *method, int code, uint64_t count);
void opr_client_each_count(struct opr_client *c, opr_client_count_fn fn, void *arg);
/* How long the answers to one method took: how many fell between two bounds (the last: beyond all).
 * Calls that were sent together each count until the last of them is answered. */
#define OPR_CLIENT_LATENCY_BOUNDS 12
extern const double opr_client_latency_bounds[OPR_CLIENT_LATENCY_BOUNDS]; /* seconds */
struct opr_client_latency {
    char method[8];
    uint64_t counts[OPR_CLIENT_LATENCY_BOUNDS + 1], total, sum_ns;
};
typedef void (*opr_client_latency_fn)(void *arg, const struct opr_client_latency *latency);
void opr_client_each_latency(struct opr_client *c, opr_client_latency_fn fn, void *arg);
/* Counts the answer to a stream, which the client does not see. Any thread. */
void opr_client_note_answer(struct opr_client *c, const char *method, int code);
uint64_t opr_client_retries(const struct opr_client *c); /* calls that were repeated */

struct opr_caller; /* one worker's session with the client */
struct opr_caller *opr_caller_new(struct opr_client *c);
void opr_caller_free(struct opr_caller *k);
/* Any thread. The running call and all later ones end with OPR_E_CANCELLED, until the next
 * opr_caller_set_deadline(). */
void opr_caller_cancel(struct opr_caller *k);
bool opr_caller_is_cancelled(const struct opr_caller *k); /* any thread */
/* By the client's clock; 0: none. */
void opr_caller_set_deadline(struct opr_caller *k, uint64_t mono_ns);

/* Finds a kind ("apps/v1/Deployment"), a plural, singular or short name ("deploy"); asks discovery
 * again on a miss (at most every 10 s). Worker. */
OPR_NODISCARD opr_status opr_resource_find(struct opr_caller *k, const char *name,
                                           const struct opr_resource **ret_resource,
                                           struct opr_error *reterr);
/* All listable kinds, discovered anew. Worker. The array is owned by the arena. */
OPR_NODISCARD opr_status opr_resource_all(struct opr_caller *k, struct opr_arena *a,
                                          const struct opr_resource *const **ret_resources,
                                          size_t *ret_count, struct opr_error *reterr);
/* "/apis/apps/v1/namespaces/ns/deployments/name/sub"; ns, name and sub may be NULL. */
char *opr_resource_path(struct opr_arena *a, const struct opr_resource *r, const char *ns,
                        const char *name, const char *sub);

/* Worker. ret_obj is owned (opr_json_unref) and may be NULL. A refusal by the server becomes the
 * opr_status of its reason, and its message goes to reterr. */
OPR_NODISCARD opr_status opr_call(struct opr_caller *k, const char *method, const char *path_query,
                                  const char *content_type, struct opr_str body,
                                  struct opr_obj **ret_obj, struct opr_error *reterr);
/* The same for n calls side by side. */
struct opr_call_item {
    const char *method, *path_query, *content_type;
    struct opr_str body;
    struct opr_obj *ret_obj; /* owned by the caller afterwards; may be NULL */
    opr_status status;
    struct opr_error error;
};
void opr_call_many(struct opr_caller *k, struct opr_call_item *items, size_t n);
/* Turns an answer into a status and a text; used for streams too. */
opr_status opr_status_from_answer(int http_status, struct opr_str body, struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
