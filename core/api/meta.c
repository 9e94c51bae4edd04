#include "core/api/meta.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

opr_status opr_gvk_parse(const char *text, struct opr_gvk *ret_gvk)
{
    const char *first = strchr(text, '/');
    const char *last = strrchr(text, '/');
    if (!first || first == text || last[1] == '\0') {
        return OPR_E_INVALID;
    }
    struct opr_str group =
        first == last ? opr_str_n("", 0) : opr_str_n(text, (size_t)(first - text));
    const char *version = first == last ? text : first + 1;
    *ret_gvk = (struct opr_gvk){
        .group = group,
        .version = opr_str_n(version, (size_t)(last - version)),
        .kind = opr_str_of(last + 1),
    };
    bool is_good = ret_gvk->version.len > 0 && !memchr(version, '/', ret_gvk->version.len);
    return is_good ? OPR_OK : OPR_E_INVALID;
}

const char *opr_gvk_of(struct opr_arena *a, const struct opr_obj *o)
{
    return opr_arena_printf(a, "%s/%s", opr_json_str(o, "/apiVersion", ""),
                            opr_json_str(o, "/kind", ""));
}

bool opr_gvk_is(const struct opr_obj *o, const char *gvk)
{
    const char *version = opr_json_str(o, "/apiVersion", "");
    size_t len = strlen(version);
    return strncmp(gvk, version, len) == 0 && gvk[len] == '/' &&
           strcmp(gvk + len + 1, opr_json_str(o, "/kind", "")) == 0;
}

const char *opr_meta_ns(const struct opr_obj *o)
{
    return opr_json_str(o, "/metadata/namespace", "");
}

const char *opr_meta_name(const struct opr_obj *o)
{
    return opr_json_str(o, "/metadata/name", "");
}

const char *opr_meta_uid(const struct opr_obj *o)
{
    return opr_json_str(o, "/metadata/uid", "");
}

uint64_t opr_meta_rv(const struct opr_obj *o)
{
    uint64_t rv;
    struct opr_str text = opr_json_text(o, "/metadata/resourceVersion");
    return opr_str_to_u64(text, &rv) == OPR_OK ? rv : 0;
}

bool opr_meta_is_deleting(const struct opr_obj *o)
{
    return opr_json_type(opr_json_at(o, "/metadata/deletionTimestamp")) == OPR_TYPE_STRING;
}

const struct opr_obj *opr_meta_controller(const struct opr_obj *o)
{
    const struct opr_obj *refs = opr_json_at(o, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_json_first(refs); r; r = opr_json_next(r)) {
        if (opr_json_bool(r, "/controller", false)) {
            return r;
        }
    }
    return NULL;
}

const char *opr_meta_label(const struct opr_obj *o, const char *name)
{
    const struct opr_obj *labels = opr_json_at(o, "/metadata/labels");
    return opr_json_str(opr_json_member(labels, opr_str_of(name)), "", NULL);
}
