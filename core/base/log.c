#include "core/base/log.h"

#include "core/base/buf.h"
#include "core/base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int lowest = OPR_LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the sink */
static void (*sink)(void *arg, int32_t level, const char *line);
static void *sink_arg;

void opr_log_set_level(int32_t level)
{
    atomic_store(&lowest, level);
}

bool opr_log_enabled(int32_t level)
{
    return level >= atomic_load(&lowest);
}

void opr_log_set_sink(void (*fn)(void *arg, int32_t level, const char *line), void *arg)
{
    pthread_mutex_lock(&lock);
    sink = fn;
    sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

/* A line is one record: what would break it, or drive a terminal, is escaped. */
static void add_flat(struct opr_buf *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n' || c == '\r' || c == '\t') {
            opr_buf_add_text(line, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            opr_buf_printf(line, "\\x%02x", c);
        } else {
            opr_buf_add_char(line, *p);
        }
    }
}

static void emit(int32_t level, struct opr_buf *line)
{
    pthread_mutex_lock(&lock);
    bool is_taken = sink != NULL;
    if (is_taken) {
        sink(sink_arg, level, line->data);
    }
    pthread_mutex_unlock(&lock);
    if (!is_taken) {
        opr_buf_add_char(line, '\n');
        (void)!write(STDERR_FILENO, line->data, line->len); /* there is no better place to say it */
    }
}

void opr_log(int32_t level, const char *area, const char *message, const char *facts, ...)
{
    static const char *const names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    if (!opr_log_enabled(level)) {
        return;
    }
    int64_t now = opr_clock_wall_ms(opr_clock_system());
    char time[OPR_TIME_TEXT_MAX];
    opr_time_format(now, time);
    struct opr_buf line = {0};
    opr_buf_printf(&line, "%.19s.%03dZ %s %s  ", time, (int)(now % 1000), names[level & 3], area);
    add_flat(&line, message);
    if (facts) {
        char text[2048];
        va_list args;
        va_start(args, facts);
        vsnprintf(text, sizeof text, facts, args);
        va_end(args);
        opr_buf_add_text(&line, "  ");
        add_flat(&line, text);
    }
    emit(level, &line);
    opr_buf_fini(&line);
}
