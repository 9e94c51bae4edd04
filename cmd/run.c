/* operon run: controllers and policies against any Kubernetes, in the foreground. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/plugins.h"
#include "cmd/policies.h"
#include "core/base/log.h"
#include "core/client/kubeconfig.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS 10000

struct run_options {
    const char *kubeconfig, *lease;
    int64_t health_port, workers;
    struct opr_vec plugins, policies, configs;
};

struct runner {
    struct opr_loop *loop;
    struct opr_manager *manager;
    struct opr_arena *arena; /* texts that live until the end */
    const char *ca;          /* borrowed: PEM by which the API server is known, or NULL */
    const struct run_options *options;
    bool is_stopping;
};

static void on_stopped(void *arg)
{
    struct runner *r = arg;
    opr_loop_stop(r->loop);
}

static void on_signal(void *arg, int signo)
{
    struct runner *r = arg;
    if (!r->is_stopping) {
        r->is_stopping = true;
        opr_log(OPR_LOG_INFO, "run", "stopping", "signal=%d", signo);
        opr_manager_stop(r->manager, DRAIN_MS, on_stopped, r);
    }
}

/* --config NAME=JSON of a plugin, else what it has by itself. The name of a file is that without
 * folder and ".so". */
static const char *config_of(void *arg, const char *name)
{
    const struct runner *r = arg;
    const struct run_options *options = r->options;
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".so") == 0) {
        len -= 3;
    }
    for (size_t i = 0; i < options->configs.count; i++) {
        const char *text = options->configs.items[i];
        if (strncmp(text, name, len) == 0 && text[len] == '=') {
            return text + len + 1;
        }
    }
    return opr_plugin_default_config(r->arena, opr_arena_printf(r->arena, "%.*s", (int)len, name),
                                     r->ca);
}

static opr_status load_plugins(struct runner *r, struct opr_error *reterr)
{
    const struct run_options *options = r->options;
    if (options->plugins.count == 0) {
        return opr_plugins_load_all(r->manager, config_of, r, reterr);
    }
    opr_status st = OPR_OK;
    for (size_t i = 0; i < options->plugins.count && st == OPR_OK; i++) {
        const char *name = options->plugins.items[i];
        st = opr_plugin_check(name, reterr);
        if (st == OPR_OK) {
            st = opr_manager_load(r->manager, opr_plugin_path(r->arena, name), config_of(r, name),
                                  reterr);
        }
    }
    return st;
}

static int run(const struct run_options *options)
{
    struct opr_error err = {0};
    struct opr_kubeconfig access = {0};
    if (opr_kubeconfig_find(options->kubeconfig, &access, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    struct runner r = {.loop = opr_loop_new(),
                       .arena = opr_arena_new(),
                       .ca = opr_endpoint_ca(access.endpoint),
                       .options = options};
    struct opr_client *client = opr_client_new(opr_transport_https_new(r.loop, access.endpoint));
    struct opr_policies *policies = NULL;
    char identity[128] = "operon";
    if (gethostname(identity, 64) == 0) {
        size_t len = strlen(identity);
        snprintf(identity + len, sizeof identity - len, "_%d", (int)getpid());
    }
    int status = 0;
    if (opr_policies_new(r.loop, (const char *const *)options->policies.items,
                         options->policies.count, &policies, &err) == OPR_OK) {
        struct opr_manager_config config = {
            .loop = r.loop,
            .client = client,
            .clock = opr_clock_system(),
            .policies = opr_policies_service(policies),
            .identity = identity,
            .lease = options->lease,
            .workers = (uint32_t)options->workers,
            .health_port = (uint16_t)options->health_port,
        };
        r.manager = opr_manager_new(&config);
    }
    if (r.manager && load_plugins(&r, &err) == OPR_OK) {
        opr_loop_on_signal(r.loop, SIGTERM, on_signal, &r);
        opr_loop_on_signal(r.loop, SIGINT, on_signal, &r);
        opr_manager_start(r.manager);
        opr_policies_follow(policies, r.manager);
        opr_loop_run(r.loop);
        if (opr_manager_has_left_behind(r.manager)) {
            _exit(opr_cmd_fail("a reconcile did not end within the time to drain"));
        }
    } else {
        status = opr_cmd_fail("%s", err.message);
    }
    opr_manager_free(r.manager);
    opr_policies_free(policies);
    opr_client_free(client);
    opr_loop_free(r.loop);
    opr_arena_free(r.arena);
    opr_kubeconfig_fini(&access);
    return status;
}

int opr_cmd_run(int argc, char **argv)
{
    struct run_options o = {0};
    const struct opr_option options[] = {
        {"kubeconfig", 0, OPR_OPTION_TEXT, &o.kubeconfig, "FILE",
         "how to reach the API server (default: in-cluster, then $KUBECONFIG)"},
        {"plugin", 0, OPR_OPTION_LIST, &o.plugins, "NAME|PATH",
         "a built-in controller or a .so file; may be given again (default: all built-in ones)"},
        {"config", 0, OPR_OPTION_LIST, &o.configs, "NAME=JSON",
         "a plugin's configuration; NAME of a file is that without .so"},
        {"policy", 0, OPR_OPTION_LIST, &o.policies, "FILE",
         "a Lua policy file; may be given again"},
        {"lease", 0, OPR_OPTION_TEXT, &o.lease, "NS/NAME", "elect one leader by this Lease"},
        {"workers", 0, OPR_OPTION_NUMBER, &o.workers, "N", "worker threads (default 4)"},
        {"health-port", 0, OPR_OPTION_PORT, &o.health_port, "PORT",
         "serve /healthz, /readyz and /metrics on 127.0.0.1"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("run"), options, argc, argv, NULL, &status)) {
        return status;
    }
    status = run(&o);
    opr_vec_fini(&o.plugins);
    opr_vec_fini(&o.policies);
    opr_vec_fini(&o.configs);
    return status;
}
