/* The Deployment controller: one ReplicaSet per pod template, and the moves between them (spec
 * 1.1). One sync makes one move and ends with the status. Threads: worker. Lifetime: all of it is
 * the reconcile's. */
#ifndef OPR_CONTROLLERS_DEPLOYMENT_H
#define OPR_CONTROLLERS_DEPLOYMENT_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DEPLOYMENT_GVK "apps/v1/Deployment"
#define REPLICASET_GVK "apps/v1/ReplicaSet"
/* ReplicaSets without any owner are found by this index with the value "". */
#define REPLICASET_INDEX "owner0=/metadata/ownerReferences/0/uid"
#define HASH_LABEL "pod-template-hash"

/* A ReplicaSet as read, with the fields that every step looks at. */
struct set {
    const struct opr_obj *o;
    const char *name, *uid;
    int64_t created_ms, revision;
    int64_t replicas;                 /* spec */
    int64_t actual, ready, available; /* status */
    int64_t kept;                     /* available ones that a set of this size keeps */
    int64_t desired_noted, max_noted; /* annotations; -1: absent */
    bool is_deleting;
};

struct dep {
    struct opr_ctx *c;
    const struct opr_obj *self; /* replaced by what our own writes return */
    const char *ns, *name, *uid;
    int64_t replicas, max_surge, max_unavailable;
    int64_t deadline_s; /* progressDeadlineSeconds; -1: none */
    bool is_rolling, is_paused;
    struct set *sets; /* claimed, oldest first (creation, then name) */
    uint32_t count;
    struct set *newest;           /* the one of the present template, or NULL; points into sets */
    struct conditions conditions; /* as the status will have them */
    int64_t collisions;           /* status.collisionCount; -1: absent */
};

/* hash.c: the label value; the same template and collision count always give the same one. */
const char *template_hash(struct opr_ctx *c, const struct opr_obj *pod_template,
                          int64_t collisions);
/* True where both are equal apart from the hash label. */
bool template_equal(struct opr_ctx *c, const struct opr_obj *a, const struct opr_obj *b);

/* sets.c: finding, adopting, releasing. */
OPR_NODISCARD opr_status dep_claim(struct dep *d);
void set_read(struct set *s, const struct opr_obj *o);
void dep_find_newest(struct dep *d);
int64_t dep_sum_replicas(const struct dep *d);
/* Sizes and notes a set (desired-replicas, max-replicas); an event where the size changed. */
OPR_NODISCARD opr_status dep_resize(struct dep *d, struct set *s, int64_t replicas);
/* Resizes only where the size differs; then *did is true. */
OPR_NODISCARD opr_status dep_scale(struct dep *d, struct set *s, int64_t replicas, bool *did);

/* revision.c: revision, history and copied annotations; makes the new set where asked to. */
OPR_NODISCARD opr_status dep_sync_revision(struct dep *d, bool creates);
/* newset.c */
OPR_NODISCARD opr_status dep_create_set(struct dep *d, int64_t revision);
bool annotation_is_copied(const char *key);
/* Raises the revision annotation of the Deployment itself. */
OPR_NODISCARD opr_status dep_note_revision(struct dep *d, const char *revision);

/* rolling.c, recreate.c, proportion.c, cleanup.c, rollback.c */
int64_t dep_newest_size(const struct dep *d);
OPR_NODISCARD opr_status dep_roll(struct dep *d);
OPR_NODISCARD opr_status dep_recreate(struct dep *d);
bool dep_is_scaling(const struct dep *d);
OPR_NODISCARD opr_status dep_scale_proportionally(struct dep *d);
OPR_NODISCARD opr_status dep_clean_up(struct dep *d);
OPR_NODISCARD opr_status dep_roll_back(struct dep *d, const char *to);

/* status.c */
void dep_condition(struct dep *d, const char *type, const char *status, const char *reason,
                   const char *message);
bool dep_is_complete(const struct dep *d);
/* Writes the whole status where it differs. with_progress: also judge the progress condition. */
OPR_NODISCARD opr_status dep_write_status(struct dep *d, bool with_progress);
/* Writes conditions and collisionCount alone (a sync that can not go on). */
OPR_NODISCARD opr_status dep_write_conditions(struct dep *d);
/* Milliseconds until the deadline has to be looked at; 0: none. */
uint32_t dep_deadline_ms(const struct dep *d);

#ifdef __cplusplus
}
#endif
#endif
