/* What the program says about itself, all of it from the command and option tables: help, the
 * manual page, the completions of shells. Threads: main. */
#ifndef OPR_CMD_HELP_H
#define OPR_CMD_HELP_H

#include "cmd/args.h"

#include <stdio.h>

/* "operon --help". */
void opr_help_overview(FILE *out);
/* "operon COMMAND --help", to stdout; an opr_args_visit_fn. */
void opr_help_print(void *arg, const struct opr_command *cmd, const struct opr_option *options);

#endif
