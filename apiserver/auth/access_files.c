/* Kubeconfigs and certificates that the server hands to its own users and nodes. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <limits.h>
#include <stdio.h>

#define LEAF_DAYS 365

static void add_base64(struct opr_buf *b, const char *text)
{
    opr_buf_base64(b, text, strlen(text));
}

opr_status opr_apiserver_kubeconfig(struct opr_apiserver *s, const char *path,
                                    const char *server_url, const char *user,
                                    const char *const *groups, struct opr_error *reterr)
{
    struct opr_pki_request request = {
        .common_name = user, .organizations = groups, .valid_days = LEAF_DAYS};
    struct opr_buf cert = {0}, key = {0}, text = {0};
    opr_status st = opr_pki_issue(&request, s->pki.ca_cert, s->pki.ca_key, &cert, &key, reterr);
    if (st == OPR_OK) {
        opr_buf_printf(&text,
                       "apiVersion: v1\nkind: Config\nclusters:\n- name: operon\n  cluster:\n"
                       "    server: %s\n    certificate-authority-data: ",
                       server_url);
        add_base64(&text, s->pki.ca_cert);
        opr_buf_printf(&text,
                       "\nusers:\n- name: \"%s\"\n  user:\n    client-certificate-data: ", user);
        add_base64(&text, cert.data);
        opr_buf_add_text(&text, "\n    client-key-data: ");
        add_base64(&text, key.data);
        opr_buf_printf(&text,
                       "\ncontexts:\n- name: operon\n  context: {cluster: operon, user: \"%s\"}\n"
                       "current-context: operon\n",
                       user);
        st = opr_fs_write(path, opr_buf_str(&text), 0600, reterr);
    }
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    opr_buf_fini(&text);
    return st;
}

static opr_status write_file(const char *dir, const char *name, const char *text,
                             struct opr_error *reterr)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return opr_fs_write(path, opr_str_of(text), 0600, reterr);
}

opr_status opr_apiserver_node_files(struct opr_apiserver *s, const char *dir, const char *node,
                                    const char *server_url, struct opr_error *reterr)
{
    static const char *const groups[] = {"system:nodes", NULL};
    static const char *const ips[] = {"127.0.0.1", NULL};
    const char *dns[] = {node, "localhost", NULL};
    char user[256], path[PATH_MAX];
    struct opr_pki_request request = {.common_name = node,
                                      .dns_names = dns,
                                      .ip_addresses = ips,
                                      .is_server = true,
                                      .valid_days = LEAF_DAYS};
    struct opr_buf cert = {0}, key = {0};
    OPR_TRY(opr_fs_mkdirs(dir, 0700, reterr));
    snprintf(user, sizeof user, "system:node:%s", node);
    snprintf(path, sizeof path, "%s/kubeconfig", dir);
    OPR_TRY(opr_apiserver_kubeconfig(s, path, server_url, user, groups, reterr));
    opr_status st = opr_pki_issue(&request, s->pki.ca_cert, s->pki.ca_key, &cert, &key, reterr);
    if (st == OPR_OK) {
        st = write_file(dir, "tls.crt", cert.data, reterr);
    }
    if (st == OPR_OK) {
        st = write_file(dir, "tls.key", key.data, reterr);
    }
    if (st == OPR_OK) {
        st = write_file(dir, "ca.crt", s->pki.ca_cert, reterr);
    }
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    return st;
}
