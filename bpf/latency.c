#include "bpf/latency.h"

#include "bpf/loader.h"
#include "bpf/slots.h"
#include "core/base/alloc.h"

#include <bpf/bpf.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270

_Static_assert(OPR_BPF_BUCKETS == OPR__LATENCY_BUCKETS, "one histogram layout");

struct opr__latency {
    struct opr__bpf_probe probe;
    struct opr__bpf_array http;
};

/* The root of the cgroup2 hierarchy: each socket of each network namespace belongs below it, also
 * where controllers are mounted as version 1. */
static int open_cgroup2(void)
{
    static const char *const usual[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
    struct statfs info;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (statfs(usual[i], &info) == 0 && info.f_type == CGROUP2_MAGIC) {
            return open(usual[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    FILE *mounts = fopen("/proc/self/mounts", "re");
    int fd = -1;
    char path[256], type[64];
    while (mounts && fd < 0 && fscanf(mounts, "%*s %255s %63s %*[^\n]", path, type) == 2) {
        if (strcmp(type, "cgroup2") == 0) {
            fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    if (mounts) {
        fclose(mounts);
    }
    errno = fd < 0 ? ENOENT : errno;
    return fd;
}

static int attach(struct bpf_program *p, struct bpf_link **ret_link)
{
    if (bpf_program__type(p) != BPF_PROG_TYPE_CGROUP_SKB) {
        *ret_link = bpf_program__attach(p);
        return *ret_link ? 0 : -errno;
    }
    int cgroup = open_cgroup2();
    if (cgroup < 0) {
        return -errno;
    }
    *ret_link = bpf_program__attach_cgroup(p, cgroup);
    int rc = *ret_link ? 0 : -errno;
    close(cgroup);
    return rc;
}

opr_status opr__latency_open(const struct opr__bpf_shared *shared,
                             struct opr__latency **ret_latency, struct opr_error *reterr)
{
    static const char *const optional[] = {"tag_existing", NULL};
    static const char *const arrays[] = {"http", NULL};
    const struct opr__bpf_image image = {
        "latency", opr__latency_image, opr__latency_image_len, optional, NULL, attach,
    };
    struct opr__latency *l = opr_xalloc(sizeof *l);
    opr_status st = opr__bpf_probe_open(&image, shared, arrays, &l->http, &l->probe, reterr);
    if (st != OPR_OK) {
        opr_free(l);
        return st;
    }
    *ret_latency = l;
    return OPR_OK;
}

void opr__latency_close(struct opr__latency *l)
{
    if (!l) {
        return;
    }
    opr__bpf_probe_close(&l->probe);
    opr__bpf_array_unmap(&l->http);
    opr_free(l);
}

static volatile struct opr__latency_totals *totals_at(struct opr__latency *l, uint32_t slot)
{
    struct opr__latency_totals *all = l->http.data;
    return &all[slot];
}

void opr__latency_clear(struct opr__latency *l, uint32_t slot)
{
    struct opr__latency_totals *all = l->http.data;
    memset(&all[slot], 0, sizeof all[slot]);
}

void opr__latency_tag_existing(struct opr__latency *l)
{
    struct bpf_link *link = opr__bpf_probe_link(&l->probe, "tag_existing");
    int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
    char unused[256];
    if (fd < 0) {
        return;
    }
    while (read(fd, unused, sizeof unused) > 0) {
    }
    close(fd);
}

void opr__latency_read(struct opr__latency *l, uint32_t slot, struct opr_bpf_totals *ret_totals)
{
    volatile struct opr__latency_totals *t = totals_at(l, slot);
    ret_totals->arrivals = t->arrivals;
    ret_totals->completions = t->completions;
    ret_totals->latency_sum_us = t->sum_us;
    /* Two events of one socket on two CPUs may be counted in either order. */
    ret_totals->inflight = t->inflight > 0 ? t->inflight : 0;
    for (uint32_t i = 0; i < 6; i++) {
        ret_totals->status[i] = t->status[i];
    }
    for (uint32_t i = 0; i < OPR_BPF_BUCKETS; i++) {
        ret_totals->latency[i] = t->latency[i];
    }
}
