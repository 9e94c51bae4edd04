/* The children of a primary object: those that are there, and those that the policy wants. */
#include "controllers/policy/reconcile.h"

static bool is_child_of(const struct opr_obj *o, const struct opr_obj *self)
{
    return str_eq(controller_uid(o), meta_uid(self));
}

opr_status family_read(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                       struct family *ret_family)
{
    struct family f = {0};
    for (uint32_t i = 0; i < p->owns_count; i++) {
        const struct opr_obj *const *objs;
        uint32_t count;
        opr_status st = opr_list(c, p->owns[i], p->ns, "owner", meta_uid(self), &objs, &count);
        if (st != OPR_OK) {
            return st;
        }
        const struct opr_obj **all = opr_ctx_alloc(c, (f.count + count + 1) * sizeof *all);
        for (uint32_t n = 0; n < f.count; n++) {
            all[n] = f.at[n];
        }
        for (uint32_t n = 0; n < count; n++) {
            if (is_child_of(objs[n], self)) {
                all[f.count++] = objs[n];
            }
        }
        f.at = all;
    }
    *ret_family = f;
    return OPR_OK;
}

/* "web", or "ns/web" where the owner has no namespace and the child has. */
static const char *name_in_family(struct opr_ctx *c, const struct opr_obj *self,
                                  const struct opr_obj *o)
{
    bool is_apart = meta_ns(self)[0] == '\0' && meta_ns(o)[0] != '\0';
    return is_apart ? opr_ctx_text(c, "%s/%s", meta_ns(o), meta_name(o)) : meta_name(o);
}

const struct opr_obj *family_doc(struct opr_ctx *c, const struct program *p,
                                 const struct opr_obj *self, const struct family *f)
{
    struct opr_doc *d = opr_doc_new(c, "{}");
    for (uint32_t i = 0; i < p->owns_count; i++) {
        opr_doc_set(d, member_ptr(c, "", kind_of(p->owns[i])), "{}");
    }
    for (uint32_t i = 0; i < f->count; i++) {
        const char *kind = member_ptr(c, "", opr_obj_str(f->at[i], "/kind", ""));
        opr_doc_set(d, member_ptr(c, kind, name_in_family(c, self, f->at[i])), "%p", f->at[i]);
    }
    return opr_doc_obj(d);
}

/* The namespace that a wanted child goes to. */
static const char *ns_of(const struct opr_obj *self, const struct opr_obj *child)
{
    return meta_ns(self)[0] != '\0' ? meta_ns(self) : meta_ns(child);
}

static bool is_same_child(struct opr_ctx *c, const struct opr_obj *self, const struct opr_obj *a,
                          const struct opr_obj *b)
{
    return str_eq(meta_name(a), meta_name(b)) && str_eq(ns_of(self, a), ns_of(self, b)) &&
           str_eq(gvk_of(c, a), gvk_of(c, b));
}

static const char *check_child(struct opr_ctx *c, const struct program *p,
                               const struct opr_obj *self, const struct opr_obj *child)
{
    static const char *const hosts[] = {"/metadata/ownerReferences", "/metadata/uid",
                                        "/metadata/resourceVersion", "/metadata/finalizers",
                                        "/metadata/generateName"};
    if (opr_obj_type(child) != OPR_TYPE_OBJECT) {
        return "a child is no object: return {apiVersion=, kind=, metadata={name=}, ...}";
    }
    const char *gvk = gvk_of(c, child), *name = meta_name(child), *ns = meta_ns(child);
    if (!program_owns(p, gvk)) {
        return opr_ctx_text(c, "a child is of kind %s, which controller.owns does not name", gvk);
    }
    if (name[0] == '\0') {
        return opr_ctx_text(c, "a child of kind %s has no metadata.name", kind_of(gvk));
    }
    if (meta_ns(self)[0] != '\0' && ns[0] != '\0' && !str_eq(ns, meta_ns(self))) {
        return opr_ctx_text(c,
                            "%s %s is to be in namespace %s: children are in that of their owner",
                            kind_of(gvk), name, ns);
    }
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (opr_obj_at(child, hosts[i])) {
            return opr_ctx_text(c, "%s %s has %s, which is the host's: leave it out", kind_of(gvk),
                                name, strrchr(hosts[i], '/') + 1);
        }
    }
    return NULL;
}

