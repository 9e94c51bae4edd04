/* Response latency of HTTP/1.1 servers, from the arrival of a request's first byte at the socket to
 * the first byte of its response, so that the time in the receive and accept queues counts. A
 * listener is tagged with the slot of the task that calls listen(); accepted sockets inherit the
 * tag. TLS: a record of application data opens a request, and no status is known. */
#include "bpf/slots.bpf.h"

#include "bpf/latency.h"

#include <bpf/bpf_endian.h>

#define TCP_ESTABLISHED 1
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT2 5
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define IP_PROTOCOL_TCP 6
#define ETHER_IPV4 0x0800
#define ETHER_IPV6 0x86dd
#define HEAD_BYTES 16

enum { PROTOCOL_UNKNOWN, PROTOCOL_HTTP1, PROTOCOL_TLS, PROTOCOL_IGNORED };

struct socket_seen {
    __u64 arrived_ns;
    __u32 slot;
    __u32 generation;
    __u8 protocol;
    __u8 is_open; /* a request waits for its response */
    __u8 is_server;
    __u8 padding[5];
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct socket_seen);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPR__BPF_MAX_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct opr__latency_totals);
} http SEC(".maps");

/* Connections that are no user's: by the cookie of the client's socket, which the agent enters
 * before it connects, and from then until it closes by addresses, which the server's side can see.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, OPR__LATENCY_EXCLUDED);
    __type(key, __u64);
    __type(value, struct opr__latency_pair);
} excluded SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, OPR__LATENCY_EXCLUDED);
    __type(key, struct opr__latency_pair);
    __type(value, __u8);
} excluded_pairs SEC(".maps");

/* A request that came with the last packet of the handshake: that packet is the listener's, and the
 * connection's socket is made from it before this CPU sees the next one. */
struct early_request {
    __u64 arrived_ns;
    __u32 ports; /* of the TCP header, both, as they lie there */
    __u8 protocol;
    __u8 is_open;
    __u8 padding[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct early_request);
} early SEC(".maps");

static __always_inline struct opr__latency_totals *totals_of(struct socket_seen *s)
{
    __u32 slot = s->slot;
    __u64 *generation = bpf_map_lookup_elem(&generations, &slot);
    if (!generation || *generation != s->generation) {
        count_loss(OPR__BPF_LOSS_STALE);
        s->protocol = PROTOCOL_IGNORED;
        return NULL;
    }
    return bpf_map_lookup_elem(&http, &slot);
}

/* 16 buckets of 1 us, then 8 to each power of two: 12.5 % wide, up to 268 s. */
static __always_inline __u64 bucket_of(__u64 us)
{
    if (us < 16) {
        return us;
    }
    if (us >= 1ull << 28) {
        return OPR__LATENCY_BUCKETS - 1;
    }
    __u32 v = us, log = 0;
    if (v >> 16) {
        v >>= 16;
        log += 16;
    }
    if (v >> 8) {
        v >>= 8;
        log += 8;
    }
    if (v >> 4) {
        v >>= 4;
        log += 4;
    }
    if (v >> 2) {
        v >>= 2;
        log += 2;
    }
    log += v >> 1;
    return (log - 3) * 8 + (__u32)(us >> (log - 3));
}

/* Where the TCP header starts; 0: no TCP. */
static __always_inline __u32 tcp_header_at(struct __sk_buff *skb)
{
    __u8 first = 0, protocol = 0;
    __u32 at = 40;
    if (skb->protocol == bpf_htons(ETHER_IPV4)) {
        if (bpf_skb_load_bytes(skb, 0, &first, 1) || bpf_skb_load_bytes(skb, 9, &protocol, 1)) {
            return 0;
        }
        at = (first & 15) * 4;
    } else if (skb->protocol != bpf_htons(ETHER_IPV6) || bpf_skb_load_bytes(skb, 6, &protocol, 1)) {
        return 0;
    }
    return protocol == IP_PROTOCOL_TCP ? at : 0;
}

