/* operon agent: one node, in the foreground. */
#include "agent/agent.h"
#include "cmd/args.h"
#include "cmd/commands.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/client/kubeconfig.h"

#include <signal.h>
#include <stdio.h>

#define PEM_LIMIT (256 * 1024)

struct agent_run {
    struct opr_loop *loop;
    struct opr_agent *agent;
    bool is_stopping;
};

static void on_stopped(void *arg)
{
    struct agent_run *r = arg;
    opr_loop_stop(r->loop);
}

static void on_signal(void *arg, int signo)
{
    struct agent_run *r = arg;
    if (!r->is_stopping) {
        r->is_stopping = true;
        opr_log(OPR_LOG_INFO, "agent", "stopping", "signal=%d", signo);
        opr_agent_stop(r->agent, on_stopped, r);
    }
}

static opr_status read_pem(const char *dir, const char *name, struct opr_buf *ret_text,
                           struct opr_error *reterr)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return opr_fs_read(path, PEM_LIMIT, ret_text, reterr);
}

static bool parse_roles(const char *text, uint32_t *ret_roles)
{
    static const char *const names[] = {"pods", "proxy", "metrics"};
    struct opr_str rest = opr_str_of(text), part;
    *ret_roles = 0;
    while (opr_str_next(&rest, ',', &part)) {
        size_t i = 0;
        while (i < 3 && !opr_str_is(part, names[i])) {
            i++;
        }
        if (i == 3) {
            return false;
        }
        *ret_roles |= 1u << i;
    }
    return *ret_roles != 0;
}

static int run_agent(struct opr_agent_config *config, const char *kubeconfig)
{
    struct opr_error err = {0};
    struct opr_kubeconfig access = {0};
    struct opr_buf cert = {0}, key = {0}, ca = {0};
    if (opr_kubeconfig_find(kubeconfig, &access, &err) != OPR_OK ||
        read_pem(config->dir, "tls.crt", &cert, &err) != OPR_OK ||
        read_pem(config->dir, "tls.key", &key, &err) != OPR_OK ||
        read_pem(config->dir, "ca.crt", &ca, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    config->cert_pem = cert.data;
    config->key_pem = key.data;
    config->client_ca_pem = ca.data;
    struct agent_run r = {.loop = opr_loop_new()};
    config->loop = r.loop;
    config->client = opr_client_new(opr_transport_https_new(r.loop, access.endpoint));
    config->clock = opr_clock_system();
    int status = 0;
    if (opr_agent_new(config, &r.agent, &err) == OPR_OK) {
        opr_loop_on_signal(r.loop, SIGTERM, on_signal, &r);
        opr_loop_on_signal(r.loop, SIGINT, on_signal, &r);
        opr_agent_start(r.agent);
        opr_loop_run(r.loop);
    } else {
        status = opr_cmd_fail("%s", err.message);
    }
    opr_agent_free(r.agent);
    opr_client_free(config->client);
    opr_loop_free(r.loop);
    opr_kubeconfig_fini(&access);
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    opr_buf_fini(&ca);
    return status;
}

int opr_cmd_agent(int argc, char **argv)
{
    const char *kubeconfig = NULL, *roles = "pods,proxy,metrics";
    int64_t sync_ms = 20000, lease_ms = 10000, cpu_milli = 0, memory_mib = 0;
    struct opr_agent_config config = {0};
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        {"kubeconfig", 0, OPR_OPTION_TEXT, &kubeconfig, "FILE", "how to reach the API server"},
        {"node-name", 0, OPR_OPTION_TEXT, &config.node_name, "NAME", "name of the Node object"},
        {"dir", 'd', OPR_OPTION_TEXT, &config.dir, "DIR",
         "state of this node; holds tls.crt, tls.key and ca.crt"},
        {"roles", 0, OPR_OPTION_TEXT, &roles, "LIST", "out of pods,proxy,metrics (default: all)"},
        {"sync-period", 0, OPR_OPTION_DURATION, &sync_ms, "TIME", "full comparison (default 20s)"},
        {"lease-period", 0, OPR_OPTION_DURATION, &lease_ms, "TIME", "heartbeat (default 10s)"},
        {"cpu-milli", 0, OPR_OPTION_NUMBER, &cpu_milli, "N", "CPU of this node (default: all)"},
        {"memory-mib", 0, OPR_OPTION_NUMBER, &memory_mib, "N",
         "memory of this node (default: all)"},
        {"pod-cidr", 0, OPR_OPTION_TEXT, &config.pod_cidr, "CIDR",
         "addresses of this node's Pods (default: host network)"},
        {"cluster-cidr", 0, OPR_OPTION_TEXT, &config.cluster_cidr, "CIDR", "all Pod addresses"},
        {"service-cidr", 0, OPR_OPTION_TEXT, &config.service_cidr, "CIDR", "Service addresses"},
        {"cgroup-parent", 0, OPR_OPTION_TEXT, &config.cgroup_parent, "NAME",
         "cgroup of the cluster (default operon)"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("agent"), options, argc, argv, &rest, &status)) {
        return status;
    }
    if (!config.node_name || !config.dir) {
        return opr_cmd_fail("agent needs --node-name and --dir; see 'operon agent --help'");
    }
    if (!parse_roles(roles, &config.roles)) {
        return opr_cmd_fail("--roles takes a list out of pods,proxy,metrics, not '%s'", roles);
    }
    config.sync_period_ms = (uint32_t)sync_ms;
    config.lease_ms = (uint32_t)lease_ms;
    config.cpu_milli = (uint32_t)cpu_milli;
    config.memory_bytes = (uint64_t)memory_mib << 20;
    status = run_agent(&config, kubeconfig);
    opr_vec_fini(&rest);
    return status;
}
