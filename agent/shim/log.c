/* The container's output as CRI log lines. One write a chunk that was read, so that a busy program
 * costs few calls; a line longer than the buffer is cut into parts marked P. */
#include "agent/shim/shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192, HEAD_MAX_BYTES = 64 };
#define ROTATE_BYTES (10ll << 20) /* as the kubelet's containerLogMaxSize */

struct stream {
    char data[LINE_MAX_BYTES];
    size_t len;
    bool is_cut; /* the line's beginning was written as a part */
};

struct shim_log {
    int dir_fd, fd;
    long long size;
    struct stream streams[2];
};

static void open_file(struct shim_log *log)
{
    struct stat st = {0};
    log->fd = openat(log->dir_fd, SHIM_FILE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    log->size = log->fd >= 0 && fstat(log->fd, &st) == 0 ? st.st_size : 0;
}

struct shim_log *shim_log_open(int dir_fd)
{
    struct shim_log *log = calloc(1, sizeof *log);
    if (log) {
        log->dir_fd = dir_fd;
        open_file(log);
    }
    return log;
}

static void rotate(struct shim_log *log)
{
    close(log->fd);
    (void)renameat(log->dir_fd, SHIM_FILE_LOG, log->dir_fd, SHIM_FILE_LOG_OLD);
    open_file(log);
}

static size_t head(char text[HEAD_MAX_BYTES], int stream, char tag)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(text, HEAD_MAX_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    return len + (size_t)snprintf(text + len, HEAD_MAX_BYTES - len, ".%09ldZ %s %c ", now.tv_nsec,
                                  stream == 0 ? "stdout" : "stderr", tag);
}

static void put(struct shim_log *log, const char *text, size_t len)
{
    while (len > 0 && log->fd >= 0) {
        ssize_t n = write(log->fd, text, len);
        if (n <= 0) {
            return; /* a full disk loses output, never the container */
        }
        log->size += n;
        text += n;
        len -= (size_t)n;
    }
}

/* One record; the newline is added. */
static void record(struct shim_log *log, int stream, char tag, const char *text, size_t len)
{
    static char out[LINE_MAX_BYTES + HEAD_MAX_BYTES + 1];
    size_t n = head(out, stream, tag);
    memcpy(out + n, text, len);
    n += len;
    out[n++] = '\n';
    put(log, out, n);
}

static void cut_lines(struct shim_log *log, int stream)
{
    struct stream *s = &log->streams[stream];
    char *at = s->data, *end = s->data + s->len, *newline;
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
        record(log, stream, 'F', at, (size_t)(newline - at));
        at = newline + 1;
        s->is_cut = false;
    }
    s->len = (size_t)(end - at);
    memmove(s->data, at, s->len);
    if (s->len == sizeof s->data) {
        record(log, stream, 'P', s->data, s->len);
        s->len = 0;
        s->is_cut = true;
    }
    if (log->size > ROTATE_BYTES && s->len == 0 && !s->is_cut) {
        rotate(log);
    }
}

bool shim_log_pump(struct shim_log *log, int stream, int fd)
{
    struct stream *s = &log->streams[stream];
    ssize_t n = read(fd, s->data + s->len, sizeof s->data - s->len);
    if (n <= 0) {
        return false;
    }
    s->len += (size_t)n;
    struct stat st;
    if (log->fd >= 0 && fstat(log->fd, &st) == 0 && st.st_nlink == 0) {
        close(log->fd); /* somebody removed the file: what follows can be read again */
        open_file(log);
    }
    cut_lines(log, stream);
    return true;
}

void shim_log_close(struct shim_log *log)
{
    for (int stream = 0; stream < 2; stream++) {
        struct stream *s = &log->streams[stream];
        if (s->len > 0 || s->is_cut) {
            record(log, stream, 'F', s->data, s->len);
        }
    }
    close(log->fd);
    free(log);
}
