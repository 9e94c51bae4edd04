#include "cmd/session.h"

#include "cmd/cluster.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/client/kubeconfig.h"

#include <stdlib.h>

static opr_status find_access(const struct opr_session_options *o, struct opr_kubeconfig *access,
                              struct opr_error *reterr)
{
    if (o->kubeconfig || (!o->dir && getenv("KUBECONFIG"))) {
        return opr_kubeconfig_find(o->kubeconfig, access, reterr);
    }
    struct opr_cluster cluster;
    OPR_TRY(opr_cluster_open(&cluster, o->dir, reterr));
    char path[PATH_MAX];
    opr_cluster_path(&cluster, path, "kubeconfig");
    return opr_kubeconfig_load(path, NULL, access, reterr);
}

opr_status opr_cmd_session_open(struct opr_cmd_session *s, const struct opr_session_options *o,
                                struct opr_error *reterr)
{
    memset(s, 0, sizeof *s);
    struct opr_kubeconfig access = {0};
    OPR_TRY(find_access(o, &access, reterr));
    s->loop = opr_loop_new();
    s->endpoint = opr_endpoint_ref(access.endpoint);
    s->client = opr_client_new(opr_transport_https_new(s->loop, access.endpoint));
    s->caller = opr_caller_new(s->client);
    s->arena = opr_arena_new();
    s->ns = opr_xstrdup(o->ns ? o->ns : access.namespace_);
    opr_kubeconfig_fini(&access);
    return OPR_OK;
}

void opr_cmd_session_close(struct opr_cmd_session *s)
{
    opr_caller_free(s->caller);
    opr_client_free(s->client);
    opr_endpoint_unref(s->endpoint);
    opr_loop_free(s->loop);
    opr_arena_free(s->arena);
    opr_free(s->ns);
    memset(s, 0, sizeof *s);
}

opr_status opr_cmd_path(struct opr_cmd_session *s, const char *kind, const char *ns,
                        const char *name, const char *sub, const struct opr_resource **ret_resource,
                        char **ret_path, struct opr_error *reterr)
{
    OPR_TRY(opr_resource_find(s->caller, kind, ret_resource, reterr));
    *ret_path = opr_resource_path(s->arena, *ret_resource,
                                  (*ret_resource)->is_namespaced ? ns : NULL, name, sub);
    return OPR_OK;
}
