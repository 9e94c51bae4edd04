/* Controllers in Lua: a policy with a function reconcile says of one primary object which children
 * it wants; the host creates, patches and deletes them, and writes the status. Keys of this
 * controller: ns "POLICY", name "" for the policy itself (what it declares, its watches); ns
 * "POLICY|NAMESPACE", name NAME for one primary object.
 *
 * Threads: worker; a mapping function runs on the loop. The list of programs is guarded by the lock
 * of struct policies; a worker works on a copy in its arena. */
#ifndef OPR_CONTROLLERS_POLICY_RECONCILE_H
#define OPR_CONTROLLERS_POLICY_RECONCILE_H

#include "controllers/policy/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OWNS_MAX = 16,      /* kinds */
    CHILDREN_MAX = 100, /* of one primary object */
    WRITES_BURST = 50,  /* of one policy, to its children, then: */
    WRITES_PER_S = 10,
    REQUEUE_LEAST_MS = 1000, /* that a policy can ask for */
    REQUEUE_MOST_MS = 86400000,
    RETRY_MS = 30000, /* after what a change alone can mend, in case it was the machine */
    LISTING_MS = 50,  /* while a kind is being listed */
    ABSENT_MS = 3000  /* while the server has no such kind */
};
/* The last wanted state of a child, so that what is no longer wanted of it can be removed. */
#define WANTED_ANNOTATION "operon.local/wanted"

/* What a policy declares, and how it fares. */
struct program {
    struct program *next;
    char *policy;         /* owned: "ns/name" of a LuaPolicy, "file/NAME" of a file */
    char *ns;             /* owned: the only namespace that it may touch; NULL: all (a file) */
    char *primary;        /* owned: "demo.example/v1/Web" */
    char *owns[OWNS_MAX]; /* owned */
    uint32_t owns_count;
    bool is_cluster_scoped; /* its primary objects have no namespace */
    bool is_active;         /* it declares well, and no other has its primary kind */
    char *problem;          /* owned; NULL: none */
    char *problem_of;       /* owned: the key that has it; NULL: the declaration */
    double tokens;          /* writes that are left */
    int64_t refilled_ms;
};

struct wanted {
    const struct opr_obj *children; /* array or empty object */
    const struct opr_obj *status;   /* NULL: the policy says nothing of it */
    int64_t requeue_ms;             /* 0: none */
};
/* The children that are there, of all owned kinds. */
struct family {
    const struct opr_obj **at;
    uint32_t count;
};

/* program.c */
/* A copy in the arena; NULL: there is none. */
const struct program *program_find(struct opr_ctx *c, const char *policy);
/* Puts what controller says in the place of what the policy declared before; NULL controller: the
 * policy has no reconcile any more. */
void program_declare(struct opr_ctx *c, const char *policy, const struct opr_obj *controller);
/* Says what hinders a policy at the object of that key; NULL: nothing does any more. */
void program_report(struct opr_ctx *c, const char *policy, const char *key, const char *problem);
/* Takes one write; false: none is left, come back after ret_ms. */
bool program_may_write(struct opr_ctx *c, const char *policy, uint32_t *ret_ms);
void programs_free(struct policies *p);
bool program_owns(const struct program *p, const char *gvk);
/* "apps/v1/Deployment" of an object. */
const char *gvk_of(struct opr_ctx *c, const struct opr_obj *o);
const char *kind_of(const char *gvk); /* "Deployment" */

/* follow.c */
/* OPR_OK once all kinds of a program are listed; as opr_watch_add(). */
OPR_NODISCARD opr_status program_watch(struct opr_ctx *c, const struct program *p);
void program_unwatch(struct opr_ctx *c, const char *gvk);
opr_result reconcile_policy(struct opr_ctx *c, const char *policy);

/* merge.c */
/* What live becomes where wanted holds: members of wanted are set, those of last that are no longer
 * wanted are removed, all others stay. Elements of lists are matched by name, port and so on. */
const struct opr_obj *merged(struct opr_ctx *c, const struct opr_obj *live,
                             const struct opr_obj *last, const struct opr_obj *wanted);
/* The merge patch (RFC 7396) that makes to of from; NULL: nothing differs. */
const struct opr_obj *merge_patch(struct opr_ctx *c, const struct opr_obj *from,
                                  const struct opr_obj *to);

/* children.c */
OPR_NODISCARD opr_status family_read(struct opr_ctx *c, const struct program *p,
                                     const struct opr_obj *self, struct family *ret_family);
/* {"Deployment": {"web": {...}}}: what the policy is given. */
const struct opr_obj *family_doc(struct opr_ctx *c, const struct program *p,
                                 const struct opr_obj *self, const struct family *f);
/* NULL, or why the children that the policy returned are refused as a whole. */
const char *children_check(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                           const struct opr_obj *children);
/* Writes what differs. The status and text of the first failure (the others are tried all the
 * same); OPR_E_BUSY: not all was allowed now, come back after ret_ms. */
OPR_NODISCARD opr_status children_apply(struct opr_ctx *c, const struct program *p,
                                        const struct opr_obj *self, const struct family *f,
                                        const struct opr_obj *children, uint32_t *ret_ms,
                                        const char **ret_problem);

/* object.c */
opr_result reconcile_object(struct opr_ctx *c, const char *policy, const char *ns,
                            const char *name);

/* own_status.c; problem NULL: all is as the policy wants it. */
OPR_NODISCARD opr_status status_apply(struct opr_ctx *c, const struct opr_obj *self,
                                      const struct opr_obj *wanted, const char *reason,
                                      const char *problem);

#ifdef __cplusplus
}
#endif
#endif
