#include "cmd/nodes.h"

#include "agent/agent.h"
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_WAIT_MS 5000

void opr_node_name(int64_t node, char name[32])
{
    snprintf(name, 32, "node-%lld", (long long)node);
}

bool opr_node_is_wanted(const struct opr_cluster *c, int64_t node)
{
    char name[32], path[PATH_MAX];
    opr_node_name(node, name);
    opr_cluster_path(c, path, "run/%s.pid", name);
    return opr_fs_exists(path);
}

struct opr_node_slice opr_node_slice_of(int64_t nodes)
{
    struct opr_node_slice slice = {
        .cpu_milli = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000,
        .memory_mib = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) /
                      (1u << 20) / (uint64_t)nodes,
    };
    return slice;
}

struct opr_node_watch {
    struct opr_cmd_session session;
};

opr_status opr_node_watch_new(const struct opr_cluster *c, struct opr_node_watch **ret_watch,
                              struct opr_error *reterr)
{
    struct opr_node_watch *w = opr_xalloc(sizeof *w);
    char path[PATH_MAX];
    opr_cluster_path(c, path, "kubeconfig");
    struct opr_session_options o = {.kubeconfig = path};
    opr_status st = opr_cmd_session_open(&w->session, &o, reterr);
    if (st != OPR_OK) {
        opr_free(w);
        return st;
    }
    *ret_watch = w;
    return OPR_OK;
}

static bool is_ready(const struct opr_obj *node)
{
    const struct opr_obj *conditions = opr_json_at(node, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(conditions); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), "Ready") == 0) {
            return strcmp(opr_json_str(c, "/status", ""), "True") == 0;
        }
    }
    return false;
}

uint32_t opr_node_watch_ready(struct opr_node_watch *w)
{
    struct opr_obj *list = NULL;
    uint32_t ready = 0;
    if (opr_call(w->session.caller, "GET", "/api/v1/nodes", NULL, (struct opr_str){0}, &list,
                 NULL) == OPR_OK) {
        const struct opr_obj *items = opr_json_at(list, "/items");
        for (const struct opr_obj *n = opr_json_first(items); n; n = opr_json_next(n)) {
            int number = 0;
            const char *name = opr_json_str(n, "/metadata/name", "");
            if (is_ready(n) && sscanf(name, "node-%d", &number) == 1 && number >= 1 &&
                number <= OPR_CLUSTER_MAX_NODES) {
                ready |= 1u << (number - 1);
            }
        }
    }
    opr_json_unref(list);
    return ready;
}

void opr_node_watch_free(struct opr_node_watch *w)
{
    if (w) {
        opr_cmd_session_close(&w->session);
        opr_free(w);
    }
}

void opr_nodes_clean(const struct opr_cluster *c)
{
    char cgroup[32], services[32];
    opr_cluster_cgroup(c, cgroup);
    opr_cluster_service_cidr(c, services);
    for (int64_t i = 1; i <= c->nodes; i++) {
        char name[32], dir[PATH_MAX], pods[32];
        opr_node_name(i, name);
        opr_cluster_path(c, dir, "nodes/%s", name);
        opr_cluster_node_cidr(c, i, pods);
        opr_agent_clean(cgroup, name, dir, pods);
    }
    char all_pods[32];
    opr_cluster_pod_cidr(c, all_pods);
    opr_agent_clean_network(cgroup, all_pods, services);
}

/* "node-2" or "2" to 2; 0: there is no such node. */
static int64_t node_number(const struct opr_cluster *c, const char *text)
{
    struct opr_str name = opr_str_of(text);
    if (opr_str_starts(name, "node-")) {
        name = opr_str_n(name.ptr + 5, name.len - 5);
    }
    int64_t n = 0;
    return opr_str_to_i64(name, &n) == OPR_OK && n >= 1 && n <= c->nodes ? n : 0;
}

static int list_nodes(const struct opr_cluster *c)
{
    for (int64_t i = 1; i <= c->nodes; i++) {
        char name[32];
        opr_node_name(i, name);
        pid_t pid = opr_cluster_pid(c, name);
        printf("%s  %s", name, pid ? "running" : "stopped");
        printf(pid ? "  pid %d\n" : "\n", (int)pid);
    }
    return 0;
}

static int kill_node(const struct opr_cluster *c, const char *name)
{
    char cgroup[32], dir[PATH_MAX];
    opr_cluster_cgroup(c, cgroup);
    opr_cluster_path(c, dir, "nodes/%s", name);
    pid_t pid = opr_cluster_pid(c, name);
    opr_cluster_forget_pid(c, name); /* first, so that nobody starts it again */
    if (pid) {
        kill(pid, SIGKILL);
    }
    opr_agent_kill_node(cgroup, name, dir);
    printf("%s lost its power\n", name);
    return 0;
}

static int start_node(const struct opr_cluster *c, const char *name)
{
    struct opr_error err = {0};
    if (opr_cluster_pid(c, name)) {
        return opr_cmd_fail("%s runs already", name);
    }
    pid_t up = opr_cluster_pid(c, "up");
    if (!up) {
        return opr_cmd_fail("no cluster runs in %s; 'operon up --dir %s' starts it with all of its "
                            "nodes",
                            c->dir, c->dir);
    }
    if (opr_cluster_note_pid(c, name, 0, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    kill(up, SIGHUP);
    for (int ms = START_WAIT_MS; !opr_cluster_pid(c, name) && ms > 0; ms -= 10) {
        usleep(10000);
    }
    if (!opr_cluster_pid(c, name)) {
        return opr_cmd_fail("%s did not start; see %s/logs/up.log", name, c->dir);
    }
    printf("%s started\n", name);
    return 0;
}

int opr_cmd_node(int argc, char **argv)
{
    const char *dir = NULL;
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        OPR_OPTION_DIR(&dir),
        {0},
    };
    const struct opr_command *cmd = opr_command_find("node");
    int status = 0;
    if (!opr_args_parse(cmd, options, argc, argv, &rest, &status)) {
        return status;
    }
    struct opr_cluster c;
    struct opr_error err = {0};
    const char *verb = rest.count > 0 ? rest.items[0] : "";
    bool is_list = strcmp(verb, "list") == 0;
    bool is_kill = strcmp(verb, "kill") == 0;
    if (!opr_args_is_word(cmd, verb)) {
        status = 2;
    } else if (rest.count != (is_list ? 1 : 2)) {
        status = opr_cmd_misuse(cmd, "%s takes %s", verb, is_list ? "nothing" : "one NAME");
    } else if (opr_cluster_open(&c, dir, &err) != OPR_OK) {
        status = opr_cmd_fail("%s", err.message);
    } else if (is_list) {
        status = list_nodes(&c);
    } else {
        int64_t number = node_number(&c, rest.items[1]);
        char name[32];
        opr_node_name(number, name);
        if (number == 0) {
            status = opr_cmd_fail("no node '%s'; the cluster has node-1 to node-%lld",
                                  (const char *)rest.items[1], (long long)c.nodes);
        } else {
            status = is_kill ? kill_node(&c, name) : start_node(&c, name);
        }
    }
    opr_vec_fini(&rest);
    return status;
}
