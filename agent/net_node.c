/* The node's part of the Pod network: bridge, routes, addresses. */
#include "agent/net_internal.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

void opr__net_bridge_name(const char *pod_cidr, char ret_name[IFNAMSIZ])
{
    uint32_t address = 0;
    int prefix = 0;
    (void)opr__cidr_parse(pod_cidr, &address, &prefix); /* checked where it was given */
    snprintf(ret_name, IFNAMSIZ, "opr%u-%u", address >> 16 & 255, address >> 8 & 255);
}

void opr__net_sysctl(const char *value, const char *fmt, const char *name)
{
    char path[256];
    struct opr_error err = {0};
    snprintf(path, sizeof path, fmt, name);
    if (opr_fs_poke(path, opr_str_of(value), &err) != OPR_OK) {
        opr_log(OPR_LOG_DEBUG, "agent", "can not set a kernel parameter", "error=\"%s\"",
                err.message);
    }
}

static bool is_used(const struct opr__net *n, uint32_t i)
{
    return n->used[i / 8] >> (i % 8) & 1;
}

static void mark(struct opr__net *n, uint32_t i, bool used)
{
    uint8_t bit = (uint8_t)(1u << (i % 8));
    n->used[i / 8] = used ? n->used[i / 8] | bit : n->used[i / 8] & (uint8_t)~bit;
}

/* Position of an address in the range; 0: it is not of the range. */
static uint32_t place_of(const struct opr__net *n, const char *ip)
{
    uint32_t address;
    return opr__ipv4_parse(ip, &address) && address > n->network && address - n->network < n->size
               ? address - n->network
               : 0;
}

/* Addresses that Pods of an agent before have noted. */
static void load_used(struct opr__net *n, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/pods", dir);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct opr_buf text = {0};
        snprintf(path, sizeof path, "%s/pods/%s/ip", dir, e->d_name);
        if (e->d_name[0] != '.' && opr_fs_read(path, 64, &text, NULL) == OPR_OK) {
            uint32_t place = place_of(n, text.data);
            if (place) {
                mark(n, place, true);
            }
        }
        opr_buf_fini(&text);
    }
    if (d) {
        closedir(d);
    }
}

/* The folder of the namespaces is a mount of its own that is shared: the containers' copies of it
 * follow, so that a namespace goes when it is let go here. */
static opr_status share_folder(const char *folder, struct opr_error *reterr)
{
    OPR_TRY(opr_fs_mkdirs(folder, 0755, reterr));
    if (mount("none", folder, NULL, MS_SHARED | MS_REC, NULL) == 0) {
        return OPR_OK; /* it is a mount already */
    }
    if (mount(folder, folder, NULL, MS_BIND, NULL) != 0 ||
        mount("none", folder, NULL, MS_SHARED | MS_REC, NULL) != 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not share %s: %m", folder);
    }
    return OPR_OK;
}

/* Nothing that is meant for a Pod or a Service may leave the machine: first the routes that lead
 * nowhere, then what is more specific. */
static opr_status guard_ranges(const struct opr_agent_config *c, struct opr_error *reterr)
{
    uint32_t address;
    int prefix;
    if (c->cluster_cidr && opr__cidr_parse(c->cluster_cidr, &address, &prefix)) {
        OPR_TRY(opr__nl_route(OPR__NL_UNREACHABLE, address, prefix, NULL, 0, reterr));
    }
    if (c->service_cidr && opr__cidr_parse(c->service_cidr, &address, &prefix)) {
        OPR_TRY(opr__nl_route(OPR__NL_UNREACHABLE, address, prefix, NULL, 0, reterr));
        /* A program of the host connects to a Service before the rules have rewritten the address:
         * it needs a route. What the rules do not rewrite ends in the loopback device. */
        OPR_TRY(opr__nl_route(OPR__NL_LINK, address, prefix, "lo", 0, reterr));
    }
    return OPR_OK;
}

static opr_status make_node_network(struct opr_agent *a, struct opr__net *n,
                                    struct opr_error *reterr)
{
    OPR_TRY(guard_ranges(&a->config, reterr));
    OPR_TRY(opr__nl_bridge(n->bridge, n->gateway, n->prefix, reterr));
    opr__net_sysctl("1", "/proc/sys/net/ipv4/%s", "ip_forward");
    opr__net_sysctl("0", "/proc/sys/net/ipv4/conf/%s/send_redirects", n->bridge);
    opr__net_sysctl("0", "/proc/sys/net/ipv4/conf/%s/rp_filter", n->bridge);
    /* A Service may lead to the host's loopback (the API server's own). */
    opr__net_sysctl("1", "/proc/sys/net/ipv4/conf/%s/route_localnet", n->bridge);
    return share_folder(n->folder, reterr);
}

