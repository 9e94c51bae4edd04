/* operon get: tables as the server prints them, or objects as JSON or YAML. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "core/api/yaml_out.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define ACCEPT_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
#define MAX_COLUMNS 32

struct get_options {
    struct opr_session_options session;
    const char *output, *labels, *fields;
    bool all_namespaces, is_watch, no_headers;
};

struct get {
    struct opr_cmd_session session;
    const struct get_options *options;
    const struct opr_resource *resource;
    size_t widths[MAX_COLUMNS];
    bool has_header;
    int status;
};

static bool is_wide(const struct get *g)
{
    return g->options->output && strcmp(g->options->output, "wide") == 0;
}

static bool wants_table(const struct get_options *o)
{
    return !o->output || strcmp(o->output, "wide") == 0;
}

static bool is_shown(const struct get *g, const struct opr_obj *column)
{
    return opr_json_int(column, "/priority", 0) == 0 || is_wide(g);
}

static const char *cell_text(struct opr_arena *a, const struct opr_obj *cell)
{
    if (opr_json_type(cell) == OPR_TYPE_STRING) {
        return opr_json_str(cell, "", "");
    }
    struct opr_buf text = {0};
    opr_json_write(&text, cell);
    const char *copy = opr_arena_dup(a, opr_buf_str(&text));
    opr_buf_fini(&text);
    return copy;
}

static void print_cell(struct get *g, size_t column, const char *text, bool is_last)
{
    size_t len = strlen(text);
    if (is_last) {
        printf("%s", text);
        return;
    }
    printf("%-*s", (int)(g->widths[column] > len ? g->widths[column] : len), text);
    printf("   ");
}

static const char *upper(struct opr_arena *a, const char *text)
{
    char *copy = opr_arena_dup(a, opr_str_of(text));
    for (char *p = copy; *p; p++) {
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    }
    return copy;
}

/* Calls fn for each shown cell of a row; row NULL: the header. */
static void each_cell(struct get *g, const struct opr_obj *columns, const struct opr_obj *row,
                      void (*fn)(struct get *, size_t column, const char *text, bool is_last))
{
    struct opr_arena *a = g->session.arena;
    const struct opr_obj *cell = opr_json_first(opr_json_at(row, "/cells"));
    const char *held = NULL;
    size_t held_at = 0, at = 0;
    if (g->options->all_namespaces && g->resource->is_namespaced) {
        held = row ? opr_json_str(row, "/object/metadata/namespace", "") : "NAMESPACE";
        at = 1;
    }
    for (const struct opr_obj *c = opr_json_first(columns); c && at < MAX_COLUMNS;
         c = opr_json_next(c), cell = opr_json_next(cell)) {
        if (!is_shown(g, c)) {
            continue;
        }
        if (held) {
            fn(g, held_at, held, false);
        }
        held = row ? cell_text(a, cell) : upper(a, opr_json_str(c, "/name", ""));
        held_at = at++;
    }
    if (held) {
        fn(g, held_at, held, true);
    }
}

static void measure(struct get *g, size_t column, const char *text, bool is_last)
{
    (void)is_last;
    size_t len = strlen(text);
    g->widths[column] = len > g->widths[column] ? len : g->widths[column];
}

static void print_rows(struct get *g, const struct opr_obj *table, const struct opr_obj *columns)
{
    const struct opr_obj *rows = opr_json_at(table, "/rows");
    each_cell(g, columns, NULL, measure);
    for (const struct opr_obj *r = opr_json_first(rows); r; r = opr_json_next(r)) {
        each_cell(g, columns, r, measure);
    }
    if (!g->has_header && !g->options->no_headers) {
        each_cell(g, columns, NULL, print_cell);
        putchar('\n');
    }
    g->has_header = true;
    for (const struct opr_obj *r = opr_json_first(rows); r; r = opr_json_next(r)) {
        each_cell(g, columns, r, print_cell);
        putchar('\n');
    }
    fflush(stdout);
}

