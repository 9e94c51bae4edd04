#include "core/net/channel.h"

#include "core/base/str.h"
#include "core/net/websocket.h"

const char *const opr_channel_protocols[] = {OPR_CHANNEL_V5, OPR_CHANNEL_V4, NULL};

void opr_channel_add(struct opr_buf *out, int channel, struct opr_str data)
{
    opr_ws_add_head(out, OPR_WS_BINARY, data.len + 1);
    opr_buf_add_char(out, (char)channel);
    opr_buf_add_str(out, data);
}

static void add_last(struct opr_buf *out, struct opr_buf *status)
{
    opr_channel_add(out, OPR_CHANNEL_ERROR, opr_buf_str(status));
    opr_ws_add_close(out, OPR_WS_CLOSE_NORMAL, "");
    opr_buf_fini(status);
}

void opr_channel_add_exit(struct opr_buf *out, int exit_code)
{
    struct opr_buf status = {0};
    if (exit_code == 0) {
        opr_buf_add_text(&status, "{\"metadata\":{},\"status\":\"Success\"}");
    } else {
        opr_buf_printf(&status,
                       "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated "
                       "with non-zero exit code: exit status %d\",\"reason\":\"NonZeroExitCode\","
                       "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
                       exit_code, exit_code);
    }
    add_last(out, &status);
}

void opr_channel_add_failure(struct opr_buf *out, const char *why)
{
    struct opr_buf status = {0}, text = {0};
    opr_buf_printf(&text, "Internal error occurred: %s", why);
    opr_buf_add_text(&status, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
    opr_buf_add_json(&status, opr_buf_str(&text));
    opr_buf_add_text(&status, ",\"reason\":\"InternalError\",\"details\":{\"causes\":[{"
                              "\"message\":");
    opr_buf_add_json(&status, opr_str_of(why));
    opr_buf_add_text(&status, "}]},\"code\":500}");
    opr_buf_fini(&text);
    add_last(out, &status);
}
