/* operon apiserver: the control plane in the foreground. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/controlplane.h"

#include <unistd.h>

int opr_cmd_apiserver(int argc, char **argv)
{
    const char *dir = NULL;
    int64_t port = -1, ready_fd = -1;
    bool has_controllers = false;
    struct opr_vec policies = {0}, plugins = {0};
    const struct opr_option options[] = {
        OPR_OPTION_DIR(&dir),
        {"port", 'p', OPR_OPTION_PORT, &port, "PORT", "HTTPS port on 127.0.0.1 (0: any free one)"},
        {"controllers", 0, OPR_OPTION_FLAG, &has_controllers, NULL,
         "also run the built-in controllers and the scheduler"},
        {"policy", 0, OPR_OPTION_LIST, &policies, "FILE", "a Lua policy file; may be given again"},
        {"plugin", 0, OPR_OPTION_LIST, &plugins, "PATH",
         "a .so file to load beside the built-in ones; may be given again"},
        {"ready-fd", 0, OPR_OPTION_NUMBER, &ready_fd, "FD",
         "write 'serving PORT' and 'ready PORT' there"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("apiserver"), options, argc, argv, NULL, &status)) {
        return status;
    }
    struct opr_cluster cluster;
    struct opr_error err = {0};
    opr_status st = opr_cluster_open(&cluster, dir, &err);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        return opr_cmd_fail("%s", err.message);
    }
    if (port >= 0) {
        cluster.port = port;
    }
    /* One that 'operon up' started has its lock and its pid file from there. */
    bool is_alone = ready_fd < 0;
    if ((is_alone && (opr_cluster_check_owner(&cluster, &err) != OPR_OK ||
                      opr_cluster_claim(&cluster, &err) != OPR_OK)) ||
        opr_cluster_create(&cluster, &err) != OPR_OK ||
        (is_alone && opr_cluster_note_pid(&cluster, "apiserver", getpid(), &err) != OPR_OK)) {
        return opr_cmd_fail("%s", err.message);
    }
    char service_cidr[32];
    opr_cluster_service_cidr(&cluster, service_cidr);
    struct opr_controlplane_config config = {
        .cluster = &cluster,
        .service_cidr = service_cidr,
        .has_controllers = has_controllers,
        .ready_fd = (int)ready_fd,
        .policy_files = (const char *const *)policies.items,
        .policy_count = policies.count,
        .plugin_files = (const char *const *)plugins.items,
        .plugin_count = plugins.count,
    };
    status = opr_controlplane_run(&config);
    if (is_alone) {
        opr_cluster_forget_pid(&cluster, "apiserver");
    }
    opr_vec_fini(&policies);
    opr_vec_fini(&plugins);
    return status;
}
