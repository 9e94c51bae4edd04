#include "agent/dns_message.h"

#include "agent/netlink.h"
#include "agent/proxy_endpoints.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_SRV = 33, TYPE_OPT = 41, TYPE_ANY = 255 };
enum { CLASS_IN = 1, HEADER = 12, TTL_S = 5, PLAIN_SIZE_MAX = 512, LABEL_MAX = 63 };
enum { CODE_FORMAT = 1, CODE_NO_NAME = 3, CODE_NOT_IMPLEMENTED = 4, CODE_REFUSED = 5 };
#define FLAG_RESPONSE 0x8000u
#define FLAG_AUTHORITATIVE 0x0400u
#define FLAG_RECURSION_WANTED 0x0100u

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* -- the question -- */

/* The name at offset 12 into q->name; returns the offset after it, 0 where it is broken. */
static size_t read_name(const uint8_t *query, size_t len, struct opr__dns_question *q)
{
    size_t at = HEADER, used = 0;
    while (at < len && query[at] != 0) {
        size_t label = query[at++];
        if (label > LABEL_MAX || at + label > len || used + label + 1 >= sizeof q->name ||
            q->n_labels == OPR__DNS_LABELS_MAX) {
            return 0;
        }
        q->labels[q->n_labels++] = q->name + used;
        for (size_t i = 0; i < label; i++) {
            if (query[at + i] == 0) {
                return 0;
            }
            q->name[used++] = (char)tolower(query[at + i]);
        }
        q->name[used++] = 0;
        at += label;
    }
    return at < len ? at + 1 : 0;
}

/* The asker's limit, out of an OPT record (RFC 6891) that directly follows the question. */
static size_t answer_limit(const uint8_t *query, size_t len, size_t at)
{
    if (get16(query + 10) == 0 || at + 11 > len || query[at] != 0 ||
        get16(query + at + 1) != TYPE_OPT) {
        return PLAIN_SIZE_MAX;
    }
    size_t size = get16(query + at + 3);
    size = size < PLAIN_SIZE_MAX ? PLAIN_SIZE_MAX : size;
    return size < OPR__DNS_SIZE_MAX ? size : OPR__DNS_SIZE_MAX;
}

static bool ends_with(const struct opr__dns_question *q, size_t from_end, const char *label)
{
    return q->n_labels >= from_end && strcmp(q->labels[q->n_labels - from_end], label) == 0;
}

/* [[endpoint.|_port._protocol.]service.]namespace.svc, address.namespace.pod */
static void find_subject(struct opr__dns_question *q)
{
    q->is_ours = ends_with(q, 1, "local") && ends_with(q, 2, "cluster");
    if (!q->is_ours) {
        return;
    }
    q->n_labels -= 2;
    if (q->n_labels >= 2) {
        q->ns = q->labels[q->n_labels - 2];
    }
    if (q->n_labels >= 3 && ends_with(q, 1, "svc")) {
        q->service = q->labels[q->n_labels - 3];
    }
}

bool opr__dns_parse(const uint8_t *query, size_t len, struct opr__dns_question *q)
{
    *q = (struct opr__dns_question){.size_max = PLAIN_SIZE_MAX};
    if (len < HEADER || (get16(query + 2) & FLAG_RESPONSE)) {
        return false;
    }
    q->id = get16(query);
    q->flags = get16(query + 2);
    q->end = HEADER;
    if (q->flags >> 11 & 15) {
        q->code = CODE_NOT_IMPLEMENTED;
        return true;
    }
    size_t at = get16(query + 4) == 1 ? read_name(query, len, q) : 0;
    if (at == 0 || at + 4 > len) {
        q->code = CODE_FORMAT;
        return true;
    }
    q->type = get16(query + at);
    bool is_internet = get16(query + at + 2) == CLASS_IN;
    q->end = at + 4;
    q->size_max = answer_limit(query, len, q->end);
    find_subject(q);
    if (!is_internet || !q->is_ours) {
        q->code = CODE_REFUSED; /* nobody is asked in turn */
    }
    return true;
}

