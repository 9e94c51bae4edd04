/* The files by which a container knows itself and its neighbours: /etc/hosts, /etc/hostname, and
 * for an image /etc/resolv.conf. Threads: worker. */
#ifndef OPR_AGENT_HOST_FILES_H
#define OPR_AGENT_HOST_FILES_H

#include "agent/internal.h"

/* The Pod's name for itself: spec.hostname, else its name, as long as the kernel takes. */
char *opr__hostname(const struct opr__pod *p, struct opr_arena *arena);

/* Text of /etc/hosts. hostname: of the Pod; NULL: it is on the host's network, whose own entries it
 * gets. domain: of its names; NULL: none. */
void opr__hosts_text(struct opr_buf *ret_text, const struct opr__pod *p, const char *hostname,
                     const char *domain);

/* Writes what this run needs into its folder and adds the mounts; a path that has a mount already
 * keeps it. */
OPR_NODISCARD opr_status opr__host_files_mount(struct opr__pod *p, const char *dir,
                                               const char *hostname, bool is_image,
                                               struct opr_arena *arena, struct opr_vec *mounts,
                                               struct opr_error *reterr);

#endif
