/* How long a container waits before its next run: at once after the first end, then 10 s doubling
 * to 5 min, forgotten after a run of 10 min (kubernetes pkg/kubelet, MaxContainerBackOff, and
 * client-go's flowcontrol.Backoff, which forgets after twice the longest wait). Threads: any. */
#ifndef OPR_AGENT_BACKOFF_H
#define OPR_AGENT_BACKOFF_H

#include <stdint.h>
#include <stdio.h>

/* The wait that a run of ran_ms leaves of the one before it. */
static inline uint32_t opr__backoff_after_run(uint32_t backoff_ms, int64_t ran_ms)
{
    return ran_ms >= 600000 ? 0 : backoff_ms;
}

/* The wait for the start after this one. */
static inline uint32_t opr__backoff_next(uint32_t backoff_ms)
{
    uint32_t next = backoff_ms ? backoff_ms * 2 : 10000;
    return next > 300000 ? 300000 : next;
}

#define OPR__BACKOFF_TEXT_MAX 16
/* A wait as messages name it: "10s", "1m20s", "5m0s". */
static inline void opr__backoff_format(uint32_t backoff_ms, char ret_text[OPR__BACKOFF_TEXT_MAX])
{
    unsigned seconds = backoff_ms / 1000;
    if (seconds < 60) {
        snprintf(ret_text, OPR__BACKOFF_TEXT_MAX, "%us", seconds);
    } else {
        snprintf(ret_text, OPR__BACKOFF_TEXT_MAX, "%um%us", seconds / 60, seconds % 60);
    }
}

#endif
