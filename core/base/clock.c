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

static struct tm utc(int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    return t;
}

void opr_time_format(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX])
{
    struct tm t = utc(wall_ms);
    strftime(ret_text, OPR_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &t);
}

void opr_time_format_micro(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX])
{
    opr_time_format(wall_ms, ret_text);
    snprintf(ret_text + 19, OPR_TIME_TEXT_MAX - 19, ".%03d000Z", (int)(wall_ms % 1000));
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

static int64_t fraction_ms(struct opr_str *s)
{
    int64_t ms = 0, scale = 100;
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

opr_status opr_time_parse(struct opr_str text, int64_t *ret_wall_ms)
{
    struct opr_str s = text;
    struct tm t = {0};
    int year = digits(&s, 4);
    bool is_good = year >= 0 && skip(&s, '-');
    int month = digits(&s, 2);
    is_good = is_good && month >= 1 && month <= 12 && skip(&s, '-');
    t.tm_mday = digits(&s, 2);
    is_good = is_good && t.tm_mday >= 1 && t.tm_mday <= 31 && (skip(&s, 'T') || skip(&s, 't'));
    t.tm_hour = digits(&s, 2);
    is_good = is_good && t.tm_hour >= 0 && t.tm_hour <= 23 && skip(&s, ':');
    t.tm_min = digits(&s, 2);
    is_good = is_good && t.tm_min >= 0 && t.tm_min <= 59 && skip(&s, ':');
    t.tm_sec = digits(&s, 2);
    is_good = is_good && t.tm_sec >= 0 && t.tm_sec <= 60;
    int64_t ms = skip(&s, '.') ? fraction_ms(&s) : 0;
    int64_t offset_s;
    if (!is_good || !parse_zone(&s, &offset_s)) {
        return OPR_E_INVALID;
    }
    t.tm_year = year - 1900;
    t.tm_mon = month - 1;
    *ret_wall_ms = ((int64_t)timegm(&t) - offset_s) * 1000 + ms;
    return OPR_OK;
}

static int64_t unit_us(struct opr_str *s)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"ms", 1000}, {"us", 1}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (opr_str_starts(*s, units[i].name)) {
            size_t len = strlen(units[i].name);
            *s = opr_str_n(s->ptr + len, s->len - len);
            return units[i].us;
        }
    }
    return 0;
}

opr_status opr_duration_parse(struct opr_str text, int64_t *ret_ms)
{
    struct opr_str s = text;
    int64_t total_us = 0;
    if (opr_str_is(text, "0")) {
        *ret_ms = 0;
        return OPR_OK;
    }
    do {
        size_t n = 0;
        while (n < s.len && ((s.ptr[n] >= '0' && s.ptr[n] <= '9') || s.ptr[n] == '.')) {
            n++;
        }
        struct opr_str whole = opr_str_n(s.ptr, n), number, fraction = {NULL, 0};
        int64_t value, part_us;
        if (!opr_str_next(&whole, '.', &number) || opr_str_to_i64(number, &value) != OPR_OK) {
            return OPR_E_INVALID;
        }
        fraction = whole;
        s = opr_str_n(s.ptr + n, s.len - n);
        int64_t us = unit_us(&s);
        if (us == 0) {
            return OPR_E_INVALID;
        }
        if (__builtin_mul_overflow(value, us, &part_us) ||
            __builtin_add_overflow(total_us, part_us, &total_us)) {
            return OPR_E_LIMIT;
        }
        for (int64_t scale = us / 10; fraction.len > 0 && scale > 0; scale /= 10) {
            if (fraction.ptr[0] == '.') {
                return OPR_E_INVALID;
            }
            total_us += (fraction.ptr[0] - '0') * scale;
            fraction = opr_str_n(fraction.ptr + 1, fraction.len - 1);
        }
    } while (s.len > 0);
    *ret_ms = total_us / 1000;
    return OPR_OK;
}
