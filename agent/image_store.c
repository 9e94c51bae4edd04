#include "agent/image_store.h"

#include "agent/files.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { INDEX_LIMIT = 8 << 20, SMALL_FILE_LIMIT = 1 << 20 };

int opr__images_lock(const char *dir, struct opr_error *reterr)
{
    char path[PATH_MAX];
    static const char *const folders[] = {"blobs/sha256", "layers"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        if (opr_fs_mkdirs(path, 0755, reterr) != OPR_OK) {
            return -1;
        }
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        (void)opr_error_set(reterr, OPR_E_IO, "can not lock %s: %m", path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

opr_status opr__images_read(const char *dir, struct json_object **ret_list,
                            struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    struct json_object *doc = NULL;
    snprintf(path, sizeof path, "%s/index.json", dir);
    if (!opr_fs_exists(path)) {
        *ret_list = json_object_new_array();
        return OPR_OK;
    }
    opr_status st = opr_fs_read(path, INDEX_LIMIT, &text, reterr);
    if (st == OPR_OK) {
        st = opr_doc_parse(opr_buf_str(&text), &doc, reterr);
    }
    struct json_object *list = opr_doc_at(doc, "/images");
    if (st == OPR_OK && !json_object_is_type(list, json_type_array)) {
        st = opr_error_set(reterr, OPR_E_INVALID, "%s is no index of images", path);
    }
    *ret_list = st == OPR_OK ? json_object_get(list) : NULL;
    json_object_put(doc);
    opr_buf_fini(&text);
    return st;
}

opr_status opr__images_write(const char *dir, struct json_object *list, struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    struct json_object *doc = json_object_new_object();
    json_object_object_add(doc, "images", json_object_get(list));
    opr_doc_write(&text, doc);
    snprintf(path, sizeof path, "%s/index.json", dir);
    opr_status st = opr_fs_write(path, opr_buf_str(&text), 0644, reterr);
    opr_buf_fini(&text);
    json_object_put(doc);
    return st;
}

static struct json_object *find_item(struct json_object *list, const char *name, size_t *ret_at)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (strcmp(opr_doc_str(item, "/name", ""), name) == 0) {
            *ret_at = i;
            return item;
        }
    }
    return NULL;
}

bool opr__images_forget(struct json_object *list, const char *name)
{
    size_t at;
    return find_item(list, name, &at) && json_object_array_del_idx(list, at, 1) == 0;
}

static bool is_layer_wanted(struct json_object *list, const char *layer)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *layers = opr_doc_at(json_object_array_get_idx(list, i), "/layers");
        for (size_t l = 0; l < json_object_array_length(layers); l++) {
            struct json_object *name = json_object_array_get_idx(layers, l);
            if (strcmp(json_object_get_string(name), layer) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_config_wanted(struct json_object *list, const char *hex)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *id = opr_doc_str(json_object_array_get_idx(list, i), "/id", "");
        if (opr_str_ends(opr_str_of(id), hex)) {
            return true;
        }
    }
    return false;
}

/* A shim holds a shared lock on the folder while its container runs. */
static bool is_used(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) {
        close(fd);
    }
    return used;
}

void opr__images_sweep(const char *dir, struct json_object *list)
{
    static const char *const folders[] = {"layers", "blobs/sha256"};
    for (size_t i = 0; i < 2; i++) {
        char *folder = opr_xprintf("%s/%s", dir, folders[i]);
        DIR *d = opendir(folder);
        for (struct dirent *e; d && (e = readdir(d));) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
                continue;
            }
            char *path = opr_xprintf("%s/%s", folder, e->d_name);
            bool is_wanted = i == 0 ? is_layer_wanted(list, e->d_name) || is_used(path)
                                    : is_config_wanted(list, e->d_name);
            if (!is_wanted) {
                opr__tree_remove(path);
            }
            opr_free(path);
        }
        if (d) {
            closedir(d);
        }
        opr_free(folder);
    }
}

opr_status opr_images_list(const char *dir, struct json_object **ret_list, struct opr_error *reterr)
{
    return opr__images_read(dir, ret_list, reterr);
}

opr_status opr_images_remove(const char *dir, const char *name, struct opr_error *reterr)
{
    struct json_object *list = NULL;
    struct opr_arena *arena = opr_arena_new();
    char *full = NULL;
    opr_status st = opr_image_name(name, arena, &full, reterr);
    int lock = st == OPR_OK ? opr__images_lock(dir, reterr) : -1;
    st = lock >= 0 ? opr__images_read(dir, &list, reterr) : st == OPR_OK ? OPR_E_IO : st;
    if (st == OPR_OK && !opr__images_forget(list, full)) {
        st = opr_error_set(reterr, OPR_E_NOT_FOUND, "there is no image %s", full);
    }
    if (st == OPR_OK && (st = opr__images_write(dir, list, reterr)) == OPR_OK) {
        opr__images_sweep(dir, list);
    }
    json_object_put(list);
    if (lock >= 0) {
        close(lock);
    }
    opr_arena_free(arena);
    return st;
}

