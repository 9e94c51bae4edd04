/* A scheduler plugin: one filter and one score beside those of the built-in scheduler.
 *
 *     demo.example/max-per-node: "2"      at most two Pods with the same label "app" on one node
 *     demo.example/prefer-zone: west      rather a node of that zone, where there is room
 *
 * Both are annotations of the Pod. The functions are pure: they look at one Pod and one node and
 * answer; what they need is in the view. */
#include <operon/scheduler.h>

#include <stdlib.h>
#include <string.h>

#define ANNOTATION(name) "/metadata/annotations/demo.example~1" name
#define ZONE "/metadata/labels/topology.kubernetes.io~1zone"

static int64_t count_of_app(const struct opr_sched_view *v, const char *app)
{
    const char *ns = opr_obj_str(v->pod, "/metadata/namespace", "");
    int64_t count = 0;
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct opr_obj *other = v->pods[i];
        count += strcmp(opr_obj_str(other, "/metadata/labels/app", ""), app) == 0 &&
                 strcmp(opr_obj_str(other, "/metadata/namespace", ""), ns) == 0;
    }
    return count;
}

static const char *filter(struct opr_ctx *c, const struct opr_sched_view *v)
{
    const char *limit = opr_obj_str(v->pod, ANNOTATION("max-per-node"), NULL);
    const char *app = opr_obj_str(v->pod, "/metadata/labels/app", NULL);
    if (!limit || !app) {
        return NULL; /* it does not concern this Pod */
    }
    char *end = NULL;
    long most = strtol(limit, &end, 10);
    if (end == limit || *end || most < 1) {
        return "Pod's demo.example/max-per-node is no number from 1";
    }
    if (count_of_app(v, app) < most) {
        return NULL;
    }
    return opr_ctx_text(c, "node(s) have %ld Pods of the app already", most);
}

static int64_t score(struct opr_ctx *c, const struct opr_sched_view *v)
{
    (void)c;
    const char *zone = opr_obj_str(v->pod, ANNOTATION("prefer-zone"), NULL);
    return zone && strcmp(opr_obj_str(v->node, ZONE, ""), zone) == 0 ? 100 : 0;
}

static const struct opr_sched_plugin zones = {
    .size = sizeof zones,
    .name = "zones",
    .filter = filter,
    .score = score,
    .weight = 10, /* a wish that outweighs an even load */
};
static const struct opr_sched_plugin *const schedulers[] = {&zones, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "zones",
    .version = "1.0",
    .schedulers = schedulers,
};
OPR_PLUGIN_ENTRY(plugin)
