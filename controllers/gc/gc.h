/* The garbage collector: deletes what all owners of are gone, and finishes foreground and orphan
 * deletion (spec 1.5). It keeps no graph: the cache's index "owner" is one. Threads: worker;
 * struct collector is shared by the workers. Lifetime: the plugin's. */
#ifndef OPR_CONTROLLERS_GC_H
#define OPR_CONTROLLERS_GC_H

#include "controllers/common.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* UIDs are never used again: one that a live GET found absent stays absent. */
enum { ABSENT_MAX = 512 };
struct collector {
    pthread_mutex_t lock;
    uint64_t absent[ABSENT_MAX]; /* lock; hashes, the oldest is overwritten */
    uint32_t next;               /* lock */
};

enum { OWNER_SOLID, OWNER_DANGLING, OWNER_WAITING, OWNER_UNKNOWN };

/* owner.c: what stands behind an owner reference of child. On an error the answer is UNKNOWN. */
int32_t owner_state(struct opr_ctx *c, const struct opr_obj *child, const struct opr_obj *ref);
/* dependent.c: deletes child, or takes away references to owners that are gone. */
opr_result dependent_sync(struct opr_ctx *c, const struct opr_obj *child);
/* Takes the references to an owner away; others stay. */
OPR_NODISCARD opr_status references_drop(struct opr_ctx *c, const struct opr_obj *o,
                                         const char *uid);
/* deleting.c: the finalizers foregroundDeletion and orphan. */
opr_result deleting_sync(struct opr_ctx *c, const struct opr_obj *o);

bool has_finalizer(const struct opr_obj *o, const char *name);
bool is_waiting(const struct opr_obj *o); /* for its dependents to go */
/* A kind that is new is soon followed: what concerns it is looked at again soon, for a while. */
enum { YOUNG_MS = 10000, LOOK_SOON_MS = 1000 };
bool is_young(struct opr_ctx *c, const struct opr_obj *o);
struct opr_key gc_key(struct opr_ctx *c, const struct opr_obj *o);
OPR_NODISCARD opr_status dependents_of(struct opr_ctx *c, const struct opr_obj *o,
                                       const struct opr_obj *const **ret_objs, uint32_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
