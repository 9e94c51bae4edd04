/* Documents seen through their types, as server-side apply sees them: which part of an object is
 * one thing and which has parts of its own, the set of paths that a document has, the difference of
 * two, and the merge of an applied configuration. The rules are those of structured-merge-diff
 * (typed): a list is atomic unless it is a set or a map by keys, an object is granular unless it is
 * atomic, and what has no type (preserved unknown fields) has granular objects and atomic lists.
 *
 * Threads: any. Sets come from the arena; documents are borrowed, results owned by the caller. */
#ifndef OPR_APISERVER_SCHEMA_TYPED_H
#define OPR_APISERVER_SCHEMA_TYPED_H

#include "apiserver/schema/fieldset.h"

#ifdef __cplusplus
extern "C" {
#endif

enum opr_shape {
    OPR_SHAPE_ATOM,
    OPR_SHAPE_SET,   /* list of unique values */
    OPR_SHAPE_KEYED, /* list of objects with keys */
    OPR_SHAPE_MEMBERS
};

/* type NULL: nothing is known of the value. */
enum opr_shape opr__shape_of(const struct opr_schema_type *type, struct json_object *value);
/* The type of a member; *ret_known false: the schema has no such member. */
const struct opr_schema_type *opr__member_type(const struct opr_schema_type *type, const char *name,
                                               bool *ret_known);
/* The element that names an item of a list of shape SET or KEYED; NULL and *ret_problem where the
 * item has none. From the arena. */
const char *opr__item_name(struct opr_arena *a, const struct opr_schema_type *type,
                           struct json_object *item, const char **ret_problem);
static inline char opr__item_kind(enum opr_shape shape)
{
    return shape == OPR_SHAPE_SET ? 'v' : 'k';
}

/* Items of one list by their names, for lookup. In the arena; items without a name have NULL. */
struct opr__items {
    size_t count;
    const char **names; /* in the order of the list */
    size_t *sorted;     /* their places, by name and place */
};
struct opr__items opr__items_of(struct opr_arena *a, const struct opr_schema_type *type,
                                struct json_object *list);
/* The first item of that name; SIZE_MAX: none. *ret_count (may be NULL): how many there are. */
size_t opr__items_find(const struct opr__items *items, const char *name, size_t *ret_count);

/* Every path that a document has. */
const struct opr_fieldset *opr_schema_fields_of(struct opr_arena *a,
                                                const struct opr_schema_type *type,
                                                struct json_object *doc);

struct opr_schema_changes {
    const struct opr_fieldset *added, *modified, *removed;
};
void opr_schema_compare(struct opr_arena *a, const struct opr_schema_type *type,
                        struct json_object *before, struct json_object *after,
                        struct opr_schema_changes *ret_changes);

/* What an applied configuration may not hold: members that the schema lacks, wrong types, items
 * that cannot be told apart. The problem, in the arena; NULL: none. */
const char *opr_schema_check_applied(struct opr_arena *a, const struct opr_schema_type *type,
                                     struct json_object *config);
/* live with all that config says. Owned. */
struct json_object *opr_schema_merge_applied(struct opr_arena *a,
                                             const struct opr_schema_type *type,
                                             struct json_object *live, struct json_object *config);
/* A document without the paths of a set. Owned. */
struct json_object *opr_schema_without(struct opr_arena *a, const struct opr_schema_type *type,
                                       struct json_object *doc, const struct opr_fieldset *set);
/* The set with every declared member on the way to a path of it. */
const struct opr_fieldset *opr_schema_with_parents(struct opr_arena *a,
                                                   const struct opr_schema_type *type,
                                                   const struct opr_fieldset *set);

/* What an object of the kind is before anything is said of it: the members that Go prints of a zero
 * value; of a custom kind apiVersion and kind alone. Owned. */
struct json_object *opr_schema_zero(const struct opr_kind *kind);

#ifdef __cplusplus
}
#endif
#endif