void opr__net_check(struct opr_agent *a)
{
    struct opr_error err = {0};
    if (if_nametoindex(a->net->bridge) == 0) {
        opr_log(OPR_LOG_WARN, "agent", "the bridge of the pods is gone, making it again", "name=%s",
                a->net->bridge);
        a->differences++;
    }
    if (make_node_network(a, a->net, &err) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "agent", "can not repair the pods' network", "error=\"%s\"",
                err.message);
    }
}

void opr__net_start(struct opr_agent *a)
{
    struct opr_error err = {0};
    uint32_t address;
    int prefix;
    if (!a->config.pod_cidr) {
        return;
    }
    if (!opr__cidr_parse(a->config.pod_cidr, &address, &prefix) || prefix < 12 || prefix > 29) {
        opr_log(OPR_LOG_ERROR, "agent", "the Pod range is not usable, pods get the host network",
                "cidr=%s", a->config.pod_cidr);
        return;
    }
    struct opr__net *n = opr_xalloc(sizeof *n);
    opr__net_bridge_name(a->config.pod_cidr, n->bridge);
    n->folder = opr_xprintf("%s/netns", a->config.dir);
    n->prefix = prefix;
    n->size = 1u << (32 - prefix);
    n->network = address & ~(n->size - 1);
    n->gateway = n->network + 1;
    n->next = 2;
    n->used = opr_xalloc(n->size / 8 + 1);
    pthread_mutex_init(&n->lock, NULL);
    load_used(n, a->config.dir);
    opr_status st = a->has_namespaces ? make_node_network(a, n, &err)
                                      : opr_error_set(&err, OPR_E_FORBIDDEN, "needs root");
    a->net = n;
    if (st != OPR_OK) {
        opr_log(OPR_LOG_WARN, "agent", "no Pod network: pods get the host network", "reason=\"%s\"",
                err.message);
        opr__net_free(a);
    }
}

void opr__net_free(struct opr_agent *a)
{
    if (a->net) {
        pthread_mutex_destroy(&a->net->lock);
        opr_free(a->net->used);
        opr_free(a->net->folder);
        opr_free(a->net);
        a->net = NULL;
    }
}

uint32_t opr__net_gateway(const struct opr__net *n)
{
    return n->gateway;
}

uint32_t opr__net_take_place(struct opr__net *n, const char *wanted)
{
    pthread_mutex_lock(&n->lock);
    uint32_t place = place_of(n, wanted); /* noted by this Pod, so it is its own */
    for (uint32_t i = 0; place == 0 && i < n->size; i++) {
        uint32_t candidate = n->next;
        n->next = n->next + 1 < n->size - 1 ? n->next + 1 : 2;
        place = is_used(n, candidate) ? 0 : candidate;
    }
    if (place) {
        mark(n, place, true);
    }
    pthread_mutex_unlock(&n->lock);
    return place;
}

/* Interfaces that container programs make are no way to the host. */
static bool is_container_link(const char *name)
{
    static const char *const starts[] = {"opr", "docker", "br-", "veth", "virbr", "cni", "flannel"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

void opr__net_host_address(char ret_address[OPR__IPV4_TEXT_MAX])
{
    struct ifaddrs *all = NULL;
    bool is_found = false;
    snprintf(ret_address, OPR__IPV4_TEXT_MAX, "127.0.0.1");
    if (getifaddrs(&all) != 0) {
        return;
    }
    for (struct ifaddrs *i = all; i && !is_found; i = i->ifa_next) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)i->ifa_addr;
        if (!in || in->sin_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK) || is_container_link(i->ifa_name)) {
            continue;
        }
        uint32_t address = ntohl(in->sin_addr.s_addr);
        is_found = address >> 16 != 0xa9fe; /* link-local: no endpoint may have it */
        if (is_found) {
            opr__ipv4_format(address, ret_address);
        }
    }
    freeifaddrs(all);
}

void opr__net_give_place(struct opr__net *n, const char *ip)
{
    pthread_mutex_lock(&n->lock);
    uint32_t place = place_of(n, ip);
    if (place) {
        mark(n, place, false);
    }
    pthread_mutex_unlock(&n->lock);
}
