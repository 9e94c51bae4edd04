/* Loading: a layout or an archive becomes a configuration, layers and an entry of the index. */
#include "agent/image_store.h"

#include "agent/files.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { SMALL_FILE_LIMIT = 4 << 20, LAYER_NAME_LEN = 24, INDEX_DEPTH_MAX = 3, LAYERS_MAX = 127 };

struct load {
    const char *dir;
    int root;         /* of what is loaded */
    const char *name; /* asked for; NULL: the file's */
    struct opr_arena *arena;
    struct json_object *list;  /* the index */
    struct json_object *names; /* what was added */
    struct opr_error *reterr;
};

static opr_status fail(const struct load *l, const char *what, const char *path)
{
    return opr_error_set(l->reterr, errno == ENOENT ? OPR_E_NOT_FOUND : OPR_E_IO, "%s %.200s: %m",
                         what, path);
}

static opr_status read_small(const struct load *l, const char *path, struct opr_buf *ret_text)
{
    int fd = opr__open_below(l->root, path, O_RDONLY);
    if (fd < 0) {
        return fail(l, "can not open", path);
    }
    char block[16384];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0 && ret_text->len < SMALL_FILE_LIMIT) {
        opr_buf_add(ret_text, block, (size_t)n);
    }
    close(fd);
    return n == 0 ? OPR_OK
                  : opr_error_set(l->reterr, OPR_E_LIMIT, "%.200s is too large or can not be read",
                                  path);
}

static opr_status read_doc(const struct load *l, const char *path, struct json_object **ret_doc)
{
    struct opr_buf text = {0};
    opr_status st = read_small(l, path, &text);
    if (st == OPR_OK) {
        st = opr_doc_parse(opr_buf_str(&text), ret_doc, l->reterr);
    }
    opr_buf_fini(&text);
    return st;
}

/* "sha256:HEX" to "blobs/sha256/HEX"; NULL: no such digest. */
static char *blob_path(const struct load *l, const char *digest)
{
    bool is_ok = strncmp(digest, "sha256:", 7) == 0 && strlen(digest) == 7 + 64 &&
                 strspn(digest + 7, "0123456789abcdef") == 64;
    return is_ok ? opr_arena_printf(l->arena, "blobs/sha256/%s", digest + 7) : NULL;
}

/* Digest of a file, which has to be the given one (NULL: any). */
static opr_status check_digest(const struct load *l, int fd, const char *path, const char *digest,
                               char ret_hex[65])
{
    OPR_TRY(opr__digest_fd(fd, ret_hex, l->reterr));
    if (digest && strcmp(digest + 7, ret_hex) != 0) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%.200s is not what its digest says", path);
    }
    return OPR_OK;
}

static opr_status unpack_layer(const struct load *l, int fd, const char *folder)
{
    char *temporary = opr_arena_printf(l->arena, "%s.new", folder);
    opr__tree_remove(temporary); /* of a load that was cut off */
    OPR_TRY(opr_fs_mkdirs(temporary, 0755, l->reterr));
    opr_status st = opr__unpack(fd, temporary, true, l->reterr);
    if (st == OPR_OK && rename(temporary, folder) != 0) {
        st = fail(l, "can not rename", temporary);
    }
    if (st != OPR_OK) {
        opr__tree_remove(temporary);
    }
    return st;
}

static opr_status add_layer(const struct load *l, const char *path, const char *digest,
                            struct json_object *layers, int64_t *size)
{
    char hex[65];
    struct stat info;
    int fd = opr__open_below(l->root, path, O_RDONLY);
    if (fd < 0) {
        return fail(l, "can not open the layer", path);
    }
    opr_status st = check_digest(l, fd, path, digest, hex);
    char *folder = opr_arena_printf(l->arena, "%s/layers/%.*s", l->dir, LAYER_NAME_LEN, hex);
    if (st == OPR_OK && !opr_fs_exists(folder)) {
        st = unpack_layer(l, fd, folder);
    }
    if (st == OPR_OK && fstat(fd, &info) == 0) {
        *size += info.st_size;
        json_object_array_add(layers, json_object_new_string_len(hex, LAYER_NAME_LEN));
    }
    close(fd);
    return st;
}

