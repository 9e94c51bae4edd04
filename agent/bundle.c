#include "agent/bundle.h"

#include "agent/files.h"
#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* What container runtimes give a container that asks for nothing. */
static const char *const default_capabilities[] = {
    "CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
    "MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
    "SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
    "KILL",    "AUDIT_WRITE"};
static const char *const all_capabilities[] = {"CHOWN",
                                               "DAC_OVERRIDE",
                                               "DAC_READ_SEARCH",
                                               "FOWNER",
                                               "FSETID",
                                               "KILL",
                                               "SETGID",
                                               "SETUID",
                                               "SETPCAP",
                                               "LINUX_IMMUTABLE",
                                               "NET_BIND_SERVICE",
                                               "NET_BROADCAST",
                                               "NET_ADMIN",
                                               "NET_RAW",
                                               "IPC_LOCK",
                                               "IPC_OWNER",
                                               "SYS_MODULE",
                                               "SYS_RAWIO",
                                               "SYS_CHROOT",
                                               "SYS_PTRACE",
                                               "SYS_PACCT",
                                               "SYS_ADMIN",
                                               "SYS_BOOT",
                                               "SYS_NICE",
                                               "SYS_RESOURCE",
                                               "SYS_TIME",
                                               "SYS_TTY_CONFIG",
                                               "MKNOD",
                                               "LEASE",
                                               "AUDIT_WRITE",
                                               "AUDIT_CONTROL",
                                               "SETFCAP",
                                               "MAC_OVERRIDE",
                                               "MAC_ADMIN",
                                               "SYSLOG",
                                               "WAKE_ALARM",
                                               "BLOCK_SUSPEND",
                                               "AUDIT_READ",
                                               "PERFMON",
                                               "BPF",
                                               "CHECKPOINT_RESTORE"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool names_it(const struct opr_obj *list, const char *name)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        struct opr_str text = opr_json_text(v, "");
        if (opr_str_starts(text, "CAP_")) {
            text = opr_str_n(text.ptr + 4, text.len - 4);
        }
        if (opr_str_ieq(text, opr_str_of(name))) {
            return true;
        }
    }
    return false;
}

