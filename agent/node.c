/* The Node object: made at the start, its status sent where it changed or after five minutes. */
#include "agent/image.h"
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MS_NS 1000000ull
enum { REPORT_MS = 300000 };   /* nodeStatusReportFrequency */
enum { MEMORY_LOW_MIB = 100 }; /* kubelet's memory.available eviction signal */
enum { PIDS_LOW_PERCENT = 5, IMAGES_MAX = 50 };
enum { DISK_LOW_PERCENT = 3 }; /* less than the kubelet's 10: the disk is not ours alone */

static const char *arch_of(const struct utsname *u)
{
    return strcmp(u->machine, "x86_64") == 0    ? "amd64"
           : strcmp(u->machine, "aarch64") == 0 ? "arm64"
                                                : u->machine;
}

static uint64_t available_mib(void)
{
    struct opr_buf text = {0};
    uint64_t kib = UINT64_MAX;
    if (opr_fs_read("/proc/meminfo", 64 * 1024, &text, NULL) == OPR_OK) {
        const char *at = strstr(text.data, "MemAvailable:");
        kib = at ? strtoull(at + sizeof "MemAvailable:" - 1, NULL, 10) : kib;
    }
    opr_buf_fini(&text);
    return kib / 1024;
}

static uint64_t number_in(const char *path)
{
    struct opr_buf text = {0};
    uint64_t number =
        opr_fs_read(path, 256, &text, NULL) == OPR_OK ? strtoull(text.data, NULL, 10) : UINT64_MAX;
    opr_buf_fini(&text);
    return number;
}

/* Threads there are against those that may be: /proc/loadavg's fourth field is "running/all". */
static bool are_pids_low(void)
{
    struct opr_buf text = {0};
    uint64_t all = 0, max = number_in("/proc/sys/kernel/pid_max");
    uint64_t threads = number_in("/proc/sys/kernel/threads-max");
    max = threads < max ? threads : max;
    if (opr_fs_read("/proc/loadavg", 256, &text, NULL) == OPR_OK) {
        const char *slash = strchr(text.data, '/');
        all = slash ? strtoull(slash + 1, NULL, 10) : 0;
    }
    opr_buf_fini(&text);
    return max != UINT64_MAX && all > max - max * PIDS_LOW_PERCENT / 100;
}

static void put_resources(struct opr_agent *a, struct json_object *status, const char *name)
{
    struct json_object *r = json_object_new_object();
    struct statvfs disk;
    char text[32];
    snprintf(text, sizeof text, "%um", a->config.cpu_milli);
    if (a->config.cpu_milli % 1000 == 0) {
        snprintf(text, sizeof text, "%u", a->config.cpu_milli / 1000);
    }
    opr_doc_put_str(r, "/cpu", text);
    snprintf(text, sizeof text, "%lluKi", (unsigned long long)a->config.memory_bytes / 1024);
    opr_doc_put_str(r, "/memory", text);
    snprintf(text, sizeof text, "%u", a->config.max_pods);
    opr_doc_put_str(r, "/pods", text);
    if (statvfs(a->config.dir, &disk) == 0) {
        snprintf(text, sizeof text, "%lluKi",
                 (unsigned long long)disk.f_blocks * disk.f_frsize / 1024);
        opr_doc_put_str(r, "/ephemeral-storage", text);
    }
    json_object_object_add(status, name, r);
}

static void put_condition(struct opr_agent *a, struct json_object *list, const char *type,
                          bool is_true, const char *reason, const char *message)
{
    struct json_object *c = json_object_new_object();
    char now[OPR_TIME_TEXT_MAX];
    const char *status = is_true ? "True" : "False", *since = NULL;
    struct json_object *old = opr_doc_at(a->node_sent, "/conditions");
    for (size_t i = 0; old && i < json_object_array_length(old); i++) {
        struct json_object *o = json_object_array_get_idx(old, i);
        if (strcmp(opr_doc_str(o, "/type", ""), type) == 0 &&
            strcmp(opr_doc_str(o, "/status", ""), status) == 0) {
            since = opr_doc_str(o, "/lastTransitionTime", NULL);
        }
    }
    opr_time_format(opr_clock_wall_ms(a->clock), now);
    opr_doc_put_str(c, "/type", type);
    opr_doc_put_str(c, "/status", status);
    opr_doc_put_str(c, "/reason", reason);
    opr_doc_put_str(c, "/message", message);
    opr_doc_put_str(c, "/lastTransitionTime", since ? since : now);
    json_object_array_add(list, c);
}

