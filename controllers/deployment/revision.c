#include "controllers/deployment/deployment.h"

enum { HISTORY_MAX_CHARS = 2000 };
#define REVISION "deployment.kubernetes.io/revision"
#define HISTORY "deployment.kubernetes.io/revision-history"
#define REVISION_PTR "/metadata/annotations/deployment.kubernetes.io~1revision"
#define HISTORY_PTR "/metadata/annotations/deployment.kubernetes.io~1revision-history"

bool annotation_is_copied(const char *key)
{
    static const char *const own[] = {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (str_eq(key, own[i])) {
            return false;
        }
    }
    return true;
}

/* The earlier revisions of a set that is used again; the oldest are dropped past the limit. */
static const char *history_with(struct opr_ctx *c, const char *history, const char *revision)
{
    if (history[0] == '\0') {
        return revision;
    }
    size_t total = strlen(history) + strlen(revision) + 1;
    while (total > HISTORY_MAX_CHARS && history) {
        const char *comma = strchr(history, ',');
        total -= comma ? (size_t)(comma - history) + 1 : strlen(history) + 1;
        history = comma ? comma + 1 : NULL;
    }
    return history ? opr_ctx_text(c, "%s,%s", history, revision) : revision;
}

static bool note_revision(struct dep *d, struct opr_doc *patch, const char *revision)
{
    const struct set *s = d->newest;
    const char *old = opr_obj_str(s->o, REVISION_PTR, "");
    char *end = NULL;
    long long old_number = strtoll(old, &end, 10);
    if (*end != '\0') {
        return false; /* not ours to judge: left alone */
    }
    if (old_number >= strtoll(revision, NULL, 10)) {
        return false;
    }
    opr_doc_set(patch, REVISION_PTR, "%s", revision);
    if (old[0] != '\0') {
        opr_doc_set(patch, HISTORY_PTR, "%s",
                    history_with(d->c, opr_obj_str(s->o, HISTORY_PTR, ""), old));
    }
    return true;
}

static bool copy_annotations(const struct dep *d, struct opr_doc *patch)
{
    bool is_changed = false;
    const struct opr_obj *mine = opr_obj_at(d->self, "/metadata/annotations");
    const struct opr_obj *theirs = opr_obj_at(d->newest->o, "/metadata/annotations");
    for (const struct opr_obj *a = opr_obj_first(mine); a; a = opr_obj_next(a)) {
        const char *key = opr_obj_name(a);
        bool is_same = false;
        for (const struct opr_obj *b = opr_obj_first(theirs); b; b = opr_obj_next(b)) {
            is_same |= str_eq(opr_obj_name(b), key) &&
                       str_eq(opr_obj_str(b, "", NULL), opr_obj_str(a, "", ""));
        }
        if (annotation_is_copied(key) && !is_same) {
            opr_doc_set(patch, member_ptr(d->c, "/metadata/annotations", key), "%s",
                        opr_obj_str(a, "", ""));
            is_changed = true;
        }
    }
    return is_changed;
}

opr_status dep_note_revision(struct dep *d, const char *revision)
{
    if (str_eq(opr_obj_str(d->self, REVISION_PTR, ""), revision)) {
        return OPR_OK;
    }
    struct opr_doc *patch = opr_doc_new(
        d->c, "{'metadata':{'uid':%s,'annotations':{'" REVISION "':%s}}}", d->uid, revision);
    return opr_patch(d->c, d->self, NULL, OPR_PATCH_MERGE, patch, &d->self);
}

static opr_status update_newest(struct dep *d, const char *revision)
{
    struct opr_doc *patch = opr_doc_new(d->c, "{'metadata':{'uid':%s}}", d->newest->uid);
    bool is_changed = copy_annotations(d, patch);
    is_changed |= note_revision(d, patch, revision);
    int64_t min_ready = opr_obj_int(d->self, "/spec/minReadySeconds", 0);
    if (min_ready != opr_obj_int(d->newest->o, "/spec/minReadySeconds", 0)) {
        opr_doc_set(patch, "/spec/minReadySeconds", "%lld", (long long)min_ready);
        is_changed = true;
    }
    if (!is_changed) {
        return OPR_OK;
    }
    const struct opr_obj *now = NULL;
    opr_status st = opr_patch(d->c, d->newest->o, NULL, OPR_PATCH_MERGE, patch, &now);
    if (st == OPR_OK) {
        set_read(d->newest, now);
    }
    return st;
}

opr_status dep_sync_revision(struct dep *d, bool creates)
{
    int64_t last = 0;
    dep_find_newest(d);
    for (uint32_t i = 0; i < d->count; i++) {
        if (&d->sets[i] != d->newest && d->sets[i].revision > last) {
            last = d->sets[i].revision;
        }
    }
    if (!d->newest) {
        return creates ? dep_create_set(d, last + 1) : OPR_OK;
    }
    opr_status st = update_newest(d, opr_ctx_text(d->c, "%lld", (long long)last + 1));
    if (st != OPR_OK) {
        return st;
    }
    if (d->deadline_s >= 0 && !conditions_find(&d->conditions, "Progressing")) {
        dep_condition(d, "Progressing", "True", "FoundNewReplicaSet",
                      opr_ctx_text(d->c, "Found new replica set \"%s\"", d->newest->name));
    }
    return dep_note_revision(d, opr_obj_str(d->newest->o, REVISION_PTR, ""));
}
