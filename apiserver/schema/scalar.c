#include "apiserver/schema/build.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>

/* Quantities, as apimachinery pkg/api/resource reads and prints them: nanoseconds' precision,
 * rounded up, at most 2^63-1. */
enum { FORMAT_DECIMAL_SI, FORMAT_DECIMAL_EXPONENT, FORMAT_BINARY_SI };
struct quantity {
    __int128 nano;
    int format;
};
#define NANO ((__int128)1000000000)
#define QUANTITY_MAX ((__int128)INT64_MAX * NANO)

static const char QUANTITY_SYNTAX[] = "quantities must match the regular expression "
                                      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char QUANTITY_SUFFIX[] = "unable to parse quantity's suffix";

static bool parse_suffix(struct opr_str s, int *ret_format, int *ret_pow10, int *ret_pow2)
{
    static const char decimal[] = "num kMGTPE";
    static const char binary[] = "KMGTPE";
    *ret_format = FORMAT_DECIMAL_SI;
    *ret_pow10 = *ret_pow2 = 0;
    if (s.len == 0) {
        return true;
    }
    const char *at;
    if (s.len == 1 && s.ptr[0] != ' ' && (at = strchr(decimal, s.ptr[0]))) {
        *ret_pow10 = ((int)(at - decimal) - 3) * 3;
        return true;
    }
    if (s.len == 2 && s.ptr[1] == 'i' && (at = strchr(binary, s.ptr[0]))) {
        *ret_format = FORMAT_BINARY_SI;
        *ret_pow2 = ((int)(at - binary) + 1) * 10;
        return true;
    }
    if (s.len < 2 || (s.ptr[0] != 'e' && s.ptr[0] != 'E')) {
        return false;
    }
    struct opr_str digits = {s.ptr + 1, s.len - 1};
    if (digits.ptr[0] == '+' && digits.len > 1) {
        digits.ptr++;
        digits.len--;
    }
    int64_t n;
    if (opr_str_to_i64(digits, &n) != OPR_OK || n > 100 || n < -100) {
        return false;
    }
    *ret_format = FORMAT_DECIMAL_EXPONENT;
    *ret_pow10 = (int)n;
    return true;
}

/* The digits scaled by powers of ten and two, in billionths, rounded away from zero. */
static __int128 scale(struct opr_str digits, int pow10, int pow2)
{
    __int128 v = 0;
    bool has_rest = false;
    for (size_t i = 0; i < digits.len; i++) {
        if (v > QUANTITY_MAX) {
            pow10++; /* further digits of a value that is capped anyway */
            continue;
        }
        v = v * 10 + (digits.ptr[i] - '0');
    }
    for (; pow2 > 0 && v <= QUANTITY_MAX; pow2--) {
        v *= 2;
    }
    for (pow10 += 9; pow10 > 0 && v <= QUANTITY_MAX; pow10--) {
        v *= 10;
    }
    for (; pow10 < 0 && v; pow10++) {
        has_rest = has_rest || v % 10;
        v /= 10;
    }
    v += has_rest;
    return v > QUANTITY_MAX ? QUANTITY_MAX : v;
}

/* The digits before the suffix, without the point and leading zeros. */
struct mantissa {
    char digits[64];
    size_t count;
    int after_point;
    bool is_negative, has_digit, is_too_long;
};

/* Takes the sign and the digits; returns what is left. */
static struct opr_str read_mantissa(struct opr_str text, struct mantissa *m)
{
    size_t i = 0;
    bool has_point = false;
    *m = (struct mantissa){0};
    if (text.len && (text.ptr[0] == '+' || text.ptr[0] == '-')) {
        m->is_negative = text.ptr[i++] == '-';
    }
    for (; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (!isdigit((unsigned char)c)) {
            break;
        }
        m->has_digit = true;
        m->after_point += has_point;
        if (c == '0' && m->count == 0) {
            continue;
        }
        if (m->count == sizeof(m->digits)) {
            m->is_too_long = true;
            break;
        }
        m->digits[m->count++] = c;
    }
    return opr_str_n(text.ptr + i, text.len - i);
}

/* [eEinumkKMGTP]*[-+]?[0-9]* */
static bool looks_like_suffix(struct opr_str s)
{
    size_t i = 0;
    while (i < s.len && s.ptr[i] && strchr("eEinumkKMGTP", s.ptr[i])) {
        i++;
    }
    i += i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-');
    while (i < s.len && isdigit((unsigned char)s.ptr[i])) {
        i++;
    }
    return i == s.len;
}

