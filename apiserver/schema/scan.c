#include "apiserver/schema/scan.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>

char opr__scan_peek(struct opr__scan *s)
{
    while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p) {
        s->p++;
    }
    return s->p < s->end ? *s->p : 0;
}

opr_status opr__scan_error(struct opr__scan *s, const char *context)
{
    if (s->p >= s->end) {
        return opr_error_set(s->reterr, OPR_E_INVALID,
                             "couldn't get version/kind; json parse error: unexpected end of JSON "
                             "input");
    }
    char quoted[8];
    unsigned char c = (unsigned char)*s->p;
    if (c == '\'' || c == '\\') {
        snprintf(quoted, sizeof(quoted), "'\\%c'", c);
    } else if (c == '\n' || c == '\t' || c == '\r') {
        snprintf(quoted, sizeof(quoted), "'\\%c'", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    } else if (isprint(c)) {
        snprintf(quoted, sizeof(quoted), "'%c'", c);
    } else {
        snprintf(quoted, sizeof(quoted), "'\\x%02x'", c);
    }
    return opr_error_set(s->reterr, OPR_E_INVALID,
                         "couldn't get version/kind; json parse error: invalid character %s %s",
                         quoted, context);
}

opr_status opr__scan_expect(struct opr__scan *s, char c, const char *context)
{
    if (opr__scan_peek(s) != c) {
        return opr__scan_error(s, context);
    }
    s->p++;
    return OPR_OK;
}

static opr_status scan_hex4(struct opr__scan *s, uint32_t *ret_code)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        if (s->p >= s->end || !isxdigit((unsigned char)*s->p)) {
            return opr__scan_error(s, "in \\u hexadecimal character escape");
        }
        char c = *s->p;
        code = code * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    *ret_code = code;
    return OPR_OK;
}

static void add_utf8(struct opr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        opr_buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        opr_buf_add_char(out, (char)(0xC0 | (c >> 6)));
        opr_buf_add_char(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        opr_buf_add_char(out, (char)(0xE0 | (c >> 12)));
        opr_buf_add_char(out, (char)(0x80 | ((c >> 6) & 63)));
        opr_buf_add_char(out, (char)(0x80 | (c & 63)));
    } else {
        opr_buf_add_char(out, (char)(0xF0 | (c >> 18)));
        opr_buf_add_char(out, (char)(0x80 | ((c >> 12) & 63)));
        opr_buf_add_char(out, (char)(0x80 | ((c >> 6) & 63)));
        opr_buf_add_char(out, (char)(0x80 | (c & 63)));
    }
}

/* After "\u": the character, from a surrogate pair where there is one; else U+FFFD, as Go does. */
static opr_status scan_unicode(struct opr__scan *s, struct opr_buf *out)
{
    uint32_t code, low;
    OPR_TRY(scan_hex4(s, &code));
    if (code < 0xD800 || code > 0xDFFF) {
        add_utf8(out, code);
        return OPR_OK;
    }
    const char *before = s->p;
    if (code < 0xDC00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        s->p += 2;
        OPR_TRY(scan_hex4(s, &low));
        if (low >= 0xDC00 && low <= 0xDFFF) {
            add_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            return OPR_OK;
        }
        s->p = before;
    }
    add_utf8(out, 0xFFFD);
    return OPR_OK;
}

static opr_status scan_escape(struct opr__scan *s, struct opr_buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (s->p < s->end && *s->p == 'u') {
        s->p++;
        return scan_unicode(s, out);
    }
    const char *at = s->p < s->end && *s->p ? strchr(from, *s->p) : NULL;
    if (!at) {
        return opr__scan_error(s, "in string escape code");
    }
    opr_buf_add_char(out, to[at - from]);
    s->p++;
    return OPR_OK;
}

/* Bytes of the UTF-8 character at p; 0 where it is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
               : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
               : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                             : 0;
    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool is_bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
                  (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F);
    return is_bad ? 0 : n;
}

opr_status opr__scan_string(struct opr__scan *s, struct opr_buf *out)
{
    OPR_TRY(opr__scan_expect(s, '"', "looking for beginning of value"));
    for (;;) {
        const char *from = s->p;
        while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= 0x20 &&
               (unsigned char)*s->p < 0x80) {
            s->p++;
        }
        opr_buf_add(out, from, (size_t)(s->p - from));
        if (s->p >= s->end || (unsigned char)*s->p < 0x20) {
            return opr__scan_error(s, "in string literal");
        }
        if (*s->p == '"') {
            s->p++;
            return OPR_OK;
        }
        if (*s->p == '\\') {
            s->p++;
            OPR_TRY(scan_escape(s, out));
            continue;
        }
        size_t n = utf8_length((const unsigned char *)s->p, (size_t)(s->end - s->p));
        if (n) {
            opr_buf_add(out, s->p, n);
        } else {
            add_utf8(out, 0xFFFD);
        }
        s->p += n ? n : 1;
    }
}

static void skip_digits(struct opr__scan *s)
{
    while (s->p < s->end && isdigit((unsigned char)*s->p)) {
        s->p++;
    }
}

static opr_status scan_digits(struct opr__scan *s, const char *context)
{
    if (s->p >= s->end || !isdigit((unsigned char)*s->p)) {
        return opr__scan_error(s, context);
    }
    skip_digits(s);
    return OPR_OK;
}

opr_status opr__scan_number(struct opr__scan *s, struct opr_str *ret_text)
{
    const char *from = s->p;
    s->p += *s->p == '-';
    if (s->p < s->end && *s->p == '0') {
        s->p++;
    } else {
        OPR_TRY(scan_digits(s, "in numeric literal"));
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        OPR_TRY(scan_digits(s, "after decimal point in numeric literal"));
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        s->p += s->p < s->end && (*s->p == '+' || *s->p == '-');
        OPR_TRY(scan_digits(s, "in exponent of numeric literal"));
    }
    *ret_text = opr_str_n(from, (size_t)(s->p - from));
    return OPR_OK;
}

opr_status opr__scan_word(struct opr__scan *s, const char *word)
{
    for (size_t i = 0; word[i]; i++, s->p++) {
        if (s->p >= s->end || *s->p != word[i]) {
            char context[48];
            snprintf(context, sizeof(context), "in literal %s (expecting '%c')", word, word[i]);
            return opr__scan_error(s, context);
        }
    }
    return OPR_OK;
}

opr_status opr__scan_end(struct opr__scan *s)
{
    opr__scan_peek(s);
    return s->p < s->end ? opr__scan_error(s, "after top-level value") : OPR_OK;
}
