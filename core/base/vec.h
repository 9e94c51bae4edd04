/* A growing array of pointers. {0} is empty. Threads: guarded by its owner. */
#ifndef OPR_BASE_VEC_H
#define OPR_BASE_VEC_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_vec {
    void **items; /* owned array; the pointers are the caller's */
    size_t count;
    size_t cap;
};

void opr_vec_fini(struct opr_vec *v);
void opr_vec_push(struct opr_vec *v, void *item);
void opr_vec_insert(struct opr_vec *v, size_t at, void *item);
void *opr_vec_remove(struct opr_vec *v, size_t at); /* keeps the order */
bool opr_vec_remove_item(struct opr_vec *v, const void *item);
void opr_vec_sort(struct opr_vec *v, int (*cmp)(const void *a, const void *b)); /* gets the items */

#ifdef __cplusplus
}
#endif
#endif
