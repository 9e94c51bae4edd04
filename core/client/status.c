/* From the answer of an API server to a status and a text. The reasons are those of
 * apimachinery's metav1.StatusReason. */
#include "core/client/client.h"

#include "core/base/str.h"

struct reason {
    const char *name;
    opr_status status;
};

static const struct reason reasons[] = {
    {"NotFound", OPR_E_NOT_FOUND},
    {"AlreadyExists", OPR_E_EXISTS},
    {"Conflict", OPR_E_CONFLICT},
    {"Expired", OPR_E_EXPIRED},
    {"Gone", OPR_E_EXPIRED},
    {"Invalid", OPR_E_INVALID},
    {"BadRequest", OPR_E_INVALID},
    {"MethodNotAllowed", OPR_E_UNSUPPORTED},
    {"NotAcceptable", OPR_E_UNSUPPORTED},
    {"UnsupportedMediaType", OPR_E_UNSUPPORTED},
    {"RequestEntityTooLarge", OPR_E_LIMIT},
    {"Unauthorized", OPR_E_UNAUTHORIZED},
    {"Forbidden", OPR_E_FORBIDDEN},
    {"TooManyRequests", OPR_E_BUSY},
    {"ServiceUnavailable", OPR_E_BUSY},
    {"ServerTimeout", OPR_E_BUSY},
    {"Timeout", OPR_E_TIMEOUT},
};

static opr_status status_of_code(int code)
{
    switch (code) {
    case 400:
    case 422:
        return OPR_E_INVALID;
    case 401:
        return OPR_E_UNAUTHORIZED;
    case 403:
        return OPR_E_FORBIDDEN;
    case 404:
        return OPR_E_NOT_FOUND;
    case 405:
    case 406:
    case 415:
        return OPR_E_UNSUPPORTED;
    case 409:
        return OPR_E_CONFLICT;
    case 410:
        return OPR_E_EXPIRED;
    case 413:
        return OPR_E_LIMIT;
    case 429:
    case 503:
        return OPR_E_BUSY;
    case 504:
        return OPR_E_TIMEOUT;
    default:
        return code >= 500 ? OPR_E_SERVER : OPR_E_INVALID;
    }
}

static bool has_cause(const struct opr_obj *status, const char *reason)
{
    const struct opr_obj *causes = opr_json_at(status, "/details/causes");
    for (const struct opr_obj *c = opr_json_first(causes); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/reason", ""), reason) == 0) {
            return true;
        }
    }
    return false;
}

static opr_status status_of_object(int code, const struct opr_obj *status)
{
    const char *name = opr_json_str(status, "/reason", "");
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(name, reasons[i].name) != 0) {
            continue;
        }
        if (reasons[i].status == OPR_E_FORBIDDEN && has_cause(status, "NamespaceTerminating")) {
            return OPR_E_TERMINATING;
        }
        return reasons[i].status;
    }
    return status_of_code(code);
}

opr_status opr_status_from_answer(int http_status, struct opr_str body, struct opr_error *reterr)
{
    if (http_status >= 200 && http_status < 300) {
        return OPR_OK;
    }
    struct opr_obj *status = NULL;
    opr_status st;
    if (opr_json_parse(body, &status, NULL) == OPR_OK &&
        strcmp(opr_json_str(status, "/kind", ""), "Status") == 0) {
        st = status_of_object(http_status, status);
        st = opr_error_set(reterr, st, "%s", opr_json_str(status, "/message", "no message"));
    } else {
        struct opr_str text = opr_str_trim(body);
        size_t len = text.len < 200 ? text.len : 200;
        st = opr_error_set(reterr, status_of_code(http_status), "the server answered %d: %.*s",
                           http_status, (int)len, len > 0 ? text.ptr : "");
    }
    if (reterr) {
        reterr->http_status = http_status;
    }
    opr_json_unref(status);
    return st;
}