static void put_conditions(struct opr_agent *a, struct json_object *status)
{
    struct json_object *list = json_object_new_array();
    struct statvfs disk;
    bool is_low = available_mib() < MEMORY_LOW_MIB;
    bool is_full = statvfs(a->config.dir, &disk) == 0 &&
                   disk.f_bavail * 100 < disk.f_blocks * DISK_LOW_PERCENT;
    put_condition(a, list, "MemoryPressure", is_low,
                  is_low ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                  is_low ? "less than 100 MiB of memory are available"
                         : "kubelet has sufficient memory available");
    put_condition(a, list, "DiskPressure", is_full,
                  is_full ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
                  is_full ? "kubelet has disk pressure" : "kubelet has no disk pressure");
    bool no_pids = are_pids_low();
    put_condition(a, list, "PIDPressure", no_pids,
                  no_pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
                  no_pids ? "kubelet has insufficient PID available"
                          : "kubelet has sufficient PID available");
    if (!(a->config.roles & OPR_AGENT_PODS) || a->runtime) {
        put_condition(a, list, "Ready", true, "KubeletReady", "kubelet is posting ready status");
    } else {
        put_condition(a, list, "Ready", false, "KubeletNotReady",
                      "operon-shim is not beside the agent's program");
    }
    json_object_object_add(status, "conditions", list);
}

static void put_text_of(struct json_object *info, const char *name, const char *path)
{
    struct opr_buf text = {0};
    if (opr_fs_read(path, 256, &text, NULL) == OPR_OK) {
        struct opr_str value = opr_str_trim(opr_buf_str(&text));
        json_object_object_add(info, name, json_object_new_string_len(value.ptr, (int)value.len));
    } else {
        json_object_object_add(info, name, json_object_new_string(""));
    }
    opr_buf_fini(&text);
}

/* PRETTY_NAME of os-release(5). */
static void put_os(struct json_object *info)
{
    struct opr_buf text = {0};
    struct opr_str rest, line, name = OPR_STR("Linux");
    bool is_read = opr_fs_read("/etc/os-release", 64 * 1024, &text, NULL) == OPR_OK;
    rest = is_read ? opr_buf_str(&text) : (struct opr_str){0};
    while (opr_str_next(&rest, '\n', &line)) {
        if (opr_str_starts(line, "PRETTY_NAME=\"") && opr_str_ends(line, "\"")) {
            name = opr_str_n(line.ptr + 13, line.len - 14);
        }
    }
    json_object_object_add(info, "osImage", json_object_new_string_len(name.ptr, (int)name.len));
    opr_buf_fini(&text);
}

static void put_image(struct json_object *list, const char *name, int64_t size)
{
    struct json_object *item = json_object_new_object(), *names = json_object_new_array();
    json_object_array_add(names, json_object_new_string(name));
    json_object_object_add(item, "names", names);
    opr_doc_put_int(item, "/sizeBytes", size);
    json_object_array_add(list, item);
}

static void put_images(struct opr_agent *a, struct json_object *status)
{
    struct json_object *list = json_object_new_array(), *images = NULL;
    put_image(list, OPR__IMAGE, 0);
    if (opr_images_list(a->config.images_dir, &images, NULL) == OPR_OK) {
        size_t n = json_object_array_length(images);
        for (size_t i = 0; i < n && i < IMAGES_MAX - 1; i++) {
            struct json_object *image = json_object_array_get_idx(images, i);
            put_image(list, opr_doc_str(image, "/name", ""), opr_doc_int(image, "/size", 0));
        }
        json_object_put(images);
    }
    json_object_object_add(status, "images", list);
}

