#include "controllers/endpointslice/endpointslice.h"

static int32_t group_with(const struct family *f, const struct opr_obj *ports)
{
    for (uint32_t i = 0; i < f->groups; i++) {
        if (opr_obj_equal(f->ports[i], ports)) {
            return (int32_t)i;
        }
    }
    return -1;
}

static struct endpoint *find(struct family *f, const char *uid, int32_t group)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct endpoint *e = &f->endpoints[i];
        if (!e->is_placed && (int32_t)e->group == group && str_eq(meta_uid(e->pod), uid)) {
            return e;
        }
    }
    return NULL;
}

static void add(struct plan *p, struct family *f, struct endpoint *e)
{
    p->members[p->count++] = (uint32_t)(e - f->endpoints);
    e->is_placed = true;
}

/* Endpoints stay in the slice that has them: the fewer slices change, the less every node reads. */
static void keep(struct plan *p, struct family *f, const struct opr_obj *slice)
{
    const struct opr_obj *list = opr_obj_at(slice, "/endpoints");
    p->old = slice;
    p->group = group_with(f, opr_obj_at(slice, "/ports"));
    p->old_count = opr_obj_len(list);
    for (const struct opr_obj *x = opr_obj_first(list); x && p->group >= 0; x = opr_obj_next(x)) {
        struct endpoint *e = find(f, opr_obj_str(x, "/targetRef/uid", ""), p->group);
        if (e && p->count < SLICE_MAX) {
            add(p, f, e);
        }
    }
}

static uint32_t unplaced(const struct family *f, int32_t group)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        n += !f->endpoints[i].is_placed && (int32_t)f->endpoints[i].group == group;
    }
    return n;
}

static void fill(struct plan *p, struct family *f)
{
    for (uint32_t i = 0; i < f->count && p->count < SLICE_MAX; i++) {
        if (!f->endpoints[i].is_placed && (int32_t)f->endpoints[i].group == p->group) {
            add(p, f, &f->endpoints[i]);
        }
    }
}

/* First the slices that change anyway, the fullest first; then the unchanged one with the least
 * room that is enough; then a new one. */
static struct plan *next_room(struct plan *plans, uint32_t count, int32_t group, uint32_t wanted)
{
    struct plan *changing = NULL, *tightest = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct plan *p = &plans[i];
        if (p->group != group || p->count == SLICE_MAX) {
            continue;
        }
        if (p->count != p->old_count && (!changing || p->count > changing->count)) {
            changing = p;
        }
        if (SLICE_MAX - p->count >= wanted && (!tightest || p->count > tightest->count)) {
            tightest = p;
        }
    }
    return changing ? changing : tightest;
}

/* An old slice that would be deleted, to be used again; else a new one. */
static struct plan *take_plan(struct plan *plans, uint32_t *count, int32_t group)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (plans[i].count == 0 && plans[i].old) {
            plans[i].group = group;
            return &plans[i];
        }
    }
    struct plan *p = &plans[(*count)++];
    p->group = group;
    return p;
}

struct plan *family_pack(struct service *s, struct family *f, const struct opr_obj *const *slices,
                         uint32_t slice_count, uint32_t *ret_count)
{
    size_t most = slice_count + f->count / SLICE_MAX + f->groups + 2;
    struct plan *plans = opr_ctx_alloc(s->c, most * sizeof *plans);
    uint32_t n = 0;
    for (uint32_t i = 0; i < slice_count; i++) {
        if (str_eq(opr_obj_str(slices[i], "/addressType", ""), f->type) &&
            !is_deleting(slices[i])) {
            keep(&plans[n++], f, slices[i]);
        }
    }
    for (int32_t g = 0; g < (int32_t)f->groups; g++) {
        for (uint32_t left = unplaced(f, g); left > 0; left = unplaced(f, g)) {
            struct plan *p = next_room(plans, n, g, left);
            fill(p ? p : take_plan(plans, &n, g), f);
        }
    }
    if (f->count == 0) {
        take_plan(plans, &n, -1)->group = -1;
    }
    *ret_count = n;
    return plans;
}
