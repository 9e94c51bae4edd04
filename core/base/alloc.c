#include "core/base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_ullong fail_at; /* calls left until one fails; 0: none */

void opr__check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "operon: %s:%d: broken invariant: %s\n", file, line, cond);
    abort();
}

static void *must(void *p, size_t size_bytes)
{
    if (!p && size_bytes > 0) {
        fprintf(stderr, "operon: no memory for %zu bytes\n", size_bytes);
        abort();
    }
    return p;
}

void *opr_xalloc(size_t size_bytes)
{
    return must(calloc(1, size_bytes ? size_bytes : 1), size_bytes);
}

void *opr_xrealloc(void *take_p, size_t size_bytes)
{
    return must(realloc(take_p, size_bytes ? size_bytes : 1), size_bytes);
}

char *opr_xstrndup(const char *text, size_t len)
{
    char *copy = opr_xalloc(len + 1);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    return copy;
}

char *opr_xstrdup(const char *text)
{
    return opr_xstrndup(text, strlen(text));
}

char *opr_xprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    return must(len < 0 ? NULL : text, 1);
}

void opr_free(void *p)
{
    free(p);
}

void opr_alloc_fail_nth(uint64_t n)
{
    atomic_store(&fail_at, n);
}

static bool must_fail(void)
{
    unsigned long long left = atomic_load(&fail_at);
    while (left > 0 && !atomic_compare_exchange_weak(&fail_at, &left, left - 1)) {
    }
    return left == 1;
}

void *opr_alloc_try(size_t size_bytes)
{
    return must_fail() ? NULL : calloc(1, size_bytes ? size_bytes : 1);
}

void *opr_realloc_try(void *p, size_t size_bytes)
{
    return must_fail() ? NULL : realloc(p, size_bytes ? size_bytes : 1);
}
