#include "agent/message.h"

#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* kubernetes pkg/kubelet/container: MaxContainerTerminationMessageLength and its like. */
enum { MESSAGE_MAX = 4096, LOG_MAX = 2048, LOG_LINES_MAX = 80 };

/* The last max bytes of a file; false: it is not there. */
static bool read_end(const char *path, size_t max, struct opr_buf *ret_text)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (is_ok) {
        off_t from = st.st_size > (off_t)max ? st.st_size - (off_t)max : 0;
        opr_buf_reserve(ret_text, max + 1);
        ssize_t n = pread(fd, ret_text->data, max, from);
        ret_text->len = n > 0 ? (size_t)n : 0;
        ret_text->data[ret_text->len] = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_ok;
}

/* "TIME stream F text" lines to their texts; the first may be cut. */
static void add_log_texts(struct opr_buf *out, struct opr_str lines, bool is_cut)
{
    struct opr_str line, part;
    if (is_cut) {
        (void)opr_str_next(&lines, '\n', &line);
    }
    while (opr_str_next(&lines, '\n', &line)) {
        struct opr_str rest = line, tag = {0};
        for (int i = 0; i < 3 && opr_str_next(&rest, ' ', &part); i++) {
            tag = part;
        }
        if (tag.len == 1) {
            opr_buf_add_str(out, rest);
            opr_buf_add_text(out, tag.ptr[0] == 'F' ? "\n" : "");
        }
    }
}

static struct opr_str last_lines(struct opr_str text, int lines, size_t max)
{
    size_t from = text.len;
    while (from > 0 && text.len - from < max) {
        if (text.ptr[from - 1] == '\n' && from < text.len && --lines == 0) {
            break;
        }
        from--;
    }
    return opr_str_n(text.ptr + from, text.len - from);
}

void opr__message_put(struct json_object *state, const struct opr__pod *p,
                      const struct opr__container *c, const struct opr__run *run, uint32_t attempt)
{
    char *dir = opr__run_dir(p, c, attempt);
    char *file = opr_xprintf("%s/" OPR__MESSAGE_FILE, dir);
    struct opr_buf text = {0}, raw = {0}, message = {0};
    (void)read_end(file, MESSAGE_MAX, &text);
    struct opr_str said = opr_buf_str(&text);
    bool may_fall_back = strcmp(opr_json_str(c->spec, "/terminationMessagePolicy", "File"),
                                "FallbackToLogsOnError") == 0;
    if (text.len == 0 && may_fall_back && run->exit_code != 0) {
        opr_free(file);
        file = opr_xprintf("%s/" SHIM_FILE_LOG, dir);
        /* Each line of the log has a head of its own: read more than is shown. */
        size_t max = LOG_MAX + LOG_LINES_MAX * 64;
        (void)read_end(file, max, &raw);
        add_log_texts(&text, opr_buf_str(&raw), raw.len == max);
        said = last_lines(opr_buf_str(&text), LOG_LINES_MAX, LOG_MAX);
    }
    if (said.len > 0) {
        opr_buf_add_str(&message, said); /* terminated */
        opr_doc_put_str(state, "/message", message.data);
    }
    opr_buf_fini(&message);
    opr_buf_fini(&text);
    opr_buf_fini(&raw);
    opr_free(file);
    opr_free(dir);
}
