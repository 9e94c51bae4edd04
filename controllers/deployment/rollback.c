#include "controllers/deployment/deployment.h"

/* The annotation deprecated.deployment.rollback.to, kept for clients of extensions/v1beta1. */
#define ROLLBACK_PTR "/metadata/annotations/deprecated.deployment.rollback.to"

static const struct set *second_highest(const struct dep *d)
{
    const struct set *first = NULL, *second = NULL;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct set *s = &d->sets[i];
        if (!first || s->revision > first->revision) {
            second = first;
            first = s;
        } else if (!second || s->revision > second->revision) {
            second = s;
        }
    }
    return second;
}

static const struct set *find_revision(const struct dep *d, int64_t revision)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->sets[i].revision == revision) {
            return &d->sets[i];
        }
    }
    return NULL;
}

static void take_template(struct dep *d, struct opr_doc *whole, const struct set *from)
{
    struct opr_doc *t = opr_doc_of(d->c, opr_obj_at(from->o, "/spec/template"));
    opr_doc_remove(t, "/metadata/labels/" HASH_LABEL);
    opr_doc_set(whole, "/spec/template", "%p", opr_doc_obj(t));
    const struct opr_obj *mine = opr_obj_at(d->self, "/metadata/annotations");
    for (const struct opr_obj *a = opr_obj_first(mine); a; a = opr_obj_next(a)) {
        if (annotation_is_copied(opr_obj_name(a))) {
            opr_doc_remove(whole, member_ptr(d->c, "/metadata/annotations", opr_obj_name(a)));
        }
    }
    const struct opr_obj *theirs = opr_obj_at(from->o, "/metadata/annotations");
    for (const struct opr_obj *a = opr_obj_first(theirs); a; a = opr_obj_next(a)) {
        if (annotation_is_copied(opr_obj_name(a))) {
            opr_doc_set(whole, member_ptr(d->c, "/metadata/annotations", opr_obj_name(a)), "%s",
                        opr_obj_str(a, "", ""));
        }
    }
}

opr_status dep_roll_back(struct dep *d, const char *to)
{
    int64_t revision = strtoll(to, NULL, 10);
    const struct set *from = revision == 0 ? second_highest(d) : find_revision(d, revision);
    struct opr_doc *whole = opr_doc_of(d->c, d->self);
    opr_doc_remove(whole, ROLLBACK_PTR);
    if (!from) {
        opr_event(d->c, d->self, "Warning", "DeploymentRollbackRevisionNotFound",
                  revision == 0 ? "Unable to find last revision."
                                : "Unable to find the revision to rollback to.");
    } else if (template_equal(d->c, opr_obj_at(d->self, "/spec/template"),
                              opr_obj_at(from->o, "/spec/template"))) {
        opr_event(d->c, d->self, "Warning", "DeploymentRollbackTemplateUnchanged",
                  "The rollback revision contains the same template as current deployment \"%s\"",
                  d->name);
    } else {
        take_template(d, whole, from);
        opr_event(d->c, d->self, "Normal", "DeploymentRollback",
                  "Rolled back deployment \"%s\" to revision %lld", d->name,
                  (long long)from->revision);
    }
    return opr_update(d->c, whole, NULL, &d->self);
}