static bool is_default(const char *name)
{
    for (size_t i = 0; i < COUNT(default_capabilities); i++) {
        if (strcmp(default_capabilities[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static struct json_object *capabilities(const struct opr_obj *security)
{
    struct json_object *list = json_object_new_array(), *caps = json_object_new_object();
    const struct opr_obj *add = opr_json_at(security, "/capabilities/add");
    const struct opr_obj *drop = opr_json_at(security, "/capabilities/drop");
    bool is_privileged = opr_json_bool(security, "/privileged", false);
    for (size_t i = 0; i < COUNT(all_capabilities); i++) {
        const char *name = all_capabilities[i];
        bool has = is_privileged || names_it(add, "ALL") || names_it(add, name) ||
                   (is_default(name) && !names_it(drop, "ALL"));
        if (has && (is_privileged || !names_it(drop, name))) {
            char full[64];
            snprintf(full, sizeof full, "CAP_%s", name);
            json_object_array_add(list, json_object_new_string(full));
        }
    }
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    for (size_t i = 0; i < COUNT(sets); i++) {
        json_object_object_add(caps, sets[i], json_object_get(list));
    }
    json_object_put(list);
    return caps;
}

static struct json_object *texts(char *const *list)
{
    struct json_object *array = json_object_new_array();
    for (; *list; list++) {
        json_object_array_add(array, json_object_new_string(*list));
    }
    return array;
}

static struct json_object *process(const struct opr__bundle *b)
{
    struct json_object *p = json_object_new_object(), *user = json_object_new_object();
    opr_doc_put_int(user, "/uid", b->uid);
    opr_doc_put_int(user, "/gid", b->gid);
    if (b->groups && b->groups->count > 0) {
        struct json_object *groups = json_object_new_array();
        for (size_t i = 0; i < b->groups->count; i++) {
            json_object_array_add(groups,
                                  json_object_new_int64(strtoll(b->groups->items[i], NULL, 10)));
        }
        json_object_object_add(user, "additionalGids", groups);
    }
    json_object_object_add(p, "user", user);
    json_object_object_add(p, "args", texts(b->args));
    json_object_object_add(p, "env", texts(b->env));
    opr_doc_put_str(p, "/cwd", b->cwd);
    json_object_object_add(p, "capabilities", capabilities(b->security));
    bool may_gain = opr_json_bool(b->security, "/allowPrivilegeEscalation", true);
    json_object_object_add(p, "noNewPrivileges", json_object_new_boolean(!may_gain));
    return p;
}

/* options: words separated by commas. */
static void add_mount(struct json_object *list, const char *dst, const char *type, const char *src,
                      const char *options)
{
    struct json_object *m = json_object_new_object(), *words = json_object_new_array();
    struct opr_str rest = opr_str_of(options), word;
    while (opr_str_next(&rest, ',', &word)) {
        json_object_array_add(words, json_object_new_string_len(word.ptr, (int)word.len));
    }
    opr_doc_put_str(m, "/destination", dst);
    opr_doc_put_str(m, "/type", type);
    opr_doc_put_str(m, "/source", src);
    json_object_object_add(m, "options", words);
    json_object_array_add(list, m);
}

static int shorter_first(const void *a, const void *b)
{
    const struct opr__run_mount *x = a, *y = b;
    size_t x_len = strlen(x->dst), y_len = strlen(y->dst);
    return x_len < y_len ? -1 : x_len > y_len;
}

static struct json_object *mounts(const struct opr__bundle *b)
{
    struct json_object *list = json_object_new_array();
    bool is_privileged = opr_json_bool(b->security, "/privileged", false);
    add_mount(list, "/proc", "proc", "proc", "nosuid,noexec,nodev");
    add_mount(list, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
    add_mount(list, "/dev/pts", "devpts", "devpts",
              "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
    add_mount(list, "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k");
    add_mount(list, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
    add_mount(list, "/sys", "sysfs", "sysfs",
              is_privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
    struct opr_vec volumes = {0};
    for (size_t i = 0; b->mounts && i < b->mounts->count; i++) {
        opr_vec_push(&volumes, b->mounts->items[i]);
    }
    opr_vec_sort(&volumes, shorter_first); /* what holds others comes before them */
    for (size_t i = 0; i < volumes.count; i++) {
        const struct opr__run_mount *m = volumes.items[i];
        add_mount(list, m->dst, "bind", m->src,
                  m->is_read_only ? "rbind,rprivate,ro" : "rbind,rprivate,rw");
    }
    opr_vec_fini(&volumes);
    return list;
}

static void put_paths(struct json_object *doc, const char *name, const char *const *paths)
{
    struct json_object *list = json_object_new_array();
    for (; *paths; paths++) {
        json_object_array_add(list, json_object_new_string(*paths));
    }
    json_object_object_add(doc, name, list);
}

static struct json_object *linux_part(const struct opr__bundle *b)
{
    static const char *const masked[] = {"/proc/acpi",
                                         "/proc/asound",
                                         "/proc/kcore",
                                         "/proc/keys",
                                         "/proc/latency_stats",
                                         "/proc/timer_list",
                                         "/proc/timer_stats",
                                         "/proc/sched_debug",
                                         "/proc/scsi",
                                         "/sys/firmware",
                                         NULL};
    static const char *const readonly[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};
    static const char *const namespaces[] = {"pid", "mount"};
    struct json_object *doc = json_object_new_object(), *list = json_object_new_array();
    for (size_t i = 0; i < COUNT(namespaces); i++) {
        struct json_object *ns = json_object_new_object();
        opr_doc_put_str(ns, "/type", namespaces[i]);
        json_object_array_add(list, ns);
    }
    json_object_object_add(doc, "namespaces", list);
    if (!opr_json_bool(b->security, "/privileged", false)) {
        put_paths(doc, "maskedPaths", masked);
        put_paths(doc, "readonlyPaths", readonly);
    }
    return doc;
}

struct json_object *opr__bundle_config(const struct opr__bundle *b)
{
    struct json_object *doc = json_object_new_object();
    bool is_read_only = opr_json_bool(b->security, "/readOnlyRootFilesystem", false);
    opr_doc_put_str(doc, "/ociVersion", "1.0.2");
    opr_doc_put_str(doc, "/root/path", "rootfs");
    json_object_object_add(opr_doc_at(doc, "/root"), "readonly",
                           json_object_new_boolean(is_read_only));
    json_object_object_add(doc, "process", process(b));
    json_object_object_add(doc, "mounts", mounts(b));
    json_object_object_add(doc, "linux", linux_part(b));
    return doc;
}

void opr__bundle_exec(const struct opr__bundle *b, struct opr_buf *out)
{
    struct json_object *p = process(b), *env = json_object_get(json_object_object_get(p, "env"));
    json_object_object_del(p, "args");
    json_object_object_del(p, "env");
    opr_doc_write(out, p);
    out->len--; /* its closing brace */
    opr_buf_add_text(out, ",\"env\":");
    opr_doc_write(out, env);
    out->len--; /* its closing bracket */
    json_object_put(env);
    json_object_put(p);
}

opr_status opr__bundle_write(const struct opr__bundle *b, struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    snprintf(path, sizeof path, "%s/bundle/rootfs", b->dir);
    OPR_TRY(opr_fs_mkdirs(path, 0755, reterr));
    struct json_object *doc = opr__bundle_config(b);
    opr_doc_write(&text, doc);
    snprintf(path, sizeof path, "%s/bundle/config.json", b->dir);
    opr_status st = opr__file_put(path, opr_buf_str(&text), 0600, reterr);
    json_object_put(doc);
    opr_buf_clear(&text);
    if (st == OPR_OK) {
        opr__bundle_exec(b, &text);
        snprintf(path, sizeof path, "%s/" SHIM_FILE_PROCESS, b->dir);
        st = opr__file_put(path, opr_buf_str(&text), 0600, reterr);
    }
    opr_buf_fini(&text);
    return st;
}