static opr_status add_config(const struct load *l, const char *path, const char *digest,
                             char ret_hex[65])
{
    struct opr_buf text = {0};
    struct json_object *doc = NULL;
    int fd = opr__open_below(l->root, path, O_RDONLY);
    if (fd < 0) {
        return fail(l, "can not open the configuration", path);
    }
    opr_status st = check_digest(l, fd, path, digest, ret_hex);
    close(fd);
    if (st == OPR_OK) {
        st = read_small(l, path, &text);
    }
    if (st == OPR_OK) {
        st = opr_doc_parse(opr_buf_str(&text), &doc, l->reterr);
    }
    if (st == OPR_OK && strcmp(opr_doc_str(doc, "/os", "linux"), "linux") != 0) {
        st = opr_error_set(l->reterr, OPR_E_UNSUPPORTED, "the image is for %s",
                           opr_doc_str(doc, "/os", ""));
    }
    if (st == OPR_OK) {
        char *kept = opr_arena_printf(l->arena, "%s/blobs/sha256/%s", l->dir, ret_hex);
        st = opr_fs_write(kept, opr_buf_str(&text), 0644, l->reterr);
    }
    json_object_put(doc);
    opr_buf_fini(&text);
    return st;
}

static void add_entry(struct load *l, const char *name, const char *config_hex,
                      struct json_object *layers, int64_t size)
{
    struct json_object *item = json_object_new_object();
    char *id = opr_arena_printf(l->arena, "sha256:%s", config_hex);
    (void)opr__images_forget(l->list, name);
    opr_doc_put_str(item, "/name", name);
    opr_doc_put_str(item, "/id", id);
    json_object_object_add(item, "layers", json_object_get(layers));
    opr_doc_put_int(item, "/size", size);
    opr_doc_put_int(item, "/loaded", opr_clock_wall_ms(opr_clock_system()));
    json_object_array_add(l->list, item);
    json_object_array_add(l->names, json_object_new_string(name));
}

/* Full names of the image: the one asked for, or those of the file. */
static opr_status names_of(const struct load *l, struct json_object *given,
                           struct json_object *ret_names)
{
    size_t n = l->name ? 1 : given ? json_object_array_length(given) : 0;
    if (n == 0) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "the file gives the image no name; give one with --name");
    }
    for (size_t i = 0; i < n; i++) {
        const char *text =
            l->name ? l->name : json_object_get_string(json_object_array_get_idx(given, i));
        char *full = NULL;
        OPR_TRY(opr_image_name(text ? text : "", l->arena, &full, l->reterr));
        json_object_array_add(ret_names, json_object_new_string(full));
    }
    return OPR_OK;
}

struct source {
    const char *config, *config_digest;
    struct json_object *layers; /* array of paths, or of descriptors */
    struct json_object *names;  /* array; may be NULL */
};

static opr_status add_layers(const struct load *l, const struct source *s,
                             struct json_object *layers, int64_t *size)
{
    size_t n = s->layers ? json_object_array_length(s->layers) : 0;
    if (n == 0 || n > LAYERS_MAX) {
        return opr_error_set(l->reterr, OPR_E_UNSUPPORTED, "an image of %zu layers", n);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(s->layers, i);
        const char *digest = NULL, *path = json_object_get_string(item);
        if (json_object_is_type(item, json_type_object)) {
            digest = opr_doc_str(item, "/digest", "");
            path = blob_path(l, digest);
        }
        if (!path) {
            return opr_error_set(l->reterr, OPR_E_INVALID, "a layer has no SHA-256 digest");
        }
        OPR_TRY(add_layer(l, path, digest, layers, size));
    }
    return OPR_OK;
}

