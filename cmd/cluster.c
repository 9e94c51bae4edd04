#include "cmd/cluster.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 32
#define DIR_MAX (PATH_MAX - 1024) /* room for what stands below it: a volume of a Pod of a node */

void opr_cluster_path(const struct opr_cluster *c, char path[PATH_MAX], const char *fmt, ...)
{
    int len = snprintf(path, PATH_MAX, "%s/", c->dir);
    va_list args;
    va_start(args, fmt);
    vsnprintf(path + len, PATH_MAX - (size_t)len, fmt, args);
    va_end(args);
}

static opr_status set_dir(struct opr_cluster *c, const char *dir, struct opr_error *reterr)
{
    char cwd[PATH_MAX] = "";
    if (!dir) {
        dir = getenv("OPERON_DIR");
    }
    if (dir && dir[0] == '\0') {
        return opr_error_set(reterr, OPR_E_INVALID, "the folder's name is empty: name one");
    }
    int len;
    if (!dir) {
        const char *home = getenv("HOME");
        len = snprintf(c->dir, sizeof c->dir, "%s/.operon", home ? home : "/tmp");
    } else if (dir[0] == '/') {
        len = snprintf(c->dir, sizeof c->dir, "%s", dir);
    } else if (!getcwd(cwd, sizeof cwd)) {
        return opr_error_set(reterr, OPR_E_IO, "can not tell where '%.200s' is: %m", dir);
    } else {
        len = snprintf(c->dir, sizeof c->dir, "%s/%s", cwd, dir);
    }
    if (len > DIR_MAX) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "the folder's path has %d bytes, over %d: use a shorter one", len,
                             DIR_MAX);
    }
    return OPR_OK;
}

opr_status opr_cluster_check_owner(const struct opr_cluster *c, struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct stat info;
    opr_cluster_path(c, path, "cluster.json");
    if (stat(path, &info) == 0 && info.st_uid != geteuid()) {
        return opr_error_set(reterr, OPR_E_FORBIDDEN,
                             "the cluster in %s belongs to user %u and you are user %u: run this "
                             "as that user, or use another --dir",
                             c->dir, (unsigned)info.st_uid, (unsigned)geteuid());
    }
    return OPR_OK;
}

static opr_status check_settings(const struct opr_cluster *c, const char *path,
                                 struct opr_error *reterr)
{
    if (c->nodes < 1 || c->nodes > OPR_CLUSTER_MAX_NODES || c->slot < -1 || c->slot >= SLOTS ||
        c->port < 0 || c->port > UINT16_MAX || c->node_grace_ms < 1 || c->eviction_ms < 0) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "%s holds a setting out of its range: remove the file, 'operon up' "
                             "writes it anew",
                             path);
    }
    return OPR_OK;
}

opr_status opr_cluster_open(struct opr_cluster *c, const char *dir, struct opr_error *reterr)
{
    memset(c, 0, sizeof *c);
    c->slot = -1;
    c->lock_fd = -1;
    c->nodes = 1;
    c->node_grace_ms = 40000;
    OPR_TRY(set_dir(c, dir, reterr));
    char path[PATH_MAX];
    opr_cluster_path(c, path, "cluster.json");
    if (!opr_fs_exists(path)) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND,
                             "no cluster in %s; start one with 'operon up'", c->dir);
    }
    struct opr_buf text = {0};
    OPR_TRY(opr_fs_read(path, 65536, &text, reterr));
    struct opr_obj *settings = NULL;
    struct opr_error why = {0};
    opr_status st = opr_json_parse(opr_buf_str(&text), &settings, &why);
    opr_buf_fini(&text);
    if (st != OPR_OK) {
        return opr_error_set(reterr, st, "%s: %s: remove the file, 'operon up' writes it anew",
                             path, why.message);
    }
    c->slot = opr_json_int(settings, "/slot", -1);
    c->port = opr_json_int(settings, "/port", 0);
    c->nodes = opr_json_int(settings, "/nodes", 1);
    c->node_grace_ms = opr_json_int(settings, "/nodeGraceMs", c->node_grace_ms);
    c->eviction_ms = opr_json_int(settings, "/evictionMs", 0);
    opr_json_unref(settings);
    return check_settings(c, path, reterr);
}

