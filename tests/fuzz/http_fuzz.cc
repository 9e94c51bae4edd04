// HTTP/1.1 requests of hostile clients: what is read in pieces is read as in one, what is accepted
// names a method and a path, and the decoders of URLs and queries invent nothing.
#include "core/base/arena.h"
#include "core/base/str.h"
#include "core/net/h1_parse.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern const std::vector<std::string> fuzz_seeds = {
    "GET /api/v1/pods?limit=5&continue=a%2Fb&labelSelector=a+in+(b%2Cc) HTTP/1.1\r\n"
    "Host: a\r\nAccept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n\r\n",
    "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    "POST /a%20b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    "3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n",
    "GET http://a/x?y=%zz&y=%4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"};

static void expect(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static bool is_refusal(int result)
{
    return result >= 400 && result < 600;
}

/* The head found byte by byte is the one found at once. */
static int find(struct opr_str in, size_t *ret_len)
{
    size_t scanned = 0, piecewise = 0, piece_len = 0;
    int whole = opr__h1_find_head(in, &scanned, ret_len), piece = OPR__H1_MORE;
    for (size_t n = 0; n <= in.len && piece == OPR__H1_MORE; n++) {
        piece = opr__h1_find_head(opr_str_n(in.ptr, n), &piecewise, &piece_len);
    }
    expect(piece == whole);
    if (whole == OPR__H1_DONE) {
        expect(piece_len == *ret_len && *ret_len >= 4 && *ret_len <= in.len);
    } else {
        expect(whole == OPR__H1_MORE || is_refusal(whole));
    }
    return whole;
}

static void check_query(struct opr_arena *a, struct opr_str query)
{
    struct opr_str text = opr_url_decode(a, query, true);
    expect(text.len <= query.len);
    for (const char *name : {"limit", "continue", "labelSelector", "y", ""}) {
        expect(opr_query_get(a, query, name).len <= query.len);
    }
}

static void check_head(struct opr_arena *a, struct opr_str text, struct opr__h1_head *head)
{
    int result = opr__h1_parse_head(a, text, head);
    if (result != OPR__H1_DONE) {
        expect(is_refusal(result));
        head->is_chunked = false;
        return;
    }
    expect(head->method.len > 0 && head->path.len > 0);
    expect(head->n_headers <= OPR__H1_HEADERS_MAX && (head->minor == 0 || head->minor == 1));
    expect(!(head->is_chunked && head->has_length)); /* one length only: nothing is smuggled */
    for (size_t i = 0; i < head->n_headers; i++) {
        expect(head->headers[i].name.len > 0);
        for (size_t j = 0; j < head->headers[i].value.len; j++) {
            char c = head->headers[i].value.ptr[j];
            expect(c != '\r' && c != '\n' && c != '\0');
        }
    }
    expect(opr_url_decode(a, head->path, false).len <= head->path.len);
    check_query(a, head->query);
}

/* A body decoded byte by byte is the one decoded at once. */
static void check_chunks(struct opr_str in)
{
    static const size_t max = 64;
    struct opr__h1_chunks once = {}, bytes = {};
    struct opr_buf body = {}, piece = {};
    size_t at = 0, piece_at = 0;
    int whole = opr__h1_chunks_feed(&once, in, &at, &body, max), part = OPR__H1_MORE;
    for (size_t n = 1; n <= in.len && part == OPR__H1_MORE; n++) {
        part = opr__h1_chunks_feed(&bytes, opr_str_n(in.ptr, n), &piece_at, &piece, max);
    }
    expect(part == whole && at <= in.len && body.len <= max);
    if (whole == OPR__H1_DONE) {
        expect(at == piece_at && opr_str_eq(opr_buf_str(&body), opr_buf_str(&piece)));
    }
    opr_buf_fini(&body);
    opr_buf_fini(&piece);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opr_str in = opr_str_n(reinterpret_cast<const char *>(data), size);
    struct opr_arena *a = opr_arena_new();
    struct opr__h1_head head = {};
    size_t len = 0;
    if (find(in, &len) == OPR__H1_DONE) {
        check_head(a, opr_str_n(in.ptr, len), &head);
    }
    check_chunks(head.is_chunked ? opr_str_n(in.ptr + len, in.len - len) : in);
    check_query(a, in);
    opr_arena_free(a);
    return 0;
}
