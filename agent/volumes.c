/* The volumes of a Pod and what is in them. */
#include "agent/internal.h"

#include "agent/files.h"
#include "agent/reach.h"
#include "agent/scratch.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MODE_DEFAULT = 0644, TOKEN_SECONDS = 3607 };

struct volume {
    struct opr__pod *pod;
    struct opr_caller *caller;
    struct opr__files files;
    const char *name;
    unsigned mode;
};

static unsigned mode_of(const struct opr_obj *item, unsigned dflt)
{
    return (unsigned)opr_json_int(item, "/mode", dflt) & 0777;
}

static opr_status add_value(struct volume *v, const struct opr_obj *value, const char *path,
                            unsigned mode, bool is_encoded, struct opr_error *reterr)
{
    struct opr_str text = opr_json_text(value, "");
    struct opr_buf b = {0};
    opr_status st = OPR_OK;
    if (is_encoded) {
        st = opr_buf_unbase64(&b, text);
        text = opr_buf_str(&b);
    }
    if (st == OPR_OK) {
        st = opr__files_add(&v->files, path, text, mode, reterr);
    }
    opr_buf_fini(&b);
    return st;
}

static opr_status add_map(struct volume *v, const struct opr_obj *data, bool is_encoded,
                          struct opr_error *reterr)
{
    for (const struct opr_obj *m = opr_json_first(data); m; m = opr_json_next(m)) {
        OPR_TRY(add_value(v, m, opr_json_name(m), v->mode, is_encoded, reterr));
    }
    return OPR_OK;
}

static opr_status add_items(struct volume *v, const struct opr_obj *obj,
                            const struct opr_obj *items, bool is_secret, bool is_optional,
                            struct opr_error *reterr)
{
    for (const struct opr_obj *i = opr_json_first(items); i; i = opr_json_next(i)) {
        struct opr_str key = opr_json_text(i, "/key");
        const struct opr_obj *value = opr_json_member(opr_json_at(obj, "/data"), key);
        const struct opr_obj *binary =
            is_secret ? NULL : opr_json_member(opr_json_at(obj, "/binaryData"), key);
        if (!value && !binary && !is_optional) {
            return opr_error_set(reterr, OPR_E_NOT_FOUND, "references non-existent key: %.*s",
                                 OPR_STR_ARG(key));
        }
        if (value || binary) {
            OPR_TRY(add_value(v, value ? value : binary, opr_json_str(i, "/path", ""),
                              mode_of(i, v->mode), is_secret || !value, reterr));
        }
    }
    return OPR_OK;
}

/* A ConfigMap or Secret, all of it or the items named. */
static opr_status add_object(struct volume *v, const struct opr_obj *source, bool is_secret,
                             struct opr_error *reterr)
{
    const char *name = opr_json_str(source, "/name", opr_json_str(source, "/secretName", ""));
    bool is_optional = opr_json_bool(source, "/optional", false);
    struct opr_buf path = {0};
    struct opr_error err = {0};
    struct opr_obj *obj = NULL;
    opr_buf_printf(&path, "/api/v1/namespaces/%s/%s/", v->pod->ns,
                   is_secret ? "secrets" : "configmaps");
    opr_url_encode(&path, opr_str_of(name));
    opr_status st = opr__reach_call(v->pod->agent, v->caller, "GET", path.data, NULL,
                                    (struct opr_str){0}, &obj, &err);
    opr_buf_fini(&path);
    if (st == OPR_E_NOT_FOUND && is_optional) {
        return OPR_OK;
    }
    if (st == OPR_E_NOT_FOUND) {
        (void)opr_error_set(&err, st, "%s \"%s\" not found", is_secret ? "secret" : "configmap",
                            name);
    }
    if (st != OPR_OK) {
        return opr_error_set(reterr, st, "MountVolume.SetUp failed for volume \"%s\" : %s", v->name,
                             err.message);
    }
    const struct opr_obj *items = opr_json_at(source, "/items");
    if (items) {
        st = add_items(v, obj, items, is_secret, is_optional, reterr);
    } else {
        st = add_map(v, opr_json_at(obj, "/data"), is_secret, reterr);
        if (st == OPR_OK && !is_secret) {
            st = add_map(v, opr_json_at(obj, "/binaryData"), true, reterr);
        }
    }
    opr_json_unref(obj);
    return st;
}