const char *children_check(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                           const struct opr_obj *children)
{
    bool is_list = opr_obj_type(children) == OPR_TYPE_ARRAY;
    if (!is_list && !(opr_obj_type(children) == OPR_TYPE_OBJECT && opr_obj_len(children) == 0)) {
        return "reconcile must return children, a list of objects: {} to want none";
    }
    if (opr_obj_len(children) > CHILDREN_MAX) {
        return opr_ctx_text(c, "reconcile returned %u children, over %d", opr_obj_len(children),
                            CHILDREN_MAX);
    }
    for (const struct opr_obj *o = opr_obj_first(children); o; o = opr_obj_next(o)) {
        const char *problem = check_child(c, p, self, o);
        if (problem) {
            return problem;
        }
        for (const struct opr_obj *x = opr_obj_first(children); x != o; x = opr_obj_next(x)) {
            if (is_same_child(c, self, x, o)) {
                return opr_ctx_text(c, "%s %s is among the children twice",
                                    opr_obj_str(o, "/kind", ""), meta_name(o));
            }
        }
    }
    return NULL;
}

/* With what the host adds: namespace, owner, and the annotation that remembers the wanted state. */
static const struct opr_obj *completed(struct opr_ctx *c, const struct opr_obj *self,
                                       const struct opr_obj *child)
{
    struct opr_doc *d = opr_doc_of(c, child);
    if (ns_of(self, child)[0] != '\0') {
        opr_doc_set(d, "/metadata/namespace", "%s", ns_of(self, child));
    }
    opr_doc_set(d, member_ptr(c, "/metadata/annotations", WANTED_ANNOTATION), "%s",
                opr_obj_text(c, child));
    opr_doc_set(d, "/metadata/ownerReferences",
                "[{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s,'controller':true,"
                "'blockOwnerDeletion':true}]",
                opr_obj_str(self, "/apiVersion", ""), opr_obj_str(self, "/kind", ""),
                meta_name(self), meta_uid(self));
    return opr_doc_obj(d);
}

static const struct opr_obj *member_of(struct opr_ctx *c, const struct opr_obj *self,
                                       const struct family *f, const struct opr_obj *child)
{
    for (uint32_t i = 0; i < f->count; i++) {
        if (is_same_child(c, self, f->at[i], child)) {
            return f->at[i];
        }
    }
    return NULL;
}

static opr_status create(struct opr_ctx *c, const struct opr_obj *self, const struct opr_obj *child)
{
    const char *kind = opr_obj_str(child, "/kind", ""), *name = meta_name(child);
    opr_status st = opr_create(c, opr_doc_of(c, completed(c, self, child)), NULL);
    if (st == OPR_OK) {
        opr_event(c, self, "Normal", "ChildCreated", "Created %s %s", kind, name);
    }
    return st;
}

static opr_status change(struct opr_ctx *c, const struct opr_obj *self, const struct opr_obj *live,
                         const struct opr_obj *patch)
{
    struct opr_doc *d = opr_doc_of(c, patch);
    /* Lists are written whole: a change of another between our read and this write must show. */
    opr_doc_set(d, "/metadata/resourceVersion", "%s",
                opr_obj_str(live, "/metadata/resourceVersion", ""));
    opr_status st = opr_patch(c, live, NULL, OPR_PATCH_MERGE, d, NULL);
    if (st == OPR_OK) {
        opr_event(c, self, "Normal", "ChildUpdated", "Updated %s %s",
                  opr_obj_str(live, "/kind", ""), meta_name(live));
    }
    return st;
}

