#include "agent/proxy_endpoints.h"

#include "agent/netlink.h"

#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct opr__endpoint *x = a, *y = b;
    int by_address = strcmp(x->address, y->address);
    return by_address ? by_address : x->port - y->port;
}

bool opr__endpoints_slice_is_of(const struct opr_obj *slice, const char *ns, const char *service)
{
    const char *owner = opr_meta_label(slice, "kubernetes.io/service-name");
    return owner && strcmp(owner, service) == 0 && strcmp(opr_meta_ns(slice), ns) == 0 &&
           strcmp(opr_json_str(slice, "/addressType", "IPv4"), "IPv4") == 0;
}

/* Port of a slice that carries the Service port's name and protocol; 0: none. */
static int slice_port(const struct opr_obj *slice, const struct opr_obj *port)
{
    const char *name = opr_json_str(port, "/name", "");
    const char *protocol = opr_json_str(port, "/protocol", "TCP");
    const struct opr_obj *ports = opr_json_at(slice, "/ports");
    for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
        if (strcmp(opr_json_str(p, "/name", ""), name) == 0 &&
            strcmp(opr_json_str(p, "/protocol", "TCP"), protocol) == 0) {
            return (int)opr_json_int(p, "/port", 0);
        }
    }
    return 0;
}

static bool is_ready(const struct opr_obj *endpoint)
{
    return opr_json_bool(endpoint, "/conditions/ready", true);
}

/* serving and terminating are false where they are absent together with ready = false. */
static bool is_last_resort(const struct opr_obj *endpoint)
{
    return opr_json_bool(endpoint, "/conditions/serving", false) &&
           opr_json_bool(endpoint, "/conditions/terminating", false);
}

static bool is_known(const struct opr_vec *list, const char *address, int port)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct opr__endpoint *e = list->items[i];
        if (e->port == port && strcmp(e->address, address) == 0) {
            return true;
        }
    }
    return false;
}

static void add_slice(const struct opr_obj *slice, int port,
                      bool (*is_wanted)(const struct opr_obj *), struct opr_arena *arena,
                      struct opr_vec *list)
{
    const struct opr_obj *endpoints = opr_json_at(slice, "/endpoints");
    for (const struct opr_obj *v = opr_json_first(endpoints); v; v = opr_json_next(v)) {
        uint32_t ip;
        const char *address = opr_json_str(v, "/addresses/0", "");
        if (is_wanted(v) && opr__ipv4_parse(address, &ip) && !is_known(list, address, port)) {
            struct opr__endpoint *e = opr_arena_alloc(arena, sizeof *e);
            *e = (struct opr__endpoint){address, opr_json_str(v, "/nodeName", ""), ip, port};
            opr_vec_push(list, e);
        }
    }
}

void opr__endpoints_find(const struct opr_obj *const *slices, size_t n_slices,
                         const struct opr_obj *service, const struct opr_obj *port,
                         struct opr_arena *arena, struct opr_vec *ret_list)
{
    bool (*const rounds[])(const struct opr_obj *) = {is_ready, is_last_resort};
    for (size_t round = 0; round < 2 && ret_list->count == 0; round++) {
        for (size_t i = 0; i < n_slices; i++) {
            int number =
                opr__endpoints_slice_is_of(slices[i], opr_meta_ns(service), opr_meta_name(service))
                    ? slice_port(slices[i], port)
                    : 0;
            if (number > 0) {
                add_slice(slices[i], number, rounds[round], arena, ret_list);
            }
        }
    }
    opr_vec_sort(ret_list, compare);
}
