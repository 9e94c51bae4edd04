/* The downward API: what a Pod's object says, as text. */
#include "agent/internal.h"

#include "core/api/quantity.h"
#include "core/base/str.h"

#include <stdio.h>

static const char *address_of(const struct opr__pod *p)
{
    return p->ip[0] ? p->ip : NULL;
}

/* "metadata.labels['app']" and "metadata.annotations['x']". */
static const char *subscript(const struct opr__pod *p, struct opr_arena *arena, const char *path)
{
    const char *open = strstr(path, "['"), *close = open ? strstr(open, "']") : NULL;
    if (!close) {
        return NULL;
    }
    struct opr_str key = opr_str_n(open + 2, (size_t)(close - open - 2));
    const struct opr_obj *map = opr_json_at(
        p->work, opr_str_starts(opr_str_of(path), "metadata.labels") ? "/metadata/labels"
                                                                     : "/metadata/annotations");
    struct opr_str text = opr_json_text(opr_json_member(map, key), "");
    return text.ptr ? opr_arena_dup(arena, text) : "";
}

/* A whole map, as lines key="value". */
static const char *map_text(const struct opr__pod *p, struct opr_arena *arena, const char *ptr)
{
    struct opr_buf b = {0};
    const struct opr_obj *map = opr_json_at(p->work, ptr);
    for (const struct opr_obj *v = opr_json_first(map); v; v = opr_json_next(v)) {
        opr_buf_printf(&b, "%s%s=", b.len ? "\n" : "", opr_json_name(v));
        opr_buf_add_json(&b, opr_json_text(v, ""));
    }
    const char *text = opr_arena_dup(arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

const char *opr__field_text(const struct opr__pod *p, struct opr_arena *arena, const char *path)
{
    static const struct {
        const char *path, *ptr, *dflt;
    } fields[] = {
        {"metadata.name", "/metadata/name", ""},
        {"metadata.namespace", "/metadata/namespace", ""},
        {"metadata.uid", "/metadata/uid", ""},
        {"spec.nodeName", "/spec/nodeName", ""},
        {"spec.serviceAccountName", "/spec/serviceAccountName", "default"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(path, fields[i].path) == 0) {
            return opr_arena_dup(arena,
                                 opr_str_of(opr_json_str(p->work, fields[i].ptr, fields[i].dflt)));
        }
    }
    if (strcmp(path, "status.podIP") == 0 || strcmp(path, "status.podIPs") == 0) {
        return address_of(p);
    }
    if (strcmp(path, "status.hostIP") == 0 || strcmp(path, "status.hostIPs") == 0) {
        return "127.0.0.1";
    }
    if (strcmp(path, "metadata.labels") == 0) {
        return map_text(p, arena, "/metadata/labels");
    }
    if (strcmp(path, "metadata.annotations") == 0) {
        return map_text(p, arena, "/metadata/annotations");
    }
    return opr_str_starts(opr_str_of(path), "metadata.") ? subscript(p, arena, path) : NULL;
}

const char *opr__resource_text(const struct opr__pod *p, const struct opr_obj *spec,
                               const struct opr_obj *ref, struct opr_arena *arena,
                               struct opr_error *reterr)
{
    const char *resource = opr_json_str(ref, "/resource", "");
    const char *other = opr_json_str(ref, "/containerName", NULL);
    static const char *const lists[] = {"/spec/containers", "/spec/initContainers"};
    for (size_t i = 0; other && i < 2; i++) {
        const struct opr_obj *list = opr_json_at(p->work, lists[i]);
        for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
            spec = strcmp(opr_json_str(v, "/name", ""), other) == 0 ? v : spec;
        }
    }
    char ptr[96];
    const char *dot = strchr(resource, '.');
    bool is_limit = opr_str_starts(opr_str_of(resource), "limits.");
    if (!dot || (!is_limit && !opr_str_starts(opr_str_of(resource), "requests."))) {
        (void)opr_error_set(reterr, OPR_E_INVALID, "unsupported resource \"%s\"", resource);
        return NULL;
    }
    snprintf(ptr, sizeof ptr, "/resources/%.*s/%s", (int)(dot - resource), resource, dot + 1);
    int64_t milli = 0, divisor = 1000;
    if (opr_quantity_at(spec, ptr, &milli) != OPR_OK) {
        const struct opr_agent_config *node = &p->agent->config;
        bool is_cpu = strcmp(dot, ".cpu") == 0, is_memory = strcmp(dot, ".memory") == 0;
        milli = !is_limit   ? 0
                : is_cpu    ? node->cpu_milli
                : is_memory ? (int64_t)node->memory_bytes * 1000
                            : 0;
    }
    if (opr_quantity_at(ref, "/divisor", &divisor) != OPR_OK || divisor == 0) {
        divisor = 1000;
    }
    return opr_arena_printf(arena, "%lld", (long long)((milli + divisor - 1) / divisor));
}
