#include "agent/proxy.h"

#include "agent/proxy_rules.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <nftables/libnftables.h>
#include <stdio.h>
#include <unistd.h>

/* Changes of this time become one transaction: a rollout touches several objects at once. */
enum { COALESCE_MS = 20, RETRY_MS = 2000 };

struct opr__proxy {
    struct opr_agent *agent;
    struct opr_timer *timer, *check_timer;
    bool is_busy, is_dirty, is_stopped; /* loop */
    bool must_check;                    /* loop; a worker while is_busy */
    bool has_failed;                    /* worker: the failure was said */
    uint64_t written_hash;              /* worker; of the text that the kernel has; 0: none */
};

opr_status opr__nft_run(const char *text, struct opr_error *reterr)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED, "nftables can not be used");
    }
    (void)nft_ctx_buffer_error(nft);
    (void)nft_ctx_buffer_output(nft);
    opr_status st = OPR_OK;
    if (nft_run_cmd_from_buffer(nft, text) != 0) {
        struct opr_str why = opr_str_trim(opr_str_of(nft_ctx_get_error_buffer(nft)));
        st = opr_error_set(reterr, OPR_E_IO, "nftables: %.*s", OPR_STR_ARG(why));
    }
    nft_ctx_free(nft);
    return st;
}

static void make_text(struct opr__proxy *p, struct opr_buf *text)
{
    struct opr_agent *a = p->agent;
    struct opr_arena *arena = opr_arena_new();
    const struct opr_obj *const *services = NULL, *const *slices = NULL;
    uint32_t n_services = 0, n_slices = 0;
    if (opr_informer_list(a->services_informer, arena, NULL, NULL, NULL, &services, &n_services) ==
            OPR_OK &&
        opr_informer_list(a->slices_informer, arena, NULL, NULL, NULL, &slices, &n_slices) ==
            OPR_OK) {
        opr__proxy_rules(text, a->config.service_cidr, a->config.cluster_cidr, services, n_services,
                         slices, n_slices);
    }
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
    p->must_check = false;
}

static void write_rules(void *arg)
{
    struct opr__proxy *p = arg;
    check_table(p);
    struct opr_buf text = {0};
    struct opr_error err = {0};
    make_text(p, &text);
    uint64_t hash = opr_str_hash(opr_buf_str(&text));
    if (text.len > 0 && hash != p->written_hash) {
        opr_status st = opr__nft_run(text.data, &err);
        if (st == OPR_OK) {
            p->written_hash = hash;
            p->has_failed = false;
            opr_log(OPR_LOG_DEBUG, "proxy", "rules written", "bytes=%zu", text.len);
        } else if (!p->has_failed) {
            p->has_failed = true;
            opr_log(OPR_LOG_WARN, "proxy", "Services are not reachable through the kernel",
                    "reason=\"%s\"", err.message);
        }
    }
    opr_buf_fini(&text);
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

struct opr__proxy *opr__proxy_start(struct opr_agent *a)
{
    if (!a->config.service_cidr) {
        return NULL;
    }
    if (geteuid() != 0) {
        opr_log(OPR_LOG_WARN, "proxy", "Services are not reachable: nftables needs root", NULL);
        return NULL;
    }
    struct opr__proxy *p = opr_xalloc(sizeof *p);
    p->agent = a;
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
        opr_free(p);
    }
}
