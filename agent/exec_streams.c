/* The streams of one exec. Everything happens on the loop; each way holds a little and then waits:
 * output is not read while the client takes none, input is left with the connection while the
 * program takes none. The program's Status comes after all of its output. */
#include "agent/exec.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/json/json.h"
#include "core/net/channel.h"
#include "core/net/websocket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PART_BYTES = 16 * 1024,
    INPUT_MAX = 64 * 1024,
    OUTPUT_MAX = 128 * 1024,
    RESIZE_MAX = 256,
    DRAIN_MS = 500, /* for what others than the program keep open after its end */
    NO_CHANNEL = -1,
};

struct exec_streams;
struct output {
    struct exec_streams *owner;
    int channel;
    int fd; /* -1: over */
    struct opr_io *io;
};

struct exec_streams {
    struct opr_http_tunnel tunnel; /* first member */
    struct opr_loop *loop;
    struct opr_http_waker *waker;
    bool is_tty, has_close;
    pid_t pid; /* 0: its end was seen */
    int pid_fd, exit_code;
    struct opr_io *pid_io, *in_io;
    struct opr_timer *drain;
    int in; /* -1: over, or not asked for */
    struct output outputs[2];
    struct opr_buf out;   /* frames for the client */
    struct opr_buf input; /* for the program */
    struct opr_ws_reader reader;
    int channel; /* of the message that comes; NO_CHANNEL: its first byte is missing */
    char resize[RESIZE_MAX];
    size_t resize_len;
    bool is_input_over; /* the client closed it */
    bool is_held;       /* bytes of the client were left */
    bool is_done;       /* all is said */
};

/* -- the end -- */

static void wake(struct exec_streams *s)
{
    if (s->waker) {
        s->waker->wake(s->waker);
    }
}

static void close_input(struct exec_streams *s)
{
    opr_io_free(s->in_io);
    s->in_io = NULL;
    if (s->in >= 0) {
        close(s->in);
    }
    s->in = -1;
    opr_buf_fini(&s->input);
}

static void close_output(struct output *o)
{
    opr_io_free(o->io);
    o->io = NULL;
    if (o->fd >= 0) {
        close(o->fd);
    }
    o->fd = -1;
}

static void finish_where_over(struct exec_streams *s)
{
    if (s->is_done || s->pid != 0 || s->outputs[0].fd >= 0 || s->outputs[1].fd >= 0) {
        return;
    }
    close_input(s);
    opr_channel_add_exit(&s->out, s->exit_code);
    s->is_done = true;
    wake(s);
}

static void forget_program(struct exec_streams *s)
{
    opr_io_free(s->pid_io);
    s->pid_io = NULL;
    if (s->pid_fd >= 0) {
        close(s->pid_fd);
    }
    s->pid_fd = -1;
    s->pid = 0;
}

static void on_program_end(void *arg, int events)
{
    struct exec_streams *s = arg;
    int status = 0;
    (void)events;
    if (waitpid(s->pid, &status, WNOHANG) == 0) {
        return;
    }
    s->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    forget_program(s);
    opr_timer_set(s->drain, DRAIN_MS);
    finish_where_over(s);
}

/* -- output -- */

static bool is_full(const struct exec_streams *s)
{
    return s->out.len >= OUTPUT_MAX;
}