static void put_info(struct json_object *status, const struct utsname *u)
{
    struct json_object *info = json_object_new_object();
    put_text_of(info, "machineID", "/etc/machine-id");
    put_text_of(info, "systemUUID", "/sys/class/dmi/id/product_uuid");
    put_text_of(info, "bootID", "/proc/sys/kernel/random/boot_id");
    opr_doc_put_str(info, "/kernelVersion", u->release);
    put_os(info);
    opr_doc_put_str(info, "/containerRuntimeVersion", "operon-shim://" OPR_VERSION);
    opr_doc_put_str(info, "/kubeletVersion", "v1.36.0-operon-" OPR_VERSION);
    opr_doc_put_str(info, "/kubeProxyVersion", "");
    opr_doc_put_str(info, "/operatingSystem", "linux");
    opr_doc_put_str(info, "/architecture", arch_of(u));
    json_object_object_add(status, "nodeInfo", info);
}

static void put_address(struct json_object *list, const char *type, const char *address)
{
    struct json_object *item = json_object_new_object();
    opr_doc_put_str(item, "/type", type);
    opr_doc_put_str(item, "/address", address);
    json_object_array_add(list, item);
}

/* Without times of heartbeats, so that two can be compared. Owned. */
static struct json_object *make_status(struct opr_agent *a)
{
    struct json_object *status = json_object_new_object();
    struct utsname u;
    uname(&u);
    put_resources(a, status, "capacity");
    put_resources(a, status, "allocatable");
    put_conditions(a, status);
    struct json_object *addresses = json_object_new_array();
    put_address(addresses, "InternalIP", "127.0.0.1");
    if (strcmp(u.nodename, a->config.node_name) == 0) { /* else nobody could look it up */
        put_address(addresses, "Hostname", a->config.node_name);
    }
    json_object_object_add(status, "addresses", addresses);
    opr_doc_put_int(status, "/daemonEndpoints/kubeletEndpoint/Port", a->port);
    put_info(status, &u);
    put_images(a, status);
    return status;
}

static void stamp(struct opr_agent *a, struct json_object *status)
{
    struct json_object *list = opr_doc_at(status, "/conditions");
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format(opr_clock_wall_ms(a->clock), now);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        opr_doc_put_str(json_object_array_get_idx(list, i), "/lastHeartbeatTime", now);
    }
}

static opr_status send_status(struct opr_agent *a, struct opr_caller *k, struct opr_error *reterr)
{
    struct json_object *status = make_status(a), *body = json_object_new_object();
    struct json_object *stamped = opr_doc_dup(status);
    struct opr_buf text = {0};
    struct opr_arena *arena = opr_arena_new();
    stamp(a, stamped);
    json_object_object_add(body, "status", stamped);
    opr_doc_write(&text, body);
    char *path = opr_arena_printf(arena, "/api/v1/nodes/%s/status", a->config.node_name);
    opr_status st = opr_call(k, "PATCH", path, "application/strategic-merge-patch+json",
                             opr_buf_str(&text), NULL, reterr);
    if (st == OPR_OK) {
        opr__node_events(a, k, a->node_sent, status);
        json_object_put(a->node_sent);
        a->node_sent = json_object_get(status);
        a->node_sent_ns = opr__now_ns(a);
    }
    json_object_put(status);
    json_object_put(body);
    opr_buf_fini(&text);
    opr_arena_free(arena);
    return st;
}

static struct json_object *make_node(struct opr_agent *a)
{
    struct json_object *d = json_object_new_object();
    struct utsname u;
    uname(&u);
    const char *name = a->config.node_name;
    opr_doc_put_str(d, "/apiVersion", "v1");
    opr_doc_put_str(d, "/kind", "Node");
    opr_doc_put_str(d, "/metadata/name", name);
    opr_doc_put_str(d, "/metadata/labels/kubernetes.io~1hostname", name);
    opr_doc_put_str(d, "/metadata/labels/kubernetes.io~1os", "linux");
    opr_doc_put_str(d, "/metadata/labels/kubernetes.io~1arch", arch_of(&u));
    if (a->config.pod_cidr) {
        opr_doc_put_str(d, "/spec/podCIDR", a->config.pod_cidr);
        struct json_object *list = json_object_new_array();
        json_object_array_add(list, json_object_new_string(a->config.pod_cidr));
        json_object_object_add(opr_doc_at(d, "/spec"), "podCIDRs", list);
    }
    return d;
}

