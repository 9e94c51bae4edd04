/* A controller whose reconcile of the ConfigMap "slow" takes 3 s, and of "stuck" never ends. Each
 * says so on standard error. */
#include <operon/plugin.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_US 10000u
#define SLOW_STEPS 300u

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    const char *name = opr_ctx_key(c).name;
    bool is_stuck = strcmp(name, "stuck") == 0;
    if (!self || (strcmp(name, "slow") != 0 && !is_stuck)) {
        return opr_done();
    }
    fprintf(stderr, "reconcile of %s began\n", name);
    for (unsigned i = 0; is_stuck || i < SLOW_STEPS; i++) {
        usleep(STEP_US);
    }
    fprintf(stderr, "reconcile of %s ended\n", name);
    return opr_done();
}

static const struct opr_controller controller = {
    .size = sizeof controller,
    .name = "slow",
    .primary = {.gvk = "v1/ConfigMap", .ns = "default"},
    .reconcile = reconcile,
    .timeout_ms = 600000,
};
static const struct opr_controller *const controllers[] = {&controller, NULL};
static const struct opr_plugin table = {
    OPR_PLUGIN_HEADER,
    .name = "slow",
    .version = "1",
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(table)
