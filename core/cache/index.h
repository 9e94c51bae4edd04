/* Secondary indexes of a store: from a value to the entries that have it. Adding and removing a
 * posting is O(1), so that an entry that changes costs the same in a small bucket and in a large
 * one. Threads: guarded by the store's lock. */
#ifndef OPR_CACHE_INDEX_H
#define OPR_CACHE_INDEX_H

#include "core/cache/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__entry;

/* One entry in one bucket. */
struct opr__posting {
    struct opr__entry *entry;
    struct opr__index *index;
    struct opr__bucket *bucket;
    size_t pos; /* within the bucket */
};

struct opr__bucket {
    char *value;             /* owned */
    struct opr_vec postings; /* of struct opr__posting, owned by their entries */
};

struct opr__entry {
    char *key;            /* owned: "ns/name" */
    struct opr_obj *seen; /* ref: what the watch showed last; NULL: nothing yet */
    uint64_t seen_rv;
    struct opr_obj *own; /* ref: a later own write; NULL with has_own: hidden by it */
    uint64_t own_rv;     /* UINT64_MAX: a deletion, whose version is not known */
    bool has_own;
    uint32_t epoch;                 /* of the list that named it last */
    struct opr__posting **postings; /* owned */
    size_t n_postings;
};

enum { OPR__INDEX_OWNER = 0, OPR__INDEX_NS = 1 };

struct opr__index *opr__index_new(struct opr_str name, struct opr_str pointer);
void opr__index_free(struct opr__index *x);
/* Enters an entry by the values of obj, having left the old ones; obj NULL: leaves only. */
void opr__index_entry(struct opr_vec *indexes, struct opr__entry *e, const struct opr_obj *obj);
const struct opr__bucket *opr__index_find(const struct opr__index *x, const char *value);

#ifdef __cplusplus
}
#endif
#endif
