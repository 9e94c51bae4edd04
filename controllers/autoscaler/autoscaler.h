/* The horizontal pod autoscaler, autoscaling/v2 (spec 1.3), with a period of one second instead of
 * fifteen. Threads: worker; struct autoscaler's lock guards the list of records, a record belongs
 * to the worker that has its key. Lifetime: records live with their HPA, all else with the
 * reconcile. */
#ifndef OPR_CONTROLLERS_AUTOSCALER_H
#define OPR_CONTROLLERS_AUTOSCALER_H

#include "controllers/common.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PERIOD_MS = 1000,
    STATUS_MS = 15000,      /* measured values alone are written no more often */
    DOWN_WINDOW_S = 300,    /* downscale stabilisation */
    CPU_START_MS = 300000,  /* CPU initialisation period */
    READY_DELAY_MS = 30000, /* initial readiness delay */
    WINDOW_MAX_S = 3600
};
#define HPA_GVK "autoscaling/v2/HorizontalPodAutoscaler"

/* A recommendation (replicas) or a scale event (their change), and when. */
struct mark {
    int64_t at_ms, n;
};
struct marks {
    struct mark *at; /* owned */
    uint32_t count, room;
};
struct record {
    struct record *next;
    char *key;      /* owned: "ns/name" */
    char *selector; /* owned; lock: what its target's Scale said last; may be NULL */
    struct marks recommended, ups, downs;
    int64_t status_ms; /* when the status was written last */
};
/* A name that discovery gave: the resource of a kind, the version of a group. */
struct name {
    struct name *next;
    char *key, *value; /* owned */
};
struct autoscaler {
    int64_t period_ms;
    pthread_mutex_t lock;
    struct record *first; /* lock */
    struct name *names;   /* lock */
};

struct hpa {
    struct opr_ctx *c;
    struct autoscaler *autoscaler;
    const struct opr_obj *self;
    struct record *record;
    const char *ns;
    int64_t now_ms;
    int64_t min, max, current, desired;
    int64_t status_replicas;           /* what the Scale says there is */
    const struct opr_obj *selector;    /* of the target's pods */
    const char *selector_text;         /* as the Scale says it */
    const struct opr_obj *const *pods; /* selected ones */
    uint32_t pod_count;
    struct conditions conditions;
    struct opr_doc *metrics; /* status.currentMetrics */
    const char *reason;      /* of a change of size */
    bool has_scaled;
};

/* What one metric asks for. */
struct proposal {
    int64_t replicas;
    const char *name;    /* for messages */
    const char *problem; /* NULL: it could be computed */
    const char *problem_reason;
    int64_t value_milli; /* of a metric that is one figure; is_average: per replica */
    bool is_average;
};

/* names.c: names by discovery, kept for all. A name that turned out wrong is forgotten. */
OPR_NODISCARD opr_status names_plural(struct hpa *h, const char *api_version, const char *kind,
                                      const char **ret_plural);
OPR_NODISCARD opr_status names_version(struct hpa *h, const char *group, const char **ret_version);
const char *names_kind_key(struct hpa *h, const char *api_version, const char *kind);
void names_forget(struct hpa *h, const char *key);
void names_free(struct autoscaler *a);
/* selector.c: a selector as a Scale or a query writes it, as a LabelSelector; NULL: it is none. */
const struct opr_obj *selector_parse(struct opr_ctx *c, const char *text);

/* target.c */
OPR_NODISCARD opr_status target_read(struct hpa *h);
OPR_NODISCARD opr_status target_write(struct hpa *h);
/* " NS/NAME" of each other autoscaler that selects a pod of this one: they would pull against each
 * other. "" where there is none. */
const char *target_rivals(struct hpa *h);
/* samples.c: usage by pod, in thousandths. */
struct usage {
    const struct opr_obj *pod;
    int64_t milli, request_milli;
    int64_t sampled_ms, window_ms;
    bool has_sample, has_request;
    bool is_unready, is_ignored;
};
OPR_NODISCARD opr_status usage_of_resource(struct hpa *h, const char *resource,
                                           const char *container, struct usage **ret_usage,
                                           const char **ret_problem);
OPR_NODISCARD opr_status usage_of_metric(struct hpa *h, const struct opr_obj *metric,
                                         struct usage **ret_usage, const char **ret_problem);
/* ratio.c: the replicas that usage asks for. utilization 0: average_milli is the target. */
struct goal {
    int64_t utilization, average_milli;
    double up, down; /* tolerance */
    bool has_requests;
};
struct outcome {
    int64_t replicas, utilization, average_milli;
};
bool goal_is_tolerated(const struct goal *goal, double ratio);
bool ratio_replicas(const struct hpa *h, struct usage *usage, const struct goal *goal,
                    struct outcome *ret_outcome);
/* metrics.c: fills proposals; also status.currentMetrics. */
struct proposal metric_propose(struct hpa *h, const struct opr_obj *spec);
struct goal goal_tolerance(const struct hpa *h);
const char *quantity_text(struct opr_ctx *c, const char *resource, int64_t milli);
/* values.c: metrics of one figure. metric_request: rest begins with the namespace. */
struct proposal value_propose(struct hpa *h, const struct opr_obj *spec, bool is_external);
OPR_NODISCARD opr_status metric_request(struct hpa *h, const char *group, const char *rest,
                                        const struct opr_obj **ret_list);
/* behavior.c: stabilisation, rate limits and bounds; sets AbleToScale and ScalingLimited. */
int64_t behavior_limit(struct hpa *h, int64_t proposed);
void behavior_note(struct hpa *h);
/* status.c */
OPR_NODISCARD opr_status status_write(struct hpa *h);
/* sync.c */
OPR_NODISCARD opr_status hpa_sync(struct hpa *h);

#ifdef __cplusplus
}
#endif
#endif
