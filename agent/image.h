/* Images of containers in a folder of the cluster, loaded from files: Operon pulls nothing.
 *
 *     index.json          what there is: names, configuration, layers
 *     blobs/sha256/HEX    configurations, by content
 *     layers/HEX24        a layer, unpacked once for all images that have it, in the form of
 *                         overlayfs (a whiteout is a device 0/0); named by the first 24 digits of
 *                         the digest of its file, so that many fit into the options of one mount
 *     lock                held (flock) while the folder changes
 *
 * A shim holds a shared lock on each layer that its container uses; removal leaves those alone.
 * Formats: image-spec 1.1 (layout, layer) and what "docker save" writes. Threads: worker. */
#ifndef OPR_AGENT_IMAGE_H
#define OPR_AGENT_IMAGE_H

#include "core/base/arena.h"
#include "core/base/error.h"

#include <json-c/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Full name of an image: "busybox" is "docker.io/library/busybox:latest" (the rules of the
 * distribution reference grammar). OPR_E_INVALID: it is no name. */
OPR_NODISCARD opr_status opr_image_name(const char *text, struct opr_arena *arena, char **ret_name,
                                        struct opr_error *reterr);

/* Imports an OCI image layout (folder or tar, compressed or not) or a "docker save" archive. name
 * is given to the one image in it; NULL: the names that the file has. ret_names: array of the
 * names, owned. */
OPR_NODISCARD opr_status opr_images_load(const char *dir, const char *file, const char *name,
                                         struct json_object **ret_names, struct opr_error *reterr);
/* Array of {name, id, layers, size, loaded}; owned. Empty where nothing was loaded yet. */
OPR_NODISCARD opr_status opr_images_list(const char *dir, struct json_object **ret_list,
                                         struct opr_error *reterr);
/* OPR_E_NOT_FOUND: there is none of this name. */
OPR_NODISCARD opr_status opr_images_remove(const char *dir, const char *name,
                                           struct opr_error *reterr);

/* An image, ready to be run; all of the arena. */
struct opr__image {
    const char *name, *id;  /* id: "sha256:..." of its configuration */
    const char *layers_dir; /* absolute */
    const char **layers;    /* folders in layers_dir, the topmost first; NULL-terminated */
    const char **entrypoint, **cmd, **env; /* NULL-terminated */
    const char *cwd, *user;                /* "" where not said */
    int stop_signal;                       /* number */
};
/* OPR_E_NOT_FOUND: not loaded. */
OPR_NODISCARD opr_status opr__image_find(const char *dir, const char *name, struct opr_arena *arena,
                                         struct opr__image *ret_image, struct opr_error *reterr);
/* A small file as the image has it (its topmost layer that has it); NULL: none. Of the arena. */
char *opr__image_file(const struct opr__image *image, const char *path, struct opr_arena *arena);

/* -- parts of a load -- */

/* A file below a folder whose links can not lead out of it. -1: errno. */
int opr__open_below(int root_fd, const char *path, int flags);
/* SHA-256 of a whole file as 64 hex digits. */
OPR_NODISCARD opr_status opr__digest_fd(int fd, char ret_hex[65], struct opr_error *reterr);
/* Unpacks an archive into an empty folder. is_layer: with owners, modes, extended attributes, and
 * whiteouts turned into those of overlayfs; devices are left out. A name or a link that leads out
 * of the folder is refused with OPR_E_INVALID. */
OPR_NODISCARD opr_status opr__unpack(int fd, const char *dir, bool is_layer,
                                     struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
