#include "core/base/buf.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdarg.h>
#include <stdio.h>

void opr_buf_fini(struct opr_buf *b)
{
    opr_free(b->data);
    *b = (struct opr_buf){0};
}

void opr_buf_clear(struct opr_buf *b)
{
    b->len = 0;
    if (b->data) {
        b->data[0] = '\0';
    }
}

static void grow(struct opr_buf *b, size_t extra_bytes)
{
    size_t need = b->len + extra_bytes + 1;
    OPR_CHECK(need > extra_bytes);
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) {
        cap += cap / 2 + 64;
    }
    b->data = opr_xrealloc(b->data, cap);
    b->cap = cap;
    b->data[b->len] = '\0';
}

static inline void reserve(struct opr_buf *b, size_t extra_bytes)
{
    if (b->cap - b->len <= extra_bytes) {
        grow(b, extra_bytes);
    }
}

void opr_buf_reserve(struct opr_buf *b, size_t extra_bytes)
{
    reserve(b, extra_bytes);
}

void opr_buf_add(struct opr_buf *b, const void *data, size_t len)
{
    reserve(b, len);
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
}

void opr_buf_add_str(struct opr_buf *b, struct opr_str s)
{
    opr_buf_add(b, s.ptr, s.len);
}

void opr_buf_add_text(struct opr_buf *b, const char *text)
{
    opr_buf_add(b, text, strlen(text));
}

void opr_buf_add_char(struct opr_buf *b, char c)
{
    reserve(b, 1);
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void opr_buf_printf(struct opr_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    opr_buf_reserve(b, 64);
    int len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
    va_end(args);
    OPR_CHECK(len >= 0);
    if ((size_t)len >= b->cap - b->len) {
        opr_buf_reserve(b, (size_t)len);
        vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
    }
    va_end(again);
    b->len += (size_t)len;
}

/* Length of the valid UTF-8 sequence at s, or 0 (RFC 3629). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > left || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool is_bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                  (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return is_bad ? 0 : len;
}

static void add_escape(struct opr_buf *b, unsigned char c)
{
    static const char letters[] = "btn\vfr"; /* 8..13 */
    if (c == '"' || c == '\\') {
        opr_buf_add_char(b, '\\');
        opr_buf_add_char(b, (char)c);
    } else if (c >= 8 && c <= 13 && c != 11) {
        opr_buf_add_char(b, '\\');
        opr_buf_add_char(b, letters[c - 8]);
    } else {
        opr_buf_printf(b, "\\u%04x", c);
    }
}

void opr_buf_add_json(struct opr_buf *b, struct opr_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t plain = 0, i = 0;
    opr_buf_reserve(b, s.len + 2);
    opr_buf_add_char(b, '"');
    while (i < s.len) {
        i += opr_str_plain_run(opr_str_n(s.ptr + i, s.len - i));
        if (i == s.len) {
            break;
        }
        size_t len = p[i] >= 0x80 ? utf8_len(p + i, s.len - i) : 0;
        if (len > 0) {
            i += len;
            continue;
        }
        opr_buf_add(b, p + plain, i - plain);
        if (p[i] < 0x80) {
            add_escape(b, p[i]);
        } else {
            opr_buf_add_text(b, "\xef\xbf\xbd");
        }
        plain = ++i;
    }
    opr_buf_add(b, p + plain, i - plain);
    opr_buf_add_char(b, '"');
}

void opr_buf_consume(struct opr_buf *b, size_t len)
{
    OPR_CHECK(len <= b->len);
    if (len == 0) {
        return;
    }
    memmove(b->data, b->data + len, b->len - len + 1);
    b->len -= len;
}

struct opr_str opr_buf_str(const struct opr_buf *b)
{
    return opr_str_n(b->data ? b->data : "", b->len);
}

char *opr_buf_take(struct opr_buf *b, size_t *ret_len)
{
    opr_buf_reserve(b, 0);
    char *data = b->data;
    if (ret_len) {
        *ret_len = b->len;
    }
    *b = (struct opr_buf){0};
    return data;
}

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void opr_buf_base64(struct opr_buf *b, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)p[i] << 16;
        word |= i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0;
        word |= i + 2 < len ? p[i + 2] : 0;
        char out[4] = {base64_letters[word >> 18], base64_letters[word >> 12 & 63],
                       i + 1 < len ? base64_letters[word >> 6 & 63] : '=',
                       i + 2 < len ? base64_letters[word & 63] : '='};
        opr_buf_add(b, out, 4);
    }
}

opr_status opr_buf_unbase64(struct opr_buf *b, struct opr_str text)
{
    uint32_t word = 0;
    unsigned bits = 0;
    size_t pad = 0, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r' || c == ' ') {
            continue;
        }
        count++;
        if (c == '=') {
            pad++;
            continue;
        }
        const char *at = c ? strchr(base64_letters, c) : NULL;
        if (!at || pad > 0) {
            return OPR_E_INVALID;
        }
        word = word << 6 | (uint32_t)(at - base64_letters);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            opr_buf_add_char(b, (char)(word >> bits));
        }
    }
    return count % 4 == 0 && pad <= 2 ? OPR_OK : OPR_E_INVALID;
}
