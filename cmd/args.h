/* Command lines as data: one table of options a command, one parser for all. Unknown flags and bad
 * values are refused with the nearest valid one named. Threads: main. */
#ifndef OPR_CMD_ARGS_H
#define OPR_CMD_ARGS_H

#include "core/base/vec.h"

enum opr_option_kind {
    OPR_OPTION_FLAG,     /* bool */
    OPR_OPTION_TEXT,     /* const char * (borrowed from argv) */
    OPR_OPTION_NUMBER,   /* int64_t */
    OPR_OPTION_DURATION, /* int64_t, milliseconds: "20s" */
    OPR_OPTION_LIST      /* struct opr_vec of const char *, may be given again */
};

struct opr_option {
    const char *name; /* "dir"; NULL ends the table */
    char letter;      /* 'd', or 0 */
    enum opr_option_kind kind;
    void *value;
    const char *arg; /* "DIR" in the help text */
    const char *help;
};

struct opr_command {
    const char *name; /* "up" */
    const char *args; /* "[FILE]..." */
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
};

/* Reads the options, leaves the other arguments in rest. False: an error or --help was printed, and
 * *ret_exit is the exit status. */
bool opr_args_parse(const struct opr_command *cmd, const struct opr_option *options, int argc,
                    char **argv, struct opr_vec *rest, int *ret_exit);
/* The nearest of n names, or NULL where none is near. */
const char *opr_args_nearest(const char *word, const char *const *names, size_t count);

/* All commands; the last has name NULL. */
extern const struct opr_command opr_commands[];
const struct opr_command *opr_command_find(const char *name);

/* For an error that ends the command: prints "operon: ..." and gives the exit status 1. */
OPR_PRINTF(1, 2) int opr_cmd_fail(const char *fmt, ...);

#endif
