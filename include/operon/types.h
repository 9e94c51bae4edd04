/* Status codes, borrowed text and the attributes that the whole public API uses.
 * Threads: any. Lifetime: values only. C11 and C++17. */
#ifndef OPERON_TYPES_H
#define OPERON_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_NODISCARD __attribute__((warn_unused_result))
#define OPR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* 0 is success, errors are negative. The values are part of the plugin ABI. */
typedef int32_t opr_status;
enum {
    OPR_OK = 0,
    OPR_E_INVALID = -1,   /* the input is wrong: do not retry */
    OPR_E_NOT_FOUND = -2, /* HTTP 404, or no such key */
    OPR_E_EXISTS = -3,    /* HTTP 409 AlreadyExists */
    OPR_E_CONFLICT = -4,  /* HTTP 409 Conflict: read again, then write */
    OPR_E_EXPIRED = -5,   /* HTTP 410: the resource version is too old */
    OPR_E_LIMIT = -6,     /* a size, depth, count or step limit was reached */
    OPR_E_TIMEOUT = -7,
    OPR_E_CANCELLED = -8,
    OPR_E_UNAUTHORIZED = -9, /* HTTP 401 */
    OPR_E_FORBIDDEN = -10,   /* HTTP 403 */
    OPR_E_BUSY = -11,        /* HTTP 429 and 503: retry later */
    OPR_E_IO = -12,          /* file or network */
    OPR_E_SERVER = -13,      /* any other HTTP 5xx */
    OPR_E_NOMEM = -14,
    OPR_E_UNSUPPORTED = -15, /* the machine, kernel or server lacks it */
    OPR_E_END = -16,         /* a stream or an iteration is over */
    OPR_E_TERMINATING = -17  /* HTTP 403, cause NamespaceTerminating */
};

/* Borrowed text: pointer and length, not terminated. {NULL, 0} is "none". */
struct opr_str {
    const char *ptr;
    size_t len;
};

/* Identifies one object of a known kind. Strings are borrowed; ns is "" for cluster scope. */
struct opr_key {
    const char *ns;
    const char *name;
};

enum { OPR_LOG_DEBUG = 0, OPR_LOG_INFO = 1, OPR_LOG_WARN = 2, OPR_LOG_ERROR = 3 };

#ifdef __cplusplus
}
#endif
#endif
