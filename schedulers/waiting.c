#include "schedulers/scheduler.h"

void waiting_add(struct cluster *k, const struct opr_obj *pod, bool wants_pods)
{
    uint64_t id = text_hash(opr_obj_str(pod, "/metadata/uid", ""));
    for (uint32_t i = 0; i < k->waiting_count; i++) {
        if (k->waiting[i].id == id) {
            return;
        }
    }
    if (k->waiting_count == k->waiting_room) {
        uint32_t room = k->waiting_room ? k->waiting_room * 2 : 16;
        struct waiting *more = realloc(k->waiting, room * sizeof *more);
        if (!more) {
            return; /* it comes back with its own timer */
        }
        k->waiting = more;
        k->waiting_room = room;
    }
    struct waiting w = {
        .ns = strdup(opr_obj_str(pod, "/metadata/namespace", "")),
        .name = strdup(opr_obj_str(pod, "/metadata/name", "")),
        .id = id,
        .priority = opr_obj_int(pod, "/spec/priority", 0),
        .wants_pods = wants_pods,
    };
    if (!w.ns || !w.name) {
        free(w.ns);
        free(w.name);
        return;
    }
    k->waiting[k->waiting_count++] = w;
}

/* Higher priority first; the array's own order (time of waiting) breaks ties. */
static void sort_by_priority(struct waiting *w, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct waiting x = w[i];
        uint32_t at = i;
        for (; at > 0 && w[at - 1].priority < x.priority; at--) {
            w[at] = w[at - 1];
        }
        w[at] = x;
    }
}

void waiting_wake(struct cluster *k, struct opr_ctx *c)
{
    if (!k->wakes_all && !k->wakes_for_pods) {
        return;
    }
    uint32_t kept = 0;
    sort_by_priority(k->waiting, k->waiting_count);
    for (uint32_t i = 0; i < k->waiting_count; i++) {
        struct waiting *w = &k->waiting[i];
        if (!k->wakes_all && !w->wants_pods) {
            k->waiting[kept++] = *w;
            continue;
        }
        opr_enqueue_after(c, NULL, (struct opr_key){w->ns, w->name}, 0);
        free(w->ns);
        free(w->name);
    }
    k->waiting_count = kept;
    k->wakes_all = k->wakes_for_pods = false;
}
