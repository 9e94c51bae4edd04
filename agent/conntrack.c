#include "agent/conntrack.h"

#include "core/base/alloc.h"
#include "core/base/vec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>

struct tuple {
    uint32_t src, dst;
    uint16_t src_port, dst_port;
    uint8_t protocol;
};

/* The kernel's own words for one direction, to name the flow by. */
struct name {
    int len;
    char data[];
};

struct prune {
    bool (*is_stale)(void *arg, const struct opr__flow *flow);
    void *arg;
    struct opr_vec stale; /* of struct name, owned */
};

static bool read_tuple(struct nlattr *attr, struct tuple *ret_tuple)
{
    struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
    if (!attr || nla_parse_nested(parts, CTA_TUPLE_MAX, attr, NULL) != 0 || !parts[CTA_TUPLE_IP] ||
        !parts[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP], NULL) ||
        nla_parse_nested(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], NULL) ||
        !ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST] || !proto[CTA_PROTO_NUM] ||
        !proto[CTA_PROTO_SRC_PORT] || !proto[CTA_PROTO_DST_PORT]) {
        return false;
    }
    *ret_tuple = (struct tuple){
        .src = ntohl(nla_get_u32(ip[CTA_IP_V4_SRC])),
        .dst = ntohl(nla_get_u32(ip[CTA_IP_V4_DST])),
        .src_port = ntohs(nla_get_u16(proto[CTA_PROTO_SRC_PORT])),
        .dst_port = ntohs(nla_get_u16(proto[CTA_PROTO_DST_PORT])),
        .protocol = nla_get_u8(proto[CTA_PROTO_NUM]),
    };
    return true;
}

static int on_entry(struct nl_msg *msg, void *arg)
{
    struct prune *p = arg;
    struct nlattr *all[CTA_MAX + 1];
    struct tuple to, back;
    if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), all, CTA_MAX, NULL) != 0 ||
        !read_tuple(all[CTA_TUPLE_ORIG], &to) || !read_tuple(all[CTA_TUPLE_REPLY], &back) ||
        to.protocol != IPPROTO_UDP) {
        return NL_OK;
    }
    struct opr__flow flow = {to.dst, back.src, to.dst_port, back.src_port};
    if (p->is_stale(p->arg, &flow)) {
        int len = nla_len(all[CTA_TUPLE_ORIG]);
        struct name *n = opr_xalloc(sizeof *n + (size_t)len);
        n->len = len;
        memcpy(n->data, nla_data(all[CTA_TUPLE_ORIG]), (size_t)len);
        opr_vec_push(&p->stale, n);
    }
    return NL_OK;
}

static struct nl_msg *message(int type, int flags)
{
    struct nfgenmsg head = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
    struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);
    OPR_CHECK(msg && nlmsg_append(msg, &head, sizeof head, NLMSG_ALIGNTO) == 0);
    return msg;
}

/* 0, or libnl's negative code. */
static int end_flow(struct nl_sock *sk, const struct name *n)
{
    struct nl_msg *msg = message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
    int code = nla_put(msg, CTA_TUPLE_ORIG | NLA_F_NESTED, n->len, n->data);
    if (code != 0) {
        nlmsg_free(msg);
        return code;
    }
    code = nl_send_sync(sk, msg); /* frees it */
    return code == -NLE_OBJ_NOTFOUND ? 0 : code;
}

opr_status opr__conntrack_prune(bool (*is_stale)(void *arg, const struct opr__flow *flow),
                                void *arg, size_t *ret_count, struct opr_error *reterr)
{
    struct prune p = {.is_stale = is_stale, .arg = arg};
    struct nl_sock *sk = nl_socket_alloc();
    OPR_CHECK(sk);
    int code = nl_connect(sk, NETLINK_NETFILTER);
    if (code == 0) {
        nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_entry, &p);
        struct nl_msg *msg = message(IPCTNL_MSG_CT_GET, NLM_F_DUMP);
        code = nl_send_auto(sk, msg);
        nlmsg_free(msg);
        code = code < 0 ? code : nl_recvmsgs_default(sk);
    }
    *ret_count = p.stale.count;
    for (size_t i = 0; i < p.stale.count; i++) {
        code = code < 0 ? code : end_flow(sk, p.stale.items[i]);
        opr_free(p.stale.items[i]);
    }
    opr_vec_fini(&p.stale);
    nl_socket_free(sk);
    return code < 0 ? opr_error_set(reterr, OPR_E_IO, "connection tracking: %s", nl_geterror(code))
                    : OPR_OK;
}
