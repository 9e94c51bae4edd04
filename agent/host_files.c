#include "agent/host_files.h"

#include "agent/dns_message.h"
#include "agent/files.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <sys/utsname.h>

enum { HOSTNAME_MAX = 63, HOSTS_MAX = 1 << 20 };

char *opr__hostname(const struct opr__pod *p, struct opr_arena *arena)
{
    char *name = opr_arena_printf(arena, "%.*s", HOSTNAME_MAX,
                                  opr_json_str(p->work, "/spec/hostname", p->name));
    size_t len = strlen(name);
    while (len > 0 && (name[len - 1] == '-' || name[len - 1] == '.')) {
        name[--len] = 0; /* where it was cut */
    }
    return name;
}

static void add_aliases(struct opr_buf *b, const struct opr__pod *p)
{
    const struct opr_obj *aliases = opr_json_at(p->work, "/spec/hostAliases");
    if (opr_json_len(aliases) > 0) {
        opr_buf_add_text(b, "\n# Entries added by HostAliases.\n");
    }
    for (const struct opr_obj *v = opr_json_first(aliases); v; v = opr_json_next(v)) {
        opr_buf_add_text(b, opr_json_str(v, "/ip", ""));
        const struct opr_obj *names = opr_json_at(v, "/hostnames");
        for (const struct opr_obj *n = opr_json_first(names); n; n = opr_json_next(n)) {
            opr_buf_printf(b, "\t%s", opr_json_str(n, "", ""));
        }
        opr_buf_add_char(b, '\n');
    }
}

void opr__hosts_text(struct opr_buf *ret_text, const struct opr__pod *p, const char *hostname,
                     const char *domain)
{
    if (!hostname) {
        struct opr_buf own = {0};
        opr_buf_add_text(ret_text, "# Kubernetes-managed hosts file (host network).\n");
        if (opr_fs_read("/etc/hosts", HOSTS_MAX, &own, NULL) == OPR_OK) {
            opr_buf_add(ret_text, own.data, own.len);
        }
        opr_buf_fini(&own);
        add_aliases(ret_text, p);
        return;
    }
    opr_buf_add_text(ret_text, "# Kubernetes-managed hosts file.\n"
                               "127.0.0.1\tlocalhost\n"
                               "::1\tlocalhost ip6-localhost ip6-loopback\n"
                               "fe00::\tip6-localnet\n"
                               "fe00::\tip6-mcastprefix\n"
                               "fe00::1\tip6-allnodes\n"
                               "fe00::2\tip6-allrouters\n");
    opr_buf_printf(ret_text, "%s\t", p->ip[0] ? p->ip : "127.0.0.1");
    const char *subdomain = opr_json_str(p->work, "/spec/subdomain", "");
    if (*subdomain && domain) {
        opr_buf_printf(ret_text, "%s.%s.%s.svc.%s\t", hostname, subdomain, p->ns, domain);
    }
    opr_buf_printf(ret_text, "%s\n", hostname);
    add_aliases(ret_text, p);
}

static bool has_mount(const struct opr_vec *mounts, const char *dst)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const struct opr__run_mount *mount = mounts->items[i];
        if (strcmp(mount->dst, dst) == 0) {
            return true;
        }
    }
    return false;
}

static void add_mount(struct opr_vec *mounts, struct opr_arena *arena, const char *src,
                      const char *dst)
{
    if (!has_mount(mounts, dst) && opr_fs_exists(src)) {
        struct opr__run_mount *m = opr_arena_alloc(arena, sizeof *m);
        *m = (struct opr__run_mount){.src = opr_arena_dup(arena, opr_str_of(src)),
                                     .dst = opr_arena_dup(arena, opr_str_of(dst))};
        opr_vec_push(mounts, m);
    }
}

opr_status opr__host_files_mount(struct opr__pod *p, const char *dir, const char *hostname,
                                 bool is_image, struct opr_arena *arena, struct opr_vec *mounts,
                                 struct opr_error *reterr)
{
    bool has_aliases = opr_json_len(opr_json_at(p->work, "/spec/hostAliases")) > 0;
    if (!p->agent->has_namespaces || (!hostname && !is_image && !has_aliases)) {
        return OPR_OK; /* it sees the host's */
    }
    struct utsname host;
    struct opr_buf text = {0};
    uname(&host);
    char *hosts = opr_arena_printf(arena, "%s/hosts", dir);
    char *name_file = opr_arena_printf(arena, "%s/hostname", dir);
    char *name = opr_arena_printf(arena, "%s\n", hostname ? hostname : host.nodename);
    opr__hosts_text(&text, p, hostname, OPR__DNS_DOMAIN);
    opr_status st = opr_fs_mkdirs(dir, 0750, reterr);
    if (st == OPR_OK) {
        st = opr__file_put(hosts, opr_buf_str(&text), 0644, reterr);
    }
    opr_buf_fini(&text);
    OPR_TRY(st);
    OPR_TRY(opr__file_put(name_file, opr_str_of(name), 0644, reterr));
    add_mount(mounts, arena, hosts, "/etc/hosts");
    add_mount(mounts, arena, name_file, "/etc/hostname");
    if (is_image) {
        add_mount(mounts, arena, "/etc/resolv.conf", "/etc/resolv.conf");
    }
    return OPR_OK;
}
