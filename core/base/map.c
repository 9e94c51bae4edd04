#include "core/base/map.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

/* Entries stand in insertion order in one array; a table of indexes finds them. A removed entry
 * leaves a hole (value NULL) until the next rebuild. */
struct entry {
    uint64_t hash;
    char *key; /* owned */
    size_t len;
    void *value;
};

struct opr_map {
    struct entry *entries; /* owned */
    size_t used, cap;      /* entries with holes */
    size_t count;
    uint32_t *table; /* owned; entry index + 1, 0: empty */
    size_t slots;    /* power of two, at least twice cap */
};

struct opr_map *opr_map_new(void)
{
    return opr_xalloc(sizeof(struct opr_map));
}

void opr_map_free(struct opr_map *m, void (*free_value)(void *))
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].value && free_value) {
            free_value(m->entries[i].value);
        }
        opr_free(m->entries[i].key);
    }
    opr_free(m->entries);
    opr_free(m->table);
    opr_free(m);
}

size_t opr_map_count(const struct opr_map *m)
{
    return m->count;
}

static struct entry *find(const struct opr_map *m, struct opr_str key, uint64_t hash)
{
    for (size_t i = hash & (m->slots - 1); m->slots > 0 && m->table[i];
         i = (i + 1) & (m->slots - 1)) {
        struct entry *e = &m->entries[m->table[i] - 1];
        if (e->hash == hash && e->value && opr_str_eq(opr_str_n(e->key, e->len), key)) {
            return e;
        }
    }
    return NULL;
}

void *opr_map_get(const struct opr_map *m, struct opr_str key)
{
    struct entry *e = m->count > 0 ? find(m, key, opr_str_hash(key)) : NULL;
    return e ? e->value : NULL;
}

static void enter(struct opr_map *m, size_t index)
{
    size_t i = m->entries[index].hash & (m->slots - 1);
    while (m->table[i]) {
        i = (i + 1) & (m->slots - 1);
    }
    m->table[i] = (uint32_t)(index + 1);
}

/* Makes room for one more entry and drops the holes. */
static void rebuild(struct opr_map *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].value) {
            m->entries[kept++] = m->entries[i];
        }
    }
    m->used = kept;
    m->cap = kept < 4 ? 8 : kept * 2;
    m->entries = opr_xrealloc(m->entries, m->cap * sizeof *m->entries);
    m->slots = 16;
    while (m->slots < m->cap * 2) {
        m->slots *= 2;
    }
    opr_free(m->table);
    m->table = opr_xalloc(m->slots * sizeof *m->table);
    for (size_t i = 0; i < m->used; i++) {
        enter(m, i);
    }
}

void *opr_map_put(struct opr_map *m, struct opr_str key, void *value)
{
    OPR_CHECK(value);
    uint64_t hash = opr_str_hash(key);
    struct entry *e = find(m, key, hash);
    if (e) {
        void *was = e->value;
        e->value = value;
        return was;
    }
    if (m->used == m->cap) {
        rebuild(m);
    }
    m->entries[m->used] = (struct entry){hash, opr_xstrndup(key.ptr, key.len), key.len, value};
    enter(m, m->used++);
    m->count++;
    return NULL;
}

void *opr_map_remove(struct opr_map *m, struct opr_str key)
{
    struct entry *e = m->count > 0 ? find(m, key, opr_str_hash(key)) : NULL;
    if (!e) {
        return NULL;
    }
    void *was = e->value;
    opr_free(e->key);
    e->key = NULL;
    e->value = NULL;
    m->count--;
    return was;
}

bool opr_map_next(const struct opr_map *m, size_t *it, struct opr_str *ret_key, void **ret_value)
{
    while (*it < m->used) {
        const struct entry *e = &m->entries[(*it)++];
        if (e->value) {
            if (ret_key) {
                *ret_key = opr_str_n(e->key, e->len);
            }
            if (ret_value) {
                *ret_value = e->value;
            }
            return true;
        }
    }
    return false;
}
