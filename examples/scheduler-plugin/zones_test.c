/* Runs the plugin beside Operon's scheduler (the first argument: scheduler.so) against an in-memory
 * API server. */
#include <operon/testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct opr_test *start(const char *scheduler)
{
    struct opr_test *t = opr_test_new(opr_plugin_entry, NULL);
    const char *error = opr_test_load(t, scheduler, NULL);
    if (error[0]) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return t;
}

static void add_node(struct opr_test *t, const char *name, const char *zone)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'apiVersion':'v1','kind':'Node','metadata':{'name':'%s','labels':{"
             "'topology.kubernetes.io/zone':'%s'}},'status':{"
             "'allocatable':{'cpu':'4','memory':'8Gi','pods':'110'},"
             "'conditions':[{'type':'Ready','status':'True'}]}}",
             name, zone);
    CHECK(opr_test_apply(t, json)[0] == '\0');
    snprintf(json, sizeof json,
             "{'allocatable':{'cpu':'4','memory':'8Gi','pods':'110'},"
             "'conditions':[{'type':'Ready','status':'True'}]}");
    CHECK(opr_test_status(t, "v1/Node", NULL, name, json)[0] == '\0');
}

static void add_pod(struct opr_test *t, const char *name, const char *annotation)
{
    char json[512];
    snprintf(json, sizeof json,
             "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','namespace':'default',"
             "'labels':{'app':'web'},'annotations':{%s}},"
             "'spec':{'schedulerName':'default-scheduler','containers':[{'name':'c'}]}}",
             name, annotation);
    CHECK(opr_test_apply(t, json)[0] == '\0');
    opr_test_run(t);
}

static const char *node_of(struct opr_test *t, const char *pod)
{
    return opr_obj_str(opr_test_get(t, "v1/Pod", "default", pod), "/spec/nodeName", "");
}

static void test_prefers_the_zone(const char *scheduler)
{
    struct opr_test *t = start(scheduler);
    add_node(t, "east-1", "east");
    add_node(t, "east-2", "east");
    add_node(t, "west-1", "west");
    char name[16];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "p%d", i);
        add_pod(t, name, "'demo.example/prefer-zone':'west'");
        CHECK(strcmp(node_of(t, name), "west-1") == 0);
    }
    opr_test_free(t);
}

static void test_at_most_so_many_on_a_node(const char *scheduler)
{
    struct opr_test *t = start(scheduler);
    add_node(t, "a", "east");
    add_pod(t, "one", "'demo.example/max-per-node':'1'");
    CHECK(strcmp(node_of(t, "one"), "a") == 0);
    add_pod(t, "two", "'demo.example/max-per-node':'1'");
    CHECK(node_of(t, "two")[0] == '\0');
    const struct opr_obj *waits = opr_test_get(t, "v1/Pod", "default", "two");
    CHECK(strstr(opr_obj_str(waits, "/status/conditions/0/message", ""),
                 "1 node(s) have 1 Pods of the app already"));
    /* One that goes makes room for the one that waits. */
    CHECK(opr_test_delete(t, "v1/Pod", "default", "one")[0] == '\0');
    opr_test_advance_ms(t, 60 * 1000);
    CHECK(strcmp(node_of(t, "two"), "a") == 0);
    opr_test_free(t);
}

static void test_a_bad_number_is_named(const char *scheduler)
{
    struct opr_test *t = start(scheduler);
    add_node(t, "a", "east");
    add_pod(t, "one", "'demo.example/max-per-node':'many'");
    CHECK(node_of(t, "one")[0] == '\0');
    opr_test_free(t);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH/scheduler.so\n", argv[0]);
        return 2;
    }
    test_prefers_the_zone(argv[1]);
    test_at_most_so_many_on_a_node(argv[1]);
    test_a_bad_number_is_named(argv[1]);
    puts("passed");
    return 0;
}
