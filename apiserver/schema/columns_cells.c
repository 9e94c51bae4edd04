#include "apiserver/schema/columns.h"

#include "core/base/clock.h"
#include "core/base/str.h"

#include <stdio.h>

void opr__cell_text(struct json_object *cells, const char *text)
{
    json_object_array_add(cells, json_object_new_string(text));
}

void opr__cell_buf(struct json_object *cells, struct opr_buf *take_text)
{
    opr__cell_text(cells, take_text->data ? take_text->data : "");
    opr_buf_fini(take_text);
}

void opr__cell_int(struct json_object *cells, int64_t value)
{
    json_object_array_add(cells, json_object_new_int64(value));
}

/* As kubectl shows durations: two units where they say something, fewer as time goes by. */
static void human_duration(int64_t seconds, char *out)
{
    long long s = seconds, minutes = s / 60, hours = s / 3600, days = hours / 24;
    if (s < 120) {
        snprintf(out, OPR__AGE_MAX, "%llds", s);
    } else if (minutes < 10 && s % 60) {
        snprintf(out, OPR__AGE_MAX, "%lldm%llds", minutes, s % 60);
    } else if (minutes < 180) {
        snprintf(out, OPR__AGE_MAX, "%lldm", minutes);
    } else if (hours < 8 && minutes % 60) {
        snprintf(out, OPR__AGE_MAX, "%lldh%lldm", hours, minutes % 60);
    } else if (hours < 48) {
        snprintf(out, OPR__AGE_MAX, "%lldh", hours);
    } else if (hours < 24 * 8 && hours % 24) {
        snprintf(out, OPR__AGE_MAX, "%lldd%lldh", days, hours % 24);
    } else if (hours < 24 * 365 * 2) {
        snprintf(out, OPR__AGE_MAX, "%lldd", days);
    } else if (hours < 24 * 365 * 8 && days % 365) {
        snprintf(out, OPR__AGE_MAX, "%lldy%lldd", days / 365, days % 365);
    } else {
        snprintf(out, OPR__AGE_MAX, "%lldy", days / 365);
    }
}

void opr__age_text(const char *timestamp, int64_t now_ms, char ret_text[OPR__AGE_MAX])
{
    int64_t ms;
    if (opr_time_parse(opr_str_of(timestamp), &ms) != OPR_OK) {
        snprintf(ret_text, OPR__AGE_MAX, "<unknown>");
        return;
    }
    int64_t seconds = (now_ms - ms) / 1000;
    if (seconds < -1) {
        snprintf(ret_text, OPR__AGE_MAX, "<invalid>");
        return;
    }
    human_duration(seconds < 0 ? 0 : seconds, ret_text);
}

void opr__cell_age(struct json_object *cells, const struct opr_obj *o, const char *ptr,
                   int64_t now_ms)
{
    char text[OPR__AGE_MAX];
    opr__age_text(opr_json_str(o, ptr, ""), now_ms, text);
    opr__cell_text(cells, text);
}

void opr__add_more(struct opr_buf *b, size_t shown, size_t count)
{
    if (count > shown) {
        opr_buf_printf(b, " + %zu more...", count - shown);
    }
}

void opr__cell_name(struct json_object *cells, const struct opr_obj *o)
{
    opr__cell_text(cells, opr_json_str(o, "/metadata/name", ""));
}

void opr__cell_created(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_age(cells, o, "/metadata/creationTimestamp", now_ms);
}

void opr__cell_or(struct json_object *cells, struct opr_buf *take_text, const char *dflt)
{
    if (take_text->len == 0) {
        opr_buf_add_text(take_text, dflt);
    }
    opr__cell_buf(cells, take_text);
}

void opr__add_joined(struct opr_buf *b, const char *separator, const char *text)
{
    opr_buf_printf(b, "%s%s", b->len ? separator : "", text);
}
