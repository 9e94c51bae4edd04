#include "agent/cgroup.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIM_GROUP "shims"
enum { CPU_PERIOD_US = 100000 };

static const char *const kind_names[OPR__CGROUP__MAX] = {"cpu", "cpuacct", "memory", "pids"};

static bool has_word(struct opr_str list, const char *word)
{
    struct opr_str part;
    while (opr_str_next(&list, ',', &part)) {
        if (opr_str_is(part, word)) {
            return true;
        }
    }
    return false;
}

/* One line of /proc/self/mountinfo (proc(5)): the mount point is field 5; after " - " come type,
 * source and the file system's own options, which name the controllers. */
static void take_mount(struct opr__cgroups *g, struct opr_str line, char **unified)
{
    struct opr_str rest = line, field = {0}, point = {0};
    for (int i = 0; i < 5 && opr_str_next(&rest, ' ', &field); i++) {
        point = field;
    }
    while (opr_str_next(&rest, ' ', &field) && !opr_str_is(field, "-")) {
    }
    struct opr_str type = {0}, source, options = {0};
    (void)opr_str_next(&rest, ' ', &type);
    (void)opr_str_next(&rest, ' ', &source);
    (void)opr_str_next(&rest, ' ', &options);
    if (opr_str_is(type, "cgroup2") && !*unified) {
        *unified = opr_xstrndup(point.ptr, point.len);
    }
    for (size_t i = 0; opr_str_is(type, "cgroup") && i < OPR__CGROUP__MAX; i++) {
        if (!g->roots[i] && has_word(options, kind_names[i])) {
            g->roots[i] = opr_xstrndup(point.ptr, point.len);
        }
    }
}

static bool has_controllers(const char *root)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    snprintf(path, sizeof path, "%s/cgroup.controllers", root);
    bool has = opr_fs_read(path, 4096, &text, NULL) == OPR_OK && strstr(text.data, "cpu") &&
               strstr(text.data, "memory");
    opr_buf_fini(&text);
    return has;
}

void opr__cgroups_find(struct opr__cgroups *g, const char *parent, const char *node)
{
    *g = (struct opr__cgroups){.base = opr_xprintf("%s/%s", parent, node)};
    struct opr_buf text = {0};
    char *unified = NULL;
    if (opr_fs_read("/proc/self/mountinfo", 1 << 20, &text, NULL) == OPR_OK) {
        struct opr_str rest = opr_buf_str(&text), line;
        while (opr_str_next(&rest, '\n', &line)) {
            take_mount(g, line, &unified);
        }
    }
    opr_buf_fini(&text);
    if (unified && has_controllers(unified)) {
        for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
            opr_free(g->roots[i]);
            g->roots[i] = opr_xstrdup(unified);
        }
        g->version = 2;
    } else if (g->roots[OPR__CGROUP_CPUACCT]) {
        g->version = 1;
    } else {
        snprintf(g->reason, sizeof g->reason, "no cgroup hierarchy is mounted");
    }
    opr_free(unified);
}

/* Each hierarchy once (cpu and cpuacct may be one). */
static bool is_first(const struct opr__cgroups *g, size_t kind)
{
    if (!g->roots[kind] || g->version == 0) {
        return false;
    }
    for (size_t i = 0; i < kind; i++) {
        if (g->roots[i] && strcmp(g->roots[i], g->roots[kind]) == 0) {
            return false;
        }
    }
    return true;
}

static void poke(const char *dir, const char *file, const char *fmt, long long value)
{
    char path[PATH_MAX], text[64];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    snprintf(text, sizeof text, fmt, value);
    struct opr_error err = {0};
    if (opr_fs_poke(path, opr_str_of(text), &err) != OPR_OK) { /* a kernel may lack it */
        opr_log(OPR_LOG_DEBUG, "agent", "can not set a limit", "error=\"%s\"", err.message);
    }
}

/* mkdir -p below root; in v2 every level hands its controllers down. */
static bool make_levels(const struct opr__cgroups *g, const char *root, const char *below)
{
    char path[PATH_MAX];
    struct opr_str rest = opr_str_of(below), part;
    int len = snprintf(path, sizeof path, "%s", root);
    while (opr_str_next(&rest, '/', &part)) {
        if (g->version == 2) {
            poke(path, "cgroup.subtree_control", "+cpu +memory +pids", 0);
        }
        len += snprintf(path + len, sizeof path - (size_t)len, "/%.*s", OPR_STR_ARG(part));
        if (len >= (int)sizeof path || (mkdir(path, 0755) != 0 && errno != EEXIST)) {
            return false;
        }
    }
    return true;
}