/* -- the answer -- */

struct writer {
    uint8_t *data;
    size_t len, limit;
    uint16_t answers;
};

static void put16(struct writer *w, unsigned v)
{
    w->data[w->len++] = (uint8_t)(v >> 8);
    w->data[w->len++] = (uint8_t)v;
}

static void put32(struct writer *w, uint32_t v)
{
    put16(w, v >> 16);
    put16(w, v & 0xffff);
}

/* A dotted name as labels; without an end where tail is that of another name, by its offset. */
static void put_name(struct writer *w, const char *name)
{
    struct opr_str rest = opr_str_of(name), label;
    while (opr_str_next(&rest, '.', &label)) {
        w->data[w->len++] = (uint8_t)label.len;
        memcpy(w->data + w->len, label.ptr, label.len);
        w->len += label.len;
    }
    w->data[w->len++] = 0;
}

/* Owner (the question's name), type, class, TTL; false: the record does not fit. */
static bool begin_record(struct writer *w, uint16_t type, size_t data_len)
{
    if (w->len + 12 + data_len > w->limit) {
        return false;
    }
    put16(w, 0xc000 | HEADER);
    put16(w, type);
    put16(w, CLASS_IN);
    put32(w, TTL_S);
    put16(w, (unsigned)data_len);
    return true;
}

static void add_address(struct writer *w, uint32_t ip)
{
    if (begin_record(w, TYPE_A, 4)) {
        put32(w, ip);
        w->answers++;
    }
}

static bool is_name(const char *name)
{
    struct opr_str rest = opr_str_of(name), label;
    size_t len = strlen(name);
    bool is_ok = len > 0 && len < OPR__DNS_NAME_MAX - 1;
    while (is_ok && opr_str_next(&rest, '.', &label)) {
        is_ok = label.len > 0 && label.len <= LABEL_MAX;
    }
    return is_ok;
}

static void add_alias(struct writer *w, const char *name)
{
    if (is_name(name) && begin_record(w, TYPE_CNAME, strlen(name) + 2)) {
        put_name(w, name);
        w->answers++;
    }
}

static void add_server(struct writer *w, int port, const char *name)
{
    if (is_name(name) && begin_record(w, TYPE_SRV, 6 + strlen(name) + 2)) {
        put16(w, 0);
        put16(w, 100);
        put16(w, (unsigned)port);
        put_name(w, name);
        w->answers++;
    }
}

/* "10.1.2.3" to "10-1-2-3": the name of an endpoint that has no other. */
static void dashed(const char *address, char ret_label[OPR__IPV4_TEXT_MAX])
{
    snprintf(ret_label, OPR__IPV4_TEXT_MAX, "%s", address);
    for (char *c = ret_label; *c; c++) {
        *c = *c == '.' ? '-' : *c;
    }
}

struct host {
    const char *address, *label; /* label: hostname or dashed address */
    uint32_t ip;
    char text[OPR__IPV4_TEXT_MAX];
};

static bool is_known(const struct opr_vec *list, const char *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(((const struct host *)list->items[i])->address, address) == 0) {
            return true;
        }
    }
    return false;
}

/* Ready endpoints, each once; label NULL: all. */
static void find_hosts(const struct opr__dns_question *q, const struct opr__dns_view *v,
                       const char *label, struct opr_arena *arena, struct opr_vec *ret_hosts)
{
    for (size_t i = 0; i < v->n_slices; i++) {
        const struct opr_obj *list = opr_json_at(v->slices[i], "/endpoints");
        if (!opr__endpoints_slice_is_of(v->slices[i], q->ns, q->service)) {
            continue;
        }
        for (const struct opr_obj *e = opr_json_first(list); e; e = opr_json_next(e)) {
            struct host h = {.address = opr_json_str(e, "/addresses/0", "")};
            if (!opr_json_bool(e, "/conditions/ready", true) ||
                !opr__ipv4_parse(h.address, &h.ip) || is_known(ret_hosts, h.address)) {
                continue;
            }
            struct host *kept = opr_arena_alloc(arena, sizeof *kept);
            dashed(h.address, h.text);
            *kept = h;
            kept->label = opr_json_str(e, "/hostname", kept->text);
            if (!label || strcmp(label, kept->label) == 0 || strcmp(label, kept->text) == 0) {
                opr_vec_push(ret_hosts, kept);
            }
        }
    }
}

