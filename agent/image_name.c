#include "agent/image.h"

#include "core/base/str.h"

#include <ctype.h>

#define DEFAULT_HOST "docker.io"
#define DEFAULT_TAG "latest"
enum { NAME_MAX_BYTES = 512 };

static bool is_host(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!isalnum((unsigned char)s.ptr[i]) && (i == 0 || !strchr(".:-", s.ptr[i]))) {
            return false;
        }
    }
    return memchr(s.ptr, '.', s.len) || memchr(s.ptr, ':', s.len) || opr_str_is(s, "localhost");
}

static bool are_good(struct opr_str s, const char *others)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!islower((unsigned char)c) && !isdigit((unsigned char)c) && !strchr(others, c)) {
            return false;
        }
    }
    return s.len > 0 && isalnum((unsigned char)s.ptr[0]) &&
           isalnum((unsigned char)s.ptr[s.len - 1]);
}

static bool is_path(struct opr_str path)
{
    struct opr_str part;
    bool is_ok = path.len > 0 && path.ptr[path.len - 1] != '/';
    while (is_ok && opr_str_next(&path, '/', &part)) {
        is_ok = are_good(part, "._-");
    }
    return is_ok;
}

static bool is_tag(struct opr_str tag)
{
    for (size_t i = 0; i < tag.len; i++) {
        if (!isalnum((unsigned char)tag.ptr[i]) && !strchr("._-", tag.ptr[i])) {
            return false;
        }
    }
    return tag.len > 0 && tag.len <= 128 && tag.ptr[0] != '.' && tag.ptr[0] != '-';
}

opr_status opr_image_name(const char *text, struct opr_arena *arena, char **ret_name,
                          struct opr_error *reterr)
{
    struct opr_str all = opr_str_of(text), host = OPR_STR(DEFAULT_HOST), path = all;
    const char *at = strchr(text, '@'),
               *slash = memchr(text, '/', at ? (size_t)(at - text) : all.len);
    if (slash && is_host(opr_str_n(text, (size_t)(slash - text)))) {
        host = opr_str_n(text, (size_t)(slash - text));
        path = opr_str_of(slash + 1);
    }
    path.len = at ? (size_t)(at - path.ptr) : path.len;
    struct opr_str tag = {0};
    const char *last = memrchr(path.ptr, '/', path.len), *from = last ? last : path.ptr;
    const char *colon = memchr(from, ':', (size_t)(path.ptr + path.len - from));
    if (colon) {
        tag = opr_str_n(colon + 1, (size_t)(path.ptr + path.len - colon - 1));
        path.len = (size_t)(colon - path.ptr);
    }
    bool is_digest = at && strncmp(at, "@sha256:", 8) == 0 && strlen(at) == 8 + 64 &&
                     strspn(at + 8, "0123456789abcdef") == 64;
    if (all.len > NAME_MAX_BYTES || !is_path(path) || (colon && !is_tag(tag)) ||
        (at && !is_digest)) {
        return opr_error_set(reterr, OPR_E_INVALID, "\"%.200s\" is no image name", text);
    }
    bool is_library = opr_str_is(host, DEFAULT_HOST) && !memchr(path.ptr, '/', path.len);
    const char *mark = at ? "" : ":";
    tag = at ? opr_str_of(at) : colon ? tag : OPR_STR(DEFAULT_TAG);
    *ret_name =
        opr_arena_printf(arena, "%.*s/%s%.*s%s%.*s", OPR_STR_ARG(host),
                         is_library ? "library/" : "", OPR_STR_ARG(path), mark, OPR_STR_ARG(tag));
    return OPR_OK;
}
