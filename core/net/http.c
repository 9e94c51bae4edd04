/* Requests and responses as values; percent coding. */
#include "core/net/http.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

void opr_http_response_fini(struct opr_http_response *res)
{
    opr_buf_fini(&res->body);
    if (res->source) {
        struct opr_http_source *source = res->source;
        res->source = NULL;
        source->close(source);
    }
}

void opr_http_response_header(struct opr_http_response *res, const char *name, struct opr_str value)
{
    OPR_CHECK(res->n_headers < sizeof res->headers / sizeof res->headers[0]);
    res->headers[res->n_headers].name = opr_str_of(name);
    res->headers[res->n_headers].value = value;
    res->n_headers++;
}

struct opr_str opr_http_request_header(const struct opr_http_request *req, const char *name)
{
    struct opr_str wanted = opr_str_of(name);
    for (size_t i = 0; i < req->n_headers; i++) {
        if (opr_str_ieq(req->headers[i].name, wanted)) {
            return req->headers[i].value;
        }
    }
    return opr_str_n(NULL, 0);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A '%' that two hexadecimal digits do not follow stays as it is. */
struct opr_str opr_url_decode(struct opr_arena *a, struct opr_str text, bool is_query)
{
    if (text.len == 0) {
        return opr_str_n("", 0);
    }
    if (!memchr(text.ptr, '%', text.len) && !(is_query && memchr(text.ptr, '+', text.len))) {
        return text;
    }
    char *out = opr_arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && i + 2 < text.len) {
            int high = hex_value(text.ptr[i + 1]);
            int low = hex_value(text.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                out[n++] = (char)(high * 16 + low);
                i += 2;
                continue;
            }
        }
        out[n++] = is_query && c == '+' ? ' ' : c;
    }
    return opr_str_n(out, n);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void opr_url_encode(struct opr_buf *b, struct opr_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_unreserved(c)) {
            opr_buf_add_char(b, c);
            continue;
        }
        char coded[3] = {'%', digits[(unsigned char)c >> 4], digits[(unsigned char)c & 15]};
        opr_buf_add(b, coded, sizeof coded);
    }
}

/* Name and value, not decoded yet. */
static bool next_parameter(struct opr_str *rest, struct opr_str *ret_name,
                           struct opr_str *ret_value)
{
    struct opr_str part;
    if (!opr_str_next(rest, '&', &part)) {
        return false;
    }
    const char *eq = part.len ? memchr(part.ptr, '=', part.len) : NULL;
    *ret_name = eq ? opr_str_n(part.ptr, (size_t)(eq - part.ptr)) : part;
    *ret_value = eq ? opr_str_n(eq + 1, part.len - ret_name->len - 1) : opr_str_n("", 0);
    return true;
}

bool opr_query_next(struct opr_arena *a, struct opr_str *rest, struct opr_str *ret_name,
                    struct opr_str *ret_value)
{
    struct opr_str name, value;
    if (!next_parameter(rest, &name, &value)) {
        return false;
    }
    *ret_name = opr_url_decode(a, name, true);
    *ret_value = opr_url_decode(a, value, true);
    return true;
}

struct opr_str opr_query_get(struct opr_arena *a, struct opr_str query, const char *name)
{
    struct opr_str rest = query, key, value;
    while (next_parameter(&rest, &key, &value)) {
        if (opr_str_is(opr_url_decode(a, key, true), name)) {
            return opr_url_decode(a, value, true);
        }
    }
    return opr_str_n(NULL, 0);
}
