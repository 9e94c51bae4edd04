/* operon test: a policy's own cases, offline. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "lua/policy_host.h"

#include <stdio.h>

int opr_cmd_test(int argc, char **argv)
{
    struct opr_vec files = {0};
    const struct opr_option options[] = {{0}};
    int status = 0;
    if (!opr_args_parse(opr_command_find("test"), options, argc, argv, &files, &status)) {
        return status;
    }
    if (files.count == 0) {
        return opr_cmd_fail("test needs a policy file; see 'operon test --help'");
    }
    for (size_t i = 0; i < files.count; i++) {
        struct opr_buf report = {0};
        struct opr_error err = {0};
        int failed = opr_policy_test(files.items[i], &report, &err);
        if (report.len > 0) {
            fwrite(report.data, 1, report.len, stdout);
        }
        if (failed < 0) {
            status = opr_cmd_fail("%s", err.message);
        } else if (failed > 0) {
            status = 1;
        }
        opr_buf_fini(&report);
    }
    opr_vec_fini(&files);
    return status;
}
