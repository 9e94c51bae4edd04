/* A program in a running container, with its streams over a WebSocket (v4 and v5.channel.k8s.io):
 * what the API server asks for where somebody says kubectl exec; and kubectl attach. */
#ifndef OPR_AGENT_EXEC_H
#define OPR_AGENT_EXEC_H

#include "core/net/http.h"
#include "core/net/loop.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr__exec_streams {
    struct opr_loop *loop; /* borrowed: of the connection */
    pid_t pid;             /* a child of this process; killed where the client goes away */
    int pid_fd;            /* its, owned */
    int in, out, err;      /* our ends, owned, which do not block; -1: none */
    bool is_tty;           /* in and out are those of a terminal's master */
    bool has_close;        /* v5: the client can end standard input */
};
/* Worker. The source of a tunnel (http.h), which lives on the loop. */
struct opr_http_source *opr__exec_streams_new(const struct opr__exec_streams *config);

struct opr_agent;
/* Worker. The same for what a container says from now on; dir is the folder of its run. NULL: it
 * has no log. */
struct opr_http_source *opr__attach_new(struct opr_agent *a, const char *dir, bool has_output,
                                        bool has_error);

/* Worker. GET /exec/NAMESPACE/POD/CONTAINER?command=..&input=1&output=1&error=1&tty=1, or /attach/
 * with the same but the command; dir is the folder of the container's run, NULL where it does not
 * run. */
void opr__exec_serve(struct opr_agent *a, const struct opr_http_request *req,
                     struct opr_http_response *res, const char *container, const char *dir);

#ifdef __cplusplus
}
#endif
#endif