void opr__cgroups_init(struct opr__cgroups *g, const char *parent, const char *node)
{
    opr__cgroups_find(g, parent, node);
    char below[PATH_MAX];
    snprintf(below, sizeof below, "%s/" SHIM_GROUP, g->base);
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        if (is_first(g, i) && !make_levels(g, g->roots[i], below)) {
            snprintf(g->reason, sizeof g->reason, "%s/%s: %s", g->roots[i], g->base,
                     strerror(errno));
            g->version = 0;
        }
    }
}

void opr__cgroups_fini(struct opr__cgroups *g)
{
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        opr_free(g->roots[i]);
    }
    opr_free(g->base);
    *g = (struct opr__cgroups){0};
}

bool opr__cgroup_path(const struct opr__cgroups *g, enum opr__cgroup_kind kind, const char *uid,
                      const char *container, char *ret_path, size_t size)
{
    if (g->version == 0 || !g->roots[kind]) {
        return false;
    }
    int len = snprintf(ret_path, size, "%s/%s%s%s%s%s", g->roots[kind], g->base, uid ? "/" : "",
                       uid ? uid : "", container ? "/" : "", container ? container : "");
    return len > 0 && (size_t)len < size;
}

static void set_limits(const struct opr__cgroups *g, size_t kind, const char *dir,
                       const struct opr__cgroup_limits *l)
{
    long long shares = l->cpu_request_milli * 1024 / 1000;
    shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
    long long quota = l->cpu_limit_milli * CPU_PERIOD_US / 1000;
    quota = quota && quota < 1000 ? 1000 : quota; /* the kernel's least */
    if (kind == OPR__CGROUP_CPU && g->version == 1) {
        poke(dir, "cpu.shares", "%lld", shares);
        poke(dir, "cpu.cfs_period_us", "%lld", CPU_PERIOD_US);
        poke(dir, "cpu.cfs_quota_us", "%lld", quota ? quota : -1);
    } else if (kind == OPR__CGROUP_MEMORY && g->version == 1) {
        poke(dir, "memory.limit_in_bytes", "%lld",
             l->memory_limit_bytes ? l->memory_limit_bytes : -1);
    } else if (kind == OPR__CGROUP_CPU) {
        /* kubelet's map of shares 2..262144 to weights 1..10000 */
        poke(dir, "cpu.weight", "%lld", 1 + (shares - 2) * 9999 / 262142);
        poke(dir, "cpu.max", quota ? "%lld 100000" : "max", quota);
        poke(dir, "memory.max", l->memory_limit_bytes ? "%lld" : "max", l->memory_limit_bytes);
    }
}

opr_status opr__cgroup_make(const struct opr__cgroups *g, const char *uid, const char *container,
                            const struct opr__cgroup_limits *limits, struct opr_vec *ret_dirs,
                            struct opr_error *reterr)
{
    char below[PATH_MAX], dir[PATH_MAX];
    snprintf(below, sizeof below, "%s/%s/%s", g->base, uid, container);
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        if (!opr__cgroup_path(g, i, uid, container, dir, sizeof dir)) {
            continue;
        }
        if (is_first(g, i)) {
            if (!make_levels(g, g->roots[i], below)) {
                return opr_error_set(reterr, OPR_E_IO, "can not make the cgroup %s: %m", dir);
            }
            if (ret_dirs) {
                opr_vec_push(ret_dirs, opr_xstrdup(dir));
            }
        }
        set_limits(g, i, dir, limits);
    }
    return OPR_OK;
}

void opr__cgroup_shim_dirs(const struct opr__cgroups *g, struct opr_vec *ret_dirs)
{
    char dir[PATH_MAX];
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        if (is_first(g, i) && opr__cgroup_path(g, i, SHIM_GROUP, NULL, dir, sizeof dir)) {
            opr_vec_push(ret_dirs, opr_xstrdup(dir));
        }
    }
}

/* The number after a word in a cgroup file; word "": the first number. 0 where it is not there. */
static uint64_t number_in(const char *dir, const char *file, const char *word)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    uint64_t value = 0;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (opr_fs_read(path, 64 * 1024, &text, NULL) == OPR_OK && text.len > 0) {
        struct opr_str rest = opr_buf_str(&text), line;
        size_t len = strlen(word);
        while (opr_str_next(&rest, '\n', &line)) {
            if (opr_str_starts(line, word) &&
                (len == 0 || (line.len > len && line.ptr[len] == ' '))) {
                value = strtoull(line.ptr + len, NULL, 10);
                break;
            }
        }
    }
    opr_buf_fini(&text);
    return value;
}

