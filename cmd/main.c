/* The one program: finds the command and runs it. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/help.h"

#include "core/base/log.h"
#include "core/base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const struct opr_command opr_commands[] = {
    {"up", "[options]", "Start a cluster: API server, controllers, scheduler, nodes.", opr_cmd_up},
    {"down", "[options]", "Stop a cluster that 'operon up' started.", opr_cmd_down},
    {"apply", "-f FILE|DIR... [options]", "Create or change objects from YAML or JSON.",
     opr_cmd_apply},
    {"get", "KIND [NAME] [options]", "Show objects as a table, JSON or YAML.", opr_cmd_get},
    {"delete", "KIND NAME | -f FILE [options]", "Delete objects.", opr_cmd_delete},
    {"logs", "POD [options]", "Print what a container wrote.", opr_cmd_logs},
    {"scale", "KIND NAME --replicas N [options]", "Set the number of replicas.", opr_cmd_scale},
    {"node", "list|kill|start [NAME] [options]", "Cut the power of a node, or start it again.",
     opr_cmd_node},
    {"image", "load|list|remove [FILE|NAME]... [options]",
     "Load images for containers from OCI or 'docker save' files.", opr_cmd_image},
    {"new", "controller|policy NAME [options]",
     "Write the skeleton of a controller in C or of a policy in Lua, with its test.", opr_cmd_new},
    {"test", "FILE...", "Run a Lua policy's own cases offline, in the production sandbox.",
     opr_cmd_test},
    {"run", "[options]", "Run controllers and policies against any Kubernetes.", opr_cmd_run},
    {"agent", "--node-name NAME [options]", "Run a node agent.", opr_cmd_agent},
    {"apiserver", "--dir DIR [options]", "Run the embedded API server alone.", opr_cmd_apiserver},
    {"completion", "bash|zsh", "Print a shell's completion of this program.", opr_cmd_completion},
    {"man", "", "Print the manual page (troff).", opr_cmd_man},
    {"version", "", "Print the version.", opr_cmd_version},
    {NULL, NULL, NULL, NULL},
};

int opr_cmd_version(int argc, char **argv)
{
    const struct opr_option options[] = {{0}};
    int status = 0;
    if (opr_args_parse(opr_command_find("version"), options, argc, argv, NULL, &status)) {
        printf("operon %s\n", OPR_VERSION);
    }
    return status;
}

static int unknown(const char *word)
{
    const char *names[32];
    size_t count = 0;
    for (const struct opr_command *c = opr_commands; c->name && count < 32; c++) {
        names[count++] = c->name;
    }
    const char *near = opr_args_nearest(word, names, count);
    fprintf(stderr, "operon: no command '%s'%s%s%s; see 'operon --help'\n", word,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return 2;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    const char *level = getenv("OPERON_LOG");
    if (level && strcmp(level, "debug") == 0) {
        opr_log_set_level(OPR_LOG_DEBUG);
    }
    if (argc < 2) {
        opr_help_overview(stderr);
        return 2;
    }
    bool is_help = strcmp(argv[1], "help") == 0;
    if (is_help && argc > 2) {
        const struct opr_command *about = opr_command_find(argv[2]);
        if (about) {
            opr_args_visit(about, opr_help_print, NULL);
        }
        return about ? 0 : unknown(argv[2]);
    }
    if (is_help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        opr_help_overview(stdout);
        return 0;
    }
    const struct opr_command *cmd =
        opr_command_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    return cmd ? cmd->run(argc - 1, argv + 1) : unknown(argv[1]);
}
