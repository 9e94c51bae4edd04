/* Sets of field paths: who owns what of an object (managedFields), as a tree of path elements.
 *
 * An element is a member of an object ('f', its name), an item of a list by its keys ('k', the JSON
 * object of them) or an item by its value ('v', its JSON). Written as fieldsV1 JSON: "f:name",
 * "k:{...}", "v:...", with "." where a path that has children is itself in the set. The rules are
 * those of Kubernetes' structured-merge-diff (fieldpath).
 *
 * Threads: any; a set is immutable once it is made, and parts of one may be parts of another.
 * Lifetime: that of the arena. NULL is the empty set. */
#ifndef OPR_APISERVER_SCHEMA_FIELDSET_H
#define OPR_APISERVER_SCHEMA_FIELDSET_H

#include "apiserver/schema/table.h"
#include "core/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_fieldset {
    char kind;      /* 'f', 'k', 'v'; 0: the root */
    bool is_member; /* this path is in the set */
    uint32_t count, cap;
    const char *name;                     /* after "f:", "k:" or "v:" */
    const struct opr_fieldset **children; /* sorted */
};

/* A path from its end to the root; lives on the caller's stack. NULL is the root. */
struct opr_fieldstep {
    const struct opr_fieldstep *up;
    char kind;
    const char *name;
};

/* The element of a set that this caller made, added where it is absent. name is borrowed. */
struct opr_fieldset *opr_fieldset_child(struct opr_arena *a, struct opr_fieldset *s, char kind,
                                        const char *name);
/* Adds a path to a set that this caller made and has not given away yet. */
void opr_fieldset_insert(struct opr_arena *a, struct opr_fieldset *root,
                         const struct opr_fieldstep *path);
const struct opr_fieldset *opr_fieldset_find(const struct opr_fieldset *s, char kind,
                                             const char *name);
bool opr_fieldset_is_empty(const struct opr_fieldset *s);
size_t opr_fieldset_count(const struct opr_fieldset *s); /* paths in it */

const struct opr_fieldset *opr_fieldset_union(struct opr_arena *a, const struct opr_fieldset *x,
                                              const struct opr_fieldset *y);
const struct opr_fieldset *opr_fieldset_minus(struct opr_arena *a, const struct opr_fieldset *x,
                                              const struct opr_fieldset *y);
/* Takes away what is below a path of y as well. */
const struct opr_fieldset *opr_fieldset_minus_tree(struct opr_arena *a,
                                                   const struct opr_fieldset *x,
                                                   const struct opr_fieldset *y);
const struct opr_fieldset *opr_fieldset_common(struct opr_arena *a, const struct opr_fieldset *x,
                                               const struct opr_fieldset *y);

/* Owned. */
struct json_object *opr_fieldset_to_json(const struct opr_fieldset *s);
/* NULL is the empty set. */
OPR_NODISCARD opr_status opr_fieldset_read(struct opr_arena *a, const struct opr_obj *fields,
                                           const struct opr_fieldset **ret_set,
                                           struct opr_error *reterr);
/* From one of our own paths such as "metadata.labels". */
const struct opr_fieldset *opr_fieldset_of(struct opr_arena *a, const char *const *paths);
/* Calls fn with each path as Kubernetes prints it: .spec.ports[port=80,protocol="TCP"].name */
void opr_fieldset_each(const struct opr_fieldset *s, void (*fn)(void *arg, const char *path),
                       void *arg);
/* "key":value, and from such parts (which are put in order) the name of an item. From the arena. */
const char *opr_fieldset_key(struct opr_arena *a, const char *key, struct json_object *value);
const char *opr_fieldset_keys(struct opr_arena *a, const char **parts, size_t count);
/* Appends ".name", "[key=value]" or "[=value]". */
void opr_fieldset_print_element(struct opr_buf *out, char kind, const char *name);

#ifdef __cplusplus
}
#endif
#endif
