#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>

opr_status opr_error_set(struct opr_error *reterr, opr_status st, const char *fmt, ...)
{
    if (reterr) {
        char message[sizeof reterr->message]; /* the arguments may point into reterr */
        va_list args;
        va_start(args, fmt);
        vsnprintf(message, sizeof message, fmt, args);
        va_end(args);
        *reterr = (struct opr_error){.status = st};
        snprintf(reterr->message, sizeof reterr->message, "%s", message);
    }
    return st;
}

const char *opr_status_name(opr_status st)
{
    static const char *const names[] = {"ok",
                                        "invalid",
                                        "not found",
                                        "exists already",
                                        "conflict",
                                        "expired",
                                        "limit",
                                        "timeout",
                                        "cancelled",
                                        "unauthorized",
                                        "forbidden",
                                        "busy",
                                        "I/O error",
                                        "server error",
                                        "out of memory",
                                        "not supported",
                                        "end",
                                        "namespace is terminating"};
    int32_t i = -st;
    return i >= 0 && (size_t)i < sizeof names / sizeof *names ? names[i] : "unknown";
}
