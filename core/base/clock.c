#include "core/base/clock.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t system_wall_ms(const struct opr_clock *c)
{
    (void)c;
    return (int64_t)(read_ns(CLOCK_REALTIME) / 1000000);
}

static uint64_t system_mono_ns(const struct opr_clock *c)
{
    (void)c;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t system_boot_ns(const struct opr_clock *c)
{
    (void)c;
    return read_ns(CLOCK_BOOTTIME);
}

const struct opr_clock *opr_clock_system(void)
{
    static const struct opr_clock clock = {system_wall_ms, system_mono_ns, system_boot_ns};
    return &clock;
}

struct fake {
    struct opr_clock clock; /* first */
    int64_t begin_ms;
    atomic_ullong passed_ms;
};

static int64_t fake_wall_ms(const struct opr_clock *c)
{
    const struct fake *f = (const struct fake *)c;
    return f->begin_ms + (int64_t)atomic_load(&f->passed_ms);
}

/* Begins at one second, so that no deadline lies before zero. */
static uint64_t fake_ns(const struct opr_clock *c)
{
    const struct fake *f = (const struct fake *)c;
    return (1000 + atomic_load(&f->passed_ms)) * 1000000;
}

struct opr_clock *opr_clock_fake_new(int64_t wall_ms)
{
    struct fake *f = opr_xalloc(sizeof *f);
    f->clock = (struct opr_clock){fake_wall_ms, fake_ns, fake_ns};
    f->begin_ms = wall_ms;
    return &f->clock;
}

void opr_clock_fake_free(struct opr_clock *c)
{
    opr_free(c);
}

void opr_clock_fake_advance(struct opr_clock *c, uint64_t ms)
{
    atomic_fetch_add(&((struct fake *)c)->passed_ms, ms);
}

/* RFC 3339 has four digits for the year. */
#define WALL_MIN_MS (-62167219200000) /* 0000-01-01 */
#define WALL_MAX_MS 253402300799999   /* 9999-12-31 */

/* Returns the milliseconds within the second. */
static int format_seconds(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX])
{
    int64_t ms = wall_ms < WALL_MIN_MS   ? WALL_MIN_MS
                 : wall_ms > WALL_MAX_MS ? WALL_MAX_MS
                                         : wall_ms;
    int64_t part = ((ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((ms - part) / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    snprintf(ret_text, OPR_TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u",
             (unsigned)(t.tm_year + 1900) % 10000, (unsigned)(t.tm_mon + 1) % 100,
             (unsigned)t.tm_mday % 100, (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100,
             (unsigned)t.tm_sec % 100);
    return (int)part;
}

void opr_time_format(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX])
{
    format_seconds(wall_ms, ret_text);
    ret_text[19] = 'Z';
    ret_text[20] = '\0';
}

void opr_time_format_micro(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX])
{
    int part = format_seconds(wall_ms, ret_text);
    snprintf(ret_text + 19, OPR_TIME_TEXT_MAX - 19, ".%03d000Z", part);
}

/* Reads n digits; -1 where there are none. */
static int digits(struct opr_str *s, size_t n)
{
    uint64_t value;
    if (s->len < n || opr_str_to_u64(opr_str_n(s->ptr, n), &value) != OPR_OK) {
        return -1;
    }
    *s = opr_str_n(s->ptr + n, s->len - n);
    return (int)value;
}

static bool skip(struct opr_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c) {
        return false;
    }
    *s = opr_str_n(s->ptr + 1, s->len - 1);
    return true;
}

/* Of ".678"; -1 where no digit follows the point. */
static int64_t fraction_ms(struct opr_str *s)
{
    int64_t ms = 0, scale = 100;
    if (!skip(s, '.')) {
        return 0;
    }
    if (s->len == 0 || s->ptr[0] < '0' || s->ptr[0] > '9') {
        return -1;
    }
    while (s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        ms += (s->ptr[0] - '0') * scale;
        scale /= 10;
        *s = opr_str_n(s->ptr + 1, s->len - 1);
    }
    return ms;
}

static bool parse_zone(struct opr_str *s, int64_t *ret_offset_s)
{
    *ret_offset_s = 0;
    if (skip(s, 'Z') || skip(s, 'z')) {
        return s->len == 0;
    }
    bool is_west = skip(s, '-');
    if (!is_west && !skip(s, '+')) {
        return false;
    }
    int hours = digits(s, 2);
    bool has_colon = skip(s, ':');
    int minutes = digits(s, 2);
    if (hours < 0 || hours > 23 || !has_colon || minutes < 0 || minutes > 59) {
        return false;
    }
    *ret_offset_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return s->len == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

opr_status opr_time_parse(struct opr_str text, int64_t *ret_wall_ms)
{
    struct opr_str s = text;
    struct tm t = {0};
    int year = digits(&s, 4);
    bool is_good = year >= 0 && skip(&s, '-');
    int month = digits(&s, 2);
    is_good = is_good && month >= 1 && month <= 12 && skip(&s, '-');
    t.tm_mday = digits(&s, 2);
    is_good = is_good && t.tm_mday >= 1 && t.tm_mday <= days_in(year, month) &&
              (skip(&s, 'T') || skip(&s, 't'));
    t.tm_hour = digits(&s, 2);
    is_good = is_good && t.tm_hour >= 0 && t.tm_hour <= 23 && skip(&s, ':');
    t.tm_min = digits(&s, 2);
    is_good = is_good && t.tm_min >= 0 && t.tm_min <= 59 && skip(&s, ':');
    t.tm_sec = digits(&s, 2);
    is_good = is_good && t.tm_sec >= 0 && t.tm_sec <= 59;
    int64_t ms = fraction_ms(&s);
    int64_t offset_s;
    if (!is_good || ms < 0 || !parse_zone(&s, &offset_s)) {
        return OPR_E_INVALID;
    }
    t.tm_year = year - 1900;
    t.tm_mon = month - 1;
    *ret_wall_ms = ((int64_t)timegm(&t) - offset_s) * 1000 + ms;
    return OPR_OK;
}

/* Takes a unit off the text; its nanoseconds, or 0. */
static int64_t take_unit(struct opr_str *s)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},         {"us", 1000},       {"\xc2\xb5s", 1000}, {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (opr_str_starts(*s, units[i].name)) {
            size_t len = strlen(units[i].name);
            *s = opr_str_n(s->ptr + len, s->len - len);
            return units[i].ns;
        }
    }
    return 0;
}