static opr_status parse_quantity(struct opr_str text, struct quantity *ret_q,
                                 struct opr_error *reterr)
{
    struct mantissa m;
    struct opr_str suffix = read_mantissa(text, &m);
    int pow10, pow2;
    if (m.is_too_long) {
        return opr_error_set(reterr, OPR_E_LIMIT, "%s", QUANTITY_SYNTAX);
    }
    if (!m.has_digit || !looks_like_suffix(suffix)) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s", QUANTITY_SYNTAX);
    }
    if (!parse_suffix(suffix, &ret_q->format, &pow10, &pow2)) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s", QUANTITY_SUFFIX);
    }
    ret_q->nano = scale(opr_str_n(m.digits, m.count), pow10 - m.after_point, pow2);
    if (m.is_negative) {
        ret_q->nano = -ret_q->nano;
    }
    return OPR_OK;
}

static void print_int128(__int128 v, char *out)
{
    char reversed[48];
    size_t n = 0;
    bool is_negative = v < 0;
    if (is_negative) {
        v = -v;
    }
    do {
        reversed[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v);
    if (is_negative) {
        *out++ = '-';
    }
    while (n) {
        *out++ = reversed[--n];
    }
    *out = 0;
}

static void format_quantity(const struct quantity *q, char *out)
{
    if (q->nano == 0) {
        memcpy(out, "0", 2);
        return;
    }
    char number[48];
    bool is_small = q->nano > -1024 * NANO && q->nano < 1024 * NANO;
    if (q->format == FORMAT_BINARY_SI && !is_small && q->nano % NANO == 0) {
        static const char *const names[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
        __int128 v = q->nano / NANO;
        size_t power = 0;
        while (v % 1024 == 0 && power < 6) {
            v /= 1024;
            power++;
        }
        print_int128(v, number);
        snprintf(out, OPR__SCALAR_TEXT_MAX, "%s%s", number, names[power]);
        return;
    }
    static const char *const names[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    __int128 v = q->nano;
    size_t power = 0;
    while (v % 1000 == 0 && power < 9) {
        v /= 1000;
        power++;
    }
    print_int128(v, number);
    if (q->format == FORMAT_DECIMAL_EXPONENT && power != 3) {
        snprintf(out, OPR__SCALAR_TEXT_MAX, "%se%d", number, ((int)power - 3) * 3);
    } else {
        snprintf(out, OPR__SCALAR_TEXT_MAX, "%s%s", number, names[power]);
    }
}

opr_status opr__canonical_quantity(struct opr_str text, char *ret_text, struct opr_error *reterr)
{
    struct quantity q;
    OPR_TRY(parse_quantity(text, &q, reterr));
    format_quantity(&q, ret_text);
    return OPR_OK;
}

opr_status opr__quantity_round_milli(struct opr_str text, char *ret_text)
{
    struct quantity q;
    OPR_TRY(parse_quantity(text, &q, NULL));
    __int128 rest = q.nano % 1000000;
    if (rest) {
        q.nano += q.nano > 0 ? 1000000 - rest : -1000000 - rest;
    }
    format_quantity(&q, ret_text);
    return OPR_OK;
}

int opr__quantity_cmp(struct opr_str a, struct opr_str b)
{
    struct quantity x = {0, 0}, y = {0, 0};
    if (parse_quantity(a, &x, NULL) != OPR_OK) {
        x.nano = 0;
    }
    if (parse_quantity(b, &y, NULL) != OPR_OK) {
        y.nano = 0;
    }
    return (x.nano > y.nano) - (x.nano < y.nano);
}

opr_status opr__canonical_time(struct opr_str text, bool is_micro, char *ret_text,
                               struct opr_error *reterr)
{
    int64_t ms;
    if (opr_time_parse(text, &ms) != OPR_OK) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "parsing time \"%.*s\" as \"2006-01-02T15:04:05%sZ07:00\": cannot "
                             "parse \"%.*s\" as \"2006\"",
                             OPR_STR_ARG(text), is_micro ? ".000000" : "", OPR_STR_ARG(text));
    }
    char seconds[OPR_TIME_TEXT_MAX];
    int64_t whole = (ms >= 0 ? ms : ms - 999) / 1000;
    opr_time_format(whole * 1000, seconds);
    if (!is_micro) {
        snprintf(ret_text, OPR__SCALAR_TEXT_MAX, "%s", seconds);
        return OPR_OK;
    }
    int micro = 0;
    const char *point = memchr(text.ptr, '.', text.len);
    for (int i = 1; i <= 6; i++) {
        bool is_digit =
            point && point + i < text.ptr + text.len && isdigit((unsigned char)point[i]);
        point = is_digit ? point : NULL;
        micro = micro * 10 + (is_digit ? point[i] - '0' : 0);
    }
    snprintf(ret_text, OPR__SCALAR_TEXT_MAX, "%.19s.%06dZ", seconds, micro);
    return OPR_OK;
}
