#include "core/net/h1_parse.h"

#include "core/base/str.h"

int opr__h1_find_head(struct opr_str in, size_t *io_scanned, size_t *ret_len)
{
    size_t at = *io_scanned;
    while (at < in.len) {
        const char *nl = memchr(in.ptr + at, '\n', in.len - at);
        if (!nl) {
            at = in.len;
            break;
        }
        size_t end = (size_t)(nl - in.ptr);
        if (end == 0 || in.ptr[end - 1] != '\r') {
            return 400; /* a bare LF */
        }
        if (end + 1 > OPR__H1_HEAD_MAX) {
            return 431;
        }
        if (end >= 3 && in.ptr[end - 2] == '\n') {
            *ret_len = end + 1;
            return OPR__H1_DONE;
        }
        at = end + 1;
    }
    *io_scanned = at;
    return in.len > OPR__H1_HEAD_MAX ? 431 : OPR__H1_MORE;
}

/* RFC 9110 5.6.2 tchar */
static bool is_token_char(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        return true;
    }
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_char((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_target(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_field_value(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Takes a line off *rest, without its CRLF. A CR elsewhere is refused by the line's own check. */
static struct opr_str next_line(struct opr_str *rest)
{
    const char *nl = memchr(rest->ptr, '\n', rest->len);
    size_t len = (size_t)(nl - rest->ptr);
    struct opr_str line = opr_str_n(rest->ptr, len - 1);
    *rest = opr_str_n(nl + 1, rest->len - len - 1);
    return line;
}

static bool take_until(struct opr_str *rest, char sep, struct opr_str *ret_part)
{
    const char *at = memchr(rest->ptr, sep, rest->len);
    if (!at) {
        return false;
    }
    *ret_part = opr_str_n(rest->ptr, (size_t)(at - rest->ptr));
    *rest = opr_str_n(at + 1, rest->len - ret_part->len - 1);
    return true;
}

/* origin-form, absolute-form and the asterisk (RFC 9112 3.2). */
static bool split_target(struct opr_str target, struct opr__h1_head *head)
{
    if (opr_str_starts(target, "http://") || opr_str_starts(target, "https://")) {
        size_t at = target.ptr[4] == 's' ? 8 : 7;
        while (at < target.len && target.ptr[at] != '/' && target.ptr[at] != '?') {
            at++;
        }
        target = opr_str_n(target.ptr + at, target.len - at);
        if (target.len == 0 || target.ptr[0] == '?') {
            return false;
        }
    } else if (target.ptr[0] != '/' && !opr_str_is(target, "*")) {
        return false;
    }
    head->path = target;
    head->query = opr_str_n("", 0);
    const char *mark = memchr(target.ptr, '?', target.len);
    if (mark) {
        head->path.len = (size_t)(mark - target.ptr);
        head->query = opr_str_n(mark + 1, target.len - head->path.len - 1);
    }
    return true;
}

static int parse_request_line(struct opr_str line, struct opr__h1_head *head)
{
    struct opr_str rest = line, target;
    if (!take_until(&rest, ' ', &head->method) || !is_token(head->method) ||
        !take_until(&rest, ' ', &target) || !is_target(target) || !split_target(target, head)) {
        return 400;
    }
    if (rest.len != 8 || !opr_str_starts(rest, "HTTP/") || rest.ptr[6] != '.' ||
        rest.ptr[7] < '0' || rest.ptr[7] > '9') {
        return 400;
    }
    if (rest.ptr[5] != '1') {
        return rest.ptr[5] >= '0' && rest.ptr[5] <= '9' ? 505 : 400;
    }
    head->minor = rest.ptr[7] == '0' ? 0 : 1;
    return OPR__H1_DONE;
}

static struct opr_str trim_blanks(struct opr_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = opr_str_n(s.ptr + 1, s.len - 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* A line that begins with a blank (obs-fold) and a blank before the colon fail as no token. */
static bool parse_field(struct opr_str line, struct opr_http_header *ret_field)
{
    struct opr_str rest = line;
    if (!take_until(&rest, ':', &ret_field->name) || !is_token(ret_field->name)) {
        return false;
    }
    ret_field->value = trim_blanks(rest);
    return is_field_value(ret_field->value);
}

static bool parse_length(struct opr_str text, uint64_t *ret_value)
{
    if (text.len == 0 || text.len > 18) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret_value = value;
    return true;
}

static void read_connection(struct opr_str value, struct opr__h1_head *head)
{
    struct opr_str rest = value, part;
    while (opr_str_next(&rest, ',', &part)) {
        part = trim_blanks(part);
        if (opr_str_ieq(part, OPR_STR("close"))) {
            head->is_keep_alive = false;
        } else if (opr_str_ieq(part, OPR_STR("keep-alive")) && head->minor == 0) {
            head->is_keep_alive = true;
        }
    }
}

/* What of the fields decides where the request ends (RFC 9112 6.3) and what follows. */
static int read_framing(struct opr__h1_head *head)
{
    size_t hosts = 0;
    head->is_keep_alive = head->minor > 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        struct opr_str name = head->headers[i].name, value = head->headers[i].value;
        if (opr_str_ieq(name, OPR_STR("host"))) {
            hosts++;
        } else if (opr_str_ieq(name, OPR_STR("content-length"))) {
            if (head->has_length || !parse_length(value, &head->length)) {
                return 400;
            }
            head->has_length = true;
        } else if (opr_str_ieq(name, OPR_STR("transfer-encoding"))) {
            if (head->is_chunked || head->minor == 0) {
                return 400;
            }
            if (!opr_str_ieq(value, OPR_STR("chunked"))) {
                return 501;
            }
            head->is_chunked = true;
        } else if (opr_str_ieq(name, OPR_STR("connection"))) {
            read_connection(value, head);
        } else if (opr_str_ieq(name, OPR_STR("expect"))) {
            if (!opr_str_ieq(value, OPR_STR("100-continue"))) {
                return 417;
            }
            head->expects_continue = head->minor > 0;
        }
    }
    bool is_ambiguous = head->is_chunked && head->has_length;
    return is_ambiguous || hosts > 1 || (hosts == 0 && head->minor > 0) ? 400 : OPR__H1_DONE;
}

int opr__h1_parse_head(struct opr_arena *a, struct opr_str text, struct opr__h1_head *ret_head)
{
    struct opr_str rest = text;
    int status = parse_request_line(next_line(&rest), ret_head);
    if (status != OPR__H1_DONE) {
        return status;
    }
    size_t lines = 0;
    for (size_t i = 0; i < rest.len; i++) {
        lines += rest.ptr[i] == '\n';
    }
    if (lines > OPR__H1_HEADERS_MAX) {
        return 431;
    }
    ret_head->headers = opr_arena_alloc(a, (lines + 1) * sizeof *ret_head->headers);
    ret_head->n_headers = 0;
    for (;;) {
        struct opr_str line = next_line(&rest);
        if (line.len == 0) {
            return read_framing(ret_head);
        }
        if (!parse_field(line, &ret_head->headers[ret_head->n_headers++])) {
            return 400;
        }
    }
}

enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static int feed_size(struct opr__h1_chunks *c, char byte)
{
    int digit = hex_digit(byte);
    if (++c->line_bytes > OPR__H1_CHUNK_LINE_MAX) {
        return 400;
    }
    if (c->state == CHUNK_SIZE && digit >= 0) {
        if (++c->digits > 15) {
            return 400;
        }
        c->left = c->left * 16 + (uint64_t)digit;
        return OPR__H1_MORE;
    }
    if (c->digits == 0) {
        return 400;
    }
    if (byte == '\r') {
        c->state = CHUNK_SIZE_LF;
        return OPR__H1_MORE;
    }
    if (c->state == CHUNK_SIZE && byte != ';') {
        return 400;
    }
    c->state = CHUNK_EXTENSION;
    return ((unsigned char)byte < ' ' && byte != '\t') || byte == 0x7f ? 400 : OPR__H1_MORE;
}

/* Trailers are read over; only their lines matter. */
static int feed_trailer(struct opr__h1_chunks *c, char byte)
{
    if (++c->line_bytes > OPR__H1_TRAILER_MAX) {
        return 431;
    }
    if (c->was_cr) {
        if (byte != '\n') {
            return 400;
        }
        c->was_cr = false;
        if (c->is_line_empty) {
            return OPR__H1_DONE;
        }
        c->is_line_empty = true;
    } else if (byte == '\r') {
        c->was_cr = true;
    } else if (byte == '\n' || byte == '\0') {
        return 400;
    } else {
        c->is_line_empty = false;
    }
    return OPR__H1_MORE;
}

static int feed_line_end(struct opr__h1_chunks *c, char byte)
{
    if (byte != (c->state == CHUNK_DATA_CR ? '\r' : '\n')) {
        return 400;
    }
    if (c->state == CHUNK_DATA_CR) {
        c->state = CHUNK_DATA_LF;
        return OPR__H1_MORE;
    }
    bool is_last = c->state == CHUNK_SIZE_LF && c->left == 0;
    c->is_line_empty = true;
    c->line_bytes = 0;
    if (c->state == CHUNK_DATA_LF) {
        c->digits = 0;
        c->state = CHUNK_SIZE;
    } else {
        c->state = is_last ? CHUNK_TRAILER : CHUNK_DATA;
    }
    return OPR__H1_MORE;
}

int opr__h1_chunks_feed(struct opr__h1_chunks *c, struct opr_str in, size_t *io_at,
                        struct opr_buf *body, size_t max_bytes)
{
    int result = OPR__H1_MORE;
    while (*io_at < in.len && result == OPR__H1_MORE) {
        if (c->state == CHUNK_DATA) {
            size_t have = in.len - *io_at;
            size_t n = c->left < have ? (size_t)c->left : have;
            opr_buf_add(body, in.ptr + *io_at, n);
            *io_at += n;
            c->left -= n;
            c->state = c->left == 0 ? CHUNK_DATA_CR : CHUNK_DATA;
            continue;
        }
        char byte = in.ptr[(*io_at)++];
        if (c->state == CHUNK_SIZE || c->state == CHUNK_EXTENSION) {
            result = feed_size(c, byte);
        } else if (c->state == CHUNK_TRAILER) {
            result = feed_trailer(c, byte);
        } else {
            result = feed_line_end(c, byte);
            if (c->state == CHUNK_DATA && c->left > max_bytes - body->len) {
                return 413;
            }
        }
    }
    return result;
}
