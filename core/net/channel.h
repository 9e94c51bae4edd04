/* The channels of exec and attach over a WebSocket (v4.channel.k8s.io and v5.channel.k8s.io): the
 * first byte of each message names one, and the last message of the server says how it ended.
 * Threads: any. */
#ifndef OPR_NET_CHANNEL_H
#define OPR_NET_CHANNEL_H

#include "core/net/http.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_CHANNEL_V5 "v5.channel.k8s.io" /* the client can close its channels */
#define OPR_CHANNEL_V4 "v4.channel.k8s.io"

enum {
    OPR_CHANNEL_STDIN = 0,
    OPR_CHANNEL_STDOUT = 1,
    OPR_CHANNEL_STDERR = 2,
    OPR_CHANNEL_ERROR = 3,   /* a Status */
    OPR_CHANNEL_RESIZE = 4,  /* {"Width":80,"Height":24} */
    OPR_CHANNEL_CLOSE = 255, /* v5: the next byte is the channel that the client has closed */
};

/* Both names, the best first. */
extern const char *const opr_channel_protocols[];

/* One message. */
void opr_channel_add(struct opr_buf *out, int channel, struct opr_str data);
/* The Status of a command's end, and a Close frame. */
void opr_channel_add_exit(struct opr_buf *out, int exit_code);
/* Of what went wrong beside it, in the API server's words for an internal error. */
void opr_channel_add_failure(struct opr_buf *out, const char *why);

#ifdef __cplusplus
}
#endif
#endif
