#include "core/base/str.h"

#include "core/base/alloc.h"

#include <pthread.h>
#include <sys/random.h>

bool opr_str_starts(struct opr_str s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && (len == 0 || memcmp(s.ptr, prefix, len) == 0);
}

bool opr_str_ends(struct opr_str s, const char *suffix)
{
    size_t len = strlen(suffix);
    return s.len >= len && (len == 0 || memcmp(s.ptr + s.len - len, suffix, len) == 0);
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool opr_str_ieq(struct opr_str a, struct opr_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int opr_str_cmp(struct opr_str a, struct opr_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct opr_str opr_str_trim(struct opr_str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool opr_str_next(struct opr_str *rest, char sep, struct opr_str *ret_part)
{
    if (!rest->ptr) {
        return false;
    }
    const char *at = rest->len > 0 ? memchr(rest->ptr, sep, rest->len) : NULL;
    if (!at) {
        if (rest->len == 0) {
            rest->ptr = NULL;
            return false;
        }
        *ret_part = *rest;
        *rest = (struct opr_str){NULL, 0};
        return true;
    }
    size_t len = (size_t)(at - rest->ptr);
    *ret_part = opr_str_n(rest->ptr, len);
    *rest = opr_str_n(at + 1, rest->len - len - 1);
    return true;
}

opr_status opr_str_to_u64(struct opr_str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0) {
        return OPR_E_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return OPR_E_INVALID;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) {
            return OPR_E_LIMIT;
        }
    }
    *ret_value = value;
    return OPR_OK;
}

opr_status opr_str_to_i64(struct opr_str s, int64_t *ret_value)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    if (is_negative) {
        s = opr_str_n(s.ptr + 1, s.len - 1);
    }
    uint64_t value;
    opr_status st = opr_str_to_u64(s, &value);
    if (st != OPR_OK) {
        return st;
    }
    if (value > (uint64_t)INT64_MAX + is_negative) {
        return OPR_E_LIMIT;
    }
    *ret_value = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return OPR_OK;
}

#define EACH_BYTE(c) (0x0101010101010101u * (uint64_t)(c))

/* Eight bytes at once: the high bit of a byte that is zero (exact for the lowest such byte). */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

size_t opr_str_plain_run(struct opr_str s)
{
    size_t n = 0;
    for (; s.len - n >= 8; n += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + n, 8);
        uint64_t is_low = (word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80);
        uint64_t is_special =
            zero_bytes(word ^ EACH_BYTE('"')) | zero_bytes(word ^ EACH_BYTE('\\'));
        if (is_low | is_special | (word & EACH_BYTE(0x80))) {
            break;
        }
    }
    while (n < s.len) {
        unsigned char c = (unsigned char)s.ptr[n];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') {
            break;
        }
        n++;
    }
    return n;
}

static uint64_t hash_seed;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

/* Not through the randomness seam: a replay must not depend on whether something was hashed. */
static void make_seed(void)
{
    OPR_CHECK(getrandom(&hash_seed, sizeof hash_seed, 0) == (ssize_t)sizeof hash_seed);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t opr_str_hash(struct opr_str s)
{
    pthread_once(&hash_once, make_seed);
    uint64_t h = hash_seed ^ (s.len * 0x9e3779b97f4a7c15u);
    while (s.len > 0) {
        uint64_t word = 0;
        size_t n = s.len < 8 ? s.len : 8;
        memcpy(&word, s.ptr, n);
        h = mix(h ^ word, 0xd6e8feb86659fd93u);
        s.ptr += n;
        s.len -= n;
    }
    return mix(h, 0xa0761d6478bd642fu);
}