/* The first bytes of a TCP segment's payload; returns how many, 0 where it has none. */
static __always_inline __u32 payload_head(struct __sk_buff *skb, __u8 head[HEAD_BYTES])
{
    __u32 at = tcp_header_at(skb);
    __u8 offset = 0;
    if (at == 0 || bpf_skb_load_bytes(skb, at + 12, &offset, 1)) {
        return 0;
    }
    at += (offset >> 4) * 4;
    if (skb->len <= at) {
        return 0;
    }
    if (skb->len - at >= HEAD_BYTES) {
        return bpf_skb_load_bytes(skb, at, head, HEAD_BYTES) ? 0 : HEAD_BYTES;
    }
    return bpf_skb_load_bytes(skb, at, head, 1) ? 0 : 1;
}

/* A method of RFC 9110 section 9, or PATCH (RFC 5789), at the start of a request line. */
static __always_inline int starts_request(const __u8 *h)
{
    switch (h[0]) {
    case 'G':
        return h[1] == 'E' && h[2] == 'T' && h[3] == ' ';
    case 'P':
        return (h[1] == 'O' && h[2] == 'S' && h[3] == 'T') ||
               (h[1] == 'U' && h[2] == 'T' && h[3] == ' ') ||
               (h[1] == 'A' && h[2] == 'T' && h[3] == 'C');
    case 'H':
        return h[1] == 'E' && h[2] == 'A' && h[3] == 'D';
    case 'D':
        return h[1] == 'E' && h[2] == 'L' && h[3] == 'E';
    case 'O':
        return h[1] == 'P' && h[2] == 'T' && h[3] == 'I';
    case 'C':
        return h[1] == 'O' && h[2] == 'N' && h[3] == 'N';
    case 'T':
        return h[1] == 'R' && h[2] == 'A' && h[3] == 'C';
    default:
        return 0;
    }
}

/* A TLS record header (RFC 8446 section 5.1): type, 3, minor. */
static __always_inline int starts_record(const __u8 *h)
{
    return h[0] >= 20 && h[0] <= 23 && h[1] == 3;
}

static __always_inline void classify(struct socket_seen *s, const __u8 *h, __u32 len)
{
    if (len < HEAD_BYTES) {
        return;
    }
    if (starts_request(h)) {
        s->protocol = PROTOCOL_HTTP1;
        s->is_server = 1;
    } else if (s->is_server && starts_record(h)) {
        s->protocol = PROTOCOL_TLS;
    } else {
        s->protocol = PROTOCOL_IGNORED;
    }
}

/* The shortest request has 18 bytes; with the 17 that TLS 1.3 adds a record of one is longer than
 * 32, which tells it from an encrypted alert (close_notify) of 19. */
static __always_inline int opens_request(const struct socket_seen *s, const __u8 *h)
{
    if (s->protocol == PROTOCOL_HTTP1) {
        return starts_request(h);
    }
    return starts_record(h) && h[0] == 23 && (h[3] != 0 || h[4] > 32);
}

static __always_inline struct bpf_sock *socket_of(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    return sk ? bpf_sk_fullsock(sk) : NULL;
}

static __always_inline void open_request(struct socket_seen *s, __u64 arrived_ns)
{
    struct opr__latency_totals *t = totals_of(s);
    if (t) {
        s->arrived_ns = arrived_ns;
        s->is_open = 1;
        __sync_fetch_and_add(&t->arrivals, 1);
        __sync_fetch_and_add(&t->inflight, 1);
    }
}

/* Until on_connected() has the connection's socket. Nothing of the listener's may change: each
 * connection is a copy of it. */
static __always_inline void keep_early(struct __sk_buff *skb, const struct socket_seen *listener)
{
    __u8 head[HEAD_BYTES] = {0};
    __u32 zero = 0, ports = 0, len = payload_head(skb, head);
    struct early_request *e = bpf_map_lookup_elem(&early, &zero);
    struct socket_seen s = {.is_server = listener->is_server};
    if (!e || len == 0 || bpf_skb_load_bytes(skb, tcp_header_at(skb), &ports, sizeof ports)) {
        return;
    }
    classify(&s, head, len);
    e->ports = ports;
    e->protocol = s.protocol;
    e->is_open =
        (s.protocol == PROTOCOL_HTTP1 || s.protocol == PROTOCOL_TLS) && opens_request(&s, head);
    e->arrived_ns = bpf_ktime_get_ns();
}

