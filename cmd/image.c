/* operon image: the images that containers run, loaded from files; nothing is pulled. */
#include "agent/image.h"
#include "cmd/args.h"
#include "cmd/cluster.h"
#include "cmd/commands.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <stdio.h>

enum { ID_SHOWN = 12 };

static int load(const char *dir, const struct opr_vec *files, const char *name)
{
    struct opr_error err = {0};
    for (size_t i = 0; i < files->count; i++) {
        struct json_object *names = NULL;
        if (opr_images_load(dir, files->items[i], name, &names, &err) != OPR_OK) {
            return opr_cmd_fail("can not load %s: %s", (const char *)files->items[i], err.message);
        }
        for (size_t n = 0; n < json_object_array_length(names); n++) {
            printf("loaded %s\n", json_object_get_string(json_object_array_get_idx(names, n)));
        }
        json_object_put(names);
    }
    return 0;
}

static int list(const char *dir)
{
    struct opr_error err = {0};
    struct json_object *images = NULL;
    if (opr_images_list(dir, &images, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    printf("%-52s %-14s %10s  %s\n", "IMAGE", "ID", "SIZE", "LOADED");
    for (size_t i = 0; i < json_object_array_length(images); i++) {
        struct json_object *image = json_object_array_get_idx(images, i);
        char loaded[OPR_TIME_TEXT_MAX], size[32];
        const char *id = strchr(opr_doc_str(image, "/id", ":"), ':') + 1;
        opr_time_format(opr_doc_int(image, "/loaded", 0), loaded);
        snprintf(size, sizeof size, "%.1f MB", (double)opr_doc_int(image, "/size", 0) / 1e6);
        printf("%-52s %-14.*s %10s  %s\n", opr_doc_str(image, "/name", ""), ID_SHOWN, id, size,
               loaded);
    }
    json_object_put(images);
    return 0;
}

static int remove_images(const char *dir, const struct opr_vec *names)
{
    struct opr_error err = {0};
    for (size_t i = 0; i < names->count; i++) {
        if (opr_images_remove(dir, names->items[i], &err) != OPR_OK) {
            return opr_cmd_fail("%s", err.message);
        }
        printf("removed %s\n", (const char *)names->items[i]);
    }
    return 0;
}

int opr_cmd_image(int argc, char **argv)
{
    const char *dir = NULL, *name = NULL, *images = NULL;
    struct opr_vec rest = {0};
    struct opr_cluster cluster = {0};
    struct opr_error err = {0};
    int status = 0;
    const struct opr_option options[] = {
        OPR_OPTION_DIR(&dir),
        {"images", 0, OPR_OPTION_TEXT, &images, "DIR",
         "folder of the images, for a node outside of a cluster here ('operon agent --images')"},
        {"name", 0, OPR_OPTION_TEXT, &name, "NAME",
         "name of the loaded image, where the file has none or another"},
        {0},
    };
    const struct opr_command *cmd = opr_command_find("image");
    if (!opr_args_parse(cmd, options, argc, argv, &rest, &status)) {
        return status;
    }
    const char *verb = rest.count ? rest.items[0] : NULL;
    if (!verb) {
        return opr_cmd_misuse(cmd, "image needs a word: load, list or remove");
    }
    if (!opr_args_is_word(cmd, verb)) {
        return 2;
    }
    (void)opr_vec_remove(&rest, 0);
    bool is_list = strcmp(verb, "list") == 0;
    if (is_list ? rest.count > 0 : rest.count == 0) {
        status = opr_cmd_misuse(cmd, is_list ? "image list takes no argument" : "image %s needs %s",
                                verb, strcmp(verb, "load") == 0 ? "a FILE" : "a NAME");
    } else if (!images && opr_cluster_open(&cluster, dir, &err) != OPR_OK) {
        status = opr_cmd_fail("%s", err.message);
    } else {
        char folder[PATH_MAX];
        if (images) {
            snprintf(folder, sizeof folder, "%s", images);
        } else {
            opr_cluster_path(&cluster, folder, "images");
        }
        status = is_list                     ? list(folder)
                 : strcmp(verb, "load") == 0 ? load(folder, &rest, name)
                                             : remove_images(folder, &rest);
    }
    opr_vec_fini(&rest);
    return status;
}