static opr_status add_fields(struct volume *v, const struct opr_obj *source,
                             struct opr_error *reterr)
{
    const struct opr_obj *items = opr_json_at(source, "/items");
    for (const struct opr_obj *i = opr_json_first(items); i; i = opr_json_next(i)) {
        const char *field = opr_json_str(i, "/fieldRef/fieldPath", "");
        const struct opr_obj *resource = opr_json_at(i, "/resourceFieldRef");
        const char *text = resource
                               ? opr__resource_text(v->pod, NULL, resource, v->files.arena, reterr)
                               : opr__field_text(v->pod, v->files.arena, field);
        if (!text) {
            return resource ? OPR_E_INVALID
                            : opr_error_set(reterr, OPR_E_UNSUPPORTED,
                                            "volume \"%s\": fieldPath \"%s\" is not supported",
                                            v->name, field);
        }
        OPR_TRY(opr__files_add(&v->files, opr_json_str(i, "/path", ""), opr_str_of(text),
                               mode_of(i, v->mode), reterr));
    }
    return OPR_OK;
}

static opr_status request_token(struct volume *v, const struct opr_obj *source, int64_t seconds,
                                struct opr_obj **ret_answer, struct opr_error *reterr)
{
    const char *audience = opr_json_str(source, "/audience", NULL);
    char *path = opr_arena_printf(
        v->files.arena, "/api/v1/namespaces/%s/serviceaccounts/%s/token", v->pod->ns,
        opr_json_str(v->pod->work, "/spec/serviceAccountName", "default"));
    struct opr_buf body = {0};
    opr_buf_add_text(&body, "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":"
                            "\"TokenRequest\",\"spec\":{");
    if (audience) {
        opr_buf_add_text(&body, "\"audiences\":[");
        opr_buf_add_json(&body, opr_str_of(audience));
        opr_buf_add_text(&body, "],");
    }
    opr_buf_printf(&body,
                   "\"expirationSeconds\":%lld,\"boundObjectRef\":{\"apiVersion\":\"v1\","
                   "\"kind\":\"Pod\",\"name\":\"%s\",\"uid\":\"%s\"}}}",
                   (long long)seconds, v->pod->name, v->pod->uid);
    opr_status st = opr__reach_call(v->pod->agent, v->caller, "POST", path, "application/json",
                                    opr_buf_str(&body), ret_answer, reterr);
    opr_buf_fini(&body);
    return st;
}

/* FNV-1a: a volume may have several tokens, told apart by their paths, which may have slashes. */
static uint64_t path_number(const char *path)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *path; path++) {
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3u;
    }
    return hash;
}

/* A token is kept for four fifths of its life, then asked for anew (as the kubelet does). */
static opr_status add_token(struct volume *v, const struct opr_obj *source,
                            struct opr_error *reterr)
{
    const char *path = opr_json_str(source, "/path", "token");
    int64_t seconds = opr_json_int(source, "/expirationSeconds", TOKEN_SECONDS);
    char kept[PATH_MAX];
    struct stat st;
    struct opr_buf text = {0};
    snprintf(kept, sizeof kept, "%s/token-%s-%016llx", v->pod->dir, v->name,
             (unsigned long long)path_number(path));
    int64_t now_s = opr_clock_wall_ms(v->pod->agent->clock) / 1000;
    bool is_fresh = stat(kept, &st) == 0 && now_s - st.st_mtim.tv_sec < seconds * 4 / 5 &&
                    opr_fs_read(kept, 64 * 1024, &text, NULL) == OPR_OK;
    opr_status status = OPR_OK;
    if (!is_fresh) {
        struct opr_obj *answer = NULL;
        status = request_token(v, source, seconds, &answer, reterr);
        if (status == OPR_OK) {
            opr_buf_clear(&text);
            opr_buf_add_text(&text, opr_json_str(answer, "/status/token", ""));
            status = opr_fs_write(kept, opr_buf_str(&text), 0600, reterr);
        }
        opr_json_unref(answer);
    }
    if (status == OPR_OK) {
        status = opr__files_add(&v->files, path, opr_buf_str(&text), v->mode, reterr);
    }
    opr_buf_fini(&text);
    return status;
}

static opr_status add_source(struct volume *v, const struct opr_obj *source,
                             struct opr_error *reterr)
{
    const struct opr_obj *part;
    if ((part = opr_json_at(source, "/configMap"))) {
        return add_object(v, part, false, reterr);
    }
    if ((part = opr_json_at(source, "/secret"))) {
        return add_object(v, part, true, reterr);
    }
    if ((part = opr_json_at(source, "/downwardAPI"))) {
        return add_fields(v, part, reterr);
    }
    if ((part = opr_json_at(source, "/serviceAccountToken"))) {
        return add_token(v, part, reterr);
    }
    return opr_error_set(reterr, OPR_E_UNSUPPORTED, "volume \"%s\": its kind is not supported here",
                         v->name);
}

