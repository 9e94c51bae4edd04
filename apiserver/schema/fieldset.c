#include "apiserver/schema/fieldset.h"

#include "core/base/str.h"

#include <stdlib.h>

/* --- order --------------------------------------------------------------------------------------
 */

/* Where the token that holds at begins, if it is a number; else NULL. */
static const char *number_start(const char *text, const char *at)
{
    const char *p = at;
    while (p > text && strchr("0123456789.-+eE", p[-1])) {
        p--;
    }
    bool is_token = p == text || p[-1] == ':' || p[-1] == '[' || p[-1] == ',';
    return is_token && (*p == '-' || (*p >= '0' && *p <= '9')) ? p : NULL;
}

/* Keys and values are ordered by value: numbers as numbers, before texts. */
static int compare_json(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i]) {
        i++;
    }
    if (a[i] == b[i]) {
        return 0;
    }
    const char *x = number_start(a, a + i), *y = number_start(b, b + i);
    if (x && y) {
        double m = strtod(x, NULL), n = strtod(y, NULL);
        return m < n ? -1 : m > n ? 1 : strcmp(a, b);
    }
    if (x || y) {
        return x ? -1 : 1;
    }
    if (a[i] == '"' || b[i] == '"') { /* one text ends where the other goes on */
        return a[i] == '"' ? -1 : 1;
    }
    return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
}

static int compare(char kind_a, const char *a, char kind_b, const char *b)
{
    if (kind_a != kind_b) {
        return kind_a < kind_b ? -1 : 1; /* 'f', 'k', 'v' */
    }
    return kind_a == 'f' ? strcmp(a, b) : compare_json(a, b);
}

/* Where the element is, or would be. */
static uint32_t position(const struct opr_fieldset *s, char kind, const char *name, bool *ret_found)
{
    uint32_t low = 0, high = s->count;
    *ret_found = false;
    if (high > 0 &&
        compare(s->children[high - 1]->kind, s->children[high - 1]->name, kind, name) < 0) {
        return high; /* most come in order */
    }
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int c = compare(s->children[mid]->kind, s->children[mid]->name, kind, name);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const struct opr_fieldset *opr_fieldset_find(const struct opr_fieldset *s, char kind,
                                             const char *name)
{
    bool found = false;
    uint32_t at = s ? position(s, kind, name, &found) : 0;
    return found ? s->children[at] : NULL;
}

bool opr_fieldset_is_empty(const struct opr_fieldset *s)
{
    return !s || (!s->is_member && s->count == 0);
}

size_t opr_fieldset_count(const struct opr_fieldset *s)
{
    size_t n = s && s->is_member ? 1 : 0;
    for (uint32_t i = 0; s && i < s->count; i++) {
        n += opr_fieldset_count(s->children[i]);
    }
    return n;
}

/* --- making -------------------------------------------------------------------------------------
 */

static void put(struct opr_arena *a, struct opr_fieldset *s, uint32_t at,
                const struct opr_fieldset *child)
{
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        const struct opr_fieldset **all = opr_arena_alloc(a, cap * sizeof *all);
        if (s->count > 0) {
            memcpy(all, s->children, s->count * sizeof *all);
        }
        s->children = all;
        s->cap = cap;
    }
    memmove(s->children + at + 1, s->children + at, (s->count - at) * sizeof *s->children);
    s->children[at] = child;
    s->count++;
}

static struct opr_fieldset *like(struct opr_arena *a, const struct opr_fieldset *s)
{
    struct opr_fieldset *n = opr_arena_alloc(a, sizeof *n);
    n->kind = s->kind;
    n->name = s->name;
    return n;
}

struct opr_fieldset *opr_fieldset_child(struct opr_arena *a, struct opr_fieldset *s, char kind,
                                        const char *name)
{
    bool found;
    uint32_t at = position(s, kind, name, &found);
    if (found) {
        return (struct opr_fieldset *)s->children[at]; /* this caller's own */
    }
    struct opr_fieldset *n = opr_arena_alloc(a, sizeof *n);
    n->kind = kind;
    n->name = name;
    put(a, s, at, n);
    return n;
}