static opr_status add_image(struct load *l, const struct source *s)
{
    char hex[65] = "";
    int64_t size = 0;
    struct json_object *layers = json_object_new_array(), *names = json_object_new_array();
    opr_status st = names_of(l, s->names, names);
    if (st == OPR_OK) {
        st = add_config(l, s->config, s->config_digest, hex);
    }
    if (st == OPR_OK) {
        st = add_layers(l, s, layers, &size);
    }
    for (size_t i = 0; st == OPR_OK && i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        add_entry(l, name, hex, layers, size);
    }
    json_object_put(layers);
    json_object_put(names);
    return st;
}

/* -- docker save -- */

static opr_status load_docker(struct load *l)
{
    struct json_object *manifest = NULL;
    OPR_TRY(read_doc(l, "manifest.json", &manifest));
    size_t n =
        json_object_is_type(manifest, json_type_array) ? json_object_array_length(manifest) : 0;
    opr_status st =
        n > 0 ? OPR_OK : opr_error_set(l->reterr, OPR_E_INVALID, "there is no image in it");
    if (n > 1 && l->name) {
        st =
            opr_error_set(l->reterr, OPR_E_INVALID, "--name is for one image, the file has %zu", n);
    }
    for (size_t i = 0; i < n && st == OPR_OK; i++) {
        struct json_object *item = json_object_array_get_idx(manifest, i);
        struct source s = {.config = opr_doc_str(item, "/Config", ""),
                           .layers = opr_doc_at(item, "/Layers"),
                           .names = opr_doc_at(item, "/RepoTags")};
        st = add_image(l, &s);
    }
    json_object_put(manifest);
    return st;
}

/* -- OCI image layout -- */

static bool is_our_platform(struct json_object *descriptor)
{
    struct utsname u;
    uname(&u);
    const char *arch = strcmp(u.machine, "x86_64") == 0    ? "amd64"
                       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
                                                           : u.machine;
    return strcmp(opr_doc_str(descriptor, "/platform/os", "linux"), "linux") == 0 &&
           strcmp(opr_doc_str(descriptor, "/platform/architecture", arch), arch) == 0;
}

/* The name beside a descriptor. ref.name may be a tag alone, which is no name of an image. */
static struct json_object *annotated_name(struct json_object *descriptor)
{
    struct json_object *notes = opr_doc_at(descriptor, "/annotations");
    const char *name = opr_doc_str(notes, "/io.containerd.image.name", NULL);
    const char *ref = opr_doc_str(notes, "/org.opencontainers.image.ref.name", NULL);
    name = name ? name : ref && strpbrk(ref, ":/") ? ref : NULL;
    if (!name) {
        return NULL;
    }
    struct json_object *list = json_object_new_array();
    json_object_array_add(list, json_object_new_string(name));
    return list;
}

static opr_status load_manifest(struct load *l, struct json_object *descriptor,
                                struct json_object *names, int depth);

static opr_status load_index(struct load *l, struct json_object *index, struct json_object *names,
                             int depth)
{
    struct json_object *list = opr_doc_at(index, "/manifests");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    bool is_any = false;
    for (size_t i = 0; i < n; i++) {
        struct json_object *descriptor = json_object_array_get_idx(list, i);
        if (!is_our_platform(descriptor)) {
            continue;
        }
        if (is_any && l->name) {
            return opr_error_set(l->reterr, OPR_E_INVALID,
                                 "--name is for one image, the file has more");
        }
        struct json_object *own = annotated_name(descriptor);
        opr_status st = load_manifest(l, descriptor, own ? own : names, depth + 1);
        json_object_put(own);
        OPR_TRY(st);
        is_any = true;
    }
    return is_any ? OPR_OK
                  : opr_error_set(l->reterr, OPR_E_NOT_FOUND,
                                  "there is no image for this machine's platform in it");
}

