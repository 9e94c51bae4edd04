#include "core/api/quantity.h"

#include "core/base/str.h"

#include <stdio.h>

static const struct {
    const char *suffix;
    int power10; /* of a decimal suffix, relative to one */
    int power2;  /* of a binary suffix; 0: decimal */
} suffixes[] = {
    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"", 0, 0},    {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

typedef unsigned __int128 u128;

#define DIGITS_MAX 30 /* significant ones; more fit no 128-bit mantissa with a suffix */

/* Digits with one optional point: mantissa * 10^-scale. Fraction digits past DIGITS_MAX only round
 * up. OPR_E_LIMIT where the whole part is longer. */
static opr_status read_number(struct opr_str *s, u128 *ret_mantissa, int *ret_scale)
{
    u128 mantissa = 0;
    int scale = 0, significant = 0;
    bool has_point = false, has_digit = false, has_more = false;
    for (; s->len > 0; *s = opr_str_n(s->ptr + 1, s->len - 1)) {
        char c = s->ptr[0];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9') {
            break;
        }
        has_digit = true;
        if (significant == DIGITS_MAX) {
            if (!has_point) {
                return OPR_E_LIMIT;
            }
            has_more = has_more || c != '0';
            continue;
        }
        mantissa = mantissa * 10 + (u128)(c - '0');
        significant += mantissa != 0;
        scale += has_point;
    }
    *ret_mantissa = mantissa + has_more;
    *ret_scale = scale;
    return has_digit ? OPR_OK : OPR_E_INVALID;
}

/* Far past 64 bits either way, whatever the mantissa: the result is the same beyond. */
#define EXPONENT_MAX (1 << 20)
#define TEXT_MAX 4096

static bool read_suffix(struct opr_str s, int *ret_power10, int *ret_power2)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (opr_str_is(s, suffixes[i].suffix)) {
            *ret_power10 = suffixes[i].power10;
            *ret_power2 = suffixes[i].power2;
            return true;
        }
    }
    int64_t exponent;
    if (s.len >= 2 && (s.ptr[0] == 'e' || s.ptr[0] == 'E')) {
        struct opr_str digits = opr_str_n(s.ptr + 1, s.len - 1);
        if (digits.ptr[0] == '+' && digits.len > 1 && digits.ptr[1] != '-') {
            digits = opr_str_n(digits.ptr + 1, digits.len - 1);
        }
        if (opr_str_to_i64(digits, &exponent) == OPR_OK) {
            *ret_power10 = exponent < -EXPONENT_MAX  ? -EXPONENT_MAX
                           : exponent > EXPONENT_MAX ? EXPONENT_MAX
                                                     : (int)exponent;
            *ret_power2 = 0;
            return true;
        }
    }
    return false;
}

static bool times10(u128 *value, int power)
{
    for (; power > 0 && *value > 0; power--) {
        if (*value > ~(u128)0 / 10) {
            return false;
        }
        *value *= 10;
    }
    return true;
}

/* Divides by 10^power, rounding up (away from zero, as apimachinery rounds). */
static void divide10(u128 *value, int power)
{
    for (; power > 0 && *value > 1; power--) {
        *value = *value / 10 + (*value % 10 != 0);
    }
}

opr_status opr_quantity_parse(struct opr_str text, int64_t *ret_milli)
{
    if (text.len > TEXT_MAX) {
        return OPR_E_LIMIT;
    }
    struct opr_str s = text;
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        s = opr_str_n(s.ptr + 1, s.len - 1);
    }
    u128 value;
    int scale, power10, power2;
    opr_status st = read_number(&s, &value, &scale);
    if (st != OPR_OK) {
        return st;
    }
    if (!read_suffix(s, &power10, &power2)) {
        return OPR_E_INVALID;
    }
    for (; scale > 0 && value > ~(u128)0 >> power2; scale--) {
        divide10(&value, 1); /* digits that 64 bits of thousandths can not show */
    }
    if (value > ~(u128)0 >> power2) {
        return OPR_E_LIMIT;
    }
    value <<= power2;
    int power = power10 + 3 - scale;
    if (!times10(&value, power)) {
        return OPR_E_LIMIT;
    }
    divide10(&value, -power);
    if (value > INT64_MAX) {
        return OPR_E_LIMIT;
    }
    *ret_milli = is_negative ? -(int64_t)value : (int64_t)value;
    return OPR_OK;
}

void opr_quantity_format(int64_t milli, bool is_binary, char ret_text[OPR_QUANTITY_TEXT_MAX])
{
    static const char *const binary[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    static const char *const decimal[] = {"k", "M", "G", "T", "P", "E"};
    if (milli % 1000 != 0) {
        snprintf(ret_text, OPR_QUANTITY_TEXT_MAX, "%lldm", (long long)milli);
        return;
    }
    int64_t value = milli / 1000;
    is_binary = is_binary && (value <= -1024 || value >= 1024);
    int64_t step = is_binary ? 1024 : 1000;
    int power = 0;
    while (value != 0 && value % step == 0 && power < 6) {
        value /= step;
        power++;
    }
    const char *suffix = power == 0 ? "" : is_binary ? binary[power - 1] : decimal[power - 1];
    snprintf(ret_text, OPR_QUANTITY_TEXT_MAX, "%lld%s", (long long)value, suffix);
}

opr_status opr_quantity_at(const struct opr_obj *o, const char *ptr, int64_t *ret_milli)
{
    const struct opr_obj *v = opr_json_at(o, ptr);
    int32_t type = opr_json_type(v);
    if (type == OPR_TYPE_STRING) {
        return opr_quantity_parse(opr_json_text(v, ""), ret_milli);
    }
    if (type != OPR_TYPE_NUMBER) {
        return type == OPR_TYPE_NONE || type == OPR_TYPE_NULL ? OPR_E_NOT_FOUND : OPR_E_INVALID;
    }
    struct opr_buf text = {0};
    opr_json_write(&text, v);
    opr_status st = opr_quantity_parse(opr_buf_str(&text), ret_milli);
    opr_buf_fini(&text);
    return st;
}