/* The node of a path, made where it is absent. */
static struct opr_fieldset *reach(struct opr_arena *a, struct opr_fieldset *root,
                                  const struct opr_fieldstep *path)
{
    if (!path) {
        return root;
    }
    struct opr_fieldset *up = reach(a, root, path->up);
    const struct opr_fieldset *known = opr_fieldset_find(up, path->kind, path->name);
    return known ? (struct opr_fieldset *)known /* this caller's own */
                 : opr_fieldset_child(a, up, path->kind, opr_arena_dup(a, opr_str_of(path->name)));
}

void opr_fieldset_insert(struct opr_arena *a, struct opr_fieldset *root,
                         const struct opr_fieldstep *path)
{
    reach(a, root, path)->is_member = true;
}

const struct opr_fieldset *opr_fieldset_of(struct opr_arena *a, const char *const *paths)
{
    struct opr_fieldset *root = opr_arena_alloc(a, sizeof *root);
    for (; *paths; paths++) {
        struct opr_str rest = opr_str_of(*paths), part;
        struct opr_fieldset *at = root;
        while (opr_str_next(&rest, '.', &part)) {
            at = opr_fieldset_child(a, at, 'f', opr_arena_dup(a, part));
        }
        at->is_member = true;
    }
    return root;
}

/* --- algebra ------------------------------------------------------------------------------------
 */

const struct opr_fieldset *opr_fieldset_union(struct opr_arena *a, const struct opr_fieldset *x,
                                              const struct opr_fieldset *y)
{
    if (opr_fieldset_is_empty(x) || x == y) {
        return y;
    }
    if (opr_fieldset_is_empty(y)) {
        return x;
    }
    struct opr_fieldset *n = like(a, x);
    n->is_member = x->is_member || y->is_member;
    uint32_t i = 0, j = 0;
    while (i < x->count || j < y->count) {
        int c = i == x->count   ? 1
                : j == y->count ? -1
                                : compare(x->children[i]->kind, x->children[i]->name,
                                          y->children[j]->kind, y->children[j]->name);
        const struct opr_fieldset *child =
            c == 0 ? opr_fieldset_union(a, x->children[i], y->children[j])
                   : (c < 0 ? x->children[i] : y->children[j]);
        put(a, n, n->count, child);
        i += c <= 0;
        j += c >= 0;
    }
    return n;
}

enum operation { MINUS, MINUS_TREE, COMMON };

/* The set of x that the operation with y leaves. */
static const struct opr_fieldset *reduce(struct opr_arena *a, enum operation op,
                                         const struct opr_fieldset *x, const struct opr_fieldset *y)
{
    if (opr_fieldset_is_empty(x) || opr_fieldset_is_empty(y)) {
        return op == COMMON || opr_fieldset_is_empty(x) ? NULL : x;
    }
    if (op == MINUS_TREE && y->is_member) {
        return NULL;
    }
    struct opr_fieldset *n = like(a, x);
    n->is_member = x->is_member && (op == COMMON) == y->is_member;
    for (uint32_t i = 0; i < x->count; i++) {
        const struct opr_fieldset *c = x->children[i];
        const struct opr_fieldset *left = reduce(a, op, c, opr_fieldset_find(y, c->kind, c->name));
        if (!opr_fieldset_is_empty(left)) {
            put(a, n, n->count, left);
        }
    }
    return opr_fieldset_is_empty(n) ? NULL : n;
}

const struct opr_fieldset *opr_fieldset_minus(struct opr_arena *a, const struct opr_fieldset *x,
                                              const struct opr_fieldset *y)
{
    return reduce(a, MINUS, x, y);
}

const struct opr_fieldset *opr_fieldset_minus_tree(struct opr_arena *a,
                                                   const struct opr_fieldset *x,
                                                   const struct opr_fieldset *y)
{
    return reduce(a, MINUS_TREE, x, y);
}

const struct opr_fieldset *opr_fieldset_common(struct opr_arena *a, const struct opr_fieldset *x,
                                               const struct opr_fieldset *y)
{
    return reduce(a, COMMON, x, y);
}
