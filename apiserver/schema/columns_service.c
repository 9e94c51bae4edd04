#include "apiserver/schema/columns.h"

#include "core/base/str.h"
#include "core/base/vec.h"

#include <stdio.h>

static void cell_external_ip(struct json_object *cells, const struct opr_obj *o)
{
    const char *type = opr_json_str(o, "/spec/type", "");
    struct opr_buf b = {0};
    if (strcmp(type, "ExternalName") == 0) {
        opr__cell_text(cells, opr_json_str(o, "/spec/externalName", ""));
        return;
    }
    bool is_balancer = strcmp(type, "LoadBalancer") == 0;
    if (is_balancer) {
        OPR__EACH(ingress, opr_json_at(o, "/status/loadBalancer/ingress"))
        {
            const char *ip = opr_json_str(ingress, "/ip", "");
            opr__add_joined(&b, ",", *ip ? ip : opr_json_str(ingress, "/hostname", ""));
        }
    }
    OPR__EACH(ip, opr_json_at(o, "/spec/externalIPs"))
    {
        opr__add_joined(&b, ",", opr_json_str(ip, "", ""));
    }
    opr__cell_or(cells, &b, is_balancer ? "<pending>" : "<none>");
}

static void cell_ports(struct json_object *cells, const struct opr_obj *ports)
{
    struct opr_buf b = {0};
    OPR__EACH(p, ports)
    {
        opr_buf_printf(&b, "%s%lld", b.len ? "," : "", (long long)opr_json_int(p, "/port", 0));
        if (opr_json_int(p, "/nodePort", 0) > 0) {
            opr_buf_printf(&b, ":%lld", (long long)opr_json_int(p, "/nodePort", 0));
        }
        opr_buf_printf(&b, "/%s", opr_json_str(p, "/protocol", ""));
    }
    opr__cell_or(cells, &b, "<none>");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(opr_json_name(a), opr_json_name(b));
}

static void cell_labels(struct json_object *cells, const struct opr_obj *labels)
{
    struct opr_vec sorted = {0};
    struct opr_buf b = {0};
    OPR__EACH(label, labels)
    {
        opr_vec_push(&sorted, (void *)label);
    }
    opr_vec_sort(&sorted, by_name);
    for (size_t i = 0; i < sorted.count; i++) {
        const struct opr_obj *label = sorted.items[i];
        opr_buf_printf(&b, "%s%s=%s", b.len ? "," : "", opr_json_name(label),
                       opr_json_str(label, "", ""));
    }
    opr_vec_fini(&sorted);
    opr__cell_or(cells, &b, "<none>");
}

void opr__row_service(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    struct opr_buf ip = {0};
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/spec/type", ""));
    opr_buf_add_text(&ip, opr_json_str(o, "/spec/clusterIPs/0", ""));
    opr__cell_or(cells, &ip, "<none>");
    cell_external_ip(cells, o);
    cell_ports(cells, opr_json_at(o, "/spec/ports"));
    opr__cell_created(cells, o, now_ms);
    cell_labels(cells, opr_json_at(o, "/spec/selector"));
}

#define ADDRESSES_SHOWN 3

static void add_address(struct opr_buf *b, const struct opr_obj *address,
                        const struct opr_obj *port, size_t *count)
{
    const char *ip = opr_json_str(address, "/ip", "");
    if ((*count)++ >= ADDRESSES_SHOWN) {
        return;
    }
    bool is_v6 = strchr(ip, ':') != NULL;
    opr__add_joined(b, ",", "");
    if (port) {
        opr_buf_printf(b, "%s%s%s:%lld", is_v6 ? "[" : "", ip, is_v6 ? "]" : "",
                       (long long)opr_json_int(port, "/port", 0));
    } else {
        opr_buf_add_text(b, ip);
    }
}

void opr__row_endpoints(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    const struct opr_obj *subsets = opr_json_at(o, "/subsets");
    struct opr_buf b = {0};
    size_t count = 0;
    OPR__EACH(subset, subsets)
    {
        const struct opr_obj *ports = opr_json_at(subset, "/ports");
        const struct opr_obj *addresses = opr_json_at(subset, "/addresses");
        OPR__EACH(port, ports)
        {
            OPR__EACH(address, addresses)
            {
                add_address(&b, address, port, &count);
            }
        }
        OPR__EACH(address, opr_json_len(ports) ? NULL : addresses)
        {
            add_address(&b, address, NULL, &count);
        }
    }
    opr__add_more(&b, ADDRESSES_SHOWN, count);
    opr__cell_name(cells, o);
    opr__cell_or(cells, &b, opr_json_len(subsets) ? "" : "<none>");
    opr__cell_created(cells, o, now_ms);
}

void opr__row_endpoint_slice(struct json_object *cells, const struct opr_obj *o, int64_t now_ms)
{
    struct opr_buf ports = {0}, addresses = {0};
    size_t count = 0;
    opr__cell_name(cells, o);
    opr__cell_text(cells, opr_json_str(o, "/addressType", ""));
    OPR__EACH(p, opr_json_at(o, "/ports"))
    {
        if (count++ < ADDRESSES_SHOWN) {
            opr__add_joined(&ports, ",", "");
            if (opr_json_at(p, "/port")) {
                opr_buf_printf(&ports, "%lld", (long long)opr_json_int(p, "/port", 0));
            } else {
                opr_buf_add_text(&ports, opr_json_str(p, "/name", "*"));
            }
        }
    }
    opr__add_more(&ports, ADDRESSES_SHOWN, count);
    opr__cell_or(cells, &ports, "<unset>");
    count = 0;
    OPR__EACH(endpoint, opr_json_at(o, "/endpoints"))
    {
        OPR__EACH(address, opr_json_at(endpoint, "/addresses"))
        {
            if (count++ < ADDRESSES_SHOWN) {
                opr__add_joined(&addresses, ",", opr_json_str(address, "", ""));
            }
        }
    }
    opr__add_more(&addresses, ADDRESSES_SHOWN, count);
    opr__cell_or(cells, &addresses, "<unset>");
    opr__cell_created(cells, o, now_ms);
}
