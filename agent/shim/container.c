/* From a forked process to the container's program. */
#include "agent/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool shim_fail(struct shim_failure *f, const char *what, const char *subject)
{
    snprintf(f->text, sizeof f->text, "can not %s %s: %s", what, subject, strerror(errno));
    return false;
}

bool shim_join_cgroups(char *const *dirs, struct shim_failure *f)
{
    for (; *dirs; dirs++) {
        char path[512];
        snprintf(path, sizeof path, "%s/cgroup.procs", *dirs);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1) {
            return shim_fail(f, "join the cgroup", *dirs);
        }
        close(fd);
    }
    return true;
}

static bool join_network(const char *path, struct shim_failure *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
        return shim_fail(f, "join the network namespace", path);
    }
    close(fd);
    return true;
}

enum { GROUPS_MAX = 64 };

/* With a user or a group of its own the program has no groups but those named. */
static bool set_user(const struct shim_spec *spec, struct shim_failure *f)
{
    gid_t groups[GROUPS_MAX];
    size_t n = 0;
    while (n < GROUPS_MAX && spec->groups[n]) {
        groups[n] = (gid_t)strtoul(spec->groups[n], NULL, 10);
        n++;
    }
    /* Only root can leave groups, and only root's have to be left. */
    bool is_changed = geteuid() == 0 && (n > 0 || spec->gid >= 0 || spec->uid > 0);
    if ((is_changed && setgroups(n, groups) != 0) ||
        (spec->gid >= 0 && setgid((gid_t)spec->gid) != 0)) {
        return shim_fail(f, "set the group of", spec->args[0]);
    }
    if (spec->uid >= 0 && setuid((uid_t)spec->uid) != 0) {
        return shim_fail(f, "set the user of", spec->args[0]);
    }
    return true;
}

void shim_program_exec(const struct shim_spec *spec, char **args, struct shim_failure *f)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int signo = 1; signo < NSIG; signo++) {
        (void)signal(signo, SIG_DFL);
    }
    if (spec->cwd && chdir(spec->cwd) != 0) {
        (void)shim_fail(f, "enter the folder", spec->cwd);
        return;
    }
    if (!set_user(spec, f)) {
        return;
    }
    environ = spec->env;
    execvp(args[0], args);
    (void)shim_fail(f, "run", args[0]);
}

void shim_container_exec(const struct shim_spec *spec, const char *dir, struct shim_failure *f)
{
    if (!shim_join_cgroups(spec->cgroups, f)) {
        return;
    }
    if (spec->netns && !join_network(spec->netns, f)) {
        return;
    }
    if (spec->has_namespaces) {
        if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) != 0) {
            (void)shim_fail(f, "make namespaces for", spec->args[0]);
            return;
        }
        if (!shim_mounts_apply(spec, dir, f)) {
            return;
        }
        if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) != 0) {
            (void)shim_fail(f, "set the host name", spec->hostname);
            return;
        }
    }
    shim_program_exec(spec, spec->args, f);
}
