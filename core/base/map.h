/* A hash map from text to a pointer. Keys are copied, values are the caller's. Order is insertion
 * order as long as nothing was removed. Threads: guarded by its owner. */
#ifndef OPR_BASE_MAP_H
#define OPR_BASE_MAP_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_map;

struct opr_map *opr_map_new(void);
/* free_value may be NULL; else it is called for each value. */
void opr_map_free(struct opr_map *m, void (*free_value)(void *));
void *opr_map_get(const struct opr_map *m, struct opr_str key); /* NULL: absent */
/* The value that stood there before, or NULL. value is not NULL. */
void *opr_map_put(struct opr_map *m, struct opr_str key, void *value);
void *opr_map_remove(struct opr_map *m, struct opr_str key);
size_t opr_map_count(const struct opr_map *m);
/* Iteration: size_t it = 0; while (opr_map_next(m, &it, &key, &value)). The current entry may be
 * removed meanwhile, nothing else may change. */
bool opr_map_next(const struct opr_map *m, size_t *it, struct opr_str *ret_key, void **ret_value);

#ifdef __cplusplus
}
#endif
#endif
