/* A growing byte buffer, always followed by a terminator that len does not count. {0} is an empty
 * buffer. Threads: one owner. Lifetime: opr_buf_fini(). */
#ifndef OPR_BASE_BUF_H
#define OPR_BASE_BUF_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t cap;
};

void opr_buf_fini(struct opr_buf *b);
void opr_buf_clear(struct opr_buf *b); /* keeps the memory */
void opr_buf_reserve(struct opr_buf *b, size_t extra_bytes);
void opr_buf_add(struct opr_buf *b, const void *data, size_t len);
void opr_buf_add_str(struct opr_buf *b, struct opr_str s);
void opr_buf_add_text(struct opr_buf *b, const char *text);
void opr_buf_add_char(struct opr_buf *b, char c);
OPR_PRINTF(2, 3) void opr_buf_printf(struct opr_buf *b, const char *fmt, ...);
/* Adds a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD. */
void opr_buf_add_json(struct opr_buf *b, struct opr_str s);
void opr_buf_consume(struct opr_buf *b, size_t len); /* drops the first len bytes */
struct opr_str opr_buf_str(const struct opr_buf *b);
/* Takes the memory out, terminated; the buffer is empty again. Owned by the caller, opr_free(). */
char *opr_buf_take(struct opr_buf *b, size_t *ret_len);
void opr_buf_base64(struct opr_buf *b, const void *data, size_t len);
OPR_NODISCARD opr_status opr_buf_unbase64(struct opr_buf *b, struct opr_str text);

#ifdef __cplusplus
}
#endif
#endif
