/* Events about Pods, best effort: a repeated one raises the count of the first. */
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

enum { EVENTS_MAX = 32 }; /* of one sync, and remembered of one Pod */

static void event_free(struct opr__event *e)
{
    opr_free(e->container);
    opr_free(e->message);
    opr_free(e);
}

void opr__event_add(struct opr__pod *p, const char *container, const char *type, const char *reason,
                    const char *fmt, ...)
{
    if (p->events.count >= EVENTS_MAX) {
        return;
    }
    struct opr__event *e = opr_xalloc(sizeof *e);
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    e->container = container ? opr_xstrdup(container) : NULL;
    e->type = type;
    e->reason = reason;
    e->message = opr_xstrdup(text);
    opr_vec_push(&p->events, e);
}

static struct json_object *event_doc(const struct opr__pod *p, const struct opr__event *e,
                                     const char *name, const char *now)
{
    struct json_object *d = json_object_new_object();
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
    opr_doc_put_str(d, "/firstTimestamp", now);
    opr_doc_put_str(d, "/lastTimestamp", now);
    opr_doc_put_int(d, "/count", 1);
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

static void send(struct opr__pod *p, struct opr_caller *k, const struct opr__event *e)
{
    struct opr__sent_event *s = remember(p, e);
    struct opr_buf body = {0}, path = {0};
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format(opr_clock_wall_ms(p->agent->clock), now);
    opr_status st;
    opr_buf_printf(&path, "/api/v1/namespaces/%s/events", p->ns);
    if (s->count == 0) {
        struct json_object *d = event_doc(p, e, s->name, now);
        opr_doc_write(&body, d);
        json_object_put(d);
        st = opr_call(k, "POST", path.data, "application/json", opr_buf_str(&body), NULL, NULL);
    } else {
        opr_buf_printf(&path, "/%s", s->name);
        opr_buf_printf(&body, "{\"count\":%u,\"lastTimestamp\":\"%s\"}", s->count + 1, now);
        st = opr_call(k, "PATCH", path.data, "application/merge-patch+json", opr_buf_str(&body),
                      NULL, NULL);
    }
    s->count += st == OPR_OK;
    opr_buf_fini(&body);
    opr_buf_fini(&path);
}

void opr__events_send(struct opr__pod *p, struct opr_caller *k)
{
    for (size_t i = 0; i < p->events.count; i++) {
        struct opr__event *e = p->events.items[i];
        send(p, k, e);
        event_free(e);
    }
    p->events.count = 0;
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
