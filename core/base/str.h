/* Borrowed text (struct opr_str). Threads: any. Lifetime: that of the text pointed to. */
#ifndef OPR_BASE_STR_H
#define OPR_BASE_STR_H

#include <operon/types.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_STR(literal) ((struct opr_str){(literal), sizeof(literal) - 1})
/* For printf: printf("%.*s", OPR_STR_ARG(s)). */
#define OPR_STR_ARG(s) (int)(s).len, (s).ptr

static inline struct opr_str opr_str_of(const char *text)
{
    struct opr_str s = {text, text ? strlen(text) : 0};
    return s;
}
static inline struct opr_str opr_str_n(const char *ptr, size_t len)
{
    struct opr_str s = {ptr, len};
    return s;
}
static inline bool opr_str_eq(struct opr_str a, struct opr_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool opr_str_is(struct opr_str a, const char *text)
{
    return opr_str_eq(a, opr_str_of(text));
}
bool opr_str_starts(struct opr_str s, const char *prefix);
bool opr_str_ends(struct opr_str s, const char *suffix);
bool opr_str_ieq(struct opr_str a, struct opr_str b); /* ASCII case ignored */
int opr_str_cmp(struct opr_str a, struct opr_str b);  /* as memcmp, the shorter first */
struct opr_str opr_str_trim(struct opr_str s);        /* spaces, tabs, CR, LF at both ends */
/* Takes the part before the next sep off *rest; false when *rest is used up. */
bool opr_str_next(struct opr_str *rest, char sep, struct opr_str *ret_part);
/* Decimal. OPR_E_INVALID where it is no number, OPR_E_LIMIT where it does not fit. */
OPR_NODISCARD opr_status opr_str_to_i64(struct opr_str s, int64_t *ret_value);
OPR_NODISCARD opr_status opr_str_to_u64(struct opr_str s, uint64_t *ret_value);
/* How many bytes at the beginning are ASCII that JSON takes as it is: no control, no " and no \. */
size_t opr_str_plain_run(struct opr_str s);
uint64_t opr_str_hash(struct opr_str s); /* seeded per process: not for storage */

#ifdef __cplusplus
}
#endif
#endif
