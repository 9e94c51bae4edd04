#include "agent/image_use.h"

#include "agent/files.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOTE_FILE "image"
#define HINT "load it with 'operon image load FILE'"

char *opr__crun_find(void)
{
    const char *path = getenv("PATH");
    struct opr_str rest = opr_str_of(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"), folder;
    while (opr_str_next(&rest, ':', &folder)) {
        char *candidate = opr_xprintf("%.*s/crun", OPR_STR_ARG(folder));
        if (folder.len > 0 && access(candidate, X_OK) == 0) {
            return candidate;
        }
        opr_free(candidate);
    }
    return NULL;
}

/* Programs of the host; a tag or digest is ignored. */
static bool is_host(const char *image)
{
    size_t len = sizeof OPR__IMAGE - 1;
    return strncmp(image, OPR__IMAGE, len) == 0 &&
           (image[len] == 0 || image[len] == ':' || image[len] == '@');
}

/* Says it once: the event comes with the change, not with each try. */
static void refuse(struct opr__pod *p, struct opr__container *c, const char *reason,
                   const char *message)
{
    bool is_new = strcmp(c->reason, reason) != 0;
    opr__container_wait(c, reason, "%s", message);
    if (is_new && strcmp(reason, "ImagePullBackOff") == 0) {
        opr__event_add(p, c->name, "Normal", "BackOff", "%s", c->message);
    } else if (is_new) {
        opr__event_add(p, c->name, "Warning",
                       strcmp(reason, "InvalidImageName") == 0 ? "InspectFailed" : "Failed", "%s",
                       c->message);
    }
}

static void refuse_absent(struct opr__pod *p, struct opr__container *c, const char *image,
                          struct opr_arena *arena)
{
    if (strcmp(opr_json_str(c->spec, "/imagePullPolicy", ""), "Never") == 0) {
        refuse(p, c, "ErrImageNeverPull",
               opr_arena_printf(
                   arena, "Container image \"%s\" is not present with pull policy of Never; " HINT,
                   image));
        return;
    }
    bool is_again =
        strcmp(c->reason, "ErrImagePull") == 0 || strcmp(c->reason, "ImagePullBackOff") == 0;
    const char *why = opr_arena_printf(
        arena, "image \"%s\" is not on this node, which pulls none from registries; " HINT, image);
    refuse(p, c, is_again ? "ImagePullBackOff" : "ErrImagePull",
           is_again ? opr_arena_printf(arena, "Back-off pulling image \"%s\": ErrImagePull: %s",
                                       image, why)
                    : why);
}

/* Why images can not be run here; NULL: they can. */
static const char *obstacle(const struct opr_agent *a)
{
    if (!a->crun) {
        return "images are run by crun, which is not in the agent's PATH; install the package crun";
    }
    return a->has_namespaces ? NULL : "images need namespaces, and so root's rights for the agent";
}

bool opr__image_choose(struct opr__pod *p, struct opr__container *c, struct opr_arena *arena,
                       struct opr__image *ret_image)
{
    struct opr_agent *a = p->agent;
    struct opr_error err = {0};
    const char *image = opr_json_str(c->spec, "/image", "");
    *ret_image = (struct opr__image){0};
    if (is_host(image)) {
        return true;
    }
    opr_status st = opr__image_find(a->config.images_dir, image, arena, ret_image, &err);
    if (st == OPR_E_NOT_FOUND) {
        refuse_absent(p, c, image, arena);
    } else if (st == OPR_E_INVALID) {
        refuse(p, c, "InvalidImageName", err.message);
    } else if (st != OPR_OK) {
        refuse(p, c, "ImageInspectError", err.message);
    } else if (obstacle(a)) {
        refuse(p, c, "CreateContainerError", obstacle(a));
    } else {
        opr__event_add(p, c->name, "Normal", "Pulled",
                       "Container image \"%s\" already present on machine", image);
        return true;
    }
    return false;
}

opr_status opr__image_note(const char *run_dir, const char *wanted, const struct opr__image *image,
                           struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    snprintf(path, sizeof path, "%s/" NOTE_FILE, run_dir);
    opr_buf_printf(&text, "%s %d %s\n", image->name ? image->id : OPR__IMAGE, image->stop_signal,
                   wanted);
    opr_status st = opr_fs_mkdirs(run_dir, 0750, reterr);
    if (st == OPR_OK) {
        st = opr__file_put(path, opr_buf_str(&text), 0600, reterr);
    }
    opr_buf_fini(&text);
    return st;
}

void opr__image_recall(const struct opr__pod *p, struct opr__container *c)
{
    struct opr_buf text = {0};
    char *dir = opr__run_dir(p, c, c->attempt), *path = opr_xprintf("%s/" NOTE_FILE, dir);
    if (opr_fs_read(path, 1024, &text, NULL) == OPR_OK) {
        struct opr_str rest = opr_str_trim(opr_buf_str(&text)), id = {0}, signo = {0};
        int64_t number = 0;
        (void)opr_str_next(&rest, ' ', &id);
        (void)opr_str_next(&rest, ' ', &signo);
        snprintf(c->image_id, sizeof c->image_id, "%.*s", OPR_STR_ARG(id));
        c->stop_signal = opr_str_to_i64(signo, &number) == OPR_OK ? (int)number : 0;
        snprintf(c->image, sizeof c->image, "%.*s", OPR_STR_ARG(rest));
    }
    opr_buf_fini(&text);
    opr_free(path);
    opr_free(dir);
}
