#include "bpf/metrics.h"

#include "bpf/latency.h"
#include "bpf/loader.h"
#include "bpf/slots.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#include <bpf/bpf.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270
#define CGROUP1_MAGIC 0x27e0eb
#define MAX_DEPTH 16

_Static_assert(OPR_BPF_SLOTS == OPR__BPF_MAX_SLOTS, "one number of slots");

struct opr_bpf {
    struct opr__bpf_shared shared;           /* owned */
    struct opr__bpf_array generations, loss; /* owned */
    struct opr__sched *sched;                /* owned; NULL: off */
    struct opr__latency *latency;            /* owned; NULL: off */
    uint32_t used;                           /* slots in use */
    uint32_t last;                           /* slot given out last: others are tried first */
    bool is_used[OPR_BPF_SLOTS];
    bool is_v1;
};

static uint64_t *generation_of(struct opr_bpf *b, uint32_t slot)
{
    return (uint64_t *)b->generations.data + slot;
}

static int make_map(enum bpf_map_type type, const char *name, uint32_t key_size,
                    uint32_t value_size, uint32_t max_entries, uint32_t flags)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
    return bpf_map_create(type, name, key_size, value_size, max_entries, &opts);
}

static opr_status make_shared(struct opr_bpf *b, struct opr_error *reterr)
{
    struct opr__bpf_shared *s = &b->shared;
    s->slots_fd = make_map(BPF_MAP_TYPE_HASH, "slots", 8, sizeof(struct opr__bpf_ref),
                           OPR__BPF_MAX_CGROUPS, 0);
    if (s->slots_fd < 0) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "the kernel refuses BPF maps: %s: run as root or with CAP_BPF, "
                             "CAP_PERFMON and CAP_NET_ADMIN",
                             strerror(errno));
    }
    s->config_fd = make_map(BPF_MAP_TYPE_ARRAY, "config", 4, sizeof(struct opr__bpf_config), 1, 0);
    s->generations_fd =
        make_map(BPF_MAP_TYPE_ARRAY, "generations", 4, 8, OPR_BPF_SLOTS, BPF_F_MMAPABLE);
    s->loss_fd = make_map(BPF_MAP_TYPE_ARRAY, "loss", 4, 8, OPR__BPF_LOSS__MAX, BPF_F_MMAPABLE);
    s->excluded_fd = make_map(BPF_MAP_TYPE_LRU_HASH, "excluded", 8,
                              sizeof(struct opr__latency_pair), OPR__LATENCY_EXCLUDED, 0);
    OPR_TRY(opr__bpf_array_map(s->generations_fd, &b->generations, reterr));
    return opr__bpf_array_map(s->loss_fd, &b->loss, reterr);
}

static void report_off(const char *probe, const struct opr_error *err, struct opr_error *reterr)
{
    opr_log(OPR_LOG_WARN, "bpf", "probe is off", "probe=%s error=\"%s\"", probe, err->message);
    if (reterr) {
        *reterr = *err;
    }
}

static void open_probes(struct opr_bpf *b, struct opr_error *reterr)
{
    struct opr_error err = {0};
    if (opr__sched_open(&b->shared, &b->sched, &err) != OPR_OK) {
        report_off("sched", &err, reterr);
    }
    if (opr__latency_open(&b->shared, &b->latency, &err) != OPR_OK) {
        report_off("latency", &err, reterr);
    }
}

opr_status opr_bpf_open(struct opr_bpf **ret_bpf, struct opr_error *reterr)
{
    if (opr__sched_image_len == 0) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "built without BPF programs: install clang and build again");
    }
    /* Kernels before 5.11 charge maps to this limit; newer ones do not look at it. */
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &unlimited); /* best effort: the load says what it lacks */
    struct opr_bpf *b = opr_xalloc(sizeof *b);
    b->shared = (struct opr__bpf_shared){-1, -1, -1, -1, -1};
    opr_status st = make_shared(b, reterr);
    if (st == OPR_OK) {
        open_probes(b, reterr);
        st = opr_bpf_features(b) ? OPR_OK : OPR_E_UNSUPPORTED;
    }
    /* Loading parses the kernel's type information, several MiB that are free now. */
    malloc_trim(0);
    if (st != OPR_OK) {
        opr_bpf_close(b);
        return st;
    }
    *ret_bpf = b;
    return OPR_OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void opr_bpf_close(struct opr_bpf *b)
{
    if (!b) {
        return;
    }
    opr__sched_close(b->sched);
    opr__latency_close(b->latency);
    opr__bpf_array_unmap(&b->generations);
    opr__bpf_array_unmap(&b->loss);
    close_fd(b->shared.slots_fd);
    close_fd(b->shared.config_fd);
    close_fd(b->shared.generations_fd);
    close_fd(b->shared.loss_fd);
    close_fd(b->shared.excluded_fd);
    opr_free(b);
}

uint32_t opr_bpf_features(const struct opr_bpf *b)
{
    return (b->sched ? OPR_BPF_SCHED : 0u) | (b->latency ? OPR_BPF_LATENCY : 0u);
}

/* The cgroup at fd and those below it; closes fd. The inode number of a cgroup's folder is the id
 * that the kernel knows it by. */
static int add_tree(struct opr_bpf *b, int fd, const struct opr__bpf_ref *ref, int depth)
{
    struct stat info;
    int rc = fstat(fd, &info);
    uint64_t id = info.st_ino;
    rc = rc < 0 ? rc : bpf_map_update_elem(b->shared.slots_fd, &id, ref, BPF_ANY);
    DIR *dir = rc < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        close(fd);
        return rc < 0 ? rc : -1;
    }
    for (struct dirent *e; rc >= 0 && depth < MAX_DEPTH && (e = readdir(dir));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.') {
            continue;
        }
        int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (below >= 0) {
            rc = add_tree(b, below, ref, depth + 1);
        }
    }
    closedir(dir);
    return rc;
}

