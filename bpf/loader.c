#include "bpf/loader.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <bpf/bpf.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_MAX (256 * 1024)

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static struct opr_buf *load_log; /* borrowed while load_lock is held */

static int on_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
    if (level != LIBBPF_WARN || !load_log || load_log->len > LOG_MAX) {
        return 0;
    }
    char *text = NULL;
    int n = vasprintf(&text, fmt, args);
    if (n > 0) {
        opr_buf_add(load_log, text, (size_t)n);
    }
    free(text);
    return n;
}

/* The line of the verifier that names the cause stands right before its closing summary; without
 * one the first line of what libbpf said is the cause. */
static struct opr_str cause_in(struct opr_str log)
{
    const char *end = memmem(log.ptr, log.len, "\nprocessed ", 11);
    const char *start = log.ptr;
    if (end) {
        start = memrchr(log.ptr, '\n', (size_t)(end - log.ptr));
        start = start ? start + 1 : log.ptr;
    } else {
        end = memchr(log.ptr, '\n', log.len);
        end = end ? end : log.ptr + log.len;
    }
    return opr_str_n(start, (size_t)(end - start));
}

static opr_status fail(struct opr_error *reterr, const struct opr__bpf_image *image,
                       const char *step, int err)
{
    struct opr_str cause = load_log->len > 0 ? cause_in(opr_buf_str(load_log)) : OPR_STR("");
    return opr_error_set(reterr, OPR_E_UNSUPPORTED, "probe %s: %s: %s%s%.*s", image->name, step,
                         strerror(err < 0 ? -err : err), cause.len ? ": " : "",
                         (int)(cause.len < 300 ? cause.len : 300), cause.ptr);
}

static int share_maps(struct bpf_object *o, const struct opr__bpf_shared *shared)
{
    const struct {
        const char *name;
        int fd;
    } maps[] = {{"slots", shared->slots_fd},
                {"config", shared->config_fd},
                {"generations", shared->generations_fd},
                {"loss", shared->loss_fd},
                {"excluded", shared->excluded_fd}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct bpf_map *m = bpf_object__find_map_by_name(o, maps[i].name);
        int rc = m ? bpf_map__reuse_fd(m, maps[i].fd) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* without: programs to leave out, ends with NULL; may be NULL. */
static int load(const struct opr__bpf_image *image, const struct opr__bpf_shared *shared,
                const char *const *without, struct bpf_object **ret_object)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = image->name);
    struct bpf_object *o = bpf_object__open_mem(image->data, image->len, &opts);
    if (!o) {
        return -errno;
    }
    for (; without && *without; without++) {
        struct bpf_program *p = bpf_object__find_program_by_name(o, *without);
        if (p) {
            bpf_program__set_autoload(p, false);
        }
    }
    if (image->prepare) {
        image->prepare(o);
    }
    int rc = share_maps(o, shared);
    rc = rc < 0 ? rc : bpf_object__load(o);
    if (rc < 0) {
        bpf_object__close(o);
        return rc;
    }
    *ret_object = o;
    return 0;
}

static bool is_optional(const struct opr__bpf_image *image, const char *program)
{
    for (const char *const *p = image->optional; *p; p++) {
        if (strcmp(*p, program) == 0) {
            return true;
        }
    }
    return false;
}

static int attach_all(const struct opr__bpf_image *image, struct bpf_object *o,
                      struct opr__bpf_probe *probe)
{
    struct bpf_program *p;
    bpf_object__for_each_program(p, o)
    {
        struct bpf_link *link = NULL;
        if (!bpf_program__autoload(p)) {
            continue;
        }
        int rc = image->attach(p, &link);
        if (rc < 0 && !is_optional(image, bpf_program__name(p))) {
            return rc;
        }
        if (rc < 0) {
            opr_log(OPR_LOG_WARN, "bpf", "program is off", "probe=%s program=%s error=\"%s\"",
                    image->name, bpf_program__name(p), strerror(-rc));
        } else if (link) {
            OPR_CHECK(probe->link_count < OPR__BPF_MAX_LINKS);
            probe->programs[probe->link_count] = opr_xstrdup(bpf_program__name(p));
            probe->links[probe->link_count++] = link;
        }
    }
    return 0;
}

