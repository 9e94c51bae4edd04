#include "core/base/rand.h"

#include "core/base/alloc.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards seeded */
static uint64_t seeded;                                  /* 0: the system's randomness */

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_seeded(void)
{
    uint64_t z = (seeded += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void opr_rand_seed(uint64_t seed)
{
    pthread_mutex_lock(&lock);
    seeded = seed;
    pthread_mutex_unlock(&lock);
}

void opr_rand_bytes(void *ret_data, size_t len)
{
    unsigned char *p = ret_data;
    pthread_mutex_lock(&lock);
    bool is_seeded = seeded != 0;
    for (size_t i = 0; is_seeded && i < len; i += 8) {
        uint64_t word = next_seeded();
        memcpy(p + i, &word, len - i < 8 ? len - i : 8);
    }
    pthread_mutex_unlock(&lock);
    for (size_t done = 0; !is_seeded && done < len;) {
        ssize_t n = getrandom(p + done, len - done, 0);
        done += n > 0 ? (size_t)n : 0;
    }
}

uint64_t opr_rand_u64(void)
{
    uint64_t value;
    opr_rand_bytes(&value, sizeof value);
    return value;
}

uint64_t opr_rand_below(uint64_t n)
{
    OPR_CHECK(n > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t value;
    do {
        value = opr_rand_u64();
    } while (value >= limit);
    return value % n;
}

void opr_uuid4(char ret_text[OPR_UUID_TEXT_MAX])
{
    unsigned char b[16];
    opr_rand_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(ret_text, OPR_UUID_TEXT_MAX,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void opr_rand_name(char *ret_text, size_t n)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    for (size_t i = 0; i < n; i++) {
        ret_text[i] = letters[opr_rand_below(sizeof letters - 1)];
    }
    ret_text[n] = '\0';
}
