/* Events about Pods. One that repeats raises the count of the first, at most once in a while; what
 * the API did not get waits until it answers again, with the time at which it happened. */
#include "agent/internal.h"

#include "agent/reach.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

enum { EVENTS_MAX = 32 }; /* that wait, and that are remembered, of one Pod */
enum { REPEAT_MS = 5000 };
#define MS_NS 1000000ull

static void event_free(struct opr__event *e)
{
    opr_free(e->container);
    opr_free(e->message);
    opr_free(e);
}

static bool is_same(const struct opr__event *e, const char *container, const char *reason,
                    const char *message)
{
    return strcmp(e->container ? e->container : "", container ? container : "") == 0 &&
           strcmp(e->reason, reason) == 0 && strcmp(e->message, message) == 0;
}

void opr__event_add(struct opr__pod *p, const char *container, const char *type, const char *reason,
                    const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    int64_t now_ms = opr_clock_wall_ms(p->agent->clock);
    for (size_t i = 0; i < p->events.count; i++) {
        struct opr__event *e = p->events.items[i];
        if (is_same(e, container, reason, text)) {
            e->count++;
            e->last_ms = now_ms;
            return;
        }
    }
    if (p->events.count >= EVENTS_MAX) {
        return;
    }
    struct opr__event *e = opr_xalloc(sizeof *e);
    e->container = container ? opr_xstrdup(container) : NULL;
    e->type = type;
    e->reason = reason;
    e->message = opr_xstrdup(text);
    e->first_ms = e->last_ms = now_ms;
    e->count = 1;
    opr_vec_push(&p->events, e);
}

static struct json_object *event_doc(const struct opr__pod *p, const struct opr__event *e,
                                     const char *name)
{
    struct json_object *d = json_object_new_object();
    char first[OPR_TIME_TEXT_MAX], last[OPR_TIME_TEXT_MAX];
    opr_time_format(e->first_ms, first);
    opr_time_format(e->last_ms, last);
    opr_doc_put_str(d, "/apiVersion", "v1");
    opr_doc_put_str(d, "/kind", "Event");
    opr_doc_put_str(d, "/metadata/name", name);
    opr_doc_put_str(d, "/metadata/namespace", p->ns);
    opr_doc_put_str(d, "/involvedObject/apiVersion", "v1");
    opr_doc_put_str(d, "/involvedObject/kind", "Pod");
    opr_doc_put_str(d, "/involvedObject/namespace", p->ns);
    opr_doc_put_str(d, "/involvedObject/name", p->name);
    opr_doc_put_str(d, "/involvedObject/uid", p->uid);
    if (e->container) {
        char field[300];
        snprintf(field, sizeof field, "spec.containers{%s}", e->container);
        opr_doc_put_str(d, "/involvedObject/fieldPath", field);
    }
    opr_doc_put_str(d, "/type", e->type);
    opr_doc_put_str(d, "/reason", e->reason);
    opr_doc_put_str(d, "/message", e->message);
    opr_doc_put_str(d, "/source/component", "operon-agent");
    opr_doc_put_str(d, "/source/host", p->agent->config.node_name);
    opr_doc_put_str(d, "/reportingComponent", "operon-agent");
    opr_doc_put_str(d, "/reportingInstance", p->agent->config.node_name);
    opr_doc_put_str(d, "/firstTimestamp", first);
    opr_doc_put_str(d, "/lastTimestamp", last);
    opr_doc_put_int(d, "/count", e->count);
    return d;
}

/* The event of the same text sent before, or a new entry with count 0. */
static struct opr__sent_event *remember(struct opr__pod *p, const struct opr__event *e)
{
    char *key = opr_xprintf("%s/%s/%s", e->container ? e->container : "", e->reason, e->message);
    for (size_t i = 0; i < p->sent_events.count; i++) {
        struct opr__sent_event *s = p->sent_events.items[i];
        if (strcmp(s->key, key) == 0) {
            opr_free(key);
            return s;
        }
    }
    if (p->sent_events.count >= EVENTS_MAX) {
        struct opr__sent_event *oldest = opr_vec_remove(&p->sent_events, 0);
        opr_free(oldest->key);
        opr_free(oldest->name);
        opr_free(oldest);
    }
    struct opr__sent_event *s = opr_xalloc(sizeof *s);
    s->key = key;
    s->name = opr_xprintf("%s.%016llx", p->name, (unsigned long long)opr_rand_u64());
    opr_vec_push(&p->sent_events, s);
    return s;
}

static opr_status post(struct opr__pod *p, struct opr_caller *k, const struct opr__event *e,
                       const struct opr__sent_event *s)
{
    struct opr_buf body = {0}, path = {0};
    opr_status st;
    opr_buf_printf(&path, "/api/v1/namespaces/%s/events", p->ns);
    if (s->count == 0) {
        struct json_object *d = event_doc(p, e, s->name);
        opr_doc_write(&body, d);
        json_object_put(d);
        st = opr_call(k, "POST", path.data, "application/json", opr_buf_str(&body), NULL, NULL);
    } else {
        char last[OPR_TIME_TEXT_MAX];
        opr_time_format(e->last_ms, last);
        opr_buf_printf(&path, "/%s", s->name);
        opr_buf_printf(&body, "{\"count\":%u,\"lastTimestamp\":\"%s\"}", s->count + e->count, last);
        st = opr_call(k, "PATCH", path.data, "application/merge-patch+json", opr_buf_str(&body),
                      NULL, NULL);
    }
    opr_buf_fini(&body);
    opr_buf_fini(&path);
    return st;
}

/* True: it is dealt with; false: it stays. */
static bool send(struct opr__pod *p, struct opr_caller *k, const struct opr__event *e)
{
    struct opr__sent_event *s = remember(p, e);
    uint64_t now = opr__now_ns(p->agent);
    bool is_early = s->count > 0 && now - s->sent_ns < REPEAT_MS * MS_NS;
    if (is_early || !opr__reach_may_ask(p->agent)) {
        return false;
    }
    opr_status st = post(p, k, e, s);
    if (st == OPR_E_NOT_FOUND && s->count > 0) { /* its time to live is over */
        s->count = 0;
        st = post(p, k, e, s);
    }
    opr__reach_told(p->agent, st);
    if (st == OPR_OK) {
        s->count += e->count;
        s->sent_ns = now;
    }
    return !opr__reach_is_failure(st);
}

void opr__events_send(struct opr__pod *p, struct opr_caller *k)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->events.count; i++) {
        struct opr__event *e = p->events.items[i];
        if (send(p, k, e)) {
            event_free(e);
        } else {
            p->events.items[kept++] = e;
        }
    }
    p->events.count = kept;
    if (kept > 0 && p->agent->reach_retry_ns) {
        opr__pod_wake(p, opr__reach_retry_ns(p->agent));
    }
}

void opr__events_free(struct opr__pod *p)
{
    for (size_t i = 0; i < p->events.count; i++) {
        event_free(p->events.items[i]);
    }
    opr_vec_fini(&p->events);
    for (size_t i = 0; i < p->sent_events.count; i++) {
        struct opr__sent_event *s = p->sent_events.items[i];
        opr_free(s->key);
        opr_free(s->name);
        opr_free(s);
    }
    opr_vec_fini(&p->sent_events);
}