opr_status opr__bpf_array_map(int fd, struct opr__bpf_array *ret_array, struct opr_error *reterr)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof info;
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED, "no such map");
    }
    /* The stride of an array is its value's size, rounded up to 8 bytes. */
    size_t size = (size_t)((info.value_size + 7u) & ~7u) * info.max_entries;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED, "map %s can not be mapped: %s", info.name,
                             strerror(errno));
    }
    ret_array->data = data;
    ret_array->size_bytes = size;
    return OPR_OK;
}

void opr__bpf_array_unmap(struct opr__bpf_array *a)
{
    if (a->data) {
        munmap(a->data, a->size_bytes);
        a->data = NULL;
    }
}

static opr_status map_arrays(struct bpf_object *o, const char *const *names,
                             struct opr__bpf_array *ret_arrays, struct opr_error *reterr)
{
    for (size_t i = 0; names[i]; i++) {
        opr_status st = opr__bpf_array_map(bpf_object__find_map_fd_by_name(o, names[i]),
                                           &ret_arrays[i], reterr);
        if (st != OPR_OK) {
            while (i-- > 0) {
                opr__bpf_array_unmap(&ret_arrays[i]);
            }
            return st;
        }
    }
    return OPR_OK;
}

static opr_status open_locked(const struct opr__bpf_image *image,
                              const struct opr__bpf_shared *shared, const char *const *arrays,
                              struct opr__bpf_array *ret_arrays, struct opr__bpf_probe *ret_probe,
                              struct opr_error *reterr)
{
    struct bpf_object *o = NULL;
    int rc = load(image, shared, NULL, &o);
    if (rc < 0 && image->optional[0]) {
        opr_log(OPR_LOG_WARN, "bpf", "probe loads without its optional programs",
                "probe=%s error=\"%s\"", image->name, strerror(-rc));
        opr_buf_clear(load_log);
        rc = load(image, shared, image->optional, &o);
    }
    if (rc < 0) {
        return fail(reterr, image, "load", rc);
    }
    opr_status st = map_arrays(o, arrays, ret_arrays, reterr);
    if (st == OPR_OK && (rc = attach_all(image, o, ret_probe)) < 0) {
        st = fail(reterr, image, "attach", rc);
        opr__bpf_probe_close(ret_probe);
        for (size_t i = 0; arrays[i]; i++) {
            opr__bpf_array_unmap(&ret_arrays[i]);
        }
    }
    /* Links and mappings keep in the kernel what they need; the object is a large copy of it. */
    bpf_object__close(o);
    return st;
}

opr_status opr__bpf_probe_open(const struct opr__bpf_image *image,
                               const struct opr__bpf_shared *shared, const char *const *arrays,
                               struct opr__bpf_array *ret_arrays, struct opr__bpf_probe *ret_probe,
                               struct opr_error *reterr)
{
    struct opr_buf log = {0};
    *ret_probe = (struct opr__bpf_probe){0};
    pthread_mutex_lock(&load_lock);
    load_log = &log;
    libbpf_print_fn_t was = libbpf_set_print(on_print);
    opr_status st = open_locked(image, shared, arrays, ret_arrays, ret_probe, reterr);
    libbpf_set_print(was);
    load_log = NULL;
    pthread_mutex_unlock(&load_lock);
    opr_buf_fini(&log);
    return st;
}

void opr__bpf_probe_close(struct opr__bpf_probe *p)
{
    for (uint32_t i = 0; i < p->link_count; i++) {
        bpf_link__destroy(p->links[i]);
        opr_free((void *)(uintptr_t)p->programs[i]);
    }
    p->link_count = 0;
}

struct bpf_link *opr__bpf_probe_link(const struct opr__bpf_probe *p, const char *program)
{
    for (uint32_t i = 0; i < p->link_count; i++) {
        if (strcmp(p->programs[i], program) == 0) {
            return p->links[i];
        }
    }
    return NULL;
}