uint64_t opr__cgroup_oom_kills(const struct opr__cgroups *g, const char *uid, const char *container)
{
    char dir[PATH_MAX];
    if (!opr__cgroup_path(g, OPR__CGROUP_MEMORY, uid, container, dir, sizeof dir)) {
        return 0;
    }
    return number_in(dir, g->version == 2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

bool opr__cgroup_usage(const struct opr__cgroups *g, const char *uid, const char *container,
                       uint64_t *ret_cpu_ns, uint64_t *ret_memory_bytes)
{
    char dir[PATH_MAX];
    if (!opr__cgroup_path(g, OPR__CGROUP_CPUACCT, uid, container, dir, sizeof dir)) {
        return false;
    }
    bool is_v2 = g->version == 2;
    *ret_cpu_ns = is_v2 ? number_in(dir, "cpu.stat", "usage_usec") * 1000
                        : number_in(dir, "cpuacct.usage", "");
    *ret_memory_bytes = 0;
    if (opr__cgroup_path(g, OPR__CGROUP_MEMORY, uid, container, dir, sizeof dir)) {
        uint64_t used = number_in(dir, is_v2 ? "memory.current" : "memory.usage_in_bytes", "");
        uint64_t cold =
            number_in(dir, "memory.stat", is_v2 ? "inactive_file" : "total_inactive_file");
        *ret_memory_bytes = used > cold ? used - cold : 0;
    }
    return true;
}

/* Calls fn for a folder and those below, deepest first. */
static size_t walk(const char *dir, size_t (*fn)(const char *dir))
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_type == DT_DIR && e->d_name[0] != '.') {
            char *below = opr_xprintf("%s/%s", dir, e->d_name);
            n += walk(below, fn);
            opr_free(below);
        }
    }
    if (d) {
        closedir(d);
    }
    return n + fn(dir);
}

static size_t kill_in(const char *dir)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    size_t n = 0;
    snprintf(path, sizeof path, "%s/cgroup.procs", dir);
    if (opr_fs_read(path, 1 << 20, &text, NULL) == OPR_OK) {
        struct opr_str rest = opr_buf_str(&text), line;
        while (opr_str_next(&rest, '\n', &line)) {
            long pid = line.len ? strtol(line.ptr, NULL, 10) : 0;
            if (pid > 1) {
                (void)kill((pid_t)pid, SIGKILL);
                n++;
            }
        }
    }
    opr_buf_fini(&text);
    return n;
}

size_t opr__cgroup_kill(const struct opr__cgroups *g, const char *uid, const char *container)
{
    char dir[PATH_MAX];
    /* v1 groups hold the same processes in each hierarchy: one will do. */
    return opr__cgroup_path(g, OPR__CGROUP_CPUACCT, uid, container, dir, sizeof dir)
               ? walk(dir, kill_in)
               : 0;
}

void opr__cgroup_each(const struct opr__cgroups *g, void (*fn)(const char *uid, void *arg),
                      void *arg)
{
    char dir[PATH_MAX];
    if (!opr__cgroup_path(g, OPR__CGROUP_CPUACCT, NULL, NULL, dir, sizeof dir)) {
        return;
    }
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && strcmp(e->d_name, SHIM_GROUP) != 0) {
            fn(e->d_name, arg);
        }
    }
    if (d) {
        closedir(d);
    }
}

static size_t remove_one(const char *dir)
{
    return rmdir(dir) == 0;
}

void opr__cgroup_remove(const struct opr__cgroups *g, const char *uid)
{
    char dir[PATH_MAX];
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        if (is_first(g, i) && opr__cgroup_path(g, i, uid, NULL, dir, sizeof dir)) {
            (void)walk(dir, remove_one);
        }
    }
}

void opr__cgroup_remove_parent(const struct opr__cgroups *g, const char *parent)
{
    for (size_t i = 0; i < OPR__CGROUP__MAX; i++) {
        if (is_first(g, i)) {
            char *dir = opr_xprintf("%s/%s", g->roots[i], parent);
            (void)rmdir(dir); /* another node may still be there */
            opr_free(dir);
        }
    }
}