static size_t digit_run(struct opr_str s)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9') {
        n++;
    }
    return n;
}

/* One "1.5h" off the text, in nanoseconds. */
static opr_status take_part(struct opr_str *s, int64_t *ret_ns)
{
    struct opr_str whole = opr_str_n(s->ptr, digit_run(*s)), fraction = {NULL, 0};
    int64_t value = 0;
    *s = opr_str_n(s->ptr + whole.len, s->len - whole.len);
    if (skip(s, '.')) {
        fraction = opr_str_n(s->ptr, digit_run(*s));
        *s = opr_str_n(s->ptr + fraction.len, s->len - fraction.len);
    }
    int64_t unit = take_unit(s);
    if (unit == 0 || whole.len + fraction.len == 0) {
        return OPR_E_INVALID;
    }
    if (whole.len > 0) {
        OPR_TRY(opr_str_to_i64(whole, &value));
    }
    if (__builtin_mul_overflow(value, unit, ret_ns)) {
        return OPR_E_LIMIT;
    }
    int64_t part = 0, scale = unit;
    for (size_t i = 0; i < fraction.len && scale >= 10; i++) {
        scale /= 10;
        part += (fraction.ptr[i] - '0') * scale;
    }
    return __builtin_add_overflow(*ret_ns, part, ret_ns) ? OPR_E_LIMIT : OPR_OK;
}

opr_status opr_duration_parse(struct opr_str text, int64_t *ret_ms)
{
    struct opr_str s = text;
    int64_t total_ns = 0, part_ns;
    if (opr_str_is(s, "0")) {
        *ret_ms = 0;
        return OPR_OK;
    }
    do {
        OPR_TRY(take_part(&s, &part_ns));
        if (__builtin_add_overflow(total_ns, part_ns, &total_ns)) {
            return OPR_E_LIMIT;
        }
    } while (s.len > 0);
    *ret_ms = total_ns / 1000000;
    return OPR_OK;
}
