/* Power cut and clean-up of a node, from outside of its agent (which is dead). */
#include "agent/agent.h"

#include "agent/cgroup.h"
#include "agent/files.h"
#include "agent/net.h"
#include "agent/netlink.h"
#include "agent/proxy_rules.h"
#include "agent/runtime.h"
#include "agent/scratch.h"
#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

enum { GONE_TRIES = 200, GONE_US = 10000 };

/* Calls fn for each entry of a folder, with its path. */
static void each(const char *dir, void (*fn)(const char *path, void *arg), void *arg)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            char *path = opr_xprintf("%s/%s", dir, e->d_name);
            fn(path, arg);
            opr_free(path);
        }
    }
    if (d) {
        closedir(d);
    }
}

/* The shim first: it must not live to write an exit file. Then the program, for where no PID
 * namespace ends it with the shim. */
static void kill_run(const char *dir, void *arg)
{
    struct opr__runtime *rt = arg;
    struct opr__run run;
    char path[PATH_MAX];
    struct opr_buf text = {0};
    rt->look(rt, dir, &run);
    if (run.phase != OPR__RUN_RUNNING || run.pid <= 1) {
        return;
    }
    snprintf(path, sizeof path, "%s/" SHIM_FILE_APP_PID, dir);
    long app = opr_fs_read(path, 64, &text, NULL) == OPR_OK ? strtol(text.data, NULL, 10) : 0;
    opr_buf_fini(&text);
    (void)kill(run.pid, SIGKILL);
    if (app > 1 && kill((pid_t)-app, SIGKILL) != 0 && errno != ESRCH) {
        opr_log(OPR_LOG_WARN, "agent", "can not kill a container", "pid=%ld", app);
    }
}

static void kill_container(const char *dir, void *arg)
{
    each(dir, kill_run, arg);
}

static void kill_pod(const char *dir, void *arg)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/containers", dir);
    each(path, kill_container, arg);
}

void opr_agent_kill_node(const char *cgroup_parent, const char *node, const char *dir)
{
    struct opr__cgroups groups;
    char path[PATH_MAX];
    struct opr__runtime *rt = opr__runtime_process_new("");
    snprintf(path, sizeof path, "%s/pods", dir);
    each(path, kill_pod, rt);
    rt->free(rt);
    opr__cgroups_find(&groups, cgroup_parent, node);
    for (int i = 0; i < GONE_TRIES && opr__cgroup_kill(&groups, NULL, NULL) > 0; i++) {
        usleep(GONE_US);
    }
    opr__cgroups_fini(&groups);
}

static void release_namespace(const char *path, void *arg)
{
    (void)arg;
    (void)umount2(path, MNT_DETACH); /* it may be none */
    (void)unlink(path);
}

static void remove_hostports(const char *pod_cidr)
{
    struct opr_buf text = {0};
    struct opr_error err = {0};
    opr__hostports_rules(&text, pod_cidr, NULL, 0);
    if (geteuid() == 0 && opr__nft_run(text.data, &err) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "agent", "can not remove the host ports' rules", "error=\"%s\"",
                err.message);
    }
    opr_buf_fini(&text);
}

static void release_scratch(const char *path, void *arg)
{
    (void)arg;
    opr__scratch_release(path);
}

void opr_agent_clean(const char *cgroup_parent, const char *node, const char *dir,
                     const char *pod_cidr)
{
    struct opr__cgroups groups;
    char path[PATH_MAX];
    opr_agent_kill_node(cgroup_parent, node, dir);
    opr__cgroups_find(&groups, cgroup_parent, node);
    opr__cgroup_remove(&groups, NULL);
    opr__cgroups_fini(&groups);
    snprintf(path, sizeof path, "%s/netns", dir);
    each(path, release_namespace, NULL);
    (void)umount2(path, MNT_DETACH);
    (void)rmdir(path);
    if (pod_cidr) {
        char bridge[IFNAMSIZ];
        opr__net_bridge_name(pod_cidr, bridge);
        opr__nl_link_delete(bridge);
        remove_hostports(pod_cidr);
    }
    snprintf(path, sizeof path, "%s/pods", dir);
    each(path, release_scratch, NULL);
    if (opr_fs_exists(path)) {
        opr__tree_remove(path);
    }
}

void opr_agent_clean_network(const char *cgroup_parent, const char *cluster_cidr,
                             const char *service_cidr)
{
    struct opr__cgroups groups;
    uint32_t address;
    int prefix;
    if (service_cidr && opr__cidr_parse(service_cidr, &address, &prefix) && geteuid() == 0) {
        char table[64], text[192];
        struct opr_error err = {0};
        opr__proxy_table_name(service_cidr, table, sizeof table);
        snprintf(text, sizeof text, "table ip %s\ndelete table ip %s\n", table, table);
        if (opr__nft_run(text, &err) != OPR_OK) {
            opr_log(OPR_LOG_WARN, "agent", "can not remove the Service rules", "error=\"%s\"",
                    err.message);
        }
        opr__nl_route_delete(OPR__NL_LINK, address, prefix, "lo");
        opr__nl_route_delete(OPR__NL_UNREACHABLE, address, prefix, NULL);
    }
    if (cluster_cidr && opr__cidr_parse(cluster_cidr, &address, &prefix)) {
        opr__nl_route_delete(OPR__NL_UNREACHABLE, address, prefix, NULL);
    }
    opr__cgroups_find(&groups, cgroup_parent, "");
    opr__cgroup_remove_parent(&groups, cgroup_parent);
    opr__cgroups_fini(&groups);
}
