/* Defaults that depend on other fields: named by `hook` lines of facts/overlay.txt and called for
 * each object of that type. Threads: any. */
#ifndef OPR_APISERVER_SCHEMA_HOOKS_H
#define OPR_APISERVER_SCHEMA_HOOKS_H

#include <json-c/json.h>

#ifdef __cplusplus
extern "C" {
#endif

void opr__default_pod(struct json_object *pod);
void opr__default_pod_spec(struct json_object *spec);
void opr__default_container(struct json_object *container);
void opr__default_volume(struct json_object *volume);
void opr__default_secret(struct json_object *secret);
void opr__default_namespace(struct json_object *ns);
void opr__default_node_spec(struct json_object *spec);
void opr__default_node_status(struct json_object *status);
void opr__default_service(struct json_object *service);
void opr__default_deployment_strategy(struct json_object *strategy);
void opr__default_autoscaler_spec(struct json_object *spec);
void opr__default_subject(struct json_object *subject);
void opr__default_crd(struct json_object *crd);

#ifdef __cplusplus
}
#endif
#endif
