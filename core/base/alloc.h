/* Allocation, the only door to the heap. Small allocations use opr_xalloc and do not fail; anything
 * sized by input uses opr_alloc_try, which a test can make fail. Threads: any. */
#ifndef OPR_BASE_ALLOC_H
#define OPR_BASE_ALLOC_H

#include <operon/types.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed memory; the process ends where there is none. Owned by the caller, opr_free(). */
void *opr_xalloc(size_t size_bytes);
void *opr_xrealloc(void *take_p, size_t size_bytes);
char *opr_xstrdup(const char *text);
char *opr_xstrndup(const char *text, size_t len);
OPR_PRINTF(1, 2) char *opr_xprintf(const char *fmt, ...);
void opr_free(void *p); /* NULL is fine */

/* Zeroed memory, or NULL where there is none or a test asked for a failure. */
void *opr_alloc_try(size_t size_bytes);
void *opr_realloc_try(void *p, size_t size_bytes);
/* Test seam: the n-th opr_*_try call from now fails (1 = the next); 0 = none. */
void opr_alloc_fail_nth(uint64_t n);

/* For bugs only, never for input: prints and aborts, also in release builds. */
#define OPR_CHECK(cond)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            opr__check_failed(#cond, __FILE__, __LINE__);                                          \
        }                                                                                          \
    } while (0)
#define OPR_UNREACHABLE() opr__check_failed("unreachable", __FILE__, __LINE__)
__attribute__((noreturn)) void opr__check_failed(const char *cond, const char *file, int line);

#define OPR_TRY(expr)                                                                              \
    do {                                                                                           \
        opr_status opr__st = (expr);                                                               \
        if (opr__st != OPR_OK) {                                                                   \
            return opr__st;                                                                        \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