/* All slots are of one hierarchy: ids of two may be equal. */
static opr_status set_hierarchy(struct opr_bpf *b, int fd, const char *dir,
                                struct opr_error *reterr)
{
    struct statfs info;
    if (fstatfs(fd, &info) < 0 || (info.f_type != CGROUP2_MAGIC && info.f_type != CGROUP1_MAGIC)) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s is no cgroup folder", dir);
    }
    bool is_v1 = info.f_type == CGROUP1_MAGIC;
    if (b->used > 0 && is_v1 != b->is_v1) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "%s: cgroups of version 1 and 2 can not be mixed", dir);
    }
    struct opr__bpf_config config = {is_v1};
    uint32_t zero = 0;
    if (bpf_map_update_elem(b->shared.config_fd, &zero, &config, BPF_ANY) < 0) {
        return opr_error_set(reterr, OPR_E_IO, "BPF map config: %s", strerror(errno));
    }
    b->is_v1 = is_v1;
    return OPR_OK;
}

/* Slot 0 is nobody's. */
static uint32_t free_slot(const struct opr_bpf *b)
{
    for (uint32_t i = 1; i < OPR_BPF_SLOTS; i++) {
        uint32_t slot = 1 + (b->last + i - 1) % (OPR_BPF_SLOTS - 1);
        if (!b->is_used[slot]) {
            return slot;
        }
    }
    return 0;
}

static bool has_tasks(const char *cgroup_dir)
{
    char *path = opr_xprintf("%s/cgroup.procs", cgroup_dir);
    FILE *f = fopen(path, "re");
    bool has = f && fgetc(f) != EOF;
    if (f) {
        fclose(f);
    }
    opr_free(path);
    return has;
}

opr_status opr_bpf_slot_add(struct opr_bpf *b, const char *cgroup_dir, uint32_t *ret_slot,
                            struct opr_error *reterr)
{
    uint32_t slot = free_slot(b);
    if (slot == 0) {
        return opr_error_set(reterr, OPR_E_LIMIT, "all %d metric slots are in use",
                             OPR_BPF_SLOTS - 1);
    }
    int fd = open(cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return opr_error_set(reterr, errno == ENOENT ? OPR_E_NOT_FOUND : OPR_E_IO, "%s: %s",
                             cgroup_dir, strerror(errno));
    }
    opr_status st = set_hierarchy(b, fd, cgroup_dir, reterr);
    if (st != OPR_OK) {
        close(fd);
        return st;
    }
    if (b->sched) {
        opr__sched_clear(b->sched, slot);
    }
    if (b->latency) {
        opr__latency_clear(b->latency, slot);
    }
    struct opr__bpf_ref ref = {slot, (uint32_t)*generation_of(b, slot),
                               opr_clock_mono_ns(opr_clock_system())};
    b->is_used[slot] = true;
    b->used++;
    b->last = slot;
    if (add_tree(b, fd, &ref, 0) < 0) {
        int err = errno;
        opr_bpf_slot_remove(b, slot);
        return opr_error_set(reterr, err == E2BIG ? OPR_E_LIMIT : OPR_E_IO,
                             "%s: its cgroups can not be entered: %s", cgroup_dir, strerror(err));
    }
    if (b->latency && has_tasks(cgroup_dir)) {
        opr__latency_tag_existing(b->latency);
    }
    *ret_slot = slot;
    return OPR_OK;
}

void opr_bpf_slot_remove(struct opr_bpf *b, uint32_t slot)
{
    if (slot == 0 || slot >= OPR_BPF_SLOTS || !b->is_used[slot]) {
        return;
    }
    ++*generation_of(b, slot);
    int fd = b->shared.slots_fd;
    uint64_t key, next;
    struct opr__bpf_ref ref;
    int rc = bpf_map_get_next_key(fd, NULL, &next);
    while (rc == 0) {
        key = next;
        rc = bpf_map_get_next_key(fd, &key, &next);
        if (bpf_map_lookup_elem(fd, &key, &ref) == 0 && ref.slot == slot) {
            bpf_map_delete_elem(fd, &key);
        }
    }
    b->is_used[slot] = false;
    b->used--;
}

void opr_bpf_read(struct opr_bpf *b, uint32_t slot, struct opr_bpf_totals *ret_totals)
{
    *ret_totals = (struct opr_bpf_totals){0};
    if (slot == 0 || slot >= OPR_BPF_SLOTS || !b->is_used[slot]) {
        return;
    }
    if (b->sched) {
        opr__sched_read(b->sched, slot, ret_totals);
    }
    if (b->latency) {
        opr__latency_read(b->latency, slot, ret_totals);
    }
}

void opr_bpf_exclude(struct opr_bpf *b, int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;
    struct opr__latency_pair none = {0}; /* filled in where it connects */
    if (b->latency && getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0) {
        (void)bpf_map_update_elem(b->shared.excluded_fd, &cookie, &none, BPF_ANY); /* never full */
    }
}

const char *opr_bpf_loss(struct opr_bpf *b, uint32_t i, uint64_t *ret_count)
{
    static const char *const names[OPR__BPF_LOSS__MAX] = {
        [OPR__BPF_LOSS_TASK] = "task_storage",
        [OPR__BPF_LOSS_SOCKET] = "socket_storage",
        [OPR__BPF_LOSS_CGROUP] = "cgroup_slots",
        [OPR__BPF_LOSS_STALE] = "stale_slot",
    };
    if (i >= OPR__BPF_LOSS__MAX) {
        return NULL;
    }
    *ret_count = ((volatile uint64_t *)b->loss.data)[i];
    return names[i];
}
