#include "core/net/websocket.h"

#include "core/base/str.h"

#include <openssl/sha.h>
#include <stdio.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
enum { KEY_BYTES = 16, LEN16 = 126, LEN64 = 127, LEN_BITS = 0x7f, FIN = 0x80, MASKED = 0x80 };

static bool is_control(int opcode)
{
    return opcode >= OPR_WS_CLOSE;
}

/* -- reading -- */

static size_t head_size(const struct opr_ws_reader *r)
{
    if (r->head_len < 2) {
        return 2;
    }
    int bits = r->head[1] & LEN_BITS;
    size_t size = bits == LEN64 ? 10 : bits == LEN16 ? 4 : 2;
    return size + (r->head[1] & MASKED ? sizeof r->mask : 0);
}

static uint64_t big_endian(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* The length in its shortest form and no other (RFC 6455 5.2). */
static int read_length(struct opr_ws_reader *r)
{
    int bits = r->head[1] & LEN_BITS;
    r->len = (uint64_t)bits;
    if (bits == LEN16) {
        r->len = big_endian(r->head + 2, 2);
        return r->len < LEN16 ? OPR_WS_CLOSE_PROTOCOL : OPR_WS_MORE;
    }
    if (bits == LEN64) {
        r->len = big_endian(r->head + 2, 8);
        return r->len <= UINT16_MAX || r->len >> 63 ? OPR_WS_CLOSE_PROTOCOL : OPR_WS_MORE;
    }
    return OPR_WS_MORE;
}

/* OPR_WS_MORE: the head is right. */
static int check_head(struct opr_ws_reader *r)
{
    bool is_masked = (r->head[1] & MASKED) != 0;
    r->opcode = r->head[0] & 0x0f;
    r->is_final = (r->head[0] & FIN) != 0;
    if ((r->head[0] & 0x70) != 0 || is_masked != r->is_server || read_length(r) != OPR_WS_MORE) {
        return OPR_WS_CLOSE_PROTOCOL;
    }
    if (is_control(r->opcode)) {
        bool is_right = r->opcode <= OPR_WS_PONG && r->is_final && r->len <= OPR_WS_CONTROL_MAX &&
                        !(r->opcode == OPR_WS_CLOSE && r->len == 1);
        return is_right ? OPR_WS_MORE : OPR_WS_CLOSE_PROTOCOL;
    }
    bool is_start = r->opcode != OPR_WS_CONTINUATION;
    if (r->opcode > OPR_WS_BINARY || is_start == r->is_in_message) {
        return OPR_WS_CLOSE_PROTOCOL;
    }
    return r->len > OPR_WS_FRAME_MAX ? OPR_WS_CLOSE_TOO_BIG : OPR_WS_MORE;
}

static int read_head(struct opr_ws_reader *r, struct opr_str in, size_t *io_at)
{
    while (r->head_len < head_size(r)) {
        if (*io_at == in.len) {
            return OPR_WS_MORE;
        }
        r->head[r->head_len++] = (uint8_t)in.ptr[(*io_at)++];
    }
    int result = check_head(r);
    if (result != OPR_WS_MORE) {
        return result;
    }
    if (r->is_server) {
        memcpy(r->mask, r->head + r->head_len - sizeof r->mask, sizeof r->mask);
    }
    if (!is_control(r->opcode) && r->opcode != OPR_WS_CONTINUATION) {
        r->message_opcode = r->opcode;
    }
    r->is_head_read = true;
    r->is_begun = false;
    r->at = 0;
    return OPR_WS_PIECE;
}

static void take(struct opr_ws_reader *r, const char *from, size_t n, char *to)
{
    for (size_t i = 0; to && i < n; i++) {
        to[i] = r->is_server ? (char)(from[i] ^ (char)r->mask[(r->at + i) & 3]) : from[i];
    }
    r->at += n;
}

static void end_frame(struct opr_ws_reader *r)
{
    r->is_head_read = false;
    r->head_len = 0;
    if (!is_control(r->opcode)) {
        r->is_in_message = !r->is_final;
    }
}

int opr_ws_next(struct opr_ws_reader *r, struct opr_str in, size_t *io_at, char *memory,
                size_t size, struct opr_ws_piece *ret_piece)
{
    if (!r->is_head_read) {
        int result = read_head(r, in, io_at);
        if (result != OPR_WS_PIECE) {
            return result;
        }
    }
    bool is_whole = is_control(r->opcode);
    size_t n = in.len - *io_at;
    if (!is_whole && memory && n > size) {
        n = size;
    }
    n = r->len - r->at < n ? (size_t)(r->len - r->at) : n;
    if (n == 0 && r->at < r->len) {
        return OPR_WS_MORE;
    }
    char *to = is_whole ? (char *)r->control + r->at : memory;
    take(r, in.ptr + *io_at, n, to);
    *io_at += n;
    bool is_over = r->at == r->len;
    if (is_whole && !is_over) {
        return OPR_WS_MORE;
    }
    *ret_piece = (struct opr_ws_piece){
        .opcode = is_whole ? r->opcode : r->message_opcode,
        .is_first = is_whole || (!r->is_begun && r->opcode != OPR_WS_CONTINUATION),
        .is_last = is_whole || (is_over && r->is_final),
        .data = opr_str_n(is_whole ? (char *)r->control : memory, is_whole ? (size_t)r->len : n),
    };
    r->is_begun = true;
    if (is_over) {
        end_frame(r);
    }
    return OPR_WS_PIECE;
}

bool opr_ws_is_between(const struct opr_ws_reader *r)
{
    return !r->is_head_read && r->head_len == 0 && !r->is_in_message;
}

/* -- writing -- */

void opr_ws_add_head(struct opr_buf *out, int opcode, size_t len)
{
    uint8_t head[10] = {(uint8_t)(FIN | opcode)};
    size_t size = 2;
    if (len < LEN16) {
        head[1] = (uint8_t)len;
    } else {
        size = len <= UINT16_MAX ? 4 : 10;
        head[1] = size == 4 ? LEN16 : LEN64;
        for (size_t i = 2; i < size; i++) {
            head[i] = (uint8_t)((uint64_t)len >> (8 * (size - 1 - i)));
        }
    }
    opr_buf_add(out, head, size);
}

void opr_ws_add_close(struct opr_buf *out, int code, const char *reason)
{
    size_t len = strnlen(reason, OPR_WS_CONTROL_MAX - 2);
    opr_ws_add_head(out, OPR_WS_CLOSE, len + 2);
    opr_buf_add_char(out, (char)(code >> 8));
    opr_buf_add_char(out, (char)code);
    opr_buf_add(out, reason, len);
}

/* -- the handshake -- */

static bool has_word(struct opr_str list, const char *word)
{
    struct opr_str part;
    while (opr_str_next(&list, ',', &part)) {
        if (opr_str_ieq(opr_str_trim(part), opr_str_of(word))) {
            return true;
        }
    }
    return false;
}

/* Of all fields of that name: a client may send one for each of its words. */
static bool header_has(const struct opr_http_request *req, const char *name, const char *word)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (opr_str_ieq(req->headers[i].name, opr_str_of(name)) &&
            has_word(req->headers[i].value, word)) {
            return true;
        }
    }
    return false;
}

