#include "agent/proxy.h"

#include "agent/balancer.h"
#include "agent/netlink.h"
#include "agent/proxy_endpoints.h"
#include "agent/proxy_flows.h"
#include "agent/proxy_rules.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <stdio.h>
#include <string.h>

/* Changes of this time become one transaction: a rollout touches several objects at once. */
enum { COALESCE_MS = 20, RETRY_MS = 2000 };

struct opr__proxy {
    struct opr_agent *agent;
    struct opr__balancer *balancer;    /* owned; NULL: nftables */
    char api_host[OPR__IPV4_TEXT_MAX]; /* "": not known, or no IPv4 address */
    unsigned api_port;
    struct opr_obj *api_slice; /* owned; of the API server where it has no other; NULL: none */
    struct opr_timer *timer, *check_timer;
    bool is_busy, is_dirty, is_stopped; /* loop */
    bool must_check;                    /* loop; a worker while is_busy */
    bool has_failed;                    /* worker: the failure was said */
    uint64_t written_hash;              /* worker; of the text that the kernel has; 0: none */
    bool has_udp;                       /* worker; a Service has had a UDP port */
    uint64_t hostports_hash;            /* worker; the same of the node's own table */
};

/* All Services and EndpointSlices, in the arena. */
struct view {
    const struct opr_obj *const *services, *const *slices;
    uint32_t n_services, n_slices;
};

static bool take_view(struct opr__proxy *p, struct opr_arena *arena, struct view *v)
{
    struct opr_agent *a = p->agent;
    if (opr_informer_list(a->services_informer, arena, NULL, NULL, NULL, &v->services,
                          &v->n_services) != OPR_OK ||
        opr_informer_list(a->slices_informer, arena, NULL, NULL, NULL, &v->slices, &v->n_slices) !=
            OPR_OK) {
        return false;
    }
    bool has_api = !p->api_slice;
    for (uint32_t i = 0; i < v->n_slices && !has_api; i++) {
        has_api = opr__endpoints_slice_is_of(v->slices[i], "default", "kubernetes");
    }
    if (!has_api) {
        const struct opr_obj **all = opr_arena_alloc(arena, (v->n_slices + 1) * sizeof(void *));
        memcpy(all, v->slices, v->n_slices * sizeof(void *));
        all[v->n_slices++] = p->api_slice;
        v->slices = all;
    }
    return true;
}

/* kernel_text: of the table that is to be replaced; NULL: nobody's choice is kept. */
static void make_text(struct opr__proxy *p, const char *kernel_text, struct opr_buf *text)
{
    struct opr_agent *a = p->agent;
    struct opr_arena *arena = opr_arena_new();
    struct view v = {0};
    if (take_view(p, arena, &v)) {
        uint32_t unused;
        struct opr__proxy_ranges ranges = {.service_cidr = a->config.service_cidr,
                                           .cluster_cidr = a->config.cluster_cidr,
                                           .kernel_text = kernel_text};
        if (a->config.pod_cidr) {
            (void)opr__cidr_parse(a->config.pod_cidr, &unused, &ranges.node_prefix);
        }
        opr__proxy_rules(text, &ranges, v.services, v.n_services, v.slices, v.n_slices);
    }
    opr_arena_free(arena);
}

static void set_balancer(struct opr__proxy *p)
{
    struct opr_agent *a = p->agent;
    struct opr_arena *arena = opr_arena_new();
    struct opr_vec list = {0};
    struct view v = {0};
    if (take_view(p, arena, &v)) {
        opr__balancer_rules(v.services, v.n_services, v.slices, v.n_slices, a->config.node_name,
                            arena, &list);
        struct opr__balancer_rule *rules = opr_arena_alloc(arena, (list.count + 1) * sizeof *rules);
        for (size_t i = 0; i < list.count; i++) {
            rules[i] = *(const struct opr__balancer_rule *)list.items[i];
        }
        opr__balancer_set(p->balancer, rules, list.count);
    }
    opr_vec_fini(&list);
    opr_arena_free(arena);
}

static void arm(struct opr__proxy *p, uint64_t ms)
{
    if (!p->is_stopped) {
        opr_timer_set(p->timer, ms);
    }
}

static void on_written(void *arg)
{
    struct opr__proxy *p = arg;
    p->is_busy = false;
    if (p->is_dirty || p->has_failed) {
        bool is_soon = p->is_dirty;
        p->is_dirty = false;
        arm(p, is_soon ? COALESCE_MS : RETRY_MS);
    }
}

/* Whether the table that was written is still there: another program may flush the kernel's. */
static void check_table(struct opr__proxy *p)
{
    char table[64], command[128];
    opr__proxy_table_name(p->agent->config.service_cidr, table, sizeof table);
    snprintf(command, sizeof command, "list chain ip %s prerouting", table);
    if (p->written_hash && p->must_check && opr__nft_run(command, NULL) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "proxy", "the Service rules were gone, writing them again", NULL);
        p->agent->differences++;
        p->written_hash = 0;
    }
    if (p->hostports_hash && p->must_check) {
        opr__hostports_table_name(p->agent->config.pod_cidr, table, sizeof table);
        snprintf(command, sizeof command, "list table ip %s", table);
        /* 1: there was a table, and it is to be written */
        p->hostports_hash = opr__nft_run(command, NULL) == OPR_OK ? p->hostports_hash : 1;
    }
    p->must_check = false;
}

