/* Which endpoints a Service's port has, out of its EndpointSlices. Pure. Threads: any. */
#ifndef OPR_AGENT_PROXY_ENDPOINTS_H
#define OPR_AGENT_PROXY_ENDPOINTS_H

#include "core/api/meta.h"
#include "core/base/arena.h"
#include "core/base/vec.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__endpoint {
    const char *address; /* borrowed from the slice, IPv4 */
    const char *node;    /* borrowed; "" where the slice does not say */
    uint32_t ip;         /* host order */
    int port;
};

/* Adds struct opr__endpoint in the arena, sorted by address and port, each once: those that are
 * ready; where none is, those that end but still serve (KEP-1669), so that the last ones of a
 * Service are used until they are gone. */
void opr__endpoints_find(const struct opr_obj *const *slices, size_t n_slices,
                         const struct opr_obj *service, const struct opr_obj *port,
                         struct opr_arena *arena, struct opr_vec *ret_list);
/* The slice is one of the Service, with IPv4 addresses. */
bool opr__endpoints_slice_is_of(const struct opr_obj *slice, const char *ns, const char *service);

#ifdef __cplusplus
}
#endif
#endif
