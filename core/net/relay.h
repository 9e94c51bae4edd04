/* A WebSocket handed through to another server: two connections, bytes both ways, and no more in
 * between than a little of each side. Threads: a relay has one of its own between its two ends. */
#ifndef OPR_NET_RELAY_H
#define OPR_NET_RELAY_H

#include "core/net/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_relay_request {
    const char *path_query;
    struct opr_str key;   /* Sec-WebSocket-Key of the peer */
    const char *protocol; /* Sec-WebSocket-Protocol that was agreed on */
    /* Frames for the peer where the server goes away without a Close frame, copied. */
    struct opr_str farewell;
};

/* Worker, blocks: connects, asks for the WebSocket and waits for the answer. *ret_source is that of
 * a tunnel, for the answer 101 to the peer; it owns the connection. OPR_E_SERVER: the server does
 * not agree. */
OPR_NODISCARD opr_status opr_relay_open(struct opr_endpoint *endpoint,
                                        const struct opr_relay_request *req,
                                        struct opr_http_source **ret_source,
                                        struct opr_error *reterr);
/* A tunnel without another end: the peer gets these frames, and that is all. */
struct opr_http_source *opr_relay_say(struct opr_str frames);

#ifdef __cplusplus
}
#endif
#endif