bool opr_ws_is_asked(const struct opr_http_request *req)
{
    return opr_str_is(req->method, "GET") && header_has(req, "Connection", "upgrade") &&
           header_has(req, "Upgrade", "websocket");
}

void opr_ws_accept(struct opr_str key, char ret_text[OPR_WS_ACCEPT_MAX])
{
    unsigned char hash[SHA_DIGEST_LENGTH];
    struct opr_buf text = {0};
    opr_buf_add_str(&text, key);
    opr_buf_add_text(&text, GUID);
    SHA1((const unsigned char *)text.data, text.len, hash);
    opr_buf_clear(&text);
    opr_buf_base64(&text, hash, sizeof hash);
    snprintf(ret_text, OPR_WS_ACCEPT_MAX, "%.*s", OPR_STR_ARG(opr_buf_str(&text)));
    opr_buf_fini(&text);
}

static bool is_key(struct opr_str key)
{
    struct opr_buf bytes = {0};
    bool is_right = key.ptr && opr_buf_unbase64(&bytes, key) == OPR_OK && bytes.len == KEY_BYTES;
    opr_buf_fini(&bytes);
    return is_right;
}

opr_status opr_ws_handshake(const struct opr_http_request *req, const char *const *protocols,
                            struct opr_http_response *res, const char **ret_protocol,
                            struct opr_error *reterr)
{
    struct opr_str key = opr_http_request_header(req, "Sec-WebSocket-Key");
    if (!opr_ws_is_asked(req)) {
        return opr_error_set(reterr, OPR_E_INVALID, "you must upgrade to a WebSocket");
    }
    if (!opr_str_is(opr_http_request_header(req, "Sec-WebSocket-Version"), "13")) {
        return opr_error_set(reterr, OPR_E_INVALID, "the WebSocket's version must be 13");
    }
    if (!is_key(key)) {
        return opr_error_set(reterr, OPR_E_INVALID, "Sec-WebSocket-Key must be 16 bytes in base64");
    }
    while (*protocols && !header_has(req, "Sec-WebSocket-Protocol", *protocols)) {
        protocols++;
    }
    if (!*protocols) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "none of the client's WebSocket protocols is served");
    }
    char accept[OPR_WS_ACCEPT_MAX];
    opr_ws_accept(key, accept);
    res->status = 101;
    opr_http_response_header(res, "Sec-WebSocket-Accept",
                             opr_str_of(opr_arena_dup(req->arena, opr_str_of(accept))));
    opr_http_response_header(res, "Sec-WebSocket-Protocol", opr_str_of(*protocols));
    *ret_protocol = *protocols;
    return OPR_OK;
}
