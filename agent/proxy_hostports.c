/* hostPort of the node's Pods. Pure. */
#include "agent/proxy_rules.h"

#include "agent/netlink.h"
#include "core/base/vec.h"

#include <stdio.h>
#include <string.h>

void opr__hostports_table_name(const char *pod_cidr, char *ret_name, size_t size)
{
    uint32_t address = 0;
    int prefix = 0;
    (void)opr__cidr_parse(pod_cidr, &address, &prefix); /* checked where it was given */
    snprintf(ret_name, size, "operon-hostports-%u-%u", address >> 16 & 255, address >> 8 & 255);
}

static const char *l4_of(const struct opr_obj *port)
{
    const char *protocol = opr_json_str(port, "/protocol", "TCP");
    return strcmp(protocol, "TCP") == 0 ? "tcp" : strcmp(protocol, "UDP") == 0 ? "udp" : NULL;
}

/* Rules of one Pod; text NULL: whether it has any. */
static bool add_pod(const struct opr_obj *pod, const char *ip, struct opr_buf *text)
{
    bool has = false;
    const struct opr_obj *containers = opr_json_at(pod, "/spec/containers");
    for (const struct opr_obj *c = opr_json_first(containers); c; c = opr_json_next(c)) {
        const struct opr_obj *ports = opr_json_at(c, "/ports");
        for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
            int wanted = (int)opr_json_int(p, "/hostPort", 0);
            uint32_t host = 0;
            if (wanted <= 0 || !l4_of(p)) {
                continue;
            }
            has = true;
            if (text && opr__ipv4_parse(opr_json_str(p, "/hostIP", "0.0.0.0"), &host)) {
                char at[OPR__IPV4_TEXT_MAX];
                opr__ipv4_format(host, at);
                opr_buf_printf(text, "    %s%s%s%s dport %d dnat ip to %s:%d\n",
                               host ? "ip daddr " : "", host ? at : "", host ? " " : "", l4_of(p),
                               wanted, ip, (int)opr_json_int(p, "/containerPort", 0));
            }
        }
    }
    return has;
}

bool opr__hostports_has(const struct opr_obj *pod)
{
    return !opr_json_bool(pod, "/spec/hostNetwork", false) && add_pod(pod, "", NULL);
}

static bool is_running(const struct opr_obj *pod)
{
    const char *phase = opr_json_str(pod, "/status/phase", "");
    return strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
}

void opr__hostports_rules(struct opr_buf *b, const char *pod_cidr,
                          const struct opr_obj *const *pods, size_t n_pods)
{
    char table[64];
    struct opr_buf ports = {0}, pairs = {0};
    opr__hostports_table_name(pod_cidr, table, sizeof table);
    for (size_t i = 0; i < n_pods; i++) {
        uint32_t parsed;
        const char *ip = opr_json_str(pods[i], "/status/podIP", "");
        if (opr__hostports_has(pods[i]) && is_running(pods[i]) && opr__ipv4_parse(ip, &parsed)) {
            (void)add_pod(pods[i], ip, &ports);
            opr_buf_printf(&pairs, "%s %s . %s", pairs.len ? "," : "", ip, ip);
        }
    }
    opr_buf_printf(b, "table ip %s\ndelete table ip %s\n", table, table);
    if (ports.len > 0) {
        opr_buf_printf(b,
                       "table ip %s {\n  chain ports {\n%s  }\n"
                       "  chain prerouting {\n    type nat hook prerouting priority -101;\n"
                       "    fib daddr type local goto ports\n  }\n"
                       "  chain output {\n    type nat hook output priority -101;\n"
                       "    fib daddr type local goto ports\n  }\n"
                       "  chain postrouting {\n    type nat hook postrouting priority 99;\n"
                       "    ct status dnat ip saddr . ip daddr {%s } masquerade\n  }\n}\n",
                       table, ports.data, pairs.data);
    }
    opr_buf_fini(&ports);
    opr_buf_fini(&pairs);
}