static opr_status host_path(const struct opr_obj *source, const char *name,
                            struct opr_error *reterr)
{
    static const struct {
        const char *type;
        mode_t format;
        const char *what;
    } checks[] = {{"Directory", S_IFDIR, "directory"},
                  {"DirectoryOrCreate", S_IFDIR, "directory"},
                  {"File", S_IFREG, "file"},
                  {"FileOrCreate", S_IFREG, "file"},
                  {"Socket", S_IFSOCK, "socket"},
                  {"CharDevice", S_IFCHR, "character device"},
                  {"BlockDevice", S_IFBLK, "block device"}};
    const char *path = opr_json_str(source, "/path", "");
    const char *type = opr_json_str(source, "/type", "");
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (!exists && strcmp(type, "DirectoryOrCreate") == 0) {
        return opr_fs_mkdirs(path, 0755, reterr);
    }
    if (!exists && strcmp(type, "FileOrCreate") == 0) {
        return opr_fs_write(path, OPR_STR(""), 0644, reterr);
    }
    if (!exists || path[0] != '/') {
        return opr_error_set(
            reterr, OPR_E_NOT_FOUND,
            "MountVolume.SetUp failed for volume \"%s\" : hostPath %s does not exist", name, path);
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (strcmp(type, checks[i].type) == 0 && (st.st_mode & S_IFMT) != checks[i].format) {
            return opr_error_set(reterr, OPR_E_INVALID,
                                 "MountVolume.SetUp failed for volume \"%s\" : hostPath type check "
                                 "failed: %s is not a %s",
                                 name, path, checks[i].what);
        }
    }
    return OPR_OK;
}

static opr_status make_volume(struct opr__pod *p, struct opr_caller *k, struct opr_arena *arena,
                              const struct opr_obj *spec, struct opr_error *reterr)
{
    struct volume v = {.pod = p, .caller = k, .files = {.arena = arena}, .mode = MODE_DEFAULT};
    v.name = opr_json_str(spec, "/name", "");
    char *dir = opr_arena_printf(arena, "%s/volumes/%s", p->dir, v.name);
    if (opr_json_at(spec, "/hostPath")) {
        return host_path(opr_json_at(spec, "/hostPath"), v.name, reterr);
    }
    v.files.gid = opr_json_int(p->work, "/spec/securityContext/fsGroup", 0);
    if (opr_json_at(spec, "/emptyDir")) {
        return opr__scratch_make(dir, opr_json_at(spec, "/emptyDir"), v.files.gid, reterr);
    }
    static const char *const kinds[] = {"/configMap", "/secret", "/downwardAPI", "/projected"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct opr_obj *kind = opr_json_at(spec, kinds[i]);
        v.mode = kind ? (unsigned)opr_json_int(kind, "/defaultMode", MODE_DEFAULT) & 0777 : v.mode;
    }
    const struct opr_obj *sources = opr_json_at(spec, "/projected/sources");
    opr_status st = OPR_OK;
    if (sources) {
        for (const struct opr_obj *s = opr_json_first(sources); s && st == OPR_OK;
             s = opr_json_next(s)) {
            st = add_source(&v, s, reterr);
        }
    } else {
        st = add_source(&v, spec, reterr);
    }
    if (st == OPR_OK) {
        st = opr__files_publish(&v.files, dir, reterr);
    } else if (opr__reach_is_failure(st) &&
               opr_fs_exists(opr_arena_printf(arena, "%s/..data", dir))) {
        st = OPR_OK; /* of an agent before: what is there serves until the API answers again */
    }
    opr_vec_fini(&v.files.list);
    return st;
}

opr_status opr__volumes_make(struct opr__pod *p, struct opr_caller *k, struct opr_error *reterr)
{
    const struct opr_obj *list = opr_json_at(p->work, "/spec/volumes");
    if (!p->agent->has_namespaces || !list) {
        return OPR_OK; /* nothing could be mounted; opr__volumes_mounts() says so */
    }
    struct opr_arena *arena = opr_arena_new();
    opr_status first = OPR_OK;
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        struct opr_error err = {0};
        opr_status st = make_volume(p, k, arena, v, &err);
        if (first == OPR_OK && st != OPR_OK) {
            first = opr_error_set(reterr, st, "%s", err.message);
        }
    }
    opr_arena_free(arena);
    return first;
}