static int print_object(const struct get_options *o, const struct opr_obj *obj)
{
    struct opr_buf text = {0};
    if (strcmp(o->output, "yaml") == 0) {
        opr_yaml_write(&text, obj);
    } else {
        struct json_object *doc = opr_doc_from_obj(obj);
        opr_buf_add_text(&text, json_object_to_json_string_ext(
                                    doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                             JSON_C_TO_STRING_NOSLASHESCAPE));
        opr_buf_add_char(&text, '\n');
        json_object_put(doc);
    }
    fwrite(text.data, 1, text.len, stdout);
    opr_buf_fini(&text);
    return 0;
}

static int print_names(struct get *g, const struct opr_obj *answer)
{
    const struct opr_obj *items = opr_json_at(answer, "/items");
    for (const struct opr_obj *o = items ? opr_json_first(items) : answer; o;
         o = items ? opr_json_next(o) : NULL) {
        printf("%s/%s\n", g->resource->plural, opr_meta_name(o));
    }
    return 0;
}

static int show(struct get *g, const struct opr_obj *answer)
{
    const struct get_options *o = g->options;
    if (!wants_table(o)) {
        return strcmp(o->output, "name") == 0 ? print_names(g, answer) : print_object(o, answer);
    }
    const struct opr_obj *rows = opr_json_at(answer, "/rows");
    if (opr_json_len(rows) == 0 && !o->is_watch) {
        fprintf(stderr, "No %s found%s%s.\n", g->resource->plural,
                g->resource->is_namespaced && !o->all_namespaces ? " in namespace " : "",
                g->resource->is_namespaced && !o->all_namespaces ? g->session.ns : "");
        return 0;
    }
    print_rows(g, answer, opr_json_at(answer, "/columnDefinitions"));
    return 0;
}

/* --watch: one JSON event a line. */
struct watch {
    struct get *get;
    struct opr_buf buf;
    int http_status;
    struct opr_obj *event;         /* owned: the first one, only it names the columns */
    const struct opr_obj *columns; /* borrowed from event */
};

static void on_event(struct watch *w, struct opr_str line)
{
    struct opr_obj *event = NULL;
    if (opr_json_parse(line, &event, NULL) != OPR_OK) {
        return;
    }
    const struct opr_obj *obj = opr_json_at(event, "/object");
    if (strcmp(opr_json_str(event, "/type", ""), "ERROR") == 0) {
        w->get->status = opr_cmd_fail("%s", opr_json_str(obj, "/message", "the watch ended"));
        opr_loop_stop(w->get->session.loop);
    } else if (wants_table(w->get->options)) {
        const struct opr_obj *columns = opr_json_at(obj, "/columnDefinitions");
        if (opr_json_len(columns) > 0) {
            opr_json_unref(w->event);
            w->event = opr_json_ref(event);
            w->columns = columns;
        }
        print_rows(w->get, obj, w->columns);
    } else {
        (void)show(w->get, obj);
        fflush(stdout);
    }
    opr_json_unref(event);
}

static void on_header(void *arg, int status)
{
    ((struct watch *)arg)->http_status = status;
}

static void on_data(void *arg, struct opr_str data)
{
    struct watch *w = arg;
    opr_buf_add_str(&w->buf, data);
    if (w->http_status != 200) {
        return;
    }
    for (char *eol; w->buf.len > 0 && (eol = memchr(w->buf.data, '\n', w->buf.len));) {
        size_t len = (size_t)(eol - w->buf.data);
        on_event(w, opr_str_n(w->buf.data, len));
        opr_buf_consume(&w->buf, len + 1);
    }
}

static void on_end(void *arg, opr_status st, const struct opr_error *err)
{
    struct watch *w = arg;
    struct opr_error refused = {0};
    if (st != OPR_OK) {
        w->get->status = opr_cmd_fail("%s", err ? err->message : opr_status_name(st));
    } else if (opr_status_from_answer(w->http_status, opr_buf_str(&w->buf), &refused) != OPR_OK) {
        w->get->status = opr_cmd_fail("%s", refused.message);
    }
    opr_loop_stop(w->get->session.loop);
}

