/* A client command's connection: the kubeconfig it means, and one caller. Threads: main. */
#ifndef OPR_CMD_SESSION_H
#define OPR_CMD_SESSION_H

#include "cmd/args.h"
#include "core/client/client.h"

/* Options that every client command has. Put OPR_SESSION_OPTIONS(o) at the start of its table. */
struct opr_session_options {
    const char *kubeconfig, *dir, *ns;
};
#define OPR_SESSION_OPTIONS(o)                                                                     \
    {"kubeconfig", 0, OPR_OPTION_TEXT, &(o).kubeconfig, "FILE", "how to reach the API server"},    \
        OPR_OPTION_DIR(&(o).dir),                                                                  \
    {                                                                                              \
        "namespace", 'n', OPR_OPTION_TEXT, &(o).ns, "NS", "the namespace"                          \
    }

struct opr_cmd_session {
    struct opr_loop *loop;
    struct opr_endpoint *endpoint; /* ref */
    struct opr_client *client;
    struct opr_caller *caller;
    struct opr_arena *arena;
    char *ns; /* owned */
};

/* --kubeconfig, else the kubeconfig of --dir, else $KUBECONFIG, else the default cluster's. */
OPR_NODISCARD opr_status opr_cmd_session_open(struct opr_cmd_session *s,
                                              const struct opr_session_options *o,
                                              struct opr_error *reterr);
void opr_cmd_session_close(struct opr_cmd_session *s);
/* The path of an object or a collection (name NULL), in the session's namespace. */
OPR_NODISCARD opr_status opr_cmd_path(struct opr_cmd_session *s, const char *kind, const char *ns,
                                      const char *name, const char *sub,
                                      const struct opr_resource **ret_resource, char **ret_path,
                                      struct opr_error *reterr);

#endif
