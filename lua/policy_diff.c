/* How a returned value differs from the expected one, field by field. */
#include "lua/policy_diff.h"

#include "core/base/str.h"

#define SHOWN_MAX 20 /* differences of one case */
#define VALUE_MAX 200

struct diff {
    struct opr_buf *report; /* borrowed */
    struct opr_buf path;    /* owned */
    bool is_part;           /* the expected value names only a part */
    uint32_t count;
};

static void add_value(struct opr_buf *out, const struct opr_obj *o)
{
    struct opr_buf text = {0};
    if (o) {
        opr_json_write(&text, o);
    } else {
        opr_buf_add_text(&text, "(nothing)");
    }
    bool is_long = text.len > VALUE_MAX;
    opr_buf_add(out, text.data, is_long ? VALUE_MAX : text.len);
    opr_buf_add_text(out, is_long ? "...\n" : "\n");
    opr_buf_fini(&text);
}

static void differs(struct diff *d, const struct opr_obj *want, const struct opr_obj *got)
{
    if (++d->count > SHOWN_MAX) {
        return;
    }
    opr_buf_printf(d->report, "        %.*s\n          want ", (int)d->path.len,
                   d->path.data ? d->path.data : "");
    add_value(d->report, want);
    opr_buf_add_text(d->report, "          got  ");
    add_value(d->report, got);
}

static void compare(struct diff *d, const struct opr_obj *want, const struct opr_obj *got);

static void compare_at(struct diff *d, size_t end, const struct opr_obj *want,
                       const struct opr_obj *got)
{
    compare(d, want, got);
    d->path.len = end;
}

static bool is_name(const char *text)
{
    for (const char *p = text; *p; p++) {
        bool is_letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (!is_letter && !(p > text && *p >= '0' && *p <= '9')) {
            return false;
        }
    }
    return *text != '\0';
}

static void add_name(struct opr_buf *path, const char *name)
{
    opr_buf_printf(path, is_name(name) ? ".%s" : "[\"%s\"]", name);
}

static void compare_objects(struct diff *d, const struct opr_obj *want, const struct opr_obj *got)
{
    size_t end = d->path.len;
    for (const struct opr_obj *m = opr_json_first(want); m; m = opr_json_next(m)) {
        const char *name = opr_json_name(m);
        add_name(&d->path, name);
        compare_at(d, end, m, opr_json_member(got, opr_str_of(name)));
    }
    for (const struct opr_obj *m = opr_json_first(got); m && !d->is_part; m = opr_json_next(m)) {
        const char *name = opr_json_name(m);
        if (!opr_json_member(want, opr_str_of(name))) {
            add_name(&d->path, name);
            compare_at(d, end, NULL, m);
        }
    }
}

static void compare_arrays(struct diff *d, const struct opr_obj *want, const struct opr_obj *got)
{
    size_t end = d->path.len;
    uint32_t count = opr_json_len(want);
    count = !d->is_part && opr_json_len(got) > count ? opr_json_len(got) : count;
    for (uint32_t i = 0; i < count; i++) {
        const struct opr_obj *w = opr_json_index(want, i), *g = opr_json_index(got, i);
        opr_buf_printf(&d->path, "[%u]", i + 1);
        compare_at(d, end, w, g);
    }
}

static void compare(struct diff *d, const struct opr_obj *want, const struct opr_obj *got)
{
    int type = opr_json_type(want);
    bool is_same_type = type == (int)opr_json_type(got);
    if (is_same_type && type == OPR_TYPE_OBJECT) {
        compare_objects(d, want, got);
    } else if (is_same_type && type == OPR_TYPE_ARRAY) {
        compare_arrays(d, want, got);
    } else if (d->is_part && want && opr_json_len(want) == 0 && type >= OPR_TYPE_ARRAY) {
        if (!got) { /* an empty table names no part, but there must be something */
            differs(d, want, got);
        }
    } else if (!opr_json_equal(want, got)) {
        differs(d, want, got);
    }
}

uint32_t opr__policy_diff(struct opr_buf *report, const char *what, bool is_part,
                          const struct opr_obj *want, const struct opr_obj *got)
{
    struct diff d = {.report = report, .is_part = is_part};
    opr_buf_add_text(&d.path, what);
    compare(&d, want, got);
    if (d.count > SHOWN_MAX) {
        opr_buf_printf(report, "        and %u more differences\n", d.count - SHOWN_MAX);
    }
    opr_buf_fini(&d.path);
    return d.count;
}
