/* What the validators share: paths that cost nothing until an error names them, errors worded as
 * Kubernetes words them, and the rules for names. Every validator adds to the errors and returns
 * nothing. Values are borrowed json-c objects; NULL means absent. Threads: any. */
#ifndef OPR_APISERVER_SCHEMA_VALIDATE_H
#define OPR_APISERVER_SCHEMA_VALIDATE_H

#include "apiserver/schema/table.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step of a path; lives on the caller's stack. The root has up NULL. */
struct opr__path {
    const struct opr__path *up;
    const char *name; /* ".name"; NULL: none */
    const char *key;  /* "[key]"; NULL: none */
    int index;        /* "[index]" where name and key are NULL */
};
#define OPR__IN(up, child) (&(struct opr__path){(up), (child), NULL, 0})
#define OPR__KEY(up, text) (&(struct opr__path){(up), NULL, (text), 0})
#define OPR__AT(up, i) (&(struct opr__path){(up), NULL, NULL, (int)(i)})
/* From the errors' arena. */
const char *opr__path_text(const struct opr_field_errors *e, const struct opr__path *p);

/* detail may be NULL or "". */
void opr__required(struct opr_field_errors *e, const struct opr__path *p, const char *detail);
void opr__forbidden(struct opr_field_errors *e, const struct opr__path *p, const char *detail);
void opr__invalid(struct opr_field_errors *e, const struct opr__path *p, struct json_object *value,
                  const char *detail);
void opr__invalid_text(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                       const char *detail);
void opr__not_found(struct opr_field_errors *e, const struct opr__path *p, const char *value);
void opr__duplicate(struct opr_field_errors *e, const struct opr__path *p,
                    struct json_object *value);
void opr__duplicate_text(struct opr_field_errors *e, const struct opr__path *p, const char *value);
/* supported ends with NULL and is sorted. */
void opr__unsupported(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                      const char *const *supported);
void opr__too_long(struct opr_field_errors *e, const struct opr__path *p, size_t max);
void opr__too_many(struct opr_field_errors *e, const struct opr__path *p, size_t count, size_t max);
OPR_PRINTF(4, 5)
void opr__add(struct opr_field_errors *e, const char *reason, const struct opr__path *p,
              const char *fmt, ...);

/* Members. */
struct json_object *opr__get(struct json_object *o, const char *name);
const char *opr__text(struct json_object *o, const char *name); /* "" where absent */
int64_t opr__number(struct json_object *o, const char *name);   /* 0 where absent */
bool opr__flag(struct json_object *o, const char *name);
size_t opr__length(struct json_object *list); /* 0 where it is no array */
struct json_object *opr__item(struct json_object *list, size_t i);
const char *opr__item_text(struct json_object *list, size_t i); /* "" where it is none */
bool opr__has_text(struct json_object *o, const char *name);    /* present and not "" */

/* Names: the problem, or NULL. The text is static. */
const char *opr__bad_dns_label(const char *s);     /* RFC 1123 label */
const char *opr__bad_dns_subdomain(const char *s); /* RFC 1123 subdomain */
const char *opr__bad_dns1035(const char *s);
const char *opr__bad_qualified_name(const char *s);
const char *opr__bad_label_value(const char *s);
const char *opr__bad_config_key(const char *s);
const char *opr__bad_env_name(const char *s);
const char *opr__bad_port_name(const char *s);
const char *opr__bad_path_segment(const char *s);
bool opr__is_ip(const char *s, bool *ret_is_v6);
bool opr__is_cidr(const char *s);

typedef const char *(*opr__name_fn)(const char *s);

/* Checks of one member of o; each does nothing where the member is absent, except _required. */
void opr__check_required(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *o, const char *name);
void opr__check_enum(struct opr_field_errors *e, const struct opr__path *p, struct json_object *o,
                     const char *name, const char *const *supported);
void opr__check_nonnegative(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *o, const char *name);
void opr__check_port(struct opr_field_errors *e, const struct opr__path *p, int64_t port);
void opr__check_name(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                     opr__name_fn bad_name);
void opr__check_immutable(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *value, struct json_object *old);
void opr__check_quantity_nonnegative(struct opr_field_errors *e, const struct opr__path *p,
                                     const char *value);
