/* What the two halves of HTTP/2 share: requests (h2_request.c), and the rest (h2.c). Threads: loop.
 */
#ifndef OPR_NET_H2_INTERNAL_H
#define OPR_NET_H2_INTERNAL_H

#include "core/net/server_internal.h"

#include <nghttp2/nghttp2.h>

enum { OPR__H2_TICK_MS = 15000 }; /* while there are streams, their age is looked at so often */

struct opr__h2_state {
    nghttp2_session *session; /* owned */
    struct opr_vec exchanges; /* of struct opr__exchange, owned */
    size_t receiving_bytes;
    bool is_idle_over;
};

void opr__h2_set_callbacks(nghttp2_session_callbacks *callbacks);
void opr__h2_respond(struct opr__conn *c, struct opr__exchange *x);
void opr__h2_refuse(struct opr__conn *c, struct opr__exchange *x, int status);

#endif
