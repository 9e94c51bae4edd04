#include "core/json/intern.h"

#include <pthread.h>
#include <stdatomic.h>

#define POOL_BYTES (1u << 20)
#define SLOTS (1u << 14)
#define STRINGS_MAX (SLOTS / 4 * 3)
#define SEEN (1u << 12)
#define TEXT_MAX 64
#define DIGITS_MAX 3

char opr__intern_pool[POOL_BYTES];

static _Atomic uint32_t slots[SLOTS]; /* places in the pool, by hash, open addressing; 0: free */
static _Atomic uint32_t seen[SEEN];   /* hashes of texts that came once */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* used, count, writes of slots */
static uint32_t used = 1, count;

/* Times, uids, addresses and versions do not come again often; images and node names do. */
static bool is_worth_it(struct opr_str text)
{
    unsigned digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (digits > DIGITS_MAX || text.ptr[i] == '\0') {
            return false;
        }
    }
    return text.len > 0;
}

/* The text's place, or 0 with the free slot where it would stand. */
static uint32_t probe(struct opr_str text, uint32_t *slot)
{
    for (;; *slot = (*slot + 1) & (SLOTS - 1)) {
        uint32_t at = atomic_load_explicit(&slots[*slot], memory_order_acquire);
        if (at == 0) {
            return 0;
        }
        const char *there = opr__intern_pool + at;
        if (strncmp(there, text.ptr, text.len) == 0 && there[text.len] == '\0') {
            return at;
        }
    }
}

static uint32_t add(struct opr_str text, uint32_t slot)
{
    pthread_mutex_lock(&lock);
    uint32_t at = probe(text, &slot);
    if (at == 0 && count < STRINGS_MAX && used + TEXT_MAX < POOL_BYTES) {
        at = used;
        memcpy(opr__intern_pool + at, text.ptr, text.len);
        used += (uint32_t)text.len + 1;
        count++;
        atomic_store_explicit(&slots[slot], at, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return at;
}

static uint32_t intern(struct opr_str text, bool is_known_to_come_again)
{
    if (text.len > TEXT_MAX || !is_worth_it(text)) {
        return 0;
    }
    uint64_t hash = opr_str_hash(text);
    uint32_t slot = (uint32_t)hash & (SLOTS - 1), mark = (uint32_t)(hash >> 32) | 1;
    uint32_t at = probe(text, &slot);
    if (at != 0) {
        return at;
    }
    _Atomic uint32_t *before = &seen[(hash >> 16) & (SEEN - 1)];
    if (!is_known_to_come_again &&
        atomic_exchange_explicit(before, mark, memory_order_relaxed) != mark) {
        return 0;
    }
    return add(text, slot);
}

uint32_t opr__intern(struct opr_str text)
{
    return intern(text, false);
}

uint32_t opr__intern_now(struct opr_str text)
{
    return intern(text, true);
}
