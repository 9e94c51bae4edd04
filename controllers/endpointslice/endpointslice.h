/* The EndpointSlice controller: the pods of each Service with a selector, in slices of at most 100
 * (spec 1.6), and in the older Endpoints object. Threads: worker. Lifetime: all is the reconcile's.
 */
#ifndef OPR_CONTROLLERS_ENDPOINTSLICE_H
#define OPR_CONTROLLERS_ENDPOINTSLICE_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SLICE_MAX = 100, GROUPS_MAX = 64, ENDPOINTS_MAX = 1000 };
#define SLICE_GVK "discovery.k8s.io/v1/EndpointSlice"
#define ENDPOINTS_GVK "v1/Endpoints"
#define MANAGED_BY "endpointslice-controller.k8s.io"
#define TRIGGER_PTR "/metadata/annotations/endpoints.kubernetes.io~1last-change-trigger-time"

struct endpoint {
    const struct opr_obj *pod;
    const char *ip;
    const struct opr_obj *value; /* as an element of .endpoints */
    uint32_t group;              /* index of its ports */
    bool is_ready, is_placed;
};
/* All endpoints of one IP family; endpoints with the same resolved ports form a group. */
struct family {
    const char *type; /* "IPv4" or "IPv6" */
    struct endpoint *endpoints;
    uint32_t count;
    const struct opr_obj *ports[GROUPS_MAX];
    uint32_t groups;
};
struct service {
    struct opr_ctx *c;
    const struct opr_obj *self;
    const char *ns, *name, *uid;
    const struct opr_obj **pods; /* those that the selector selects, by name */
    uint32_t pod_count;
    bool publishes_not_ready;
    bool lacks_node;      /* a pod's node is not known yet: look again */
    int64_t triggered_ms; /* the latest change that the slices tell of */
};
/* One slice as it will be. */
struct plan {
    const struct opr_obj *old; /* NULL: to be created */
    int32_t group;             /* -1: the placeholder without ports */
    uint32_t members[SLICE_MAX], count;
    uint32_t old_count;
};

/* endpoints.c */
bool service_selects(const struct opr_obj *service, const struct opr_obj *pod);
OPR_NODISCARD opr_status service_load(struct service *s);
void family_load(struct service *s, const char *type, struct family *ret_family);
/* pack.c: plans for all slices of a family, old ones that are to go included (count 0). */
struct plan *family_pack(struct service *s, struct family *f, const struct opr_obj *const *slices,
                         uint32_t slice_count, uint32_t *ret_count);
/* write.c */
OPR_NODISCARD opr_status plans_write(struct service *s, const struct family *f,
                                     const struct plan *plans, uint32_t count);
/* legacy.c */
OPR_NODISCARD opr_status endpoints_write(struct service *s, const struct family *f);
OPR_NODISCARD opr_status endpoints_remove(struct opr_ctx *c, const char *ns, const char *name);

#ifdef __cplusplus
}
#endif
#endif
