#include "controllers/nodelifecycle/nodelifecycle.h"

#include <search.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct node_state *)a)->name, ((const struct node_state *)b)->name);
}

/* Small allocations do not fail (docs/CONVENTIONS.md). */
static void *must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

uint64_t text_hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 1099511628211u; /* FNV-1a */
    }
    return h * 31;
}

struct node_state *state_of(struct lifecycle *l, const char *name)
{
    struct node_state want = {.name = (char *)name};
    void *found = tfind(&want, &l->nodes, by_name);
    if (found) {
        return *(struct node_state **)found;
    }
    struct node_state *s = must(calloc(1, sizeof *s));
    s->name = must(strdup(name));
    must(tsearch(s, &l->nodes, by_name));
    return s;
}

static void free_state(void *p)
{
    struct node_state *s = p;
    free(s->name);
    free(s);
}

void state_drop(struct lifecycle *l, struct node_state *s)
{
    tdelete(s, &l->nodes, by_name);
    free_state(s);
}

static void reset(const void *node, VISIT which, void *arg)
{
    if (which == postorder || which == leaf) {
        (*(struct node_state *const *)node)->observed_ms = *(const int64_t *)arg;
    }
}

void lifecycle_reset_probes(struct lifecycle *l, int64_t now_ms)
{
    twalk_r(l->nodes, reset, &now_ms);
}

void lifecycle_free(void *state)
{
    struct lifecycle *l = state;
    if (!l) {
        return;
    }
    tdestroy(l->nodes, free_state);
    for (uint32_t i = 0; i < l->zone_count; i++) {
        free(l->zones[i].zone);
    }
    free(l->zones);
    free(l);
}
