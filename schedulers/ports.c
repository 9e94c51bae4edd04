#include "schedulers/scheduler.h"

static bool is_any(const char *ip)
{
    return ip[0] == '\0' || strcmp(ip, "0.0.0.0") == 0;
}

static bool ports_conflict(const struct opr_obj *a, const struct opr_obj *b)
{
    int64_t port = opr_obj_int(a, "/hostPort", 0);
    if (port == 0 || port != opr_obj_int(b, "/hostPort", 0) ||
        !str_eq(opr_obj_str(a, "/protocol", "TCP"), opr_obj_str(b, "/protocol", "TCP"))) {
        return false;
    }
    const char *x = opr_obj_str(a, "/hostIP", ""), *z = opr_obj_str(b, "/hostIP", "");
    return is_any(x) || is_any(z) || strcmp(x, z) == 0;
}

static bool has_conflict(const struct opr_obj *port, const struct opr_obj *pod)
{
    const struct opr_obj *containers = opr_obj_at(pod, "/spec/containers");
    for (const struct opr_obj *k = opr_obj_first(containers); k; k = opr_obj_next(k)) {
        const struct opr_obj *ports = opr_obj_at(k, "/ports");
        for (const struct opr_obj *p = opr_obj_first(ports); p; p = opr_obj_next(p)) {
            if (ports_conflict(port, p)) {
                return true;
            }
        }
    }
    return false;
}

bool pod_has_host_ports(const struct opr_obj *pod)
{
    const struct opr_obj *containers = opr_obj_at(pod, "/spec/containers");
    for (const struct opr_obj *k = opr_obj_first(containers); k; k = opr_obj_next(k)) {
        const struct opr_obj *ports = opr_obj_at(k, "/ports");
        for (const struct opr_obj *p = opr_obj_first(ports); p; p = opr_obj_next(p)) {
            if (opr_obj_int(p, "/hostPort", 0) > 0) {
                return true;
            }
        }
    }
    return false;
}

bool filter_ports(struct cycle *y, const struct sched_node *n)
{
    if (!y->has_host_ports) {
        return true;
    }
    const struct opr_obj *containers = opr_obj_at(y->pod, "/spec/containers");
    for (const struct opr_obj *k = opr_obj_first(containers); k; k = opr_obj_next(k)) {
        const struct opr_obj *ports = opr_obj_at(k, "/ports");
        for (const struct opr_obj *p = opr_obj_first(ports); p; p = opr_obj_next(p)) {
            for (uint32_t i = 0; opr_obj_int(p, "/hostPort", 0) > 0 && i < n->pod_count; i++) {
                if (has_conflict(p, n->pods[i]->o)) {
                    cycle_reject(y, "node(s) didn't have free ports for the requested pod ports");
                    return false;
                }
            }
        }
    }
    return true;
}
