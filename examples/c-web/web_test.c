/* Runs the controller against an in-memory API server and a fake clock: milliseconds, no cluster.
 */
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
#define CHECK_TEXT(want, is) CHECK(strcmp(want, is) == 0)

#define GVK "demo.example/v1/Web"
#define WEB(spec)                                                                                  \
    "{'apiVersion':'demo.example/v1','kind':'Web',"                                                \
    "'metadata':{'name':'hello','namespace':'default'},'spec':" spec "}"

static const struct opr_obj *get(struct opr_test *t, const char *gvk)
{
    return opr_test_get(t, gvk, "default", "hello");
}

static const char *reason(struct opr_test *t)
{
    return opr_obj_str(get(t, GVK), "/status/conditions/0/reason", "");
}

static struct opr_test *start(const char *web)
{
    struct opr_test *t = opr_test_new(opr_plugin_entry, NULL);
    CHECK_TEXT("", opr_test_apply(t, web));
    opr_test_run(t);
    return t;
}

static void test_makes_its_children(void)
{
    struct opr_test *t = start(WEB("{'replicas':2,'port':8081,'message':'hi'}"));
    CHECK_TEXT("hi", opr_obj_str(get(t, "v1/ConfigMap"), "/data/index.html", ""));
    CHECK(opr_obj_int(get(t, "apps/v1/Deployment"), "/spec/replicas", 0) == 2);
    CHECK(opr_obj_int(get(t, "v1/Service"), "/spec/ports/0/port", 0) == 8081);
    CHECK_TEXT(opr_obj_str(get(t, GVK), "/metadata/uid", "none"),
               opr_obj_str(get(t, "v1/Service"), "/metadata/ownerReferences/0/uid", ""));
    CHECK_TEXT("Waiting", reason(t));
    opr_test_free(t);
}

static void test_status_follows_the_deployment(void)
{
    struct opr_test *t = start(WEB("{'replicas':2}"));
    CHECK_TEXT("", opr_test_status(t, "apps/v1/Deployment", "default", "hello",
                                   "{'readyReplicas':2,'replicas':2}"));
    opr_test_run(t);
    CHECK_TEXT("Serving", reason(t));
    CHECK(opr_obj_int(get(t, GVK), "/status/readyReplicas", 0) == 2);
    CHECK(opr_obj_int(get(t, GVK), "/status/observedGeneration", 0) == 1);
    uint32_t writes = opr_test_writes(t, "patch", GVK);
    opr_test_advance_ms(t, 3600 * 1000);
    CHECK(opr_test_writes(t, "patch", GVK) == writes); /* nothing differs: no write */
    opr_test_free(t);
}

static void test_a_change_reaches_the_children(void)
{
    struct opr_test *t = start(WEB("{'replicas':1,'message':'one'}"));
    CHECK_TEXT("", opr_test_apply(t, WEB("{'replicas':3,'message':'two','port':9000}")));
    opr_test_run(t);
    CHECK_TEXT("two", opr_obj_str(get(t, "v1/ConfigMap"), "/data/index.html", ""));
    CHECK(opr_obj_int(get(t, "apps/v1/Deployment"), "/spec/replicas", 0) == 3);
    CHECK_TEXT("9000", opr_obj_str(get(t, "apps/v1/Deployment"),
                                   "/spec/template/spec/containers/0/command/3", ""));
    CHECK(opr_obj_int(get(t, "v1/Service"), "/spec/ports/0/targetPort", 0) == 9000);
    opr_test_free(t);
}

static void test_a_lost_child_comes_back(void)
{
    struct opr_test *t = start(WEB("{}"));
    CHECK_TEXT("", opr_test_delete(t, "v1/Service", "default", "hello"));
    opr_test_run(t);
    CHECK(get(t, "v1/Service") != NULL);
    opr_test_free(t);
}

static void test_what_belongs_to_another_is_left_alone(void)
{
    struct opr_test *t = opr_test_new(opr_plugin_entry, NULL);
    CHECK_TEXT("", opr_test_apply(t, "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':"
                                     "'hello','namespace':'default'},'data':{'mine':'yes'}}"));
    CHECK_TEXT("", opr_test_apply(t, WEB("{'message':'hi'}")));
    opr_test_run(t);
    CHECK_TEXT("NameTaken", reason(t));
    CHECK_TEXT("yes", opr_obj_str(get(t, "v1/ConfigMap"), "/data/mine", ""));
    CHECK_TEXT("", opr_test_delete(t, "v1/ConfigMap", "default", "hello"));
    opr_test_advance_ms(t, 10000); /* it asks again */
    CHECK_TEXT("Waiting", reason(t));
    CHECK_TEXT("hi", opr_obj_str(get(t, "v1/ConfigMap"), "/data/index.html", ""));
    opr_test_free(t);
}

static void test_failed_writes_are_tried_again(void)
{
    struct opr_test *t = opr_test_new(opr_plugin_entry, NULL);
    CHECK_TEXT("", opr_test_apply(t, WEB("{}")));
    opr_test_fail_next(t, "create", 2, 503);
    opr_test_run(t);
    opr_test_advance_ms(t, 60 * 1000);
    CHECK(get(t, "apps/v1/Deployment") && get(t, "v1/Service") && get(t, "v1/ConfigMap"));
    opr_test_free(t);
}

static void test_configuration_names_the_image(void)
{
    struct opr_test *t = opr_test_new(opr_plugin_entry, "{\"image\":\"python:3-alpine\"}");
    CHECK_TEXT("", opr_test_apply(t, WEB("{}")));
    opr_test_run(t);
    CHECK_TEXT("python:3-alpine", opr_obj_str(get(t, "apps/v1/Deployment"),
                                              "/spec/template/spec/containers/0/image", ""));
    opr_test_free(t);
}

int main(void)
{
    test_makes_its_children();
    test_status_follows_the_deployment();
    test_a_change_reaches_the_children();
    test_a_lost_child_comes_back();
    test_what_belongs_to_another_is_left_alone();
    test_failed_writes_are_tried_again();
    test_configuration_names_the_image();
    puts("passed");
    return 0;
}
