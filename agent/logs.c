#include "agent/logs.h"

#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 32 * 1024, POLL_MS = 100 };

struct opr__follows {
    struct opr_agent *agent;
    struct opr_timer *timer;
    pthread_mutex_t lock; /* of list */
    struct opr_vec list;  /* of struct log_source, borrowed */
};

struct log_source {
    struct opr_http_source base;
    struct opr_agent *agent;
    struct opr__log_options options;
    char *dir;
    int fd;
    bool is_old;            /* fd is the rotated part */
    bool is_line_open;      /* a record marked P went before */
    bool is_skipped;        /* the open line is before since */
    struct opr_buf pending; /* bytes of a record that is not complete */
    struct opr_http_waker *waker;
};

static int open_part(const char *dir, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool file_exists(const char *dir, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* A message of the channel; the newline is not part of the record. */
static void emit_frame(struct log_source *s, bool is_error, struct opr_str text,
                       struct opr_buf *out)
{
    bool is_wanted = is_error ? s->options.has_error : s->options.has_output;
    if (!is_wanted) {
        return;
    }
    opr_ws_add_head(out, OPR_WS_BINARY, text.len + 1 + !s->is_line_open);
    opr_buf_add_char(out, is_error ? OPR_CHANNEL_STDERR : OPR_CHANNEL_STDOUT);
    opr_buf_add_str(out, text);
    if (!s->is_line_open) {
        opr_buf_add_char(out, '\n');
    }
}

/* One record "TIME STREAM F|P TEXT" to the body. */
static void emit(struct log_source *s, struct opr_str line, struct opr_buf *out)
{
    struct opr_str rest = line, time = {0}, stream, tag = {0};
    bool is_record = opr_str_next(&rest, ' ', &time) && opr_str_next(&rest, ' ', &stream) &&
                     opr_str_next(&rest, ' ', &tag);
    if (!is_record) {
        return; /* a full disk can cut one */
    }
    if (!s->is_line_open) {
        s->is_skipped = opr_str_cmp(time, opr_str_of(s->options.since)) < 0;
        if (!s->is_skipped && s->options.has_times) {
            opr_buf_add_str(out, time);
            opr_buf_add_char(out, ' ');
        }
    }
    s->is_line_open = opr_str_is(tag, "P");
    if (s->options.has_channels) {
        emit_frame(s, opr_str_is(stream, "stderr"), rest, out);
    } else if (!s->is_skipped) {
        opr_buf_add_str(out, rest);
        if (!s->is_line_open) {
            opr_buf_add_char(out, '\n');
        }
    }
}

static void emit_records(struct log_source *s, struct opr_buf *out)
{
    size_t at = 0;
    for (char *newline; (newline = memchr(s->pending.data + at, '\n', s->pending.len - at));) {
        size_t end = (size_t)(newline - s->pending.data);
        emit(s, opr_str_n(s->pending.data + at, end - at), out);
        at = end + 1;
    }
    opr_buf_consume(&s->pending, at);
}

/* The next file where there is one: after the rotated part the present one; after a rotation the
 * new one. */
static bool next_file(struct log_source *s)
{
    struct stat open_st, path_st;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" SHIM_FILE_LOG, s->dir);
    bool is_same = fstat(s->fd, &open_st) == 0 && stat(path, &path_st) == 0 &&
                   open_st.st_ino == path_st.st_ino;
    if (is_same && !s->is_old) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    close(s->fd);
    s->fd = fd;
    s->is_old = false;
    return true;
}

static opr_status pull(struct opr_http_source *base, struct opr_buf *out, size_t max)
{
    struct log_source *s = (struct log_source *)base;
    size_t begin = out->len;
    bool is_over = !s->options.is_followed || file_exists(s->dir, SHIM_FILE_EXIT) ||
                   !file_exists(s->dir, "."); /* it went with its Pod */
    while (out->len - begin < max) {
        opr_buf_reserve(&s->pending, CHUNK_BYTES);
        ssize_t n = read(s->fd, s->pending.data + s->pending.len, CHUNK_BYTES);
        if (n <= 0) {
            if (next_file(s)) {
                continue;
            }
            break;
        }
        s->pending.len += (size_t)n;
        s->pending.data[s->pending.len] = 0;
        emit_records(s, out);
        if (s->options.limit_bytes >= 0 && (int64_t)(out->len - begin) >= s->options.limit_bytes) {
            out->len = begin + (size_t)s->options.limit_bytes;
            out->data[out->len] = 0;
            s->options.limit_bytes = 0;
            return out->len == begin ? OPR_E_END : OPR_OK;
        }
    }
    if (s->options.limit_bytes >= 0) {
        s->options.limit_bytes -= (int64_t)(out->len - begin);
    }
    return out->len == begin && is_over ? OPR_E_END : OPR_OK;
}

static void on_poll(void *arg)
{
    struct opr__follows *f = arg;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->list.count; i++) {
        struct log_source *s = f->list.items[i];
        s->waker->wake(s->waker);
    }
    bool any = f->list.count > 0;
    pthread_mutex_unlock(&f->lock);
    if (any) {
        opr_timer_set(f->timer, POLL_MS);
    }
}

static void attach(struct opr_http_source *base, struct opr_http_waker *waker)
{
    struct log_source *s = (struct log_source *)base;
    struct opr__follows *f = s->agent->follows;
    s->waker = waker;
    if (!s->options.is_followed) {
        return;
    }
    pthread_mutex_lock(&f->lock);
    opr_vec_push(&f->list, s);
    pthread_mutex_unlock(&f->lock);
    opr_loop_post(s->agent->loop, on_poll, f);
}

static void close_source(struct opr_http_source *base)
{
    struct log_source *s = (struct log_source *)base;
    struct opr__follows *f = s->agent->follows;
    pthread_mutex_lock(&f->lock);
    (void)opr_vec_remove_item(&f->list, s);
    pthread_mutex_unlock(&f->lock);
    close(s->fd);
    opr_buf_fini(&s->pending);
    opr_free(s->dir);
    opr_free(s);
}

/* Whether the record at an offset ends a line. */
static bool ends_line(int fd, off_t start)
{
    char head[64];
    ssize_t len = pread(fd, head, sizeof head, start);
    struct opr_str rest = opr_str_n(head, len > 0 ? (size_t)len : 0), part = {0};
    for (int i = 0; i < 3; i++) {
        (void)opr_str_next(&rest, ' ', &part);
    }
    return !opr_str_is(part, "P");
}

/* Where the last n lines of a file begin; fewer lines: 0 and the number that is missing. A line
 * may be several records. */
static off_t tail_start(int fd, int64_t n, int64_t *ret_missing)
{
    char block[8192];
    off_t at = lseek(fd, 0, SEEK_END), later = at;
    int64_t lines = 0;
    *ret_missing = 0;
    while (at > 0) {
        size_t size = at < (off_t)sizeof block ? (size_t)at : sizeof block;
        if (pread(fd, block, size, at - (off_t)size) != (ssize_t)size) {
            break;
        }
        at -= (off_t)size;
        for (size_t i = size; i-- > 0;) {
            off_t start = at + (off_t)i;
            bool begins = start == 0 || (i > 0 ? block[i - 1] == '\n' : false);
            if (i == 0 && start > 0) {
                char before;
                begins = pread(fd, &before, 1, start - 1) == 1 && before == '\n';
            }
            if (begins && ends_line(fd, start) && ++lines > n) {
                return later;
            }
            later = begins ? start : later;
        }
    }
    *ret_missing = n - lines;
    return 0;
}

static void seek_tail(struct log_source *s)
{
    int64_t missing = 0;
    off_t start = tail_start(s->fd, s->options.tail_lines, &missing);
    int old = missing > 0 ? open_part(s->dir, SHIM_FILE_LOG_OLD) : -1;
    if (old < 0) {
        (void)lseek(s->fd, start, SEEK_SET);
        return;
    }
    start = tail_start(old, missing, &missing);
    (void)lseek(old, start, SEEK_SET);
    close(s->fd);
    s->fd = old;
    s->is_old = true;
}

opr_status opr__logs_open(struct opr_agent *a, const char *dir,
                          const struct opr__log_options *options,
                          struct opr_http_source **ret_source)
{
    int fd = open_part(dir, SHIM_FILE_LOG);
    if (fd < 0) {
        return OPR_E_NOT_FOUND;
    }
    struct log_source *s = opr_xalloc(sizeof *s);
    s->base = (struct opr_http_source){.pull = pull, .attach = attach, .close = close_source};
    s->agent = a;
    s->options = *options;
    s->dir = opr_xstrdup(dir);
    s->fd = fd;
    if (options->tail_lines >= 0) {
        seek_tail(s);
    } else {
        int old = open_part(dir, SHIM_FILE_LOG_OLD);
        if (old >= 0) {
            close(s->fd);
            s->fd = old;
            s->is_old = true;
        }
    }
    *ret_source = &s->base;
    return OPR_OK;
}

struct opr__follows *opr__follows_new(struct opr_agent *a)
{
    struct opr__follows *f = opr_xalloc(sizeof *f);
    f->agent = a;
    f->timer = opr_timer_new(a->loop, on_poll, f);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void opr__follows_free(struct opr__follows *f)
{
    if (f) {
        opr_timer_free(f->timer);
        opr_vec_fini(&f->list);
        pthread_mutex_destroy(&f->lock);
        opr_free(f);
    }
}
