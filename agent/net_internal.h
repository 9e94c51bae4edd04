/* What the two files of the Pod network share: net_node.c, the node's part, and net_pod.c, a Pod's.
 */
#ifndef OPR_AGENT_NET_INTERNAL_H
#define OPR_AGENT_NET_INTERNAL_H

#include "agent/net.h"

#include <net/if.h>

struct opr__net {
    char bridge[IFNAMSIZ];
    char *folder; /* owned: of the namespaces */
    uint32_t network, gateway;
    int prefix;
    pthread_mutex_t lock; /* of what follows */
    uint8_t *used;        /* owned: a bit an address */
    uint32_t size, next;
};

/* An address for a Pod, as its place in the range; wanted: what it had noted before. 0: none is
 * free. */
uint32_t opr__net_take_place(struct opr__net *n, const char *wanted);
void opr__net_give_place(struct opr__net *n, const char *ip);
/* fmt has one %s, for name. A kernel may lack the parameter. */
void opr__net_sysctl(const char *value, const char *fmt, const char *name);

#endif