static bool is_headless(const struct opr_obj *service)
{
    return strcmp(opr_json_str(service, "/spec/clusterIP", ""), "None") == 0;
}

/* Answers are names that exist though they may have no record of the asked type. */
static bool answer_hosts(struct writer *w, const struct opr__dns_question *q,
                         const struct opr__dns_view *v, const char *label)
{
    struct opr_arena *arena = opr_arena_new();
    struct opr_vec hosts = {0};
    find_hosts(q, v, label, arena, &hosts);
    for (size_t i = 0; i < hosts.count && (q->type == TYPE_A || q->type == TYPE_ANY); i++) {
        const struct host *h = hosts.items[(i + q->id) % hosts.count];
        add_address(w, h->ip);
    }
    bool exists = hosts.count > 0;
    opr_vec_fini(&hosts);
    opr_arena_free(arena);
    return exists;
}

/* One SRV record a ready endpoint of a headless Service, else one for the Service. The port of
 * endpoints is the slice's. */
static bool answer_servers(struct writer *w, const struct opr__dns_question *q,
                           const struct opr__dns_view *v, const char *port, const char *protocol)
{
    bool exists = false, is_wanted = q->type == TYPE_SRV || q->type == TYPE_ANY;
    char name[OPR__DNS_NAME_MAX * 2];
    const struct opr_obj *list = opr_json_at(v->service, "/spec/ports");
    for (const struct opr_obj *p = opr_json_first(list); p; p = opr_json_next(p)) {
        if (strcmp(opr_json_str(p, "/name", ""), port) != 0 ||
            strcasecmp(opr_json_str(p, "/protocol", "TCP"), protocol) != 0) {
            continue;
        }
        if (!is_headless(v->service)) {
            exists = true;
            snprintf(name, sizeof name, "%s.%s.svc." OPR__DNS_DOMAIN, q->service, q->ns);
            if (is_wanted) {
                add_server(w, (int)opr_json_int(p, "/port", 0), name);
            }
            continue;
        }
        struct opr_arena *arena = opr_arena_new();
        struct opr_vec endpoints = {0}, hosts = {0};
        opr__endpoints_find(v->slices, v->n_slices, v->service, p, arena, &endpoints);
        for (size_t i = 0; i < endpoints.count; i++) {
            const struct opr__endpoint *e = endpoints.items[(i + q->id) % endpoints.count];
            char label[OPR__IPV4_TEXT_MAX];
            dashed(e->address, label);
            hosts.count = 0;
            find_hosts(q, v, label, arena, &hosts);
            if (hosts.count == 0) {
                continue;
            }
            exists = true;
            const struct host *h = hosts.items[0];
            snprintf(name, sizeof name, "%s.%s.%s.svc." OPR__DNS_DOMAIN, h->label, q->service,
                     q->ns);
            if (is_wanted) {
                add_server(w, e->port, name);
            }
        }
        opr_vec_fini(&endpoints);
        opr_vec_fini(&hosts);
        opr_arena_free(arena);
    }
    return exists;
}

static bool answer_service(struct writer *w, const struct opr__dns_question *q,
                           const struct opr__dns_view *v)
{
    uint32_t ip;
    const char *alias = opr_json_str(v->service, "/spec/externalName", "");
    if (*alias && strcmp(opr_json_str(v->service, "/spec/type", ""), "ExternalName") == 0) {
        add_alias(w, alias);
        return true;
    }
    if (is_headless(v->service)) {
        return answer_hosts(w, q, v, NULL);
    }
    if ((q->type == TYPE_A || q->type == TYPE_ANY) &&
        opr__ipv4_parse(opr_json_str(v->service, "/spec/clusterIP", ""), &ip)) {
        add_address(w, ip);
    }
    return true;
}

