#include "agent/dns.h"

#include "agent/dns_message.h"
#include "agent/net.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
enum { PORT = 53, QUERY_MAX = 1024, ROUND = 64 };

struct opr__dns {
    struct opr_agent *agent;
    struct opr_io *io;
    int fd;
};

static size_t answer(struct opr__dns *d, const uint8_t *query, size_t len,
                     uint8_t ret_answer[OPR__DNS_SIZE_MAX])
{
    struct opr_agent *a = d->agent;
    struct opr__dns_question q;
    struct opr__dns_view v = {0};
    if (!opr__dns_parse(query, len, &q)) {
        return 0;
    }
    struct opr_arena *arena = opr_arena_new();
    struct opr_obj *service = NULL;
    const struct opr_obj *const *in_ns = NULL;
    uint32_t n_in_ns = 0, n_slices = 0;
    if (q.code == 0 && q.ns &&
        opr_informer_list(a->services_informer, arena, q.ns, NULL, NULL, &in_ns, &n_in_ns) ==
            OPR_OK) {
        v.has_namespace = n_in_ns > 0;
    }
    if (q.code == 0 && q.service) {
        v.service = service = opr_informer_get(a->services_informer, q.ns, q.service);
        if (opr_informer_list(a->slices_informer, arena, q.ns, NULL, NULL, &v.slices, &n_slices) ==
            OPR_OK) {
            v.n_slices = n_slices;
        }
    }
    size_t n = opr__dns_answer(query, &q, &v, ret_answer);
    opr_json_unref(service);
    opr_arena_free(arena);
    return n;
}

static void on_query(void *arg, int events)
{
    struct opr__dns *d = arg;
    (void)events;
    for (int i = 0; i < ROUND; i++) {
        uint8_t query[QUERY_MAX], reply[OPR__DNS_SIZE_MAX];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t len = recvfrom(d->fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_len);
        if (len < 0) {
            return;
        }
        size_t n = answer(d, query, (size_t)len, reply);
        if (n > 0) { /* one that is lost is asked for again */
            (void)!sendto(d->fd, reply, n, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
        }
    }
}

struct opr__dns *opr__dns_start(struct opr_agent *a)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (!a->net) {
        return NULL;
    }
    at.sin_addr.s_addr = htonl(opr__net_gateway(a->net));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        opr_log(OPR_LOG_WARN, "dns", "names of Services are not known to Pods", "error=\"%s\"",
                strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    struct opr__dns *d = opr_xalloc(sizeof *d);
    d->agent = a;
    d->fd = fd;
    d->io = opr_io_new(a->loop, fd, OPR_IO_READ, on_query, d);
    return d;
}

void opr__dns_stop(struct opr__dns *d)
{
    if (d) {
        opr_io_free(d->io);
        close(d->fd);
        opr_free(d);
    }
}

/* -- what Pods are told -- */

static void add_list(struct opr_buf *b, const char *word, const struct opr_obj *list)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        opr_buf_printf(b, "%s%s", word, opr_json_str(v, "", ""));
        opr_buf_add_text(b, word[0] == ' ' ? "" : "\n");
    }
}

/* Options of the Pod replace ours of the same name. */
static void add_options(struct opr_buf *b, bool is_cluster, const struct opr_obj *list)
{
    struct opr_buf text = {0};
    bool has_ndots = false;
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const char *name = opr_json_str(v, "/name", ""), *value = opr_json_str(v, "/value", NULL);
        has_ndots = has_ndots || strcmp(name, "ndots") == 0;
        opr_buf_printf(&text, " %s%s%s", name, value ? ":" : "", value ? value : "");
    }
    bool is_added = is_cluster && !has_ndots;
    if (is_added || text.len > 0) {
        opr_buf_printf(b, "options%s%s\n", is_added ? " ndots:5" : "", text.len ? text.data : "");
    }
    opr_buf_fini(&text);
}

bool opr__dns_resolv_conf(const struct opr__pod *p, struct opr_buf *b)
{
    const char *policy = opr_json_str(p->work, "/spec/dnsPolicy", "ClusterFirst");
    const struct opr_obj *config = opr_json_at(p->work, "/spec/dnsConfig");
    bool is_none = strcmp(policy, "None") == 0;
    bool is_cluster = p->agent->dns && (strcmp(policy, "ClusterFirstWithHostNet") == 0 ||
                                        (strcmp(policy, "ClusterFirst") == 0 &&
                                         !opr_json_bool(p->work, "/spec/hostNetwork", false)));
    if (!is_cluster && !is_none) {
        return false;
    }
    if (is_cluster) {
        char gateway[OPR__IPV4_TEXT_MAX];
        opr__ipv4_format(opr__net_gateway(p->agent->net), gateway);
        opr_buf_printf(b, "nameserver %s\n", gateway);
    }
    add_list(b, "nameserver ", opr_json_at(config, "/nameservers"));
    const struct opr_obj *searches = opr_json_at(config, "/searches");
    if (is_cluster || opr_json_first(searches)) {
        opr_buf_add_text(b, "search");
        if (is_cluster) {
            opr_buf_printf(
                b, " %s.svc." OPR__DNS_DOMAIN " svc." OPR__DNS_DOMAIN " " OPR__DNS_DOMAIN, p->ns);
        }
        add_list(b, " ", searches);
        opr_buf_add_char(b, '\n');
    }
    add_options(b, is_cluster, opr_json_at(config, "/options"));
    return true;
}

opr_status opr__dns_mount(struct opr__pod *p, struct opr_arena *arena, struct opr_vec *mounts,
                          struct opr_error *reterr)
{
    struct opr_buf text = {0};
    if (!p->agent->has_namespaces || !opr__dns_resolv_conf(p, &text)) {
        return OPR_OK;
    }
    char *path = opr_arena_printf(arena, "%s/resolv.conf", p->dir);
    opr_status st = opr_fs_write(path, opr_buf_str(&text), 0644, reterr);
    bool is_own = false;
    for (size_t i = 0; i < mounts->count; i++) {
        is_own =
            is_own || strcmp(((struct opr__run_mount *)mounts->items[i])->dst, RESOLV_CONF) == 0;
    }
    if (st == OPR_OK && !is_own) {
        struct opr__run_mount *m = opr_arena_alloc(arena, sizeof *m);
        *m = (struct opr__run_mount){path, opr_arena_dup(arena, OPR_STR(RESOLV_CONF)), false};
        opr_vec_push(mounts, m);
    }
    opr_buf_fini(&text);
    return st;
}