/* -- finding -- */

static const char **texts(struct json_object *list, struct opr_arena *arena)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    const char **result = opr_arena_alloc(arena, (n + 1) * sizeof *result);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        result[i] = opr_arena_dup(arena, opr_str_of(text ? text : ""));
    }
    return result;
}

static const char *text_at(struct json_object *doc, const char *ptr, struct opr_arena *arena)
{
    return opr_arena_dup(arena, opr_str_of(opr_doc_str(doc, ptr, "")));
}

/* "SIGQUIT", "QUIT" or "3"; SIGTERM where it says nothing that we know. */
static int signal_number(const char *text)
{
    int64_t number;
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
    if (opr_str_to_i64(opr_str_of(name), &number) == OPR_OK && number > 0 && number < NSIG) {
        return (int)number;
    }
    for (int i = 1; i < NSIG; i++) {
        const char *abbreviation = sigabbrev_np(i);
        if (abbreviation && strcmp(abbreviation, name) == 0) {
            return i;
        }
    }
    return SIGTERM;
}

static opr_status read_config(const char *dir, const char *id, struct opr_arena *arena,
                              struct opr__image *image, struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    struct json_object *doc = NULL;
    const char *hex = strchr(id, ':');
    snprintf(path, sizeof path, "%s/blobs/sha256/%s", dir, hex ? hex + 1 : "");
    opr_status st = opr_fs_read(path, SMALL_FILE_LIMIT, &text, reterr);
    if (st == OPR_OK) {
        st = opr_doc_parse(opr_buf_str(&text), &doc, reterr);
    }
    if (st == OPR_OK) {
        struct json_object *config = opr_doc_at(doc, "/config");
        image->entrypoint = texts(opr_doc_at(config, "/Entrypoint"), arena);
        image->cmd = texts(opr_doc_at(config, "/Cmd"), arena);
        image->env = texts(opr_doc_at(config, "/Env"), arena);
        image->cwd = text_at(config, "/WorkingDir", arena);
        image->user = text_at(config, "/User", arena);
        image->stop_signal = signal_number(opr_doc_str(config, "/StopSignal", ""));
    }
    json_object_put(doc);
    opr_buf_fini(&text);
    return st;
}

opr_status opr__image_find(const char *dir, const char *name, struct opr_arena *arena,
                           struct opr__image *ret_image, struct opr_error *reterr)
{
    struct json_object *list = NULL;
    char *full = NULL;
    size_t at;
    OPR_TRY(opr_image_name(name, arena, &full, reterr));
    OPR_TRY(opr__images_read(dir, &list, reterr));
    struct json_object *item = find_item(list, full, &at);
    opr_status st =
        item ? OPR_OK : opr_error_set(reterr, OPR_E_NOT_FOUND, "image %s is not loaded", full);
    if (item) {
        const char **layers = texts(opr_doc_at(item, "/layers"), arena);
        size_t n = 0;
        while (layers[n]) {
            n++;
        }
        for (size_t i = 0; i < n / 2; i++) { /* the index has the lowest first */
            const char *other = layers[i];
            layers[i] = layers[n - 1 - i];
            layers[n - 1 - i] = other;
        }
        *ret_image = (struct opr__image){.name = full,
                                         .id = text_at(item, "/id", arena),
                                         .layers_dir = opr_arena_printf(arena, "%s/layers", dir),
                                         .layers = layers};
        st = read_config(dir, ret_image->id, arena, ret_image, reterr);
    }
    json_object_put(list);
    return st;
}

char *opr__image_file(const struct opr__image *image, const char *path, struct opr_arena *arena)
{
    char *text = NULL;
    for (const char **l = image->layers; *l && !text; l++) {
        char *layer = opr_arena_printf(arena, "%s/%s", image->layers_dir, *l);
        int root = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = root >= 0 ? opr__open_below(root, path, O_RDONLY) : -1;
        char block[64 * 1024];
        ssize_t n = fd >= 0 ? read(fd, block, sizeof block) : -1;
        if (n >= 0) {
            text = opr_arena_dup(arena, opr_str_n(block, (size_t)n));
        }
        if (fd >= 0) {
            close(fd);
        }
        if (root >= 0) {
            close(root);
        }
    }
    return text;
}
