#include "controllers/autoscaler/autoscaler.h"

#include <math.h>

static void mark(struct marks *m, int64_t at_ms, int64_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->at[i].at_ms > at_ms - WINDOW_MAX_S * 1000ll) {
            m->at[kept++] = m->at[i];
        }
    }
    m->count = kept;
    if (m->count == m->room) {
        uint32_t room = m->room ? m->room * 2 : 64;
        struct mark *more = realloc(m->at, room * sizeof *more);
        if (!more) {
            abort(); /* small allocations do not fail (docs/CONVENTIONS.md) */
        }
        m->at = more;
        m->room = room;
    }
    m->at[m->count++] = (struct mark){at_ms, n};
}

/* The most or the least that was recommended within a window, this one included. */
static int64_t extreme(const struct hpa *h, int64_t now, int64_t window_s, bool wants_most)
{
    const struct marks *m = &h->record->recommended;
    int64_t found = now;
    for (uint32_t i = 0; i < m->count; i++) {
        int64_t n = m->at[i].n;
        if (m->at[i].at_ms > h->now_ms - window_s * 1000 && (wants_most ? n > found : n < found)) {
            found = n;
        }
    }
    return found;
}

static int64_t changed_within(const struct hpa *h, const struct marks *m, int64_t period_s)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        sum += m->at[i].at_ms > h->now_ms - period_s * 1000 ? m->at[i].n : 0;
    }
    return sum;
}

/* How far one policy lets the size go. */
static int64_t policy_limit(const struct hpa *h, const struct opr_obj *policy, bool is_up)
{
    int64_t period_s = opr_obj_int(policy, "/periodSeconds", 15);
    int64_t value = opr_obj_int(policy, "/value", 0);
    int64_t start = h->current - changed_within(h, &h->record->ups, period_s) +
                    changed_within(h, &h->record->downs, period_s);
    if (str_eq(opr_obj_str(policy, "/type", ""), "Pods")) {
        return is_up ? start + value : start - value;
    }
    double share = (double)value / 100;
    return is_up ? (int64_t)ceil((double)start * (1 + share))
                 : (int64_t)((double)start * (1 - share));
}

static const struct opr_obj *default_policies(const struct hpa *h, bool is_up)
{
    return opr_doc_obj(opr_doc_new(
        h->c, is_up ? "[{'type':'Pods','value':4,'periodSeconds':15},{'type':'Percent','value':100,"
                      "'periodSeconds':15}]"
                    : "[{'type':'Percent','value':100,'periodSeconds':15}]"));
}

/* Max is the most change, Min the least; Disabled allows none. Never past the present size in the
 * wrong direction. */
static int64_t rate_limit(const struct hpa *h, bool is_up)
{
    const struct opr_obj *rules =
        opr_obj_at(h->self, is_up ? "/spec/behavior/scaleUp" : "/spec/behavior/scaleDown");
    const char *select = opr_obj_str(rules, "/selectPolicy", "Max");
    const struct opr_obj *policies = opr_obj_at(rules, "/policies");
    if (str_eq(select, "Disabled")) {
        return h->current;
    }
    if (opr_obj_len(policies) == 0) {
        policies = default_policies(h, is_up);
    }
    bool wants_largest = str_eq(select, "Min") != is_up;
    int64_t limit = wants_largest ? INT64_MIN : INT64_MAX;
    for (const struct opr_obj *p = opr_obj_first(policies); p; p = opr_obj_next(p)) {
        int64_t n = policy_limit(h, p, is_up);
        limit = wants_largest ? (n > limit ? n : limit) : (n < limit ? n : limit);
    }
    if (is_up) {
        return limit < h->current ? h->current : limit;
    }
    return limit > h->current ? h->current : limit;
}

static void say(struct hpa *h, const char *type, const char *status, const char *reason,
                const char *message)
{
    conditions_set(h->c, &h->conditions, type, status, reason, message);
}

static int64_t stabilise(struct hpa *h, int64_t proposed)
{
    bool has_behavior = opr_obj_at(h->self, "/spec/behavior") != NULL;
    int64_t up_s =
        has_behavior ? opr_obj_int(h->self, "/spec/behavior/scaleUp/stabilizationWindowSeconds", 0)
                     : 0;
    int64_t down_s =
        opr_obj_int(h->self, "/spec/behavior/scaleDown/stabilizationWindowSeconds", DOWN_WINDOW_S);
    int64_t least = up_s > 0 ? extreme(h, proposed, up_s, false) : proposed;
    int64_t most = down_s > 0 ? extreme(h, proposed, down_s, true) : proposed;
    mark(&h->record->recommended, h->now_ms, proposed);
    int64_t n = h->current;
    n = n < least ? least : n;
    n = n > most ? most : n;
    if (n == proposed) {
        say(h, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
    } else if (n > proposed) {
        say(h, "AbleToScale", "True", "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent "
            "recommendation");
    } else {
        say(h, "AbleToScale", "True", "ScaleUpStabilized",
            "recent recommendations were lower than current one, applying the lowest recent "
            "recommendation");
    }
    return n;
}

static int64_t up_limit(const struct hpa *h)
{
    if (opr_obj_at(h->self, "/spec/behavior")) {
        return rate_limit(h, true);
    }
    return h->current * 2 > 4 ? h->current * 2 : 4;
}

int64_t behavior_limit(struct hpa *h, int64_t proposed)
{
    int64_t n = stabilise(h, proposed);
    int64_t up = up_limit(h);
    int64_t down = opr_obj_at(h->self, "/spec/behavior") ? rate_limit(h, false) : 0;
    int64_t most = up < h->max ? up : h->max, least = down > h->min ? down : h->min;
    if (n > h->current && n > most) {
        bool is_rate = up < h->max;
        say(h, "ScalingLimited", "True", is_rate ? "ScaleUpLimit" : "TooManyReplicas",
            is_rate ? "the desired replica count is increasing faster than the maximum scale rate"
                    : "the desired replica count is more than the maximum replica count");
        return most;
    }
    if (n < h->current && n < least) {
        bool is_rate = down > h->min;
        say(h, "ScalingLimited", "True", is_rate ? "ScaleDownLimit" : "TooFewReplicas",
            is_rate ? "the desired replica count is decreasing faster than the maximum scale rate"
                    : "the desired replica count is less than the minimum replica count");
        return least;
    }
    if (n > h->max || n < h->min) {
        bool is_many = n > h->max;
        say(h, "ScalingLimited", "True", is_many ? "TooManyReplicas" : "TooFewReplicas",
            is_many ? "the desired replica count is more than the maximum replica count"
                    : "the desired replica count is less than the minimum replica count");
        return is_many ? h->max : h->min;
    }
    say(h, "ScalingLimited", "False", "DesiredWithinRange",
        "the desired count is within the acceptable range");
    return n;
}

void behavior_note(struct hpa *h)
{
    int64_t change = h->desired - h->current;
    if (change > 0) {
        mark(&h->record->ups, h->now_ms, change);
    } else if (change < 0) {
        mark(&h->record->downs, h->now_ms, -change);
    }
}