static __always_inline void take_early(struct sock *sk, struct socket_seen *s)
{
    __u32 zero = 0;
    struct early_request *e = bpf_map_lookup_elem(&early, &zero);
    __u32 ports = (__u32)bpf_htons(sk->__sk_common.skc_num) << 16 | sk->__sk_common.skc_dport;
    if (!e || e->ports != ports) {
        return;
    }
    e->ports = 0;
    s->protocol = e->protocol;
    if (e->is_open) {
        open_request(s, e->arrived_ns);
    }
}

static __always_inline void on_arrival(struct __sk_buff *skb)
{
    struct bpf_sock *sk = socket_of(skb);
    struct socket_seen *s = sk ? bpf_sk_storage_get(&sockets, sk, NULL, 0) : NULL;
    if (!s || s->is_open || s->protocol == PROTOCOL_IGNORED) {
        return;
    }
    if (sk->state == TCP_LISTEN) {
        keep_early(skb, s);
        return;
    }
    __u8 head[HEAD_BYTES] = {0};
    __u32 len = payload_head(skb, head);
    if (len == 0) {
        return;
    }
    if (s->protocol == PROTOCOL_UNKNOWN) {
        classify(s, head, len);
    }
    if (s->protocol != PROTOCOL_HTTP1 && s->protocol != PROTOCOL_TLS) {
        return;
    }
    if (opens_request(s, head)) {
        open_request(s, bpf_ktime_get_ns());
    }
}

/* First digit of the status of "HTTP/1.x NNN"; 0: no such line. */
static __always_inline __u32 status_class(const __u8 *h)
{
    if (h[0] != 'H' || h[1] != 'T' || h[2] != 'T' || h[3] != 'P' || h[8] != ' ' || h[9] < '1' ||
        h[9] > '5') {
        return 0;
    }
    return h[9] - '0';
}

static __always_inline void close_request(struct socket_seen *s, __u32 class)
{
    struct opr__latency_totals *t = totals_of(s);
    s->is_open = 0;
    if (!t) {
        return;
    }
    __u64 us = (bpf_ktime_get_ns() - s->arrived_ns) / 1000;
    __u64 bucket = bucket_of(us);
    barrier_var(bucket); /* the verifier must see the check and the use of one register */
    __sync_fetch_and_add(&t->completions, 1);
    __sync_fetch_and_add(&t->inflight, -1);
    __sync_fetch_and_add(&t->sum_us, us);
    if (class < 6) {
        __sync_fetch_and_add(&t->status[class], 1);
    }
    if (bucket < OPR__LATENCY_BUCKETS) {
        __sync_fetch_and_add(&t->latency[bucket], 1);
    }
}

static __always_inline void on_departure(struct __sk_buff *skb)
{
    struct bpf_sock *sk = socket_of(skb);
    struct socket_seen *s = sk ? bpf_sk_storage_get(&sockets, sk, NULL, 0) : NULL;
    if (!s || !s->is_open) {
        return;
    }
    __u8 head[HEAD_BYTES] = {0};
    if (payload_head(skb, head) == 0) {
        return;
    }
    __u32 class = s->protocol == PROTOCOL_HTTP1 ? status_class(head) : 0;
    if (class == 1 && !(head[10] == '0' && head[11] == '1')) {
        return; /* 100 Continue: the response is still to come */
    }
    close_request(s, class);
    if (class == 1) {
        s->protocol = PROTOCOL_IGNORED; /* 101: another protocol follows */
    }
}

/* These two have one way out: any other return value than 1 would drop the packet. */
SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
    on_arrival(skb);
    return 1;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
    on_departure(skb);
    return 1;
}

static __always_inline void tag(struct sock *sk, struct opr__bpf_ref *ref, int is_server)
{
    struct socket_seen *s = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    if (!s) {
        count_loss(OPR__BPF_LOSS_SOCKET);
        return;
    }
    if (s->slot != ref->slot || s->generation != ref->generation) {
        s->slot = ref->slot;
        s->generation = ref->generation;
        s->protocol = PROTOCOL_UNKNOWN;
        s->is_open = 0;
        s->is_server = is_server;
    }
}