opr_status opr_cluster_save(const struct opr_cluster *c, struct opr_error *reterr)
{
    char path[PATH_MAX];
    opr_cluster_path(c, path, "cluster.json");
    struct opr_buf text = {0};
    opr_buf_printf(&text,
                   "{\"slot\":%lld,\"port\":%lld,\"nodes\":%lld,\"nodeGraceMs\":%lld,"
                   "\"evictionMs\":%lld}\n",
                   (long long)c->slot, (long long)c->port, (long long)c->nodes,
                   (long long)c->node_grace_ms, (long long)c->eviction_ms);
    opr_status st = opr_fs_write(path, opr_buf_str(&text), 0644, reterr);
    opr_buf_fini(&text);
    return st;
}

/* The folder where the clusters of this user on this machine share out their slots. */
static void slot_path(char path[PATH_MAX], int64_t slot)
{
    const char *runtime = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
    if (runtime) {
        snprintf(path, PATH_MAX, "%s/operon/slot-%lld", runtime, (long long)slot);
    } else {
        snprintf(path, PATH_MAX, "/tmp/operon-%u/slot-%lld", (unsigned)geteuid(), (long long)slot);
    }
}

/* One folder may have many names. */
static bool is_same_folder(struct opr_str a, const char *b)
{
    char path[PATH_MAX];
    struct stat x, y;
    snprintf(path, sizeof path, "%.*s", OPR_STR_ARG(a));
    return opr_str_is(a, b) || (stat(path, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
                                x.st_ino == y.st_ino);
}

/* A slot is free where no file names it, or where the cluster that the file names is gone. */
static bool slot_take(const struct opr_cluster *c, int64_t slot)
{
    char path[PATH_MAX];
    slot_path(path, slot);
    struct opr_buf owner = {0};
    bool is_ours = true;
    if (opr_fs_exists(path) && opr_fs_read(path, PATH_MAX, &owner, NULL) == OPR_OK) {
        struct opr_str dir = opr_str_trim(opr_buf_str(&owner));
        char settings[PATH_MAX];
        snprintf(settings, sizeof settings, "%.*s/cluster.json", OPR_STR_ARG(dir));
        is_ours = is_same_folder(dir, c->dir) || !opr_fs_exists(settings);
    }
    opr_buf_fini(&owner);
    return is_ours && opr_fs_write(path, opr_str_of(c->dir), 0644, NULL) == OPR_OK;
}

/* Whoever looks at the slots holds their folder; *ret_fd ends that when it is closed. */
static opr_status lock_slots(int *ret_fd, struct opr_error *reterr)
{
    char path[PATH_MAX];
    slot_path(path, 0);
    *strrchr(path, '/') = '\0';
    OPR_TRY(opr_fs_mkdirs(path, 0755, reterr));
    int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        (void)opr_error_set(reterr, OPR_E_IO, "can not lock %s: %m", path);
        if (lock >= 0) {
            close(lock);
        }
        return OPR_E_IO;
    }
    *ret_fd = lock;
    return OPR_OK;
}

static opr_status take_any_slot(struct opr_cluster *c, struct opr_error *reterr)
{
    int lock = -1;
    OPR_TRY(lock_slots(&lock, reterr));
    bool is_taken = c->slot >= 0 && slot_take(c, c->slot);
    for (int64_t slot = 0; slot < SLOTS && !is_taken; slot++) {
        is_taken = slot_take(c, slot);
        if (is_taken) {
            c->slot = slot;
        }
    }
    close(lock);
    if (!is_taken) {
        return opr_error_set(reterr, OPR_E_LIMIT,
                             "all %d cluster slots of this machine are in use; stop one with "
                             "'operon down --dir DIR' and remove its folder",
                             SLOTS);
    }
    return OPR_OK;
}

bool opr_cluster_holds_slot(const struct opr_cluster *c)
{
    int lock = -1;
    if (c->slot < 0 || lock_slots(&lock, NULL) != OPR_OK) {
        return false;
    }
    bool is_ours = slot_take(c, c->slot);
    close(lock);
    return is_ours;
}

