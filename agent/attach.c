/* The output of a running container, as its log grows, in frames of exec's kind. The connection
 * pulls from the log; what the client says matters only where it asks or ends. */
#include "agent/exec.h"
#include "agent/logs.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/websocket.h"

enum { ANSWERS_MAX = 4096 };

struct attach {
    struct opr_http_tunnel tunnel; /* first member */
    struct opr_http_source *log;   /* owned */
    struct opr_http_waker *waker;
    struct opr_ws_reader reader;
    struct opr_buf answers; /* frames */
    bool is_done;           /* nothing more comes but the answers */
};

static opr_status pull(struct opr_http_source *s, struct opr_buf *out, size_t max)
{
    struct attach *a = (struct attach *)s;
    size_t before = out->len;
    if (!a->is_done) {
        opr_status st = a->log->pull(a->log, out, max);
        if (st != OPR_OK && st != OPR_E_END) {
            return st;
        }
        if (st == OPR_E_END) {
            opr_channel_add_exit(&a->answers, 0); /* the container is over */
            a->is_done = true;
        }
    }
    opr_buf_add_str(out, opr_buf_str(&a->answers));
    opr_buf_fini(&a->answers);
    return a->is_done && out->len == before ? OPR_E_END : OPR_OK;
}

static void hang_up(struct attach *a, int code)
{
    opr_ws_add_close(&a->answers, code, "");
    a->is_done = true;
}

static size_t push(struct opr_http_tunnel *t, struct opr_str data)
{
    struct attach *a = (struct attach *)t;
    size_t at = 0;
    struct opr_ws_piece p;
    int result = OPR_WS_PIECE;
    while (!a->is_done && result == OPR_WS_PIECE) {
        result = opr_ws_next(&a->reader, data, &at, NULL, 0, &p);
        if (result == OPR_WS_PIECE && p.opcode == OPR_WS_PING && a->answers.len < ANSWERS_MAX) {
            opr_ws_add_head(&a->answers, OPR_WS_PONG, p.data.len);
            opr_buf_add_str(&a->answers, p.data);
        } else if (result == OPR_WS_PIECE && p.opcode == OPR_WS_CLOSE) {
            hang_up(a, OPR_WS_CLOSE_NORMAL);
        } else if (result != OPR_WS_PIECE && result != OPR_WS_MORE) {
            hang_up(a, result);
        }
    }
    if (a->answers.len > 0) {
        a->waker->wake(a->waker);
    }
    return data.len;
}

static void attach(struct opr_http_source *s, struct opr_http_waker *waker)
{
    struct attach *a = (struct attach *)s;
    a->waker = waker;
    a->log->attach(a->log, waker);
}

static void close_attach(struct opr_http_source *s)
{
    struct attach *a = (struct attach *)s;
    a->log->close(a->log);
    opr_buf_fini(&a->answers);
    opr_free(a);
}

struct opr_http_source *opr__attach_new(struct opr_agent *agent, const char *dir, bool has_output,
                                        bool has_error)
{
    const struct opr__log_options options = {.is_followed = true,
                                             .tail_lines = 0,
                                             .limit_bytes = -1,
                                             .has_channels = true,
                                             .has_output = has_output,
                                             .has_error = has_error};
    struct opr_http_source *log = NULL;
    if (opr__logs_open(agent, dir, &options, &log) != OPR_OK) {
        return NULL;
    }
    struct attach *a = opr_xalloc(sizeof *a);
    a->tunnel = (struct opr_http_tunnel){
        .source = {.pull = pull, .attach = attach, .close = close_attach}, .push = push};
    a->log = log;
    a->reader.is_server = true;
    return &a->tunnel.source;
}
