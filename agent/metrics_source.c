#include "agent/metrics_source.h"

#include "agent/shim/layout.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024 };

const char *opr__source_name(enum opr__source s)
{
    static const char *const names[] = {"none", "bpf", "cgroup-v2", "cgroup-v1", "psi", "proc"};
    return names[s];
}

OPR_PRINTF(2, 3)
static bool read_text(struct opr_buf *ret_text, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(path, sizeof path, fmt, args);
    va_end(args);
    opr_buf_clear(ret_text);
    return opr_fs_read(path, FILE_MAX, ret_text, NULL) == OPR_OK && ret_text->len > 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234": microseconds in which at least one task
 * waited for a CPU. */
static bool read_pressure(const char *dir, uint64_t *ret_ns)
{
    struct opr_buf text = {0};
    const char *at = NULL;
    if (read_text(&text, "%s/cpu.pressure", dir) && strncmp(text.data, "some ", 5) == 0) {
        at = strstr(text.data, "total=");
        *ret_ns = at ? strtoull(at + 6, NULL, 10) * 1000 : 0;
    }
    opr_buf_fini(&text);
    return at != NULL;
}

/* proc(5): "CPU-time delay slices" of each thread, in ns. */
static bool add_delay(const char *proc, long pid, uint64_t *delay_ns)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    bool is_found = false;
    snprintf(path, sizeof path, "%s/%ld/task", proc, pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned long long cpu, delay;
        if (e->d_name[0] != '.' && read_text(&text, "%s/%s/schedstat", path, e->d_name) &&
            sscanf(text.data, "%llu %llu", &cpu, &delay) == 2) {
            *delay_ns += delay;
            is_found = true;
        }
    }
    if (d) {
        closedir(d);
    }
    opr_buf_fini(&text);
    return is_found;
}

/* CPU time of a process and its waited-for children and its resident memory: fields 14 to 17 and 24
 * of proc(5)'s stat. */
static bool add_stat(const char *proc, long pid, uint64_t *cpu_ns, uint64_t *memory_bytes)
{
    struct opr_buf text = {0};
    uint64_t ticks = 0, pages = 0;
    const char *at = read_text(&text, "%s/%ld/stat", proc, pid) ? strrchr(text.data, ')') : NULL;
    bool is_found = at != NULL;
    for (int field = 3; at && field <= 24; field++) {
        at = strchr(at + 1, ' ');
        ticks += at && field >= 14 && field <= 17 ? strtoull(at + 1, NULL, 10) : 0;
        pages = at && field == 24 ? strtoull(at + 1, NULL, 10) : 0;
    }
    opr_buf_fini(&text);
    *cpu_ns += ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
    *memory_bytes += pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return is_found;
}

/* What the processes of the container say; each figure only where it is missing. pids: a number a
 * line. */
static void read_processes(const char *proc, struct opr_str pids, bool needs_delay,
                           struct opr__usage *u)
{
    uint64_t cpu_ns = 0, memory = 0, delay_ns = 0;
    bool has_stat = false, has_delay = false;
    struct opr_str line;
    while (opr_str_next(&pids, '\n', &line)) {
        long pid = line.len ? strtol(line.ptr, NULL, 10) : 0;
        if (pid > 0) {
            has_stat = add_stat(proc, pid, &cpu_ns, &memory) || has_stat;
            has_delay = (needs_delay && add_delay(proc, pid, &delay_ns)) || has_delay;
        }
    }
    if (has_stat && u->cpu == OPR__SOURCE_NONE) {
        u->cpu = OPR__SOURCE_PROC;
        u->cpu_ns = cpu_ns;
    }
    if (has_stat && u->memory == OPR__SOURCE_NONE) {
        u->memory = OPR__SOURCE_PROC;
        u->memory_bytes = memory;
    }
    if (has_delay) {
        u->run_delay = OPR__SOURCE_PROC;
        u->run_delay_ns = delay_ns;
    }
}

/* Version 2 has the folder also where the memory controller is not given to it. */
static bool has_memory_files(const struct opr__source_place *at)
{
    char dir[PATH_MAX], path[PATH_MAX + 32];
    if (!opr__cgroup_path(at->cgroups, OPR__CGROUP_MEMORY, at->uid, at->container, dir,
                          sizeof dir)) {
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", dir,
             at->cgroups->version == 2 ? "memory.current" : "memory.usage_in_bytes");
    return opr_fs_exists(path);
}

void opr__source_read(const struct opr__source_place *at, struct opr__usage *u)
{
    char dir[PATH_MAX];
    struct opr_buf pids = {0};
    bool is_v2 = at->cgroups->version == 2, has_pids = false;
    *u = (struct opr__usage){0};
    if (opr__cgroup_usage(at->cgroups, at->uid, at->container, &u->cpu_ns, &u->memory_bytes)) {
        enum opr__source source = is_v2 ? OPR__SOURCE_CGROUP2 : OPR__SOURCE_CGROUP1;
        u->cpu = source;
        u->memory = has_memory_files(at) ? source : OPR__SOURCE_NONE;
        if (opr__cgroup_path(at->cgroups, OPR__CGROUP_CPUACCT, at->uid, at->container, dir,
                             sizeof dir)) {
            if (is_v2 && read_pressure(dir, &u->run_delay_ns)) {
                u->run_delay = OPR__SOURCE_PSI;
            }
            has_pids = read_text(&pids, "%s/cgroup.procs", dir);
        }
    }
    bool needs_delay = at->needs_delay && u->run_delay == OPR__SOURCE_NONE;
    if ((u->memory == OPR__SOURCE_NONE || needs_delay) &&
        (has_pids || read_text(&pids, "%s/" SHIM_FILE_APP_PID, at->run_dir))) {
        read_processes(at->proc, opr_buf_str(&pids), needs_delay, u);
    }
    opr_buf_fini(&pids);
}