opr_status opr_cluster_claim(struct opr_cluster *c, struct opr_error *reterr)
{
    char path[PATH_MAX];
    OPR_TRY(opr_fs_mkdirs(c->dir, 0700, reterr));
    opr_cluster_path(c, path, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return opr_error_set(reterr, errno == EACCES ? OPR_E_FORBIDDEN : OPR_E_IO,
                             "can not write %s: %m", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return opr_error_set(reterr, OPR_E_BUSY,
                             "a cluster runs in %s already, or is being started or stopped; "
                             "'operon down --dir %s' stops it",
                             c->dir, c->dir);
    }
    c->lock_fd = fd;
    return OPR_OK;
}

opr_status opr_cluster_create(struct opr_cluster *c, struct opr_error *reterr)
{
    static const char *const folders[] = {"logs", "run", "nodes"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[PATH_MAX];
        opr_cluster_path(c, path, "%s", folders[i]);
        OPR_TRY(opr_fs_mkdirs(path, 0700, reterr));
    }
    OPR_TRY(take_any_slot(c, reterr));
    return opr_cluster_save(c, reterr);
}

void opr_cluster_release(const struct opr_cluster *c)
{
    char path[PATH_MAX];
    slot_path(path, c->slot);
    (void)unlink(path); /* already gone is fine */
}

void opr_cluster_node_cidr(const struct opr_cluster *c, int64_t node, char text[32])
{
    snprintf(text, 32, "10.%lld.%lld.0/24", 160 + (long long)c->slot, (long long)node);
}

void opr_cluster_pod_cidr(const struct opr_cluster *c, char text[32])
{
    snprintf(text, 32, "10.%lld.0.0/16", 160 + (long long)c->slot);
}

void opr_cluster_service_cidr(const struct opr_cluster *c, char text[32])
{
    snprintf(text, 32, "10.%lld.0.0/16", 96 + (long long)c->slot);
}

void opr_cluster_cgroup(const struct opr_cluster *c, char text[32])
{
    snprintf(text, 32, "operon-%lld", (long long)c->slot);
}

/* Start time of a process in clock ticks since boot (proc(5), field 22 of stat); 0: no process, or
 * one that has ended and waits for its parent. */
static uint64_t start_time(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    struct opr_buf text = {0};
    uint64_t value = 0;
    if (opr_fs_read(path, 4096, &text, NULL) == OPR_OK) {
        const char *p = text.data ? strrchr(text.data, ')') : NULL;
        if (p && (p[2] == 'Z' || p[2] == 'X')) {
            p = NULL;
        }
        for (int field = 2; p && field < 22; field++) {
            p = strchr(p + 1, ' ');
        }
        value = p ? strtoull(p, NULL, 10) : 0;
    }
    opr_buf_fini(&text);
    return value;
}

pid_t opr_cluster_pid(const struct opr_cluster *c, const char *name)
{
    char path[PATH_MAX];
    opr_cluster_path(c, path, "run/%s.pid", name);
    struct opr_buf text = {0};
    struct stat info;
    int pid = 0;
    unsigned long long started = 0;
    bool is_ours = lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
    if (is_ours && opr_fs_read(path, 128, &text, NULL) == OPR_OK && text.data &&
        sscanf(text.data, "%d %llu", &pid, &started) != 2) {
        pid = 0;
    }
    opr_buf_fini(&text);
    return pid > 1 && started > 0 && start_time(pid) == started ? pid : 0;
}

opr_status opr_cluster_note_pid(const struct opr_cluster *c, const char *name, pid_t pid,
                                struct opr_error *reterr)
{
    char path[PATH_MAX], text[64];
    opr_cluster_path(c, path, "run/%s.pid", name);
    snprintf(text, sizeof text, "%d %llu\n", (int)pid, (unsigned long long)start_time(pid));
    return opr_fs_write(path, opr_str_of(text), 0644, reterr);
}

void opr_cluster_forget_pid(const struct opr_cluster *c, const char *name)
{
    char path[PATH_MAX];
    opr_cluster_path(c, path, "run/%s.pid", name);
    (void)unlink(path); /* already gone is fine */
}
