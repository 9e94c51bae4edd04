/* The namespace controller: empties a namespace that is being deleted, then lets it go (spec 1.7).
 * Threads: worker. Lifetime: all is the reconcile's. */
#ifndef OPR_CONTROLLERS_NAMESPACE_H
#define OPR_CONTROLLERS_NAMESPACE_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A namespaced kind that can be listed and deleted. */
struct kind {
    const char *group, *version, *plural;
    bool deletes_collections;
    uint32_t remaining;
};
enum { KINDS_MAX = 512, FINALIZERS_MAX = 32 };
struct finalizer {
    const char *name;
    uint32_t count;
};
struct emptying {
    struct opr_ctx *c;
    const struct opr_obj *self;
    const char *name;
    struct kind kinds[KINDS_MAX];
    uint32_t count;
    struct finalizer finalizers[FINALIZERS_MAX]; /* of what remains */
    uint32_t finalizer_count;
    int64_t longest_grace_s;       /* of the pods that remain */
    const char *discovery_failure; /* NULL: none */
    const char *content_failure;   /* NULL: none */
};

/* discovery.c: fills kinds; a failure of one group is noted and blocks the end, not the rest. */
void kinds_discover(struct emptying *e);
/* content.c: pods first, and alone; then all the rest. Returns how many objects remain. */
uint32_t content_remove(struct emptying *e);
/* conditions.c: writes the five conditions where they changed. */
OPR_NODISCARD opr_status conditions_write(struct emptying *e, uint32_t remaining);

#ifdef __cplusplus
}
#endif
#endif
