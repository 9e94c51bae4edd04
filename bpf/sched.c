#include "bpf/sched.h"

#include "bpf/loader.h"
#include "bpf/slots.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <errno.h>
#include <string.h>

_Static_assert(OPR_BPF_WAIT_BUCKETS == OPR__SCHED_BUCKETS, "one histogram layout");

enum { ARRAY_TOTALS, ARRAY_CURRENT, ARRAY_WAITS, ARRAY__MAX };

/* What a running task may have had since it was counted: a tick (10 ms at most, at 100 Hz) and what
 * is not worth counting. More is the hypervisor's, or of a switch that was not told. */
#define RUNNING_MAX_NS 12000000

struct opr__sched {
    struct opr__bpf_probe probe;
    struct opr__bpf_array arrays[ARRAY__MAX];
    uint32_t cpus;
    uint64_t running_max_ns;               /* no limit where ticks are not told */
    uint64_t shown_ns[OPR__BPF_MAX_SLOTS]; /* the largest CPU time told of a slot */
};

static void prepare(struct bpf_object *o)
{
    uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
    bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "totals"), cpus * OPR__BPF_MAX_SLOTS);
    bpf_map__set_max_entries(bpf_object__find_map_by_name(o, "current_slots"), cpus);
}

static int attach(struct bpf_program *p, struct bpf_link **ret_link)
{
    *ret_link = bpf_program__attach(p);
    return *ret_link ? 0 : -errno;
}

opr_status opr__sched_open(const struct opr__bpf_shared *shared, struct opr__sched **ret_sched,
                           struct opr_error *reterr)
{
    static const char *const optional[] = {"on_runtime", "on_cgroup_mkdir", "on_cgroup_rmdir",
                                           NULL};
    static const char *const arrays[] = {"totals", "current_slots", "waits", NULL};
    const struct opr__bpf_image image = {
        "sched", opr__sched_image, opr__sched_image_len, optional, prepare, attach,
    };
    struct opr__sched *s = opr_xalloc(sizeof *s);
    opr_status st = opr__bpf_probe_open(&image, shared, arrays, s->arrays, &s->probe, reterr);
    if (st != OPR_OK) {
        opr_free(s);
        return st;
    }
    s->cpus = (uint32_t)libbpf_num_possible_cpus();
    s->running_max_ns = opr__bpf_probe_link(&s->probe, "on_runtime") ? RUNNING_MAX_NS : UINT64_MAX;
    *ret_sched = s;
    return OPR_OK;
}

void opr__sched_close(struct opr__sched *s)
{
    if (!s) {
        return;
    }
    opr__bpf_probe_close(&s->probe);
    for (int i = 0; i < ARRAY__MAX; i++) {
        opr__bpf_array_unmap(&s->arrays[i]);
    }
    opr_free(s);
}

static volatile struct opr__sched_totals *totals_at(struct opr__sched *s, uint32_t cpu,
                                                    uint32_t slot)
{
    struct opr__sched_totals *all = s->arrays[ARRAY_TOTALS].data;
    return &all[cpu * OPR__BPF_MAX_SLOTS + slot];
}

void opr__sched_clear(struct opr__sched *s, uint32_t slot)
{
    for (uint32_t cpu = 0; cpu < s->cpus; cpu++) {
        volatile struct opr__sched_totals *t = totals_at(s, cpu, slot);
        t->cpu_ns = 0;
        t->run_delay_ns = 0;
    }
    struct opr__sched_waits *waits = s->arrays[ARRAY_WAITS].data;
    memset(&waits[slot], 0, sizeof waits[slot]);
    s->shown_ns[slot] = 0;
}

/* What a slot has had of a CPU, with what its running task has had since that was counted. */
static uint64_t cpu_ns_of(struct opr__sched *s, uint32_t cpu, uint32_t slot)
{
    volatile struct opr__sched_totals *t = totals_at(s, cpu, slot);
    volatile struct opr__sched_current *all = s->arrays[ARRAY_CURRENT].data, *c = &all[cpu];
    for (int tries = 0; tries < 8; tries++) {
        uint64_t seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
        uint64_t counted_ns = __atomic_load_n(&t->cpu_ns, __ATOMIC_ACQUIRE);
        uint64_t since_ns = __atomic_load_n(&c->since_ns, __ATOMIC_ACQUIRE);
        uint64_t running = __atomic_load_n(&c->slot, __ATOMIC_ACQUIRE);
        uint64_t now_ns = opr_clock_mono_ns(opr_clock_system());
        if ((seq & 1) == 0 && __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE) == seq) {
            uint64_t more_ns = running == slot && now_ns > since_ns ? now_ns - since_ns : 0;
            return counted_ns + (more_ns < s->running_max_ns ? more_ns : s->running_max_ns);
        }
    }
    return t->cpu_ns;
}

void opr__sched_read(struct opr__sched *s, uint32_t slot, struct opr_bpf_totals *ret_totals)
{
    uint64_t cpu_ns = 0, delay_ns = 0;
    for (uint32_t cpu = 0; cpu < s->cpus; cpu++) {
        cpu_ns += cpu_ns_of(s, cpu, slot);
        delay_ns += totals_at(s, cpu, slot)->run_delay_ns;
    }
    /* The running part is an estimate, which the kernel's figure replaces at the next tick or
     * switch: what was told never goes back. */
    s->shown_ns[slot] = cpu_ns > s->shown_ns[slot] ? cpu_ns : s->shown_ns[slot];
    ret_totals->cpu_ns = s->shown_ns[slot];
    ret_totals->run_delay_ns = delay_ns;
    volatile struct opr__sched_waits *waits = s->arrays[ARRAY_WAITS].data;
    for (uint32_t i = 0; i < OPR_BPF_WAIT_BUCKETS; i++) {
        ret_totals->waits[i] = waits[slot].count[i];
    }
}
