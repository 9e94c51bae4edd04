/* Whether a run was ended for want of memory. The kernel counts kills by cgroup, which outlives its
 * runs: the count at a run's begin is kept in the run's folder, so that the next agent can tell as
 * well as this one. */
#include "agent/internal.h"

#include "agent/files.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define OOM_FILE "oom-before"

void opr__oom_begin(struct opr__pod *p, struct opr__container *c)
{
    char path[PATH_MAX], text[32];
    struct opr_error err = {0};
    c->oom_before = opr__cgroup_oom_kills(&p->agent->cgroups, p->uid, c->name);
    char *dir = opr__run_dir(p, c, c->attempt);
    snprintf(path, sizeof path, "%s/" OOM_FILE, dir);
    snprintf(text, sizeof text, "%llu\n", (unsigned long long)c->oom_before);
    /* Without the file only the next agent would not know. */
    (void)!opr__file_put(path, opr_str_of(text), 0600, &err);
    opr_free(dir);
}

void opr__oom_look(const struct opr__pod *p, struct opr__container *c)
{
    c->run.was_oom = opr__cgroup_oom_kills(&p->agent->cgroups, p->uid, c->name) > c->oom_before;
}

/* UINT64_MAX: not known. */
static uint64_t recall(const struct opr__pod *p, const struct opr__container *c, uint32_t attempt)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    char *dir = opr__run_dir(p, c, attempt);
    snprintf(path, sizeof path, "%s/" OOM_FILE, dir);
    uint64_t number =
        opr_fs_read(path, 64, &text, NULL) == OPR_OK ? strtoull(text.data, NULL, 10) : UINT64_MAX;
    opr_buf_fini(&text);
    opr_free(dir);
    return number;
}

void opr__oom_recall(const struct opr__pod *p, struct opr__container *c)
{
    c->oom_before = recall(p, c, c->attempt);
    if (c->run.phase == OPR__RUN_EXITED || c->run.phase == OPR__RUN_LOST) {
        opr__oom_look(p, c);
    }
    if (c->attempt > 0 && c->oom_before != UINT64_MAX) {
        c->last.was_oom = c->oom_before > recall(p, c, c->attempt - 1);
    }
}