static int run_watch(struct get *g, const char *path, const char *accept)
{
    static const struct opr_stream_handler handler = {on_header, on_data, on_end};
    struct watch w = {.get = g};
    struct opr_client_request req = {
        .method = "GET",
        .path_query = opr_arena_printf(g->session.arena, "%swatch=true", path),
        .accept = accept,
    };
    struct opr_transport *t = opr_client_transport(g->session.client);
    (void)t->stream_open(t, &req, &handler, &w);
    opr_loop_run(g->session.loop);
    opr_buf_fini(&w.buf);
    opr_json_unref(w.event);
    return g->status;
}

static void add_query(struct opr_buf *path, const char *name, const char *value)
{
    if (value) {
        opr_buf_printf(path, "%s=", name);
        opr_url_encode(path, opr_str_of(value));
        opr_buf_add_char(path, '&');
    }
}

static int run_get(struct get *g, const char *kind, const char *name)
{
    const struct get_options *o = g->options;
    struct opr_error err = {0};
    char *path = NULL;
    const char *ns = o->all_namespaces ? NULL : g->session.ns;
    if (opr_cmd_path(&g->session, kind, ns, o->is_watch ? NULL : name, NULL, &g->resource, &path,
                     &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    struct opr_buf query = {0};
    opr_buf_printf(&query, "%s?", path);
    add_query(&query, "labelSelector", o->labels);
    add_query(&query, "fieldSelector",
              o->is_watch && name ? opr_arena_printf(g->session.arena, "metadata.name=%s", name)
                                  : o->fields);
    const char *accept = wants_table(o) ? ACCEPT_TABLE : "application/json";
    int status = 0;
    if (o->is_watch) {
        status = run_watch(g, query.data, accept);
    } else {
        struct opr_client_request req = {
            .method = "GET", .path_query = query.data, .accept = accept};
        struct opr_client_response res = {0};
        struct opr_session *session = opr_session_new(g->session.endpoint);
        struct opr_obj *answer = NULL;
        opr_status st = opr_session_call(session, &req, &res, &err);
        if (st == OPR_OK) {
            st = opr_status_from_answer(res.status, opr_buf_str(&res.body), &err);
        }
        if (st == OPR_OK) {
            st = opr_json_parse(opr_buf_str(&res.body), &answer, &err);
        }
        status = st == OPR_OK ? show(g, answer) : opr_cmd_fail("%s", err.message);
        opr_json_unref(answer);
        opr_buf_fini(&res.body);
        opr_session_free(session);
    }
    opr_buf_fini(&query);
    return status;
}

int opr_cmd_get(int argc, char **argv)
{
    struct get_options o = {0};
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        OPR_SESSION_OPTIONS(o.session),
        {"output", 'o', OPR_OPTION_CHOICE, &o.output, "json|yaml|wide|name",
         "format (default: table)"},
        {"selector", 'l', OPR_OPTION_TEXT, &o.labels, "SELECTOR", "label selector"},
        {"field-selector", 0, OPR_OPTION_TEXT, &o.fields, "SELECTOR", "field selector"},
        {"all-namespaces", 'A', OPR_OPTION_FLAG, &o.all_namespaces, NULL, "in every namespace"},
        {"watch", 'w', OPR_OPTION_FLAG, &o.is_watch, NULL, "go on with every change"},
        {"no-headers", 0, OPR_OPTION_FLAG, &o.no_headers, NULL, "rows only"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("get"), options, argc, argv, &rest, &status)) {
        return status;
    }
    struct opr_error err = {0};
    struct get g = {.options = &o};
    if (rest.count < 1 || rest.count > 2) {
        status = opr_cmd_misuse(opr_command_find("get"), "KIND [NAME] is needed");
    } else if (opr_cmd_session_open(&g.session, &o.session, &err) != OPR_OK) {
        status = opr_cmd_fail("%s", err.message);
    } else {
        status = run_get(&g, rest.items[0], rest.count == 2 ? rest.items[1] : NULL);
        opr_cmd_session_close(&g.session);
    }
    opr_vec_fini(&rest);
    return status;
}