/* After a change of the rules. */
static void end_stale_flows(struct opr__proxy *p)
{
    struct opr_arena *arena = opr_arena_new();
    struct opr_error err = {0};
    struct view v = {0};
    if (take_view(p, arena, &v) &&
        opr__proxy_end_flows(p->agent->config.service_cidr, v.services, v.n_services, v.slices,
                             v.n_slices, &p->has_udp, &err) != OPR_OK) {
        opr_log(OPR_LOG_DEBUG, "proxy", "stale flows are left", "error=\"%s\"", err.message);
    }
    opr_arena_free(arena);
}

/* Writes the table; the clients of Services with sessionAffinity keep their endpoints. */
static opr_status replace_table(struct opr__proxy *p, const char *text, struct opr_error *reterr)
{
    if (!strstr(text, "flags dynamic")) {
        return opr__nft_run(text, reterr);
    }
    char table[64], command[128];
    struct opr_buf kernel = {0}, full = {0};
    opr__proxy_table_name(p->agent->config.service_cidr, table, sizeof table);
    snprintf(command, sizeof command, "list table ip %s", table);
    opr_status st = opr__nft_read(command, &kernel, NULL);
    if (st == OPR_OK) {
        make_text(p, kernel.data, &full);
        st = opr__nft_run(full.data, NULL);
    }
    if (st != OPR_OK) { /* there was none, or the kernel does not take its own words back */
        st = opr__nft_run(text, reterr);
    }
    opr_buf_fini(&kernel);
    opr_buf_fini(&full);
    return st;
}

static void write_table(struct opr__proxy *p)
{
    check_table(p);
    struct opr_buf text = {0};
    struct opr_error err = {0};
    make_text(p, NULL, &text);
    uint64_t hash = opr_str_hash(opr_buf_str(&text));
    if (text.len > 0 && hash != p->written_hash) {
        opr_status st = replace_table(p, text.data, &err);
        if (st == OPR_OK) {
            p->written_hash = hash;
            p->has_failed = false;
            end_stale_flows(p);
            opr_log(OPR_LOG_DEBUG, "proxy", "rules written", "bytes=%zu", text.len);
        } else if (!p->has_failed) {
            p->has_failed = true;
            opr_log(OPR_LOG_WARN, "proxy", "Services are not reachable through the kernel",
                    "reason=\"%s\"", err.message);
        }
    }
    opr_buf_fini(&text);
}

/* Nothing is written before the first hostPort. */
static void write_hostports(struct opr__proxy *p)
{
    struct opr_agent *a = p->agent;
    struct opr_arena *arena = opr_arena_new();
    const struct opr_obj *const *pods = NULL;
    uint32_t n_pods = 0;
    if (a->net && a->is_watching &&
        opr_informer_list(a->pods_informer, arena, NULL, NULL, NULL, &pods, &n_pods) == OPR_OK) {
        struct opr_buf text = {0};
        struct opr_error err = {0};
        bool is_needed = p->hostports_hash != 0;
        for (uint32_t i = 0; i < n_pods && !is_needed; i++) {
            is_needed = opr__hostports_has(pods[i]);
        }
        opr__hostports_rules(&text, a->config.pod_cidr, pods, n_pods);
        uint64_t hash = opr_str_hash(opr_buf_str(&text));
        if (is_needed && hash != p->hostports_hash) {
            if (opr__nft_run(text.data, &err) == OPR_OK) {
                p->hostports_hash = hash;
            } else {
                p->has_failed = true; /* it is tried again */
                opr_log(OPR_LOG_WARN, "proxy", "host ports are not reachable", "reason=\"%s\"",
                        err.message);
            }
        }
        opr_buf_fini(&text);
    }
    opr_arena_free(arena);
}

static void write_rules(void *arg)
{
    struct opr__proxy *p = arg;
    if (p->balancer) {
        set_balancer(p);
    } else {
        write_table(p);
        write_hostports(p);
    }
    opr_loop_post(p->agent->loop, on_written, p);
}

static void on_timer(void *arg)
{
    struct opr__proxy *p = arg;
    struct opr_agent *a = p->agent;
    if (!opr_informer_is_synced(a->services_informer) ||
        !opr_informer_is_synced(a->slices_informer)) {
        return; /* half the data would break what works; the sync comes */
    }
    if (p->is_busy) {
        p->is_dirty = true;
        return;
    }
    p->is_busy = true;
    opr_executor_run(a->workers, write_rules, p);
}

static void on_check_timer(void *arg)
{
    struct opr__proxy *p = arg;
    opr_timer_set(p->check_timer, p->agent->config.sync_period_ms);
    if (!p->is_busy) {
        p->must_check = true;
        arm(p, 0);
    }
}