static opr_status load_manifest(struct load *l, struct json_object *descriptor,
                                struct json_object *names, int depth)
{
    const char *digest = opr_doc_str(descriptor, "/digest", "");
    char *path = blob_path(l, digest), hex[65];
    struct json_object *doc = NULL;
    int fd = path ? opr__open_below(l->root, path, O_RDONLY) : -1;
    if (fd < 0 || depth > INDEX_DEPTH_MAX) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "the manifest \"%.80s\" is not in it",
                             digest);
    }
    opr_status st = check_digest(l, fd, path, digest, hex);
    close(fd);
    if (st == OPR_OK) {
        st = read_doc(l, path, &doc);
    }
    if (st == OPR_OK && opr_doc_at(doc, "/manifests")) {
        st = load_index(l, doc, names, depth);
    } else if (st == OPR_OK) {
        const char *config = opr_doc_str(doc, "/config/digest", "");
        struct source s = {.config = blob_path(l, config),
                           .config_digest = config,
                           .layers = opr_doc_at(doc, "/layers"),
                           .names = names};
        st = s.config
                 ? add_image(l, &s)
                 : opr_error_set(l->reterr, OPR_E_INVALID, "the manifest names no configuration");
    }
    json_object_put(doc);
    return st;
}

static opr_status load_layout(struct load *l)
{
    struct json_object *index = NULL;
    OPR_TRY(read_doc(l, "index.json", &index));
    opr_status st = load_index(l, index, NULL, 0);
    json_object_put(index);
    return st;
}

static opr_status load_root(struct load *l, const char *file)
{
    if (faccessat(l->root, "manifest.json", F_OK, 0) == 0) {
        return load_docker(l); /* newer ones hold a layout as well, whose names are poorer */
    }
    if (faccessat(l->root, "index.json", F_OK, 0) == 0) {
        return load_layout(l);
    }
    return opr_error_set(l->reterr, OPR_E_INVALID,
                         "%.200s is neither an OCI image layout nor written by 'docker save'",
                         file);
}

/* A folder is read where it is, an archive is unpacked first. */
static opr_status open_source(struct load *l, const char *file, char **ret_temporary)
{
    struct stat info;
    if (stat(file, &info) != 0) {
        return fail(l, "can not open", file);
    }
    const char *folder = file;
    if (!S_ISDIR(info.st_mode)) {
        *ret_temporary = opr_arena_printf(l->arena, "%s/unpacked", l->dir);
        folder = *ret_temporary;
        opr__tree_remove(folder);
        OPR_TRY(opr_fs_mkdirs(folder, 0700, l->reterr));
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        opr_status st =
            fd >= 0 ? opr__unpack(fd, folder, false, l->reterr) : fail(l, "can not open", file);
        if (fd >= 0) {
            close(fd);
        }
        OPR_TRY(st);
    }
    l->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return l->root >= 0 ? OPR_OK : fail(l, "can not open", folder);
}

opr_status opr_images_load(const char *dir, const char *file, const char *name,
                           struct json_object **ret_names, struct opr_error *reterr)
{
    char *temporary = NULL;
    int lock = opr__images_lock(dir, reterr);
    if (lock < 0) {
        return OPR_E_IO;
    }
    struct load l = {.dir = dir,
                     .root = -1,
                     .name = name,
                     .arena = opr_arena_new(),
                     .names = json_object_new_array(),
                     .reterr = reterr};
    opr_status st = opr__images_read(dir, &l.list, reterr);
    if (st == OPR_OK) {
        st = open_source(&l, file, &temporary);
    }
    if (st == OPR_OK) {
        st = load_root(&l, file);
    }
    if (st == OPR_OK) {
        st = opr__images_write(dir, l.list, reterr);
    }
    struct json_object *kept = NULL; /* what a failed load made goes again */
    if (opr__images_read(dir, &kept, NULL) == OPR_OK) {
        opr__images_sweep(dir, kept);
        json_object_put(kept);
    }
    if (temporary) {
        opr__tree_remove(temporary);
    }
    if (st == OPR_OK) {
        *ret_names = json_object_get(l.names);
    }
    if (l.root >= 0) {
        close(l.root);
    }
    json_object_put(l.list);
    json_object_put(l.names);
    opr_arena_free(l.arena);
    close(lock);
    return st;
}
