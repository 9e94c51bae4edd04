/* The LuaPolicy controller: loads the policy, and where it names a target asks its scale function
 * each period and writes the target's scale. Threads: worker; struct policies is shared by the
 * workers, its lock guards the list of records, a record belongs to the worker that has its key. */
#ifndef OPR_CONTROLLERS_POLICY_H
#define OPR_CONTROLLERS_POLICY_H

#include "controllers/common.h"

#include <operon/policy.h>

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PERIOD_MS = 1000,
    PERIOD_LEAST_MS = 100,
    RECENT_SLOT_MS = 10000, /* what the policy wanted is kept as the most of each ten seconds, */
    RECENT_SLOTS = 60       /* for ten minutes */
};
#define RECONCILER "policy-reconcile" /* the controller of reconcile.h */

/* What is remembered of one LuaPolicy between reconciles. */
struct record {
    struct record *next;
    char *name;                       /* owned: "ns/name", also the policy's name */
    char *source;                     /* owned: the last that was tried; NULL: none */
    char *problem;                    /* owned: why it did not load; NULL: it did */
    bool is_loaded;                   /* a good one, maybe an older one, is there to be called */
    int64_t last_up_ms, last_down_ms; /* -1: never */
    char *written; /* owned: resourceVersion of the target before our last write */
    int64_t written_size;
    struct {
        int64_t number; /* of the slot since 1970; 0: never used */
        double most;
    } recent[RECENT_SLOTS];
};
struct program; /* reconcile.h */
struct policies {
    pthread_mutex_t lock;
    struct record *first;     /* lock */
    struct program *programs; /* lock */
};

struct target {
    const struct opr_obj *o;
    const char *ns;
    int64_t replicas;
    const struct opr_obj *const *pods; /* of the namespace */
    uint32_t pod_count;
    const struct opr_obj *samples; /* array; NULL: the metrics can not be had */
};
struct verdict {
    int64_t current, desired;
    const char *text, *message; /* the policy's reason; what hinders, or "" */
    bool is_active, has_scaled;
};

/* load.c */
void policy_load(struct opr_ctx *c, const struct opr_obj *self, struct record *r);
/* What the policy wants now, for the list recent of later calls. */
void recent_note(struct record *r, int64_t now_ms, double wanted);
/* input.c: the table that scale() is given. */
struct opr_doc *scale_input(struct opr_ctx *c, const struct opr_obj *self, const struct record *r,
                            const struct target *t);
bool target_has_samples(const struct target *t);
/* target.c */
OPR_NODISCARD opr_status target_read(struct opr_ctx *c, const struct opr_obj *self,
                                     struct target *ret_target, const char **ret_problem);
bool target_selects(const struct target *t, const struct opr_obj *pod);
/* scale.c */
OPR_NODISCARD opr_status policy_scale(struct opr_ctx *c, const struct opr_obj *self,
                                      struct record *r, struct verdict *ret_verdict);
/* status.c; v NULL: a policy that does not scale. */
OPR_NODISCARD opr_status policy_status(struct opr_ctx *c, const struct opr_obj *self,
                                       const struct record *r, const struct verdict *v);

#ifdef __cplusplus
}
#endif
#endif
