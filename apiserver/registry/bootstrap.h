/* Default roles as tables. */
#ifndef OPR_APISERVER_REGISTRY_BOOTSTRAP_H
#define OPR_APISERVER_REGISTRY_BOOTSTRAP_H

#include <stddef.h>

/* A role and, where it has subjects, the binding of the same name. NULL: none. */
struct opr_default_role {
    const char *name;
    const char *ns; /* a Role and a RoleBinding of this namespace; NULL: of the cluster */
    const char *aggregated_to; /* the ClusterRole whose label it carries */
    const char *gathers;       /* its aggregationRule takes what carries this label */
    /* lines "verbs | groups | resources | names"; the core group is written "core", a rule of paths
     * has no groups: "get | | /healthz"; READ is get, list and watch, WRITE is create, delete,
     * deletecollection, patch and update */
    const char *rules;
    const char *subjects; /* "user:NAME", "group:NAME", "account:NAME" (in kube-system) */
    const char *binding;  /* the binding's name where it is another */
};

/* Each ends with a name NULL. */
extern const struct opr_default_role opr_default_roles[];
extern const struct opr_default_role opr_controller_roles[];
#endif
