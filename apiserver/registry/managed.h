/* metadata.managedFields: who set which field. Each entry is one manager's: its name, operation,
 * subresource and, for updates, apiVersion; with the set of its fields. The rules are those of
 * apimachinery's managedfields. Threads: those of the request. Lifetime: the request's arena. */
#ifndef OPR_APISERVER_REGISTRY_MANAGED_H
#define OPR_APISERVER_REGISTRY_MANAGED_H

#include "apiserver/registry/api.h"
#include "apiserver/schema/typed.h"

struct opr_manager {
    const char *name, *version, *sub; /* sub "": the object itself */
    bool is_apply;
};

struct opr_managed_entry {
    struct opr_manager manager;
    const char *time; /* NULL: none */
    const struct opr_fieldset *set;
};

struct opr_managed {
    struct opr_arena *arena;
    struct opr_managed_entry *items;
    size_t count, cap;
    bool is_changed; /* since it was read from the stored object */
};

/* OPR_E_INVALID: an entry is of no use; m is empty then. list may be NULL. */
OPR_NODISCARD opr_status opr_managed_read(struct opr_managed *m, const struct opr_obj *list);
/* Puts the entries that own something into an object's metadata, in Kubernetes' order. */
void opr_managed_write(struct opr_managed *m, struct json_object *doc);
/* By name, as conflicts are told. */
void opr_managed_sort(struct opr_managed *m);
/* NULL: none. Valid until an entry is added or the entries are sorted. */
struct opr_managed_entry *opr_managed_find(struct opr_managed *m, const struct opr_manager *who);
/* The entry, added without fields where it is absent. */
struct opr_managed_entry *opr_managed_take(struct opr_managed *m, const struct opr_manager *who);

/* The manager that a request names, or its client's program; "unknown". */
struct opr_manager opr_managed_who(struct opr_req *r, bool is_apply);
/* The fields that no manager owns through this resource: the status through the object, and what a
 * status update leaves alone through the status. */
const struct opr_fieldset *opr_managed_ignored(struct opr_req *r);
/* The fields that no manager owns: the name, what the server sets. */
const struct opr_fieldset *opr_managed_never(struct opr_req *r);
/* After a change from before to after by one manager: the others lose what changed, it gains it. */
void opr_managed_update(struct opr_req *r, struct opr_managed *m, const struct opr_manager *who,
                        struct json_object *before, struct json_object *after);

/* A stored object as a document without its managedFields, which are large; owned. */
struct json_object *opr_managed_doc(const struct opr_obj *obj);
/* Who owns what of a new state of an object that is created (old NULL), replaced or patched:
 * r->managed, for opr_managed_write(). An applied state has it already. live is old without its
 * managedFields; doc loses those that its client sent. */
void opr_managed_track(struct opr_req *r, struct json_object *doc, struct json_object *live,
                       const struct opr_obj *old);

#endif
