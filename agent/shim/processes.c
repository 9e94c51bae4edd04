/* Processes by their parents, as /proc shows them. */
#include "agent/shim/shim.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_ROUNDS = 2000, KILL_PAUSE_US = 1000 };

struct shim_process *shim_processes(size_t *ret_count)
{
    size_t n = 0, room = 0;
    struct shim_process *list = NULL;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], text[512] = "";
        struct shim_process p = {.pid = (pid_t)atol(e->d_name)};
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        int fd = p.pid > 1 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        const char *at = NULL;
        if (fd >= 0) {
            at = read(fd, text, sizeof text - 1) > 0 ? strrchr(text, ')') : NULL;
            close(fd);
        }
        if (!at || sscanf(at + 1, " %*c %d", &p.parent) != 1) {
            continue;
        }
        if (n == room) {
            room = room ? 2 * room : 64;
            struct shim_process *more = realloc(list, room * sizeof *list);
            if (!more) {
                break;
            }
            list = more;
        }
        list[n++] = p;
    }
    if (d) {
        closedir(d);
    }
    *ret_count = n;
    return list;
}

static bool is_ours(const struct shim_process *list, size_t n, pid_t parent)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].is_ours && list[i].pid == parent) {
            return true;
        }
    }
    return parent == getpid();
}

/* Signals all that descend from this process; how many there are. */
static size_t signal_descendants(int signo)
{
    size_t n, found = 0, before;
    struct shim_process *list = shim_processes(&n);
    do {
        before = found;
        for (size_t i = 0; i < n; i++) {
            if (!list[i].is_ours && is_ours(list, n, list[i].parent)) {
                list[i].is_ours = true;
                (void)kill(list[i].pid, signo);
                found++;
            }
        }
    } while (found > before);
    free(list);
    return found;
}

void shim_kill_descendants(void)
{
    size_t count = 0, before;
    int round = 0;
    do {
        before = count;
        count = signal_descendants(SIGSTOP);
    } while (count != before && ++round < KILL_ROUNDS);
    while (round++ < KILL_ROUNDS && signal_descendants(SIGKILL) > 0) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        usleep(KILL_PAUSE_US);
    }
}
