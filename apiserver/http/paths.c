/* "/": the paths that there are, in order, for who looks around. */
#include "apiserver/registry/api.h"

#include "core/base/str.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void opr_api_paths(struct opr_req *r)
{
    static const char *const fixed[] = {"/api",    "/api/v1",  "/apis",       "/healthz",
                                        "/livez",  "/metrics", "/openapi/v2", "/openapi/v3",
                                        "/readyz", "/version"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    size_t n_kinds, n = 0;
    const struct opr_kind *const *kinds = opr_api_kinds(r->api, r->arena, &n_kinds);
    const char **paths = opr_arena_alloc(r->arena, (FIXED + 2 * n_kinds) * sizeof *paths);
    for (; n < FIXED; n++) {
        paths[n] = fixed[n];
    }
    for (size_t i = 0; i < n_kinds; i++) {
        if (*kinds[i]->group && opr_kind_is_served(kinds[i])) {
            paths[n++] = opr_arena_printf(r->arena, "/apis/%s", kinds[i]->group);
            paths[n++] =
                opr_arena_printf(r->arena, "/apis/%s/%s", kinds[i]->group, kinds[i]->version);
        }
    }
    qsort(paths, n, sizeof *paths, compare);
    struct json_object *d = json_object_new_object();
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(paths[i], paths[i - 1]) != 0) {
            opr_doc_put_str(d, "/paths/-", paths[i]);
        }
    }
    opr_api_json(r, 200, d);
}