static bool has_more(const struct output *o)
{
    struct pollfd fd = {.fd = o->fd, .events = POLLIN};
    return o->fd >= 0 && poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

/* Whoever has the streams still, nothing came for a while. A slow client is waited for. */
static void on_drained(void *arg)
{
    struct exec_streams *s = arg;
    if (is_full(s) || has_more(&s->outputs[0]) || has_more(&s->outputs[1])) {
        opr_timer_set(s->drain, DRAIN_MS);
        return;
    }
    close_output(&s->outputs[0]);
    close_output(&s->outputs[1]);
    finish_where_over(s);
}

static void on_output(void *arg, int events)
{
    struct output *o = arg;
    struct exec_streams *s = o->owner;
    char part[PART_BYTES];
    (void)events;
    if (is_full(s)) {
        opr_io_set(o->io, 0);
        return;
    }
    ssize_t n = read(o->fd, part, sizeof part);
    if (n > 0) {
        opr_channel_add(&s->out, o->channel, opr_str_n(part, (size_t)n));
        wake(s);
        if (s->pid == 0) {
            opr_timer_set(s->drain, DRAIN_MS);
        }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_output(o); /* EIO: nobody has the terminal open any more */
        finish_where_over(s);
    }
}

static opr_status pull(struct opr_http_source *source, struct opr_buf *out, size_t max)
{
    struct exec_streams *s = (struct exec_streams *)source;
    bool was_full = is_full(s);
    size_t n = s->out.len < max ? s->out.len : max;
    opr_buf_add(out, s->out.data, n);
    opr_buf_consume(&s->out, n);
    for (size_t i = 0; was_full && !is_full(s) && i < 2; i++) {
        if (s->outputs[i].io) {
            opr_io_set(s->outputs[i].io, OPR_IO_READ);
        }
    }
    if (s->out.len == 0) {
        opr_buf_fini(&s->out);
    }
    return s->is_done && n == 0 ? OPR_E_END : OPR_OK;
}

/* -- input -- */

static void write_input(struct exec_streams *s)
{
    while (s->in >= 0 && s->input.len > 0) {
        ssize_t n = write(s->in, s->input.data, s->input.len);
        if (n > 0) {
            opr_buf_consume(&s->input, (size_t)n);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            close_input(s); /* the program reads no more: what comes is dropped */
        }
    }
    if (s->in >= 0) {
        opr_io_set(s->in_io, s->input.len > 0 ? OPR_IO_WRITE : 0);
    }
    if (s->is_input_over && s->input.len == 0 && !s->is_tty) {
        close_input(s);
    }
    if (s->is_held && s->input.len < INPUT_MAX) {
        s->is_held = false;
        wake(s);
    }
}

static void on_input_writable(void *arg, int events)
{
    (void)events;
    write_input(arg);
}

/* {"Width":80,"Height":24} */
static void resize(struct exec_streams *s)
{
    struct opr_obj *o = NULL;
    int fd = s->outputs[0].fd;
    if (!s->is_tty || fd < 0 ||
        opr_json_parse(opr_str_n(s->resize, s->resize_len), &o, NULL) != OPR_OK) {
        return;
    }
    int64_t width = opr_json_int(o, "/Width", 0), height = opr_json_int(o, "/Height", 0);
    if (width > 0 && width <= UINT16_MAX && height > 0 && height <= UINT16_MAX) {
        struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
        (void)ioctl(fd, TIOCSWINSZ, &size); /* the program may have ended */
    }
    opr_json_unref(o);
}

static void take_resize(struct exec_streams *s, const struct opr_ws_piece *p, struct opr_str data)
{
    size_t room = sizeof s->resize - s->resize_len;
    size_t n = data.len < room ? data.len : room; /* a longer one is no size */
    if (n > 0) {
        memcpy(s->resize + s->resize_len, data.ptr, n);
        s->resize_len += n;
    }
    if (p->is_last) {
        resize(s);
        s->resize_len = 0;
    }
}

static void take_message(struct exec_streams *s, const struct opr_ws_piece *p)
{
    struct opr_str data = p->data;
    s->channel = p->is_first ? NO_CHANNEL : s->channel;
    if (s->channel == NO_CHANNEL && data.len > 0) {
        s->channel = (unsigned char)data.ptr[0];
        data = opr_str_n(data.ptr + 1, data.len - 1);
    }
    if (s->channel == OPR_CHANNEL_STDIN && s->in >= 0 && !s->is_input_over) {
        opr_buf_add_str(&s->input, data);
    } else if (s->channel == OPR_CHANNEL_RESIZE) {
        take_resize(s, p, data);
    } else if (s->channel == OPR_CHANNEL_CLOSE && s->has_close && data.len > 0) {
        s->is_input_over = s->is_input_over || data.ptr[0] == OPR_CHANNEL_STDIN;
    }
}

/* The client breaks the rules (code), or says goodbye. */
static void hang_up(struct exec_streams *s, int code)
{
    opr_ws_add_close(&s->out, code, "");
    s->is_done = true;
    wake(s);
}

static void take_piece(struct exec_streams *s, const struct opr_ws_piece *p)
{
    if (p->opcode == OPR_WS_PING && !is_full(s)) {
        opr_ws_add_head(&s->out, OPR_WS_PONG, p->data.len);
        opr_buf_add_str(&s->out, p->data);
        wake(s);
    } else if (p->opcode == OPR_WS_CLOSE) {
        hang_up(s, OPR_WS_CLOSE_NORMAL);
    } else if (p->opcode == OPR_WS_TEXT || p->opcode == OPR_WS_BINARY) {
        take_message(s, p);
    }
}

static size_t push(struct opr_http_tunnel *t, struct opr_str data)
{
    struct exec_streams *s = (struct exec_streams *)t;
    char part[PART_BYTES];
    size_t at = 0;
    int result = OPR_WS_PIECE;
    while (!s->is_done && s->input.len < INPUT_MAX && result == OPR_WS_PIECE) {
        struct opr_ws_piece piece;
        result = opr_ws_next(&s->reader, data, &at, part, sizeof part, &piece);
        if (result == OPR_WS_PIECE) {
            take_piece(s, &piece);
        } else if (result != OPR_WS_MORE) {
            hang_up(s, result);
        }
    }
    if (s->is_done) {
        return data.len;
    }
    s->is_held = at < data.len;
    write_input(s);
    return at;
}

/* -- life -- */

static void attach(struct opr_http_source *source, struct opr_http_waker *waker)
{
    struct exec_streams *s = (struct exec_streams *)source;
    s->waker = waker;
    s->drain = opr_timer_new(s->loop, on_drained, s);
    if (s->in >= 0) {
        s->in_io = opr_io_new(s->loop, s->in, 0, on_input_writable, s);
    }
    for (size_t i = 0; i < 2; i++) {
        struct output *o = &s->outputs[i];
        if (o->fd >= 0) {
            o->io = opr_io_new(s->loop, o->fd, OPR_IO_READ, on_output, o);
        }
    }
    s->pid_io = opr_io_new(s->loop, s->pid_fd, OPR_IO_READ, on_program_end, s);
}

static void close_streams(struct opr_http_source *source)
{
    struct exec_streams *s = (struct exec_streams *)source;
    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0); /* it was killed: this is at once */
    }
    forget_program(s);
    opr_timer_free(s->drain);
    close_input(s);
    close_output(&s->outputs[0]);
    close_output(&s->outputs[1]);
    opr_buf_fini(&s->out);
    opr_free(s);
}

struct opr_http_source *opr__exec_streams_new(const struct opr__exec_streams *config)
{
    struct exec_streams *s = opr_xalloc(sizeof *s);
    s->tunnel = (struct opr_http_tunnel){
        .source = {.pull = pull, .attach = attach, .close = close_streams}, .push = push};
    s->loop = config->loop;
    s->pid = config->pid;
    s->pid_fd = config->pid_fd;
    s->is_tty = config->is_tty;
    s->has_close = config->has_close;
    s->in = config->in;
    s->outputs[0] = (struct output){.owner = s, .channel = OPR_CHANNEL_STDOUT, .fd = config->out};
    s->outputs[1] = (struct output){.owner = s, .channel = OPR_CHANNEL_STDERR, .fd = config->err};
    s->reader.is_server = true;
    s->channel = NO_CHANNEL;
    return &s->tunnel.source;
}
