/* The node's heartbeat: Lease kube-node-lease/NAME. */
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
enum { DURATION_FACTOR = 4 }; /* the kubelet renews at a quarter of the duration */

static opr_status create(struct opr_agent *a, struct opr_caller *k, const char *spec,
                         struct opr_error *reterr)
{
    struct opr_buf body = {0};
    opr_buf_printf(&body,
                   "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{"
                   "\"name\":\"%s\",\"namespace\":\"kube-node-lease\"",
                   a->config.node_name);
    if (a->node_uid) {
        opr_buf_printf(&body,
                       ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":"
                       "\"%s\",\"uid\":\"%s\"}]",
                       a->config.node_name, a->node_uid);
    }
    opr_buf_printf(&body, "},\"spec\":%s}", spec);
    opr_status st =
        opr_call(k, "POST", LEASES, "application/json", opr_buf_str(&body), NULL, reterr);
    opr_buf_fini(&body);
    return st;
}

opr_status opr__lease_renew(struct opr_agent *a, struct opr_caller *k, struct opr_error *reterr)
{
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format_micro(opr_clock_wall_ms(a->clock), now);
    uint32_t seconds = (a->config.lease_ms * DURATION_FACTOR + 999) / 1000;
    struct opr_arena *arena = opr_arena_new();
    char *spec = opr_arena_printf(
        arena, "{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%u,\"renewTime\":\"%s\"}",
        a->config.node_name, seconds, now);
    char *body = opr_arena_printf(arena, "{\"spec\":%s}", spec);
    char *path = opr_arena_printf(arena, LEASES "/%s", a->config.node_name);
    opr_status st =
        opr_call(k, "PATCH", path, "application/merge-patch+json", opr_str_of(body), NULL, reterr);
    if (st == OPR_E_NOT_FOUND) {
        st = create(a, k, spec, reterr);
    }
    opr_arena_free(arena);
    return st;
}