/* A request whose connection has ended has no response to wait for. Not before all that the server
 * sent has arrived, or will not: a response may wait in its queue when it closes, and leave with
 * the FIN. */
static __always_inline void abandon(struct sock *sk)
{
    struct socket_seen *s = bpf_sk_storage_get(&sockets, sk, NULL, 0);
    if (!s || !s->is_open) {
        return;
    }
    s->is_open = 0;
    struct opr__latency_totals *t = totals_of(s);
    if (t) {
        __sync_fetch_and_add(&t->inflight, -1);
    }
}

/* Addresses of a connection, from its client to its server. */
static __always_inline void pair_of(struct sock *sk, int is_server, struct opr__latency_pair *p)
{
    __u32 here = sk->__sk_common.skc_rcv_saddr, there = sk->__sk_common.skc_daddr;
    __u16 port_here = sk->__sk_common.skc_num;
    __u16 port_there = bpf_ntohs(sk->__sk_common.skc_dport);
    *p = (struct opr__latency_pair){
        .from = is_server ? there : here,
        .to = is_server ? here : there,
        .from_port = is_server ? port_there : port_here,
        .to_port = is_server ? port_here : port_there,
    };
    if (bpf_ntohl(p->to) >> 24 == 127) { /* each namespace has a loopback of its own */
        p->net = sk->__sk_common.skc_net.net->net_cookie;
    }
}

/* The client's socket is connected before the server's: both follow one packet after the other. */
static __always_inline void on_connected(struct sock *sk, int is_server)
{
    struct opr__latency_pair p;
    __u8 one = 1;
    __u64 cookie = is_server ? 0 : bpf_get_socket_cookie(sk);
    struct socket_seen *s = is_server ? bpf_sk_storage_get(&sockets, sk, NULL, 0) : NULL;
    if (!s && !(cookie && bpf_map_lookup_elem(&excluded, &cookie))) {
        return;
    }
    pair_of(sk, is_server, &p);
    if (!s) {
        bpf_map_update_elem(&excluded, &cookie, &p, BPF_ANY);
        bpf_map_update_elem(&excluded_pairs, &p, &one, BPF_ANY);
    } else if (bpf_map_lookup_elem(&excluded_pairs, &p)) {
        s->protocol = PROTOCOL_IGNORED;
    } else {
        take_early(sk, s);
    }
}

static __always_inline void forget_excluded(struct sock *sk)
{
    __u64 cookie = bpf_get_socket_cookie(sk);
    struct opr__latency_pair *p = bpf_map_lookup_elem(&excluded, &cookie);
    if (p) {
        bpf_map_delete_elem(&excluded_pairs, p); /* a closed socket has lost its own port */
        bpf_map_delete_elem(&excluded, &cookie);
    }
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old_state, int new_state)
{
    if (new_state == TCP_LISTEN) {
        struct opr__bpf_ref *ref = ref_of(bpf_get_current_task_btf());
        if (ref) {
            tag(sk, ref, 1);
        }
    } else if (new_state == TCP_ESTABLISHED) {
        on_connected(sk, old_state == TCP_SYN_RECV);
    } else if (new_state == TCP_CLOSE) {
        abandon(sk);
        forget_excluded(sk);
    } else if (new_state == TCP_FIN_WAIT2 || new_state == TCP_TIME_WAIT) {
        abandon(sk);
    }
    return 0;
}

/* Tags the sockets that were there before the probe, or before the slot. */
SEC("iter/task_file")
int tag_existing(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    if (!task || !file) {
        return 0;
    }
    struct socket *socket = bpf_sock_from_file(file);
    if (!socket) {
        return 0;
    }
    struct sock *sk = socket->sk;
    if (!sk || sk->sk_protocol != IP_PROTOCOL_TCP) {
        return 0;
    }
    int state = sk->__sk_common.skc_state;
    if (state != TCP_LISTEN && state != TCP_ESTABLISHED) {
        return 0;
    }
    struct opr__bpf_ref *ref = ref_of(task);
    if (ref) {
        tag(sk, ref, state == TCP_LISTEN);
    }
    return 0;
}

char license_text[] SEC("license") = "Dual BSD/GPL";
