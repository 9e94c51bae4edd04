/* Pod affinity and anti-affinity: what the terms of one cycle come to, by topology domain. */
#ifndef OPR_SCHEDULERS_POD_AFFINITY_H
#define OPR_SCHEDULERS_POD_AFFINITY_H

#include "schedulers/scheduler.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A topology key, its domains, and a number for each. */
struct topology {
    struct topology *next;
    const char *key;
    int32_t *domain_of; /* by node index; -1: the node lacks the key */
    int32_t domains;
    int64_t *sums; /* by domain */
};
/* The topology of a key in a list, made where it is not there yet. */
struct topology *topology_of(struct cycle *y, struct topology **list, const char *key);
void topology_add(struct topology *t, const struct sched_node *n, int64_t weight);
int64_t topology_at(const struct topology *t, const struct sched_node *n);

/* Whether a term of a pod of namespace ns selects another pod. */
bool term_selects(struct cycle *y, const struct opr_obj *term, const char *ns,
                  const struct opr_obj *pod);

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

#ifdef __cplusplus
}
#endif
#endif
