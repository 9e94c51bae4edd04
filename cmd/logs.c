/* operon logs and operon scale. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "core/base/str.h"

#include <stdio.h>

struct logs {
    struct opr_cmd_session session;
    struct opr_buf refusal; /* body of an answer that is no log */
    int http_status;
    int status;
};

static void on_header(void *arg, int status)
{
    struct logs *l = arg;
    l->http_status = status;
}

static void on_data(void *arg, struct opr_str data)
{
    struct logs *l = arg;
    if (l->http_status == 200) {
        fwrite(data.ptr, 1, data.len, stdout);
        fflush(stdout);
    } else {
        opr_buf_add_str(&l->refusal, data);
    }
}

static void on_end(void *arg, opr_status st, const struct opr_error *err)
{
    struct logs *l = arg;
    struct opr_error refused = {0};
    if (st != OPR_OK) {
        l->status = opr_cmd_fail("%s", err ? err->message : opr_status_name(st));
    } else if (opr_status_from_answer(l->http_status, opr_buf_str(&l->refusal), &refused) !=
               OPR_OK) {
        l->status = opr_cmd_fail("%s", refused.message);
    }
    opr_loop_stop(l->session.loop);
}

static int run_logs(struct logs *l, const char *pod, const char *query)
{
    static const struct opr_stream_handler handler = {on_header, on_data, on_end};
    struct opr_error err = {0};
    const struct opr_resource *resource = NULL;
    char *path = NULL;
    if (opr_cmd_path(&l->session, "v1/Pod", l->session.ns, pod, "log", &resource, &path, &err) !=
        OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    struct opr_client_request req = {
        .method = "GET",
        .path_query = opr_arena_printf(l->session.arena, "%s?%s", path, query),
        .accept = "application/json, */*",
    };
    struct opr_transport *t = opr_client_transport(l->session.client);
    (void)t->stream_open(t, &req, &handler, l);
    opr_loop_run(l->session.loop);
    return l->status;
}

int opr_cmd_logs(int argc, char **argv)
{
    struct opr_session_options o = {0};
    const char *container = NULL;
    int64_t tail = -1;
    bool is_followed = false, is_previous = false, has_times = false;
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        OPR_SESSION_OPTIONS(o),
        {"container", 'c', OPR_OPTION_TEXT, &container, "NAME", "which container of the Pod"},
        {"follow", 'f', OPR_OPTION_FLAG, &is_followed, NULL, "go on with what is written"},
        {"previous", 'p', OPR_OPTION_FLAG, &is_previous, NULL, "of the container before this one"},
        {"tail", 0, OPR_OPTION_NUMBER, &tail, "N", "only the last N lines"},
        {"timestamps", 0, OPR_OPTION_FLAG, &has_times, NULL, "begin each line with its time"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("logs"), options, argc, argv, &rest, &status)) {
        return status;
    }
    struct opr_error err = {0};
    struct opr_buf query = {0};
    opr_buf_printf(&query, "follow=%s&previous=%s&timestamps=%s", is_followed ? "true" : "false",
                   is_previous ? "true" : "false", has_times ? "true" : "false");
    if (container) {
        opr_buf_add_text(&query, "&container=");
        opr_url_encode(&query, opr_str_of(container));
    }
    if (tail >= 0) {
        opr_buf_printf(&query, "&tailLines=%lld", (long long)tail);
    }
    struct logs l = {0};
    if (rest.count != 1) {
        status = opr_cmd_misuse(opr_command_find("logs"), "one POD is needed");
    } else if (opr_cmd_session_open(&l.session, &o, &err) != OPR_OK) {
        status = opr_cmd_fail("%s", err.message);
    } else {
        status = run_logs(&l, rest.items[0], query.data);
        opr_cmd_session_close(&l.session);
    }
    opr_buf_fini(&l.refusal);
    opr_buf_fini(&query);
    opr_vec_fini(&rest);
    return status;
}

static int run_scale(const struct opr_session_options *o, const char *kind, const char *name,
                     int64_t replicas)
{
    struct opr_error err = {0};
    struct opr_cmd_session s;
    if (opr_cmd_session_open(&s, o, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    const struct opr_resource *resource = NULL;
    char *path = NULL;
    opr_status st = opr_cmd_path(&s, kind, s.ns, name, "scale", &resource, &path, &err);
    if (st == OPR_OK) {
        char *patch =
            opr_arena_printf(s.arena, "{\"spec\":{\"replicas\":%lld}}", (long long)replicas);
        st = opr_call(s.caller, "PATCH", path, "application/merge-patch+json", opr_str_of(patch),
                      NULL, &err);
    }
    int status = 0;
    if (st == OPR_OK) {
        printf("%s/%s scaled\n", resource->plural, name);
    } else {
        status = opr_cmd_fail("%s", err.message);
    }
    opr_cmd_session_close(&s);
    return status;
}

int opr_cmd_scale(int argc, char **argv)
{
    struct opr_session_options o = {0};
    int64_t replicas = -1;
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        OPR_SESSION_OPTIONS(o),
        {"replicas", 0, OPR_OPTION_NUMBER, &replicas, "N", "how many"},
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("scale"), options, argc, argv, &rest, &status)) {
        return status;
    }
    if (rest.count != 2 || replicas < 0) {
        status = opr_cmd_misuse(opr_command_find("scale"), "KIND NAME --replicas N is needed");
    } else {
        status = run_scale(&o, rest.items[0], rest.items[1], replicas);
    }
    opr_vec_fini(&rest);
    return status;
}