static void on_change(void *arg, const struct opr_obj *was, const struct opr_obj *is)
{
    (void)was;
    (void)is;
    struct opr__proxy *p = arg;
    if (p->is_busy) {
        p->is_dirty = true;
    } else {
        arm(p, COALESCE_MS);
    }
}

static void on_sync(void *arg)
{
    arm(arg, 0);
}

static void on_pod(void *arg, const struct opr_obj *was, const struct opr_obj *is)
{
    if (opr__hostports_has(is ? is : was)) {
        on_change(arg, was, is);
    }
}

void opr__proxy_watch_pods(struct opr__proxy *p)
{
    if (p && p->agent->pods_informer) {
        opr_informer_add_handler(p->agent->pods_informer, on_pod, p);
    }
}

static struct opr_informer *watch(struct opr__proxy *p, const struct opr_resource *resource)
{
    struct opr_agent *a = p->agent;
    struct opr_informer_config config = {
        .loop = a->loop, .client = a->config.client, .clock = a->clock, .resource = resource};
    struct opr_informer *i = opr_informer_new(&config);
    opr_informer_add_handler(i, on_change, p);
    opr_informer_on_sync(i, on_sync, p);
    opr_informer_start(i);
    return i;
}

bool opr__proxy_reach(const struct opr_agent *a, const struct opr_obj *service, int port,
                      char ret_host[OPR__IP_MAX], int *ret_port)
{
    uint32_t address;
    uint16_t place;
    const char *own = opr_json_str(service, "/spec/clusterIP", "");
    if (!*own || strcmp(own, "None") == 0) {
        return false;
    }
    snprintf(ret_host, OPR__IP_MAX, "%s", own);
    *ret_port = port;
    if (!a->proxy || !a->proxy->balancer) {
        return true;
    }
    if (a->proxy->api_slice && strcmp(opr_meta_ns(service), "default") == 0 &&
        strcmp(opr_meta_name(service), "kubernetes") == 0) {
        /* directly: its certificate knows its own address, not the balancer's */
        snprintf(ret_host, OPR__IP_MAX, "%s", a->proxy->api_host);
        *ret_port = (int)a->proxy->api_port;
        return true;
    }
    if (opr__balancer_place(service, port, &address, &place)) {
        opr__ipv4_format(address, ret_host);
        *ret_port = place;
    }
    return true;
}

static void find_api(struct opr__proxy *p)
{
    uint32_t ip;
    const char *url = p->agent->config.api_url;
    if (!url || sscanf(url, "https://%15[0-9.]:%u", p->api_host, &p->api_port) != 2 ||
        !opr__ipv4_parse(p->api_host, &ip) || p->api_port > 65535) {
        return;
    }
    char *text =
        opr_xprintf("{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
                    "\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},"
                    "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"https\",\"port\":%u}],"
                    "\"endpoints\":[{\"addresses\":[\"%s\"]}]}",
                    p->api_port, p->api_host);
    OPR_CHECK(opr_json_parse(opr_str_of(text), &p->api_slice, NULL) == OPR_OK);
    opr_free(text);
}

/* NULL where nftables can be used, or nothing can. */
static struct opr__balancer *make_balancer(void)
{
    struct opr_error why = {0}, err = {0};
    struct opr__balancer *b = NULL;
    if (opr__nft_run("list tables ip", &why) == OPR_OK) {
        return NULL;
    }
    if (opr__balancer_new(&b, &err) != OPR_OK) {
        opr_log(OPR_LOG_ERROR, "proxy", "Services are not reachable", "reason=\"%s\"", err.message);
        return NULL;
    }
    opr_log(OPR_LOG_INFO, "proxy", "Services are reached through a balancer on the loopback",
            "reason=\"%s\"", why.message);
    return b;
}

struct opr__proxy *opr__proxy_start(struct opr_agent *a)
{
    if (!a->config.service_cidr) {
        return NULL;
    }
    struct opr__proxy *p = opr_xalloc(sizeof *p);
    p->agent = a;
    p->balancer = make_balancer();
    find_api(p);
    p->timer = opr_timer_new(a->loop, on_timer, p);
    p->check_timer = opr_timer_new(a->loop, on_check_timer, p);
    opr_timer_set(p->check_timer, a->config.sync_period_ms);
    a->services_informer = watch(p, a->service_resource);
    a->slices_informer = watch(p, a->slice_resource);
    return p;
}

void opr__proxy_stop(struct opr__proxy *p)
{
    if (p) {
        p->is_stopped = true;
        opr_timer_stop(p->timer);
        opr_timer_stop(p->check_timer);
        opr_informer_stop(p->agent->services_informer);
        opr_informer_stop(p->agent->slices_informer);
    }
}

void opr__proxy_free(struct opr__proxy *p)
{
    if (p) {
        opr_timer_free(p->timer);
        opr_timer_free(p->check_timer);
        opr_informer_free(p->agent->services_informer);
        opr_informer_free(p->agent->slices_informer);
        opr__balancer_free(p->balancer);
        opr_json_unref(p->api_slice);
        opr_free(p);
    }
}