/* 10-1-2-3.namespace.pod */
static bool answer_pod(struct writer *w, const struct opr__dns_question *q)
{
    char address[OPR__IPV4_TEXT_MAX];
    uint32_t ip;
    snprintf(address, sizeof address, "%s", q->labels[0]);
    for (char *c = address; *c; c++) {
        *c = *c == '-' ? '.' : *c;
    }
    if (!opr__ipv4_parse(address, &ip)) {
        return false;
    }
    if (q->type == TYPE_A || q->type == TYPE_ANY) {
        add_address(w, ip);
    }
    return true;
}

/* Whether the name exists. */
static bool answer_name(struct writer *w, const struct opr__dns_question *q,
                        const struct opr__dns_view *v)
{
    if (q->n_labels == 0) {
        return true; /* the domain */
    }
    bool is_svc = ends_with(q, 1, "svc"), is_pod = ends_with(q, 1, "pod");
    if (q->n_labels <= 2) {
        return (is_svc || is_pod) && (q->n_labels == 1 || v->has_namespace);
    }
    if (is_pod) {
        return q->n_labels == 3 && v->has_namespace && answer_pod(w, q);
    }
    if (!is_svc || !v->service) {
        return false;
    }
    if (q->n_labels == 3) {
        return answer_service(w, q, v);
    }
    if (q->n_labels == 4) {
        return is_headless(v->service) && answer_hosts(w, q, v, q->labels[0]);
    }
    return q->n_labels == 5 && q->labels[0][0] == '_' && q->labels[1][0] == '_' &&
           answer_servers(w, q, v, q->labels[0] + 1, q->labels[1] + 1);
}

/* Who says that there is nothing, and for how long that may be believed (RFC 2308). */
static uint16_t add_authority(struct writer *w)
{
    static const char server[] = "ns.dns." OPR__DNS_DOMAIN, contact[] = "root." OPR__DNS_DOMAIN;
    size_t names = sizeof server + 1 + sizeof contact + 1, owner = sizeof OPR__DNS_DOMAIN + 1;
    if (w->len + owner + 10 + names + 20 > w->limit) {
        return 0;
    }
    put_name(w, OPR__DNS_DOMAIN);
    put16(w, TYPE_SOA);
    put16(w, CLASS_IN);
    put32(w, TTL_S);
    put16(w, (unsigned)names + 20);
    put_name(w, server);
    put_name(w, contact);
    for (uint32_t i = 0; i < 5; i++) {
        put32(w, i == 0 ? 1 : TTL_S); /* serial, then four times */
    }
    return 1;
}

size_t opr__dns_answer(const uint8_t *query, const struct opr__dns_question *q,
                       const struct opr__dns_view *v, uint8_t ret_answer[OPR__DNS_SIZE_MAX])
{
    struct writer w = {.data = ret_answer, .limit = q->size_max};
    int code = q->code;
    uint16_t authorities = 0;
    memcpy(ret_answer, query, q->end);
    w.len = q->end;
    if (code == 0) {
        code = answer_name(&w, q, v) ? 0 : CODE_NO_NAME;
        authorities = w.answers == 0 ? add_authority(&w) : 0;
    }
    struct writer head = {.data = ret_answer};
    put16(&head, q->id);
    put16(&head, FLAG_RESPONSE | (q->flags & 0x7800u) | (q->is_ours ? FLAG_AUTHORITATIVE : 0) |
                     (q->flags & FLAG_RECURSION_WANTED) | (unsigned)code);
    put16(&head, q->end > HEADER ? 1 : 0);
    put16(&head, w.answers);
    put16(&head, authorities);
    put16(&head, 0);
    return w.len;
}
