#include "cmd/liveview.h"

#include <string.h>

void opr_liveview_init(struct opr_liveview *v, FILE *out, bool is_terminal)
{
    memset(v, 0, sizeof *v);
    v->out = out;
    v->is_terminal = is_terminal;
}

static struct opr_liveview_row *find_row(struct opr_liveview *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->rows[i].name, name) == 0) {
            return &v->rows[i];
        }
    }
    return NULL;
}

static void print_row(const struct opr_liveview *v, const struct opr_liveview_row *row)
{
    if (row->ready_ns) {
        fprintf(v->out, "  %-28s ready     %5llu ms\n", row->name,
                (unsigned long long)((row->ready_ns - row->started_ns) / 1000000));
    } else {
        fprintf(v->out, "  %-28s starting\n", row->name);
    }
}

/* Goes up to the first row, erases each line and draws it again (ECMA-48 CUU and EL). */
static void draw(struct opr_liveview *v)
{
    if (v->drawn > 0) {
        fprintf(v->out, "\033[%zuA", v->drawn);
    }
    for (size_t i = 0; i < v->count; i++) {
        fputs("\033[K", v->out);
        print_row(v, &v->rows[i]);
    }
    v->drawn = v->count;
}

void opr_liveview_starting(struct opr_liveview *v, const char *name, uint64_t now_ns)
{
    if (v->count == OPR_LIVEVIEW_ROWS || find_row(v, name)) {
        return;
    }
    struct opr_liveview_row *row = &v->rows[v->count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->started_ns = now_ns;
    if (v->is_terminal) {
        draw(v);
        fflush(v->out);
    }
}

void opr_liveview_ready(struct opr_liveview *v, const char *name, uint64_t now_ns)
{
    struct opr_liveview_row *row = find_row(v, name);
    if (!row || row->ready_ns) {
        return;
    }
    row->ready_ns = now_ns;
    if (v->is_terminal) {
        draw(v);
    } else {
        print_row(v, row);
    }
    fflush(v->out);
}
