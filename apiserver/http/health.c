/* /healthz, /livez and /readyz, which whoever asks is answered, and one check of them:
 * /readyz/store. */
#include "apiserver/registry/api.h"

#include "core/base/str.h"

static const char *const endpoints[] = {"healthz", "livez", "readyz"};
/* A server whose store does not open does not answer at all. */
static const char *const checks[] = {"ping", "store"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* The endpoint's name, and what follows it: a check, or nothing. NULL: no health path. */
static const char *split(struct opr_str path, struct opr_str *ret_check)
{
    struct opr_str endpoint = {0};
    (void)opr_str_next(&path, '/', &endpoint); /* before the first slash is nothing */
    (void)opr_str_next(&path, '/', &endpoint);
    *ret_check = path;
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        if (opr_str_is(endpoint, endpoints[i])) {
            return endpoints[i];
        }
    }
    return NULL;
}

bool opr_api_is_health(struct opr_str path)
{
    struct opr_str check;
    return split(path, &check) != NULL;
}

bool opr_api_is_open(struct opr_str path)
{
    struct opr_str check;
    return split(path, &check) && check.len == 0;
}

static bool is_excluded(struct opr_req *r, const char *check)
{
    struct opr_str rest = r->http->query, part, name;
    while (opr_str_next(&rest, '&', &part)) {
        (void)opr_str_next(&part, '=', &name);
        if (opr_str_is(name, "exclude") && opr_str_is(part, check)) {
            return true;
        }
    }
    return false;
}

void opr_api_health(struct opr_req *r, struct opr_str path)
{
    struct opr_str check;
    const char *endpoint = split(path, &check);
    struct opr_buf text = {0};
    bool is_known = check.len == 0;
    for (size_t i = 0; i < COUNT(checks); i++) {
        is_known = is_known || opr_str_is(check, checks[i]);
        opr_buf_printf(&text, is_excluded(r, checks[i]) ? "[+]%s excluded: ok\n" : "[+]%s ok\n",
                       checks[i]);
    }
    opr_buf_printf(&text, "%s check passed\n", endpoint);
    if (!is_known) {
        opr_api_text(r, 404, "404 page not found\n");
    } else {
        bool is_verbose = check.len == 0 && opr_api_query(r, "verbose");
        opr_api_text(r, 200, is_verbose ? opr_arena_dup(r->arena, opr_buf_str(&text)) : "ok");
    }
    opr_buf_fini(&text);
}
