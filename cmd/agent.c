/* operon agent: one node, in the foreground. */
#include "agent/agent.h"
#include "cmd/args.h"
#include "cmd/commands.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/client/kubeconfig.h"
#include "core/net/pki.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PEM_LIMIT (256 * 1024)
enum { CERTIFICATE_DAYS = 3650 };

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

/* What the agent's own HTTPS server shows and trusts. */
struct serving {
    struct opr_buf cert, key, ca;
};

static opr_status read_pem(const char *dir, const char *name, struct opr_buf *ret_text,
                           struct opr_error *reterr)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return opr_fs_read(path, PEM_LIMIT, ret_text, reterr);
}

static opr_status write_pem(const char *dir, const char *name, const struct opr_buf *text,
                            struct opr_error *reterr)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return opr_fs_write(path, opr_buf_str(text), 0600, reterr);
}

/* A certificate signed by itself, as a kubelet's that was given none. */
static opr_status make_certificate(const struct opr_agent_config *config, struct serving *s,
                                   struct opr_error *reterr)
{
    char name[300];
    snprintf(name, sizeof name, "system:node:%s", config->node_name);
    const char *names[] = {config->node_name, "localhost", NULL};
    static const char *const addresses[] = {"127.0.0.1", NULL};
    struct opr_pki_request req = {.common_name = name,
                                  .dns_names = names,
                                  .ip_addresses = addresses,
                                  .is_server = true,
                                  .valid_days = CERTIFICATE_DAYS};
    opr_buf_clear(&s->cert);
    opr_buf_clear(&s->key);
    opr_status st = opr_pki_issue(&req, NULL, NULL, &s->cert, &s->key, reterr);
    if (st == OPR_OK) {
        st = opr_fs_mkdirs(config->dir, 0750, reterr);
    }
    if (st == OPR_OK) {
        st = write_pem(config->dir, "tls.key", &s->key, reterr);
    }
    return st == OPR_OK ? write_pem(config->dir, "tls.crt", &s->cert, reterr) : st;
}

/* Clients are those of --dir's ca.crt, else of the kubeconfig's authority. */
static opr_status find_serving(const struct opr_agent_config *config, const char *kubeconfig_ca,
                               struct serving *s, struct opr_error *reterr)
{
    if (read_pem(config->dir, "tls.crt", &s->cert, NULL) != OPR_OK ||
        read_pem(config->dir, "tls.key", &s->key, NULL) != OPR_OK) {
        opr_status st = make_certificate(config, s, reterr);
        if (st != OPR_OK) {
            return st;
        }
    }
    if (read_pem(config->dir, "ca.crt", &s->ca, NULL) != OPR_OK) {
        opr_buf_clear(&s->ca);
        opr_buf_add_text(&s->ca, kubeconfig_ca ? kubeconfig_ca : "");
    }
    return OPR_OK;
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
    struct serving serving = {0};
    if (opr_kubeconfig_find(kubeconfig, &access, &err) != OPR_OK ||
        find_serving(config, opr_endpoint_ca(access.endpoint), &serving, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    if (serving.ca.len > 0) { /* without it nobody could be told from anybody: no server */
        config->cert_pem = serving.cert.data;
        config->key_pem = serving.key.data;
        config->client_ca_pem = serving.ca.data;
    }
    struct agent_run r = {.loop = opr_loop_new()};
    config->loop = r.loop;
    config->client = opr_client_new(opr_transport_https_new(r.loop, access.endpoint));
    config->clock = opr_clock_system();
    config->api_url = opr_endpoint_url(access.endpoint);
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
    opr_buf_fini(&serving.cert);
    opr_buf_fini(&serving.key);
    opr_buf_fini(&serving.ca);
    return status;
}

/* Where a node keeps its state that was not told where. */
static void default_dir(const char *node_name, char path[PATH_MAX])
{
    const char *home = getenv("HOME");
    if (geteuid() == 0 || !home) {
        snprintf(path, PATH_MAX, "/var/lib/operon/nodes/%s", node_name);
    } else {
        snprintf(path, PATH_MAX, "%s/.operon/agents/%s", home, node_name);
    }
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
         "state of this node, with its tls.crt, tls.key and ca.crt (default "
         "/var/lib/operon/nodes/NAME, else ~/.operon/agents/NAME)"},
        {"images", 0, OPR_OPTION_TEXT, &config.images_dir, "DIR",
         "images that 'operon image load' loaded (default: images in --dir)"},
        {"roles", 0, OPR_OPTION_CHOICES, &roles, "pods|proxy|metrics",
         "comma-separated (default: all)"},
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
    if (!config.node_name) {
        return opr_cmd_misuse(opr_command_find("agent"), "agent needs --node-name");
    }
    char dir[PATH_MAX];
    if (!config.dir) {
        default_dir(config.node_name, dir);
        config.dir = dir;
        opr_log(OPR_LOG_INFO, "agent", "state is kept in the default folder", "dir=%s", dir);
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