static const struct opr_obj *patch_for(struct opr_ctx *c, const struct opr_obj *self,
                                       const struct opr_obj *live, const struct opr_obj *child)
{
    const char *text =
        opr_obj_str(live, member_ptr(c, "/metadata/annotations", WANTED_ANNOTATION), NULL);
    const struct opr_obj *last = NULL;
    if (text && opr_obj_parse(c, text, &last) != OPR_OK) {
        last = NULL; /* someone wrote into it: nothing is removed this time */
    }
    const struct opr_obj *whole = completed(c, self, child);
    struct opr_doc *d = opr_doc_of(c, merged(c, live, last, whole));
    /* Other owners stay. */
    opr_doc_set(d, "/metadata/ownerReferences", "%p",
                opr_obj_at(live, "/metadata/ownerReferences"));
    return merge_patch(c, live, opr_doc_obj(d));
}

struct work {
    const struct program *p;
    const struct opr_obj *self;
    uint32_t wait_ms;    /* 0: no write was held back */
    opr_status failed;   /* the first failure */
    const char *problem; /* its text */
};

static bool may_write(struct opr_ctx *c, struct work *w)
{
    uint32_t ms;
    if (w->wait_ms == 0 && program_may_write(c, w->p->policy, &ms)) {
        return true;
    }
    w->wait_ms = w->wait_ms ? w->wait_ms : ms;
    return false;
}

static void note(struct opr_ctx *c, struct work *w, opr_status st, const char *verb,
                 const struct opr_obj *o)
{
    if (st == OPR_OK || w->failed != OPR_OK) {
        return;
    }
    w->failed = st;
    w->problem = opr_ctx_text(c, "%s %s can not be %s: %s", opr_obj_str(o, "/kind", ""),
                              meta_name(o), verb, opr_ctx_error(c));
}

static void apply_one(struct opr_ctx *c, struct work *w, const struct family *f,
                      const struct opr_obj *child)
{
    const struct opr_obj *live = member_of(c, w->self, f, child), *other = NULL;
    if (live) {
        const struct opr_obj *patch = is_deleting(live) ? NULL : patch_for(c, w->self, live, child);
        if (patch && may_write(c, w)) {
            note(c, w, change(c, w->self, live, patch), "updated", child);
        }
        return;
    }
    if (opr_get(c, gvk_of(c, child), ns_of(w->self, child), meta_name(child), &other) == OPR_OK) {
        if (w->failed == OPR_OK) {
            w->failed = OPR_E_EXISTS;
            w->problem = opr_ctx_text(c, "%s %s is there already and belongs to another",
                                      opr_obj_str(child, "/kind", ""), meta_name(child));
        }
        return;
    }
    if (may_write(c, w)) {
        note(c, w, create(c, w->self, child), "created", child);
    }
}

static bool is_wanted(struct opr_ctx *c, const struct opr_obj *self, const struct opr_obj *children,
                      const struct opr_obj *o)
{
    for (const struct opr_obj *x = opr_obj_first(children); x; x = opr_obj_next(x)) {
        if (is_same_child(c, self, x, o)) {
            return true;
        }
    }
    return false;
}

static void remove_unwanted(struct opr_ctx *c, struct work *w, const struct family *f,
                            const struct opr_obj *children)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct opr_obj *o = f->at[i];
        if (is_deleting(o) || is_wanted(c, w->self, children, o) || !may_write(c, w)) {
            continue;
        }
        opr_status st = opr_delete(c, o, NULL);
        if (st == OPR_OK) {
            opr_event(c, w->self, "Normal", "ChildDeleted", "Deleted %s %s",
                      opr_obj_str(o, "/kind", ""), meta_name(o));
        }
        note(c, w, st == OPR_E_NOT_FOUND ? OPR_OK : st, "deleted", o);
    }
}

opr_status children_apply(struct opr_ctx *c, const struct program *p, const struct opr_obj *self,
                          const struct family *f, const struct opr_obj *children, uint32_t *ret_ms,
                          const char **ret_problem)
{
    struct work w = {.p = p, .self = self};
    for (const struct opr_obj *o = opr_obj_first(children); o; o = opr_obj_next(o)) {
        apply_one(c, &w, f, o);
    }
    remove_unwanted(c, &w, f, children);
    *ret_problem = w.problem;
    *ret_ms = w.wait_ms;
    return w.failed != OPR_OK ? w.failed : w.wait_ms > 0 ? OPR_E_BUSY : OPR_OK;
}
