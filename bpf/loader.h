/* Loading and attaching one probe's programs. Inside bpf/ only. Threads: as metrics.h; loading is
 * serialized within the process, since libbpf has one log for all. */
#ifndef OPR_BPF_LOADER_H
#define OPR_BPF_LOADER_H

#include "bpf/metrics.h"

#include <bpf/libbpf.h>

#define OPR__BPF_MAX_LINKS 4

/* The maps that all probes share; borrowed. */
struct opr__bpf_shared {
    int slots_fd, config_fd, generations_fd, loss_fd, excluded_fd;
};

/* A compiled probe, embedded in the library. */
struct opr__bpf_image {
    const char *name;
    const void *data;
    size_t len;
    const char *const *optional; /* programs that the probe can do without; ends with NULL */
    /* Sets map sizes before the load; may be NULL. */
    void (*prepare)(struct bpf_object *o);
    /* Attaches one program; *ret_link stays NULL where it needs no link. 0 or a negative errno. */
    int (*attach)(struct bpf_program *p, struct bpf_link **ret_link);
};

/* One memory-mapped array of a loaded probe. */
struct opr__bpf_array {
    void *data; /* mapped */
    size_t size_bytes;
};

struct opr__bpf_probe {
    struct bpf_link *links[OPR__BPF_MAX_LINKS]; /* owned */
    const char *programs[OPR__BPF_MAX_LINKS];   /* owned: the name of each link's program */
    uint32_t link_count;
};

/* Loads, attaches, maps the named arrays, and lets go of what is needed for loading only. Nothing
 * is left behind where it fails. */
OPR_NODISCARD opr_status opr__bpf_probe_open(const struct opr__bpf_image *image,
                                             const struct opr__bpf_shared *shared,
                                             const char *const *arrays,
                                             struct opr__bpf_array *ret_arrays,
                                             struct opr__bpf_probe *ret_probe,
                                             struct opr_error *reterr);
void opr__bpf_probe_close(struct opr__bpf_probe *p);
/* NULL where that program is not attached. */
struct bpf_link *opr__bpf_probe_link(const struct opr__bpf_probe *p, const char *program);
OPR_NODISCARD opr_status opr__bpf_array_map(int fd, struct opr__bpf_array *ret_array,
                                            struct opr_error *reterr);
void opr__bpf_array_unmap(struct opr__bpf_array *a);

/* The two probes. */
struct opr__sched;
OPR_NODISCARD opr_status opr__sched_open(const struct opr__bpf_shared *shared,
                                         struct opr__sched **ret_sched, struct opr_error *reterr);
void opr__sched_close(struct opr__sched *s);
void opr__sched_clear(struct opr__sched *s, uint32_t slot);
void opr__sched_read(struct opr__sched *s, uint32_t slot, struct opr_bpf_totals *ret_totals);

struct opr__latency;
OPR_NODISCARD opr_status opr__latency_open(const struct opr__bpf_shared *shared,
                                           struct opr__latency **ret_latency,
                                           struct opr_error *reterr);
void opr__latency_close(struct opr__latency *l);
void opr__latency_clear(struct opr__latency *l, uint32_t slot);
/* Tags sockets that were there before their cgroup had a slot. */
void opr__latency_tag_existing(struct opr__latency *l);
void opr__latency_read(struct opr__latency *l, uint32_t slot, struct opr_bpf_totals *ret_totals);

/* The compiled programs, made by the build. */
extern const unsigned char opr__sched_image[], opr__latency_image[];
extern const size_t opr__sched_image_len, opr__latency_image_len;

#endif
