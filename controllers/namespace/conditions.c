#include "controllers/namespace/namespace.h"

static const char *remaining_text(struct emptying *e)
{
    const char *text = "";
    for (uint32_t i = 0; i < e->count; i++) {
        const struct kind *k = &e->kinds[i];
        if (k->remaining > 0) {
            text = opr_ctx_text(e->c, "%s%s%s.%s has %u resource instances", text,
                                text[0] != '\0' ? ", " : "", k->plural, k->group, k->remaining);
        }
    }
    return opr_ctx_text(e->c, "Some resources are remaining: %s", text);
}

static const char *finalizers_text(struct emptying *e)
{
    const char *text = "";
    for (uint32_t i = 0; i < e->finalizer_count; i++) {
        text =
            opr_ctx_text(e->c, "%s%s%s in %u resource instances", text, text[0] != '\0' ? ", " : "",
                         e->finalizers[i].name, e->finalizers[i].count);
    }
    return opr_ctx_text(e->c, "Some content in the namespace has finalizers remaining: %s", text);
}

opr_status conditions_write(struct emptying *e, uint32_t remaining)
{
    struct conditions list;
    struct opr_ctx *c = e->c;
    const struct opr_obj *old = opr_obj_at(e->self, "/status/conditions");
    conditions_load(&list, old);
    bool is_found = !e->discovery_failure, is_deleted = !e->content_failure;
    conditions_set(c, &list, "NamespaceDeletionDiscoveryFailure", is_found ? "False" : "True",
                   is_found ? "ResourcesDiscovered" : "DiscoveryFailed",
                   is_found ? "All resources successfully discovered" : e->discovery_failure);
    conditions_set(c, &list, "NamespaceDeletionGroupVersionParsingFailure", "False",
                   "ParsedGroupVersions", "All legacy kube types successfully parsed");
    conditions_set(c, &list, "NamespaceDeletionContentFailure", is_deleted ? "False" : "True",
                   is_deleted ? "ContentDeleted" : "ContentDeletionFailed",
                   is_deleted ? "All content successfully deleted, may be waiting on finalization"
                              : e->content_failure);
    conditions_set(c, &list, "NamespaceContentRemaining", remaining > 0 ? "True" : "False",
                   remaining > 0 ? "SomeResourcesRemain" : "ContentRemoved",
                   remaining > 0 ? remaining_text(e) : "All content successfully removed");
    bool has_finalizers = e->finalizer_count > 0;
    conditions_set(c, &list, "NamespaceFinalizersRemaining", has_finalizers ? "True" : "False",
                   has_finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                   has_finalizers ? finalizers_text(e)
                                  : "All content-preserving finalizers finished");
    const struct opr_obj *now = conditions_array(c, &list);
    if (opr_obj_equal(now, old)) {
        return OPR_OK;
    }
    struct opr_doc *d = opr_doc_of(c, e->self);
    opr_doc_set(d, "/status/conditions", "%p", now);
    return opr_update(c, d, "status", &e->self);
}
