/* WebSocket (RFC 6455): the opening handshake and frames, over plain bytes. A frame of any length
 * is read in pieces, so that nothing of it is kept. Threads: any; a reader has one owner. */
#ifndef OPR_NET_WEBSOCKET_H
#define OPR_NET_WEBSOCKET_H

#include "core/net/http.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OPR_WS_CONTINUATION = 0,
    OPR_WS_TEXT = 1,
    OPR_WS_BINARY = 2,
    OPR_WS_CLOSE = 8,
    OPR_WS_PING = 9,
    OPR_WS_PONG = 10,
};

enum {
    OPR_WS_MORE = 0,  /* the input is used up */
    OPR_WS_PIECE = 1, /* other values are the code of a Close frame: the peer breaks the rules */
    OPR_WS_CLOSE_NORMAL = 1000,
    OPR_WS_CLOSE_PROTOCOL = 1002,
    OPR_WS_CLOSE_TOO_BIG = 1009,
};

enum {
    OPR_WS_CONTROL_MAX = 125,     /* RFC 6455 5.5 */
    OPR_WS_HEAD_MAX = 14,         /* RFC 6455 5.2 */
    OPR_WS_FRAME_MAX = 64u << 20, /* no client of Kubernetes sends more than some KiB at once */
};

/* {.is_server = ...} is the start. */
struct opr_ws_reader {
    bool is_server; /* reads a client's frames, which must be masked; a server's must not be */
    bool is_in_message;
    bool is_final, is_head_read, is_begun; /* of the frame */
    uint8_t head[OPR_WS_HEAD_MAX];
    size_t head_len;
    int opcode;         /* of the frame */
    int message_opcode; /* of the message whose frames come */
    uint64_t at, len;   /* of the frame's payload */
    uint8_t mask[4];
    uint8_t control[OPR_WS_CONTROL_MAX];
};

/* A part of a message (TEXT, BINARY), or a whole control frame. */
struct opr_ws_piece {
    int opcode;
    bool is_first, is_last; /* of its message */
    struct opr_str data;    /* in the caller's memory; of a control frame: in the reader */
};

/* Reads in from *io_at on, up to the next piece of at most size bytes, which are unmasked into
 * memory. memory NULL: data's bytes are passed over, and data.ptr is NULL. */
int opr_ws_next(struct opr_ws_reader *r, struct opr_str in, size_t *io_at, char *memory,
                size_t size, struct opr_ws_piece *ret_piece);
/* Between two frames, where another may be put in. */
bool opr_ws_is_between(const struct opr_ws_reader *r);

/* A server's frames: the head of one whole message; len bytes of payload must follow. */
void opr_ws_add_head(struct opr_buf *out, int opcode, size_t len);
void opr_ws_add_close(struct opr_buf *out, int code, const char *reason);

/* Whether a request asks to become a WebSocket. */
bool opr_ws_is_asked(const struct opr_http_request *req);
/* Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455 4.2.2). */
enum { OPR_WS_ACCEPT_MAX = 32 };
void opr_ws_accept(struct opr_str key, char ret_text[OPR_WS_ACCEPT_MAX]);
/* Fills the answer 101, but for its source (a tunnel, http.h). protocols: ours, the best first,
 * NULL-terminated; one must be the client's too. OPR_E_INVALID: what is wrong with the request. */
OPR_NODISCARD opr_status opr_ws_handshake(const struct opr_http_request *req,
                                          const char *const *protocols,
                                          struct opr_http_response *res, const char **ret_protocol,
                                          struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
