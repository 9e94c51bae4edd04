/* The clock seam. All of the product reads time through a struct opr_clock, so that a test owns it.
 * Threads: any. Lifetime: the system clock is static; a fake one is freed by its maker. */
#ifndef OPR_BASE_CLOCK_H
#define OPR_BASE_CLOCK_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_clock {
    int64_t (*wall_ms)(const struct opr_clock *);  /* since 1970 */
    uint64_t (*mono_ns)(const struct opr_clock *); /* CLOCK_MONOTONIC */
    uint64_t (*boot_ns)(const struct opr_clock *); /* CLOCK_BOOTTIME: counts suspension (leases) */
};

const struct opr_clock *opr_clock_system(void);
static inline int64_t opr_clock_wall_ms(const struct opr_clock *c)
{
    return c->wall_ms(c);
}
static inline uint64_t opr_clock_mono_ns(const struct opr_clock *c)
{
    return c->mono_ns(c);
}
static inline uint64_t opr_clock_boot_ns(const struct opr_clock *c)
{
    return c->boot_ns(c);
}

struct opr_clock *opr_clock_fake_new(int64_t wall_ms);
void opr_clock_fake_free(struct opr_clock *c);
void opr_clock_fake_advance(struct opr_clock *c, uint64_t ms);

/* RFC 3339 in UTC: "2026-01-02T03:04:05Z"; micro: "2026-01-02T03:04:05.678000Z". */
#define OPR_TIME_TEXT_MAX 32
void opr_time_format(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX]);
void opr_time_format_micro(int64_t wall_ms, char ret_text[OPR_TIME_TEXT_MAX]);
OPR_NODISCARD opr_status opr_time_parse(struct opr_str text, int64_t *ret_wall_ms);
/* "300ms", "20s", "5m", "1h30m", as Go prints and reads durations, but for a sign, which is
 * refused. Less than a millisecond is cut off. */
OPR_NODISCARD opr_status opr_duration_parse(struct opr_str text, int64_t *ret_ms);

#ifdef __cplusplus
}
#endif
#endif
