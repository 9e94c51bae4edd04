#include "cmd/plugins.h"

#include "cmd/args.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

char *opr_plugins_dir(struct opr_arena *a)
{
    const char *given = getenv("OPERON_PLUGINS");
    if (given) {
        return opr_arena_dup(a, opr_str_of(given));
    }
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0) {
        len = 0;
    }
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) {
        *slash = '\0';
    }
    char *beside = opr_arena_printf(a, "%s/plugins", self);
    return opr_fs_exists(beside) ? beside : opr_arena_printf(a, "%s/" OPR_PLUGINS_FROM_BIN, self);
}

char *opr_plugin_path(struct opr_arena *a, const char *name)
{
    if (strchr(name, '/') || opr_str_ends(opr_str_of(name), ".so")) {
        return opr_arena_dup(a, opr_str_of(name));
    }
    return opr_arena_printf(a, "%s/%s.so", opr_plugins_dir(a), name);
}

const char *opr_plugin_default_config(struct opr_arena *a, const char *name, const char *ca)
{
    if (!ca || strcmp(name, "serviceaccount") != 0) {
        return NULL;
    }
    struct opr_buf text = {0};
    opr_buf_add_text(&text, "{\"rootCA\":");
    opr_buf_add_json(&text, opr_str_of(ca));
    opr_buf_add_char(&text, '}');
    const char *config = opr_arena_dup(a, opr_buf_str(&text));
    opr_buf_fini(&text);
    return config;
}

static int is_plugin(const struct dirent *entry)
{
    return opr_str_ends(opr_str_of(entry->d_name), ".so");
}

#define NAMES_MAX 128

opr_status opr_plugin_check(const char *name, struct opr_error *reterr)
{
    struct opr_arena *a = opr_arena_new();
    const char *dir = opr_plugins_dir(a);
    struct dirent **entries = NULL;
    opr_status st = OPR_OK;
    if (!opr_fs_exists(opr_plugin_path(a, name))) {
        const char *names[NAMES_MAX];
        size_t n = 0;
        int count = scandir(dir, &entries, is_plugin, alphasort);
        for (int i = 0; i < count; i++) {
            size_t len = strlen(entries[i]->d_name) - 3;
            if (n < NAMES_MAX) {
                names[n++] = opr_arena_dup(a, opr_str_n(entries[i]->d_name, len));
            }
            free(entries[i]);
        }
        free(entries);
        const char *near = opr_args_nearest(name, names, n);
        st = opr_error_set(reterr, OPR_E_NOT_FOUND, "no plugin %s%s%s%s", opr_plugin_path(a, name),
                           near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    opr_arena_free(a);
    return st;
}

opr_status opr_plugins_load_all(struct opr_manager *m,
                                const char *(*config_of)(void *arg, const char *name), void *arg,
                                struct opr_error *reterr)
{
    struct opr_arena *a = opr_arena_new();
    const char *dir = opr_plugins_dir(a);
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_plugin, alphasort);
    opr_status st = OPR_OK;
    if (count <= 0) {
        st = opr_error_set(reterr, OPR_E_NOT_FOUND,
                           "no plugins in %s; build them, or set OPERON_PLUGINS", dir);
    }
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i]->d_name) - 3;
        char *name = opr_arena_dup(a, opr_str_n(entries[i]->d_name, len));
        if (st == OPR_OK) {
            st = opr_manager_load(m, opr_plugin_path(a, name), config_of(arg, name), reterr);
        }
        free(entries[i]);
    }
    free(entries);
    opr_arena_free(a);
    return st;
}
