/* Names of Services and Pods as DNS answers (RFC 1035), by Kubernetes' DNS specification. Pure: a
 * query and the objects in, an answer out. Threads: any. */
#ifndef OPR_AGENT_DNS_MESSAGE_H
#define OPR_AGENT_DNS_MESSAGE_H

#include "core/api/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPR__DNS_DOMAIN "cluster.local"
#define OPR__DNS_NAME_MAX 256
#define OPR__DNS_LABELS_MAX 16
#define OPR__DNS_SIZE_MAX 1232 /* what fits any path's packets, whatever the asker offers */

struct opr__dns_question {
    uint16_t id, flags, type;
    size_t end;                              /* offset of what follows the question */
    size_t size_max;                         /* of the answer */
    char name[OPR__DNS_NAME_MAX];            /* in lower case; labels are terminated within it */
    const char *labels[OPR__DNS_LABELS_MAX]; /* into name; without those of the domain */
    size_t n_labels;
    bool is_ours;        /* the name is in the cluster's domain */
    int code;            /* 0, or an RCODE for what can not be answered */
    const char *ns;      /* the namespace that the name is about; NULL: none */
    const char *service; /* NULL: the name is about no Service */
};

/* false: not a query; no answer is due. */
bool opr__dns_parse(const uint8_t *query, size_t len, struct opr__dns_question *ret_question);

/* The objects of the question's namespace. */
struct opr__dns_view {
    const struct opr_obj *service; /* NULL: there is none of that name */
    const struct opr_obj *const *slices;
    size_t n_slices;
    bool has_namespace;
};
/* Writes at most size_max bytes; where not all addresses fit, those that do. Which comes first
 * changes with the question's id. Returns the length. */
size_t opr__dns_answer(const uint8_t *query, const struct opr__dns_question *q,
                       const struct opr__dns_view *v, uint8_t ret_answer[OPR__DNS_SIZE_MAX]);

#ifdef __cplusplus
}
#endif
#endif
