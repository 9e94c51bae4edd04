/* Command lines as data: one table of options a command, one parser for all. Unknown flags and bad
 * values are refused with the nearest valid one named. Threads: main. */
#ifndef OPR_CMD_ARGS_H
#define OPR_CMD_ARGS_H

#include "core/base/vec.h"

enum opr_option_kind {
    OPR_OPTION_FLAG,     /* bool */
    OPR_OPTION_TEXT,     /* const char * (borrowed from argv) */
    OPR_OPTION_NUMBER,   /* int64_t */
    OPR_OPTION_PORT,     /* int64_t, 0 to 65535 */
    OPR_OPTION_DURATION, /* int64_t, milliseconds: "20s" */
    OPR_OPTION_CHOICE,   /* const char *, one of those in arg */
    OPR_OPTION_CHOICES,  /* const char *, a comma-separated list out of those in arg */
    OPR_OPTION_LIST      /* struct opr_vec of const char *, may be given again */
};

struct opr_option {
    const char *name; /* "dir"; NULL ends the table */
    char letter;      /* 'd', or 0 */
    enum opr_option_kind kind;
    void *value;
    const char *arg; /* "DIR" in the help text; the valid values ("json|yaml") of a choice */
    const char *help;
};

/* The option of every command that concerns a cluster in a folder. */
#define OPR_OPTION_DIR(value)                                                                      \
    {                                                                                              \
        "dir", 'd', OPR_OPTION_TEXT, value, "DIR",                                                 \
            "the cluster's folder (default $OPERON_DIR, else ~/.operon)"                           \
    }

struct opr_command {
    const char *name; /* "up" */
    const char
        *args; /* "[FILE]..."; begins with the valid words where there are such ("a|b NAME") */
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
};

/* Reads the options, leaves the other arguments in rest; rest NULL: the command takes none. False:
 * an error or --help was printed, *ret_exit is the exit status, and rest and the lists are emptied.
 */
bool opr_args_parse(const struct opr_command *cmd, const struct opr_option *options, int argc,
                    char **argv, struct opr_vec *rest, int *ret_exit);
/* The words that a command's first argument may be: "list|kill|start", or {NULL, 0} for any. */
struct opr_str opr_args_words(const struct opr_command *cmd);
/* True where it is one of those words; else prints the refusal, which names the nearest. */
bool opr_args_is_word(const struct opr_command *cmd, const char *word);
/* The nearest of n names, or NULL where none is near. */
const char *opr_args_nearest(const char *word, const char *const *names, size_t count);

/* Gives a command's option table to fn, instead of running the command: help, the manual page and
 * the completions come from the same tables as the parser. */
typedef void (*opr_args_visit_fn)(void *arg, const struct opr_command *cmd,
                                  const struct opr_option *options);
void opr_args_visit(const struct opr_command *cmd, opr_args_visit_fn fn, void *arg);

/* All commands; the last has name NULL. */
extern const struct opr_command opr_commands[];
const struct opr_command *opr_command_find(const char *name);

/* For an error that ends the command: prints "operon: ..." and gives the exit status 1. */
OPR_PRINTF(1, 2) int opr_cmd_fail(const char *fmt, ...);
/* For wrong usage: as above with a pointer to the command's help; the exit status 2. */
OPR_PRINTF(2, 3) int opr_cmd_misuse(const struct opr_command *cmd, const char *fmt, ...);

#endif
