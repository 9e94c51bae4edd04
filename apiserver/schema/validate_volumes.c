#include "apiserver/schema/validate.h"

static void check_mode(struct opr_field_errors *e, const struct opr__path *p, struct json_object *o,
                       const char *name)
{
    int64_t mode = opr__number(o, name);
    if (mode < 0 || mode > 0777) {
        opr__invalid(e, OPR__IN(p, name), opr__get(o, name),
                     "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

static void check_relative(struct opr_field_errors *e, const struct opr__path *p, const char *path)
{
    struct opr_str rest = opr_str_of(path), part;
    if (!*path) {
        opr__required(e, p, NULL);
        return;
    }
    if (*path == '/') {
        opr__invalid_text(e, p, path, "must be a relative path");
    }
    while (opr_str_next(&rest, '/', &part)) {
        if (opr_str_is(part, "..")) {
            opr__invalid_text(e, p, path, "must not contain '..'");
            break;
        }
    }
    if (strncmp(path, "..", 2) == 0 && path[2] && path[2] != '/') {
        opr__invalid_text(e, p, path, "must not start with '..'");
    }
}

static void check_items(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *source)
{
    struct json_object *items = opr__get(source, "items");
    for (size_t i = 0; i < opr__length(items); i++) {
        struct json_object *item = opr__item(items, i);
        const struct opr__path *at = OPR__AT(OPR__IN(p, "items"), i);
        if (!opr__has_text(item, "key")) {
            opr__required(e, OPR__IN(at, "key"), NULL);
        }
        check_relative(e, OPR__IN(at, "path"), opr__text(item, "path"));
        check_mode(e, at, item, "mode");
    }
}

static void check_named(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *source, const char *name)
{
    if (!opr__has_text(source, name)) {
        opr__required(e, OPR__IN(p, name), NULL);
    }
    check_mode(e, p, source, "defaultMode");
    check_items(e, p, source);
}

static void check_downward(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *source)
{
    static const char *const fields[] = {"metadata.annotations", "metadata.labels", "metadata.name",
                                         "metadata.namespace",   "metadata.uid",    NULL};
    struct json_object *items = opr__get(source, "items");
    for (size_t i = 0; i < opr__length(items); i++) {
        struct json_object *item = opr__item(items, i);
        struct json_object *field = opr__get(item, "fieldRef");
        struct json_object *resource = opr__get(item, "resourceFieldRef");
        check_relative(e, OPR__IN(p, "path"), opr__text(item, "path"));
        if (!field && !resource) {
            opr__required(e, p, "one of fieldRef and resourceFieldRef is required");
        } else if (field && resource) {
            opr__invalid_text(e, p, "resource",
                              "fieldRef and resourceFieldRef can not be specified simultaneously");
        } else if (field) {
            opr__check_field_ref(e, OPR__IN(p, "fieldRef"), field, fields);
        } else {
            opr__check_resource_ref(e, OPR__IN(p, "resourceFieldRef"), resource, true);
        }
        check_mode(e, p, item, "mode");
    }
}

#define TOKEN_SECONDS_MIN 600

static void check_token(struct opr_field_errors *e, const struct opr__path *p,
                        const struct opr__path *source, struct json_object *token)
{
    struct json_object *seconds = opr__get(token, "expirationSeconds");
    const struct opr__path *at =
        OPR__IN(OPR__IN(source, "serviceAccountToken"), "expirationSeconds");
    if (seconds && json_object_get_int64(seconds) < TOKEN_SECONDS_MIN) {
        opr__invalid(e, at, seconds, "may not specify a duration less than 10 minutes");
    } else if (json_object_get_int64(seconds) > 1ll << 32) {
        opr__invalid(e, at, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    check_relative(e, OPR__IN(p, "path"), opr__text(token, "path"));
}

/* Each path is of one source only; name is what an error of it shows. */
static void take_path(struct opr_field_errors *e, const struct opr__path *p,
                      struct json_object *taken, const char *path, const char *name)
{
    if (*path && json_object_object_get_ex(taken, path, NULL)) {
        opr__invalid_text(e, p, name, "conflicting duplicate paths");
    }
    json_object_object_add(taken, path, NULL);
}

static void take_paths(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *taken, struct json_object *source, bool is_named)
{
    struct json_object *items = opr__get(source, "items");
    for (size_t i = 0; i < opr__length(items); i++) {
        const char *path = opr__text(opr__item(items, i), "path");
        take_path(e, p, taken, path, is_named ? opr__text(source, "name") : path);
    }
}

static void check_projection(struct opr_field_errors *e, const struct opr__path *p, size_t i,
                             struct json_object *source, struct json_object *taken)
{
    static const char *const kinds[] = {
        "secret",        "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle",
        "podCertificate"};
    const struct opr__path *at = OPR__AT(OPR__IN(p, "sources"), i);
    size_t count = 0;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        struct json_object *one = opr__get(source, kinds[k]);
        const struct opr__path *in = OPR__IN(at, kinds[k]);
        if (!one) {
            continue;
        }
        if (count++) {
            opr__forbidden(e, in, "may not specify more than 1 volume type per source");
        } else if (k < 2) {
            check_named(e, in, one, "name");
            take_paths(e, p, taken, one, true);
        } else if (k == 2) {
            check_downward(e, in, one);
            take_paths(e, p, taken, one, false);
        } else if (k == 3) {
            check_token(e, p, at, one);
        }
    }
}

static void check_projected(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *projected)
{
    struct json_object *sources = opr__get(projected, "sources");
    struct json_object *taken = json_object_new_object();
    check_mode(e, p, projected, "defaultMode");
    for (size_t i = 0; i < opr__length(sources); i++) {
        check_projection(e, p, i, opr__item(sources, i), taken);
    }
    json_object_put(taken);
}

static void check_host_path(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *source)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    const char *path = opr__text(source, "path");
    struct opr_str rest = opr_str_of(path), part;
    if (!*path) {
        opr__required(e, OPR__IN(p, "path"), NULL);
        return;
    }
    while (opr_str_next(&rest, '/', &part)) {
        if (opr_str_is(part, "..")) {
            opr__invalid_text(e, OPR__IN(p, "path"), path, "must not contain '..'");
            break;
        }
    }
    opr__check_enum(e, p, source, "type", types);
}

static void check_source(struct opr_field_errors *e, const struct opr__path *p, const char *kind,
                         struct json_object *source)
{
    const struct opr__path *at = OPR__IN(p, kind);
    if (strcmp(kind, "emptyDir") == 0) {
        const char *limit = opr__text(source, "sizeLimit");
        if (*limit == '-') {
            opr__forbidden(e, OPR__IN(at, "sizeLimit"),
                           "SizeLimit field must be a valid resource quantity");
        }
    } else if (strcmp(kind, "hostPath") == 0) {
        check_host_path(e, at, source);
    } else if (strcmp(kind, "configMap") == 0) {
        check_named(e, at, source, "name");
    } else if (strcmp(kind, "secret") == 0) {
        check_named(e, at, source, "secretName");
    } else if (strcmp(kind, "downwardAPI") == 0) {
        check_mode(e, at, source, "defaultMode");
        check_downward(e, at, source);
    } else if (strcmp(kind, "projected") == 0) {
        check_projected(e, at, source);
    } else if (strcmp(kind, "persistentVolumeClaim") == 0) {
        if (!opr__has_text(source, "claimName")) {
            opr__required(e, OPR__IN(at, "claimName"), NULL);
        }
    } else if (strcmp(kind, "nfs") == 0) {
        if (!opr__has_text(source, "server")) {
            opr__required(e, OPR__IN(at, "server"), NULL);
        }
        if (!opr__has_text(source, "path")) {
            opr__required(e, OPR__IN(at, "path"), NULL);
        } else if (*opr__text(source, "path") != '/') {
            opr__invalid_text(e, OPR__IN(at, "path"), opr__text(source, "path"),
                              "must be an absolute path");
        }
    } else if (strcmp(kind, "csi") == 0 && !opr__has_text(source, "driver")) {
        opr__required(e, OPR__IN(at, "driver"), NULL);
    }
}

static void check_volume(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *volume)
{
    struct json_object *empty = opr__get(volume, "emptyDir");
    size_t count = empty != NULL; /* an emptyDir is the one that counts, wherever it stands */
    if (empty) {
        check_source(e, p, "emptyDir", empty);
    }
    json_object_object_foreach(volume, kind, source)
    {
        if (strcmp(kind, "name") == 0 || !source || source == empty) {
            continue;
        }
        if (count++) {
            opr__forbidden(e, OPR__IN(p, kind), "may not specify more than 1 volume type");
        } else {
            check_source(e, p, kind, source);
        }
    }
    if (count == 0) {
        opr__required(e, p, "must specify a volume type");
    }
}

struct json_object *opr__validate_volumes(struct opr_field_errors *e, const struct opr__path *p,
                                          struct json_object *volumes)
{
    struct json_object *good = json_object_new_array();
    for (size_t i = 0; i < opr__length(volumes); i++) {
        struct json_object *volume = opr__item(volumes, i);
        size_t before = e->count;
        const struct opr__path *at = OPR__AT(p, i);
        const char *name = opr__text(volume, "name");
        check_volume(e, at, volume);
        if (*name) {
            opr__check_name(e, OPR__IN(at, "name"), name, opr__bad_dns_label);
        } else {
            opr__required(e, OPR__IN(at, "name"), NULL);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(volumes, j), "name"), name) == 0) {
                opr__duplicate_text(e, OPR__IN(at, "name"), name);
                break;
            }
        }
        if (e->count == before) {
            json_object_array_add(good, json_object_get(volume));
        }
    }
    return good;
}