/* A Node that is there keeps what others gave it; only what is ours is set. */
static opr_status update_node(struct opr_agent *a, struct opr_caller *k, struct json_object *node,
                              struct opr_obj **ret_node, struct opr_error *reterr)
{
    struct opr_obj *old = NULL;
    struct opr_buf text = {0};
    char *path = opr_xprintf("/api/v1/nodes/%s", a->config.node_name);
    opr_status st = opr_call(k, "GET", path, NULL, (struct opr_str){0}, &old, reterr);
    if (st == OPR_OK && opr_json_str(old, "/spec/podCIDR", NULL)) {
        (void)opr_doc_del(node, "/spec"); /* it can not be changed */
    }
    opr_json_unref(old);
    if (st == OPR_OK) {
        opr_doc_write(&text, node);
        st = opr_call(k, "PATCH", path, "application/merge-patch+json", opr_buf_str(&text),
                      ret_node, reterr);
    }
    opr_buf_fini(&text);
    opr_free(path);
    return st;
}

opr_status opr__node_register(struct opr_agent *a, struct opr_caller *k, struct opr_error *reterr)
{
    struct json_object *node = make_node(a);
    struct opr_buf text = {0};
    struct opr_obj *answer = NULL;
    opr_doc_write(&text, node);
    opr_status st = opr_call(k, "POST", "/api/v1/nodes", "application/json", opr_buf_str(&text),
                             &answer, reterr);
    if (st == OPR_E_EXISTS) {
        st = update_node(a, k, node, &answer, reterr);
    }
    if (st == OPR_OK) {
        opr_free(a->node_uid);
        a->node_uid = opr_xstrdup(opr_meta_uid(answer));
        st = send_status(a, k, reterr);
    }
    opr_json_unref(answer);
    opr_buf_fini(&text);
    json_object_put(node);
    return st;
}

/* True where the server's conditions are still those that we sent: the node-lifecycle controller
 * makes them Unknown when the lease is late, and only we make them good again. */
static bool is_believed(struct opr_agent *a, const struct opr_obj *node)
{
    struct json_object *sent = opr_doc_at(a->node_sent, "/conditions");
    const struct opr_obj *list = opr_json_at(node, "/status/conditions");
    for (size_t i = 0; sent && i < json_object_array_length(sent); i++) {
        struct json_object *ours = json_object_array_get_idx(sent, i);
        bool is_same = false;
        for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
            is_same =
                is_same ||
                (strcmp(opr_json_str(c, "/type", ""), opr_doc_str(ours, "/type", "")) == 0 &&
                 strcmp(opr_json_str(c, "/status", ""), opr_doc_str(ours, "/status", "")) == 0);
        }
        if (!is_same) {
            return false;
        }
    }
    return true;
}

void opr__node_report(struct opr_agent *a, struct opr_caller *k)
{
    struct opr_error err = {0};
    struct opr_obj *node = NULL;
    struct json_object *status = make_status(a);
    bool is_old = opr__now_ns(a) - a->node_sent_ns >= REPORT_MS * MS_NS;
    bool is_same = a->node_sent && opr_doc_equal(a->node_sent, status);
    json_object_put(status);
    char *path = opr_xprintf("/api/v1/nodes/%s", a->config.node_name);
    opr_status st = opr_call(k, "GET", path, NULL, (struct opr_str){0}, &node, &err);
    opr_free(path);
    if (st == OPR_OK && (!is_same || is_old || !is_believed(a, node))) {
        st = send_status(a, k, &err);
    }
    opr_json_unref(node);
    if (st == OPR_E_NOT_FOUND) {
        opr_log(OPR_LOG_WARN, "agent", "the node object is gone, registering again", NULL);
        st = opr__node_register(a, k, &err);
    }
    if (st != OPR_OK && !a->is_stopping) {
        opr_log(OPR_LOG_WARN, "agent", "can not report the node's status", "error=\"%s\"",
                err.message);
    }
}
