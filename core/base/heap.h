/* A binary min-heap of intrusive entries, for timers and queues. Threads: guarded by its owner. */
#ifndef OPR_BASE_HEAP_H
#define OPR_BASE_HEAP_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_heap_entry {
    size_t pos; /* position + 1; 0: in no heap */
};

struct opr_heap {
    struct opr_heap_entry **items; /* owned array, borrowed entries */
    size_t count, cap;
    bool (*less)(const struct opr_heap_entry *a, const struct opr_heap_entry *b);
};

void opr_heap_fini(struct opr_heap *h);
void opr_heap_push(struct opr_heap *h, struct opr_heap_entry *e);
struct opr_heap_entry *opr_heap_peek(const struct opr_heap *h);
struct opr_heap_entry *opr_heap_pop(struct opr_heap *h);
void opr_heap_remove(struct opr_heap *h, struct opr_heap_entry *e);
void opr_heap_update(struct opr_heap *h, struct opr_heap_entry *e); /* its order changed */

#ifdef __cplusplus
}
#endif
#endif
