/* HTTP/1.x request syntax (RFC 9112), strict: what two parsers could read in two ways is refused.
 * Pure functions over bytes. Threads: any. */
#ifndef OPR_NET_H1_PARSE_H
#define OPR_NET_H1_PARSE_H

#include "core/net/http.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OPR__H1_MORE = 0, /* the input is not complete */
    OPR__H1_DONE = 1, /* other values are an HTTP status: the request is refused with it */
    OPR__H1_HEAD_MAX = 64 * 1024,
    OPR__H1_HEADERS_MAX = 256,
    OPR__H1_CHUNK_LINE_MAX = 4096,
    OPR__H1_TRAILER_MAX = 16 * 1024,
};

/* Looks for the empty line that ends a head. *io_scanned is where the last call stopped (0 at
 * first); on OPR__H1_DONE *ret_len is the length of the head with that line. */
int opr__h1_find_head(struct opr_str in, size_t *io_scanned, size_t *ret_len);

struct opr__h1_head {
    struct opr_str method, path, query;
    struct opr_http_header *headers; /* of the arena */
    size_t n_headers;
    int minor; /* HTTP/1.minor */
    bool is_keep_alive, is_chunked, has_length, expects_continue;
    uint64_t length;
};

/* text is a whole head, which must outlive the result. OPR__H1_DONE or a status. */
int opr__h1_parse_head(struct opr_arena *a, struct opr_str text, struct opr__h1_head *ret_head);

/* Decoder of a chunked body. {0} is the start. */
struct opr__h1_chunks {
    int state;
    uint64_t left;     /* of the current chunk */
    size_t line_bytes; /* of the current size line, or of all trailers */
    int digits;
    bool is_line_empty, was_cr;
};
/* Reads in from *io_at on and appends the data to body; a body over max_bytes is 413. */
int opr__h1_chunks_feed(struct opr__h1_chunks *c, struct opr_str in, size_t *io_at,
                        struct opr_buf *body, size_t max_bytes);

#ifdef __cplusplus
}
#endif
#endif
