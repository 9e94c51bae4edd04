/* What is left of Pods that nobody knows any more: their folder was removed by hand, so that no
 * agent takes them over. */
#include "agent/internal.h"

#include "agent/net.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <unistd.h>

enum { GONE_TRIES = 50, GONE_US = 10000 };

static void on_cgroup(const char *uid, void *arg)
{
    struct opr_agent *a = arg;
    if (opr__pod_find(a, uid)) {
        return;
    }
    size_t killed = opr__cgroup_kill(&a->cgroups, uid, NULL);
    for (int i = 0; i < GONE_TRIES && opr__cgroup_kill(&a->cgroups, uid, NULL) > 0; i++) {
        usleep(GONE_US);
    }
    opr__cgroup_remove(&a->cgroups, uid);
    opr_log(OPR_LOG_WARN, "agent", "removed what an unknown pod left", "uid=%s processes=%zu", uid,
            killed);
}

void opr__sweep(struct opr_agent *a)
{
    opr__cgroup_each(&a->cgroups, on_cgroup, a);
    char *folder = opr_xprintf("%s/netns", a->config.dir);
    DIR *d = a->net ? opendir(folder) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.' && !opr__pod_find(a, e->d_name)) {
            char *path = opr_xprintf("%s/%s", folder, e->d_name);
            opr__net_release_namespace(path);
            opr_free(path);
        }
    }
    if (d) {
        closedir(d);
    }
    opr_free(folder);
}
