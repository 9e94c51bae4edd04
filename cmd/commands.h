/* The commands of the program, one file each. Each gets its own argv (argv[0] is the command's
 * name) and returns the exit status: 0, 1 (failed) or 2 (wrong usage). Threads: main. */
#ifndef OPR_CMD_COMMANDS_H
#define OPR_CMD_COMMANDS_H

int opr_cmd_up(int argc, char **argv);
int opr_cmd_down(int argc, char **argv);
int opr_cmd_apply(int argc, char **argv);
int opr_cmd_get(int argc, char **argv);
int opr_cmd_delete(int argc, char **argv);
int opr_cmd_logs(int argc, char **argv);
int opr_cmd_scale(int argc, char **argv);
int opr_cmd_node(int argc, char **argv);
int opr_cmd_image(int argc, char **argv);
int opr_cmd_new(int argc, char **argv);
int opr_cmd_test(int argc, char **argv);
int opr_cmd_run(int argc, char **argv);
int opr_cmd_agent(int argc, char **argv);
int opr_cmd_apiserver(int argc, char **argv);
int opr_cmd_completion(int argc, char **argv);
int opr_cmd_man(int argc, char **argv);
int opr_cmd_version(int argc, char **argv);

#endif
