/* The inside of a JSON string: escapes and UTF-8 (RFC 8259, RFC 3629). */
#include "core/json/node.h"

#include "core/base/str.h"

struct scan {
    struct opr_str in;
    size_t at;
    char *out;
    size_t len;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_hex4(struct scan *p, uint32_t *ret_code)
{
    uint32_t code = 0;
    if (p->in.len - p->at < 4) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(p->in.ptr[p->at + i]);
        if (digit < 0) {
            return false;
        }
        code = code << 4 | (uint32_t)digit;
    }
    p->at += 4;
    *ret_code = code;
    return true;
}

/* No bound to check: an escape is never shorter than what it stands for. */
static void add_char(struct scan *p, uint32_t c)
{
    p->out[p->len++] = (char)(unsigned char)c;
}

static void add_text(struct scan *p, const char *text, size_t len)
{
    memcpy(p->out + p->len, text, len);
    p->len += len;
}

static void add_utf8(struct scan *p, uint32_t code)
{
    if (code < 0x80) {
        add_char(p, code);
        return;
    }
    if (code < 0x800) {
        add_char(p, 0xc0 | code >> 6);
    } else if (code < 0x10000) {
        add_char(p, 0xe0 | code >> 12);
        add_char(p, 0x80 | (code >> 6 & 63));
    } else {
        add_char(p, 0xf0 | code >> 18);
        add_char(p, 0x80 | (code >> 12 & 63));
        add_char(p, 0x80 | (code >> 6 & 63));
    }
    add_char(p, 0x80 | (code & 63));
}

/* After "\u". A lone surrogate becomes U+FFFD, as Go's decoder reads it. */
static const char *read_unicode(struct scan *p)
{
    uint32_t code, low;
    if (!read_hex4(p, &code)) {
        return "four hexadecimal digits";
    }
    if (code >= 0xd800 && code < 0xdc00 && p->in.len - p->at >= 6 && p->in.ptr[p->at] == '\\' &&
        p->in.ptr[p->at + 1] == 'u') {
        size_t before = p->at;
        p->at += 2;
        if (!read_hex4(p, &low)) {
            return "four hexadecimal digits";
        }
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else {
            p->at = before;
        }
    }
    add_utf8(p, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return NULL;
}

static const char *read_escape(struct scan *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = p->at < p->in.len ? p->in.ptr[p->at] : '\0';
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        p->at++;
        add_char(p, (unsigned char)to[found - from]);
        return NULL;
    }
    if (c != 'u') {
        return "an escape: one of \"\\/bfnrtu";
    }
    p->at++;
    return read_unicode(p);
}

/* Length of the plain run at the position: no quote, backslash, control or invalid UTF-8. */
static size_t plain_run(const struct scan *p)
{
    const unsigned char *s = (const unsigned char *)p->in.ptr + p->at;
    size_t left = p->in.len - p->at, n = 0;
    for (;;) {
        n += opr_str_plain_run(opr_str_n(p->in.ptr + p->at + n, left - n));
        if (n == left || s[n] < 0x80) {
            break;
        }
        unsigned char c = s[n];
        size_t len = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
        bool is_good = len > 0 && len <= left - n;
        for (size_t i = 1; is_good && i < len; i++) {
            is_good = (s[n + i] & 0xc0) == 0x80;
        }
        if (!is_good || (c == 0xe0 && s[n + 1] < 0xa0) || (c == 0xed && s[n + 1] > 0x9f) ||
            (c == 0xf0 && s[n + 1] < 0x90) || (c == 0xf4 && s[n + 1] > 0x8f)) {
            break;
        }
        n += len;
    }
    return n;
}

const char *opr__unescape(struct opr_str in, size_t *at, char *out, size_t *len)
{
    struct scan s = {in, *at, out, *len};
    const char *expected = NULL;
    for (;;) {
        size_t run = plain_run(&s);
        add_text(&s, s.in.ptr + s.at, run);
        s.at += run;
        if (s.at < in.len && in.ptr[s.at] == '"') {
            break;
        }
        if (s.at >= in.len || in.ptr[s.at] != '\\') {
            expected = "the end of a string, with no control character and valid UTF-8 in it";
            break;
        }
        s.at++;
        expected = read_escape(&s);
        if (expected) {
            break;
        }
    }
    add_char(&s, 0);
    *at = s.at + !expected;
    *len = s.len;
    return expected;
}
