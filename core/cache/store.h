/* The indexed store of one informer: what the watch has shown, and over it this process's own
 * writes until the watch has passed them. Each object is kept once, referenced. Threads: any; a
 * read-write lock inside. */
#ifndef OPR_CACHE_STORE_H
#define OPR_CACHE_STORE_H

#include "core/api/meta.h"
#include "core/base/map.h"
#include "core/base/vec.h"
#include "core/json/path.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr__bucket;

struct opr__index {
    char *name;              /* owned */
    char *pointer;           /* owned; NULL: computed (owner, namespace) */
    struct opr_path *path;   /* owned: the pointer taken apart */
    struct opr_map *buckets; /* value -> struct opr__bucket, owned */
};

struct opr__store {
    pthread_rwlock_t lock;   /* guards all below */
    struct opr_map *entries; /* "ns/name" -> struct opr__entry, owned */
    struct opr_vec indexes;  /* of struct opr__index, owned; fixed once entries exist */
    struct opr_vec overlaid; /* entries with an own write */
    size_t visible;          /* entries that a reader sees */
    uint64_t passed_rv;      /* the watch has shown everything up to here */
};

void opr__store_init(struct opr__store *s);
void opr__store_fini(struct opr__store *s);
OPR_NODISCARD opr_status opr__store_add_index(struct opr__store *s, const char *spec,
                                              struct opr_error *reterr);

/* What the server showed. True: handlers are to be told, and *ret_was is the state that they were
 * told of before (owned; NULL: an add). An older version than the one shown before is ignored. */
bool opr__store_apply(struct opr__store *s, struct opr_obj *take_obj, uint32_t epoch,
                      struct opr_obj **ret_was);
/* True: *ret_was (owned) was there and is gone. last is the deleted object as the watch gave it. */
bool opr__store_remove(struct opr__store *s, const struct opr_obj *last, struct opr_obj **ret_was);
/* After a list at rv: removes what it did not name (another epoch). ret_gone gets owned objects. */
void opr__store_sweep(struct opr__store *s, uint32_t epoch, uint64_t rv, struct opr_vec *ret_gone);
/* The watch has shown all up to rv: own writes up to there are no longer needed. */
void opr__store_pass(struct opr__store *s, uint64_t rv);
uint64_t opr__store_passed_rv(const struct opr__store *s);
/* The server's history began anew (it was restored): forgets how far it had come. */
void opr__store_forget_rv(struct opr__store *s);

/* An own write. obj is referenced; is_hidden: a reader no longer sees it (it left the selection);
 * is_deleted: the object is gone. */
void opr__store_note(struct opr__store *s, const struct opr_obj *obj, bool is_hidden,
                     bool is_deleted);

struct opr_obj *opr__store_get(const struct opr__store *s, const char *ns, const char *name);
OPR_NODISCARD opr_status opr__store_list(const struct opr__store *s, struct opr_arena *a,
                                         const char *ns, const char *index, const char *value,
                                         const struct opr_obj *const **ret_objs,
                                         uint32_t *ret_count);
/* What the watch has shown, without own writes: owned references, for a handler added late. */
void opr__store_seen(const struct opr__store *s, struct opr_vec *ret_objs);
size_t opr__store_count(const struct opr__store *s);

#ifdef __cplusplus
}
#endif
#endif