void opr__check_labels(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *labels);
void opr__check_label_selector(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *selector);
/* A selector that is there and selects something. */
void opr__check_full_selector(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *selector);
void opr__check_condition_type(struct opr_field_errors *e, const struct opr__path *p,
                               const char *type);

/* Object metadata. bad_name judges metadata.name. */
void opr__validate_meta(struct opr_field_errors *e, const struct opr_kind *kind,
                        struct json_object *meta, opr__name_fn bad_name);
void opr__validate_meta_update(struct opr_field_errors *e, const struct opr_kind *kind,
                               struct json_object *meta, struct json_object *old);
void opr__validate_template_meta(struct opr_field_errors *e, const struct opr__path *p,
                                 struct json_object *meta);

/* One for each group of kinds: doc is the object, old NULL on create. */
typedef void (*opr__validate_fn)(struct opr_field_errors *e, struct json_object *doc,
                                 struct json_object *old);
void opr__validate_pod(struct opr_field_errors *e, struct json_object *doc,
                       struct json_object *old);
void opr__validate_deployment(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old);
void opr__validate_replica_set(struct opr_field_errors *e, struct json_object *doc,
                               struct json_object *old);
void opr__validate_service(struct opr_field_errors *e, struct json_object *doc,
                           struct json_object *old);
void opr__validate_endpoints(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old);
void opr__validate_config_map(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old);
void opr__validate_secret(struct opr_field_errors *e, struct json_object *doc,
                          struct json_object *old);
void opr__validate_namespace(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old);
void opr__validate_node(struct opr_field_errors *e, struct json_object *doc,
                        struct json_object *old);
void opr__validate_event(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old);
void opr__validate_new_event(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old); /* of events.k8s.io */
void opr__validate_binding(struct opr_field_errors *e, struct json_object *doc,
                           struct json_object *old);
void opr__validate_endpoint_slice(struct opr_field_errors *e, struct json_object *doc,
                                  struct json_object *old);
void opr__validate_lease(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old);
void opr__validate_autoscaler(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old);
void opr__validate_scale(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old);
void opr__validate_role(struct opr_field_errors *e, struct json_object *doc,
                        struct json_object *old);
void opr__validate_cluster_role(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old);
void opr__validate_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old);
void opr__validate_cluster_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                        struct json_object *old);
void opr__validate_priority_class(struct opr_field_errors *e, struct json_object *doc,
                                  struct json_object *old);
void opr__validate_disruption_budget(struct opr_field_errors *e, struct json_object *doc,
                                     struct json_object *old);
void opr__validate_crd(struct opr_field_errors *e, struct json_object *doc,
                       struct json_object *old);

/* A structural schema; p is its path. What is beside it in a version; p is the version's path. */
void opr__validate_crd_schema(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *schema);
void opr__validate_crd_version(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *version);

/* Pieces of a pod that templates share. */
void opr__validate_pod_template(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *template);
void opr__validate_pod_spec(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *spec);
/* The volumes without an error: those may be mounted. Owned. */
struct json_object *opr__validate_volumes(struct opr_field_errors *e, const struct opr__path *p,
                                          struct json_object *volumes);
void opr__validate_containers(struct opr_field_errors *e, const struct opr__path *spec_path,
                              struct json_object *spec, struct json_object *volumes);
/* Probes and lifecycle hooks of a container. grace_s: what the Pod has to end. */
void opr__validate_probes(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *c, int64_t grace_s);
void opr__validate_affinity(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *affinity);
void opr__validate_spread(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *constraints);
/* p is the path of the spec's securityContext. */
void opr__validate_pod_security(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *spec);
void opr__validate_security(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *s); /* of a container */
/* p is the path of the spec's dnsConfig. */
void opr__validate_dns(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *spec);
void opr__validate_host_aliases(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *aliases);
/* A fieldRef to one of the fields (sorted, ends with NULL) or to one label or annotation. */
void opr__check_field_ref(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *ref, const char *const *fields);
void opr__check_resource_ref(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *ref, bool needs_container);
/* A path within a folder: not absolute, and never upwards. */
void opr__check_descending(struct opr_field_errors *e, const struct opr__path *p, const char *path);
void opr__validate_pod_update(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old);
void opr__validate_taints(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *taints);
void opr__validate_tolerations(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *tolerations);

#ifdef __cplusplus
}
#endif
#endif
