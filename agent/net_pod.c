/* A Pod's part of the network: its namespace and its link to the bridge. */
#include "agent/net_internal.h"

#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static void veth_name(const struct opr__pod *p, char ret_name[IFNAMSIZ])
{
    uint32_t hash = 2166136261u; /* FNV-1a; the uid is random already */
    for (const char *c = p->uid; *c; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    }
    snprintf(ret_name, IFNAMSIZ, "oprv%08x", hash);
}

static char *netns_path(const struct opr__pod *p)
{
    return opr_xprintf("%s/netns/%s", p->agent->config.dir, p->uid);
}

static bool is_namespace(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* Runs fn with this thread in another network namespace (fd -1: a new one), and comes back. */
static opr_status in_namespace(int fd, opr_status (*fn)(void *arg, struct opr_error *reterr),
                               void *arg, struct opr_error *reterr)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0 || (fd >= 0 ? setns(fd, CLONE_NEWNET) : unshare(CLONE_NEWNET)) != 0) {
        opr_status st = opr_error_set(reterr, OPR_E_IO, "can not enter a network namespace: %m");
        if (home >= 0) {
            close(home);
        }
        return st;
    }
    opr_status st = fn(arg, reterr);
    OPR_CHECK(setns(home, CLONE_NEWNET) == 0); /* else the thread would work in the wrong place */
    close(home);
    return st;
}

static opr_status pin_namespace(void *arg, struct opr_error *reterr)
{
    const char *path = arg;
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
    if (fd < 0 || mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) != 0) {
        opr_status st = opr_error_set(reterr, OPR_E_IO, "can not keep the namespace %s: %m", path);
        if (fd >= 0) {
            close(fd);
        }
        return st;
    }
    close(fd);
    /* Its only way is the gateway, whatever a redirect says. */
    opr__net_sysctl("0", "/proc/sys/net/ipv4/conf/%s/accept_redirects", "all");
    opr__net_sysctl("0", "/proc/sys/net/ipv4/conf/%s/accept_redirects", "default");
    return opr__nl_link_up("lo", reterr);
}

/* A namespace that lives on in a container while its file was removed; -1: there is none. */
static int namespace_of_containers(const struct opr__pod *p)
{
    struct stat own, found;
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        char path[PATH_MAX];
        struct opr_buf pid = {0};
        if (c->run.phase != OPR__RUN_RUNNING) {
            continue;
        }
        char *dir = opr__run_dir(p, c, c->attempt);
        snprintf(path, sizeof path, "%s/" SHIM_FILE_APP_PID, dir);
        opr_free(dir);
        bool is_read = opr_fs_read(path, 64, &pid, NULL) == OPR_OK;
        snprintf(path, sizeof path, "/proc/%ld/ns/net", is_read ? strtol(pid.data, NULL, 10) : 0);
        opr_buf_fini(&pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &found) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
            found.st_ino != own.st_ino) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

static opr_status make_namespace(struct opr__pod *p, char *path, struct opr_error *reterr)
{
    int fd = namespace_of_containers(p);
    opr_status st = in_namespace(fd, pin_namespace, path, reterr);
    if (fd >= 0) {
        close(fd);
    }
    return st;
}

struct inside {
    uint32_t address, gateway;
};

static opr_status configure_inside(void *arg, struct opr_error *reterr)
{
    const struct inside *in = arg;
    OPR_TRY(opr__nl_link_up("eth0", reterr));
    OPR_TRY(opr__nl_address("eth0", in->address, 32, reterr));
    OPR_TRY(opr__nl_route(OPR__NL_LINK, in->gateway, 32, "eth0", 0, reterr));
    return opr__nl_route(OPR__NL_VIA, 0, 0, "eth0", in->gateway, reterr);
}

static bool is_on_bridge(const char *link)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/class/net/%s/brport", link);
    return access(path, F_OK) == 0;
}

static opr_status connect_pod(struct opr__pod *p, const char *path, uint32_t address,
                              struct opr_error *reterr)
{
    struct opr__net *n = p->agent->net;
    char name[IFNAMSIZ];
    veth_name(p, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not open %s: %m", path);
    }
    struct inside in = {.address = address, .gateway = n->gateway};
    opr_status st = OPR_OK;
    if (if_nametoindex(name) != 0 && !is_on_bridge(name)) {
        opr__nl_link_delete(name); /* the bridge was made anew */
    }
    if (if_nametoindex(name) == 0) {
        st = opr__nl_veth(name, n->bridge, fd, address, reterr);
        /* Where br_netfilter is on, a rewritten packet is bridged at once: also back to where it
         * came from, when a Pod reaches itself through its Service. */
        opr__net_sysctl("1", "/sys/class/net/%s/brport/hairpin_mode", name);
    }
    if (st == OPR_OK) {
        st = in_namespace(fd, configure_inside, &in, reterr);
    }
    close(fd);
    return st;
}

static opr_status note_address(struct opr__pod *p, struct opr_error *reterr)
{
    char path[PATH_MAX];
    OPR_TRY(opr_fs_mkdirs(p->dir, 0750, reterr));
    snprintf(path, sizeof path, "%s/ip", p->dir);
    return opr_fs_write(path, opr_str_of(p->ip), 0600, reterr);
}

opr_status opr__net_pod_add(struct opr__pod *p, struct opr_error *reterr)
{
    struct opr__net *n = p->agent->net;
    if (!n || opr_json_bool(p->work, "/spec/hostNetwork", false)) {
        opr__net_host_address(p->ip);
        return OPR_OK;
    }
    uint32_t place = opr__net_take_place(n, p->ip);
    if (!place) {
        return opr_error_set(reterr, OPR_E_LIMIT, "no address is free in %s",
                             p->agent->config.pod_cidr);
    }
    opr__ipv4_format(n->network + place, p->ip);
    char *path = netns_path(p);
    opr_status st = note_address(p, reterr);
    if (st == OPR_OK && !is_namespace(path)) {
        st = make_namespace(p, path, reterr);
    }
    if (st == OPR_OK) {
        st = connect_pod(p, path, n->network + place, reterr);
    }
    opr_free(path);
    return st;
}

bool opr__net_pod_is_whole(const struct opr__pod *p)
{
    if (!p->agent->net || opr_json_bool(p->work, "/spec/hostNetwork", false)) {
        return true;
    }
    char name[IFNAMSIZ], *path = netns_path(p);
    veth_name(p, name);
    bool is_whole = is_namespace(path) && if_nametoindex(name) != 0 && is_on_bridge(name);
    opr_free(path);
    return is_whole;
}

void opr__net_release_namespace(const char *path)
{
    if (is_namespace(path)) {
        (void)umount2(path, MNT_DETACH); /* nothing may be left in it to hold it */
    }
    (void)unlink(path);
}

void opr__net_pod_remove(struct opr__pod *p)
{
    struct opr__net *n = p->agent->net;
    char name[IFNAMSIZ];
    if (!n || opr_json_bool(p->work, "/spec/hostNetwork", false)) {
        return;
    }
    veth_name(p, name);
    opr__nl_link_delete(name);
    char *path = netns_path(p);
    opr__net_release_namespace(path);
    opr_free(path);
    if (!p->has_given_back) {
        opr__net_give_place(n, p->ip);
    }
    p->has_given_back = true;
    p->has_network = false;
}
