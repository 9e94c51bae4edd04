/* The API server as a whole: made of its store, keys and kinds; Events that are an hour old go. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#define EVENT_TTL_MS 3600000
#define SWEEP_MS 60000
#define DEFAULT_CIDR "10.96.0.0/16"

static opr_status parse_cidr(struct opr_apiserver *s, const char *cidr, struct opr_error *reterr)
{
    char ip[INET_ADDRSTRLEN] = "";
    int bits = 0;
    struct in_addr a;
    if (sscanf(cidr, "%15[0-9.]/%d", ip, &bits) != 2 || inet_pton(AF_INET, ip, &a) != 1 ||
        bits < 8 || bits > 28) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "service range '%s': write it as 10.96.0.0/16 (8 to 28 bits)", cidr);
    }
    s->service_count = 1u << (32 - bits);
    s->service_base = ntohl(a.s_addr) & ~(s->service_count - 1);
    return OPR_OK;
}

static bool is_old(const struct opr_obj *event, int64_t now_ms)
{
    static const char *const times[] = {"/lastTimestamp", "/series/lastObservedTime", "/eventTime",
                                        "/metadata/creationTimestamp"};
    int64_t at = 0, newest = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct opr_str text = opr_json_text(event, times[i]);
        if (text.ptr && opr_time_parse(text, &at) == OPR_OK && at > newest) {
            newest = at;
        }
    }
    return newest > 0 && now_ms - newest > EVENT_TTL_MS;
}

void opr_expire_events(struct opr_apiserver *s)
{
    struct opr_arena *a = opr_arena_new();
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("events"));
    const struct opr_obj *const *events;
    size_t count, more;
    uint64_t revision;
    int64_t now = opr_clock_wall_ms(s->clock);
    opr_store_list(s->store, a, opr_api_key(a, kind, NULL, NULL), OPR_STR(""), 0, &events, &count,
                   &revision, &more);
    for (size_t i = 0; i < count; i++) {
        if (is_old(events[i], now)) {
            /* One that was written again meanwhile stays. */
            (void)!opr_store_delete(
                s->store, opr_api_key(a, kind, opr_meta_ns(events[i]), opr_meta_name(events[i])),
                opr_meta_rv(events[i]), NULL, NULL, NULL);
        }
    }
    opr_arena_free(a);
}

static void *sweep(void *arg)
{
    struct opr_apiserver *s = arg;
    pthread_mutex_lock(&s->sweep_lock);
    while (!s->is_closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += SWEEP_MS / 1000;
        (void)pthread_cond_timedwait(&s->sweep_stop, &s->sweep_lock,
                                     &until); /* a wake is harmless */
        if (!s->is_closing) {
            pthread_mutex_unlock(&s->sweep_lock);
            opr_expire_events(s);
            pthread_mutex_lock(&s->sweep_lock);
        }
    }
    pthread_mutex_unlock(&s->sweep_lock);
    return NULL;
}

static opr_status open_parts(struct opr_apiserver *s, const struct opr_apiserver_config *config,
                             struct opr_error *reterr)
{
    char folder[PATH_MAX], ip[INET_ADDRSTRLEN];
    const char *cidr = config->service_cidr ? config->service_cidr : DEFAULT_CIDR;
    OPR_TRY(parse_cidr(s, cidr, reterr));
    struct in_addr first = {.s_addr = htonl(s->service_base + 1)};
    inet_ntop(AF_INET, &first, ip, sizeof ip);
    OPR_TRY(opr_pki_files_open(&s->pki, config->dir, config->address, ip, reterr));
    struct opr_store_config store = {.window_events = config->watch_window_events};
    if (config->dir) {
        snprintf(folder, sizeof folder, "%s/store", config->dir);
        store.dir = folder;
    }
    OPR_TRY(opr_store_open(&store, &s->store, reterr));
    OPR_TRY(opr_bootstrap(s, reterr));
    opr_crd_load_all(s);
    return OPR_OK;
}

opr_status opr_apiserver_new(const struct opr_apiserver_config *config,
                             struct opr_apiserver **ret_server, struct opr_error *reterr)
{
    struct opr_apiserver *s = opr_xalloc(sizeof *s);
    s->handler.handle = opr_api_handle;
    s->clock = config->clock;
    s->custom = opr_custom_kinds_new();
    s->samples = opr_samples_new();
    s->metrics = opr_metrics_new();
    s->texts = opr_texts_new();
    pthread_mutex_init(&s->eviction_lock, NULL);
    pthread_mutex_init(&s->service_lock, NULL);
    pthread_mutex_init(&s->sweep_lock, NULL);
    pthread_cond_init(&s->sweep_stop, NULL);
    opr_status st = open_parts(s, config, reterr);
    if (st != OPR_OK) {
        opr_apiserver_free(s);
        return st;
    }
    s->watch_clock = opr_watch_clock_new(config->clock);
    OPR_CHECK(pthread_create(&s->sweeper, NULL, sweep, s) == 0);
    s->has_sweeper = true;
    *ret_server = s;
    return OPR_OK;
}

void opr_apiserver_free(struct opr_apiserver *s)
{
    if (!s) {
        return;
    }
    if (s->has_sweeper) {
        pthread_mutex_lock(&s->sweep_lock);
        s->is_closing = true;
        pthread_cond_signal(&s->sweep_stop);
        pthread_mutex_unlock(&s->sweep_lock);
        pthread_join(s->sweeper, NULL);
    }
    opr_watch_clock_free(s->watch_clock);
    opr_store_close(s->store);
    opr_custom_kinds_free(s->custom);
    opr_samples_free(s->samples);
    opr_metrics_free(s->metrics);
    opr_texts_free(s->texts);
    pthread_mutex_destroy(&s->eviction_lock);
    opr_pki_files_fini(&s->pki);
    pthread_mutex_destroy(&s->service_lock);
    pthread_mutex_destroy(&s->sweep_lock);
    pthread_cond_destroy(&s->sweep_stop);
    opr_free(s);
}

struct opr_http_handler *opr_apiserver_handler(struct opr_apiserver *s)
{
    return &s->handler;
}

const char *opr_apiserver_ca(const struct opr_apiserver *s)
{
    return s->pki.ca_cert;
}

const char *opr_apiserver_cert(const struct opr_apiserver *s)
{
    return s->pki.server_cert;
}

const char *opr_apiserver_key(const struct opr_apiserver *s)
{
    return s->pki.server_key;
}
