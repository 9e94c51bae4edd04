/* The server's keys and certificates. The CA and the key of the ServiceAccounts are made at the
 * first start and kept in DIR/pki (0600); the server's own certificates are issued anew at each
 * start, so that they neither expire nor name an old address. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <limits.h>
#include <stdio.h>

#define PEM_LIMIT (64 * 1024)
#define CA_DAYS 3650
#define LEAF_DAYS 365

struct pair {
    const char *name; /* NAME.crt and NAME.key */
    char **cert, **key;
};

static opr_status read_pem(const char *dir, const char *file, char **ret_text,
                           struct opr_error *reterr)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    opr_status st = opr_fs_read(path, PEM_LIMIT, &text, reterr);
    if (st != OPR_OK) {
        opr_buf_fini(&text);
        return st;
    }
    *ret_text = opr_buf_take(&text, NULL);
    return OPR_OK;
}

static bool is_kept(const char *dir, const char *file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "", file);
    return dir && opr_fs_exists(path);
}

static opr_status keep(const char *dir, const char *file, const char *text,
                       struct opr_error *reterr)
{
    char path[PATH_MAX];
    if (!dir) {
        return OPR_OK;
    }
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return opr_fs_write(path, opr_str_of(text), 0600, reterr);
}

/* Reads a pair, or issues and keeps it. dir NULL: it is not kept. ca NULL: self-signed. */
static opr_status open_pair(const char *dir, const struct pair *p,
                            const struct opr_pki_request *request, const char *ca_cert,
                            const char *ca_key, struct opr_error *reterr)
{
    char cert_file[64], key_file[64];
    snprintf(cert_file, sizeof cert_file, "%s.crt", p->name);
    snprintf(key_file, sizeof key_file, "%s.key", p->name);
    if (is_kept(dir, cert_file) && is_kept(dir, key_file)) {
        OPR_TRY(read_pem(dir, cert_file, p->cert, reterr));
        return read_pem(dir, key_file, p->key, reterr);
    }
    struct opr_buf cert = {0}, key = {0};
    opr_status st = opr_pki_issue(request, ca_cert, ca_key, &cert, &key, reterr);
    if (st == OPR_OK) {
        *p->cert = opr_buf_take(&cert, NULL);
        *p->key = opr_buf_take(&key, NULL);
        st = keep(dir, key_file, *p->key, reterr);
    }
    if (st == OPR_OK) {
        st = keep(dir, cert_file, *p->cert, reterr);
    }
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    return st;
}

opr_status opr_pki_files_open(struct opr_pki_files *p, const char *dir, const char *address,
                              const char *service_ip, struct opr_error *reterr)
{
    char folder[PATH_MAX];
    const char *at = NULL;
    if (dir) {
        snprintf(folder, sizeof folder, "%s/pki", dir);
        at = folder;
        OPR_TRY(opr_fs_mkdirs(at, 0700, reterr));
    }
    const char *dns[] = {"localhost",
                         "kubernetes",
                         "kubernetes.default",
                         "kubernetes.default.svc",
                         "kubernetes.default.svc.cluster.local",
                         NULL};
    const char *ips[] = {"127.0.0.1", service_ip, strcmp(address, "127.0.0.1") ? address : NULL,
                         NULL};
    const char *masters[] = {"system:masters", NULL};
    struct opr_pki_request ca = {.common_name = "operon-ca", .is_ca = true, .valid_days = CA_DAYS};
    struct opr_pki_request server = {.common_name = "kube-apiserver",
                                     .dns_names = dns,
                                     .ip_addresses = ips,
                                     .is_server = true,
                                     .valid_days = LEAF_DAYS};
    struct opr_pki_request client = {.common_name = "kube-apiserver-kubelet-client",
                                     .organizations = masters,
                                     .valid_days = LEAF_DAYS};
    struct opr_pki_request accounts = {.common_name = "service-accounts", .valid_days = CA_DAYS};
    char *unused = NULL;
    struct pair ca_pair = {"ca", &p->ca_cert, &p->ca_key};
    struct pair server_pair = {"apiserver", &p->server_cert, &p->server_key};
    struct pair client_pair = {"agent-client", &p->client_cert, &p->client_key};
    struct pair account_pair = {"sa", &unused, &p->sa_key};
    OPR_TRY(open_pair(at, &ca_pair, &ca, NULL, NULL, reterr));
    OPR_TRY(open_pair(NULL, &server_pair, &server, p->ca_cert, p->ca_key, reterr));
    OPR_TRY(open_pair(NULL, &client_pair, &client, p->ca_cert, p->ca_key, reterr));
    opr_status st = open_pair(at, &account_pair, &accounts, NULL, NULL, reterr);
    opr_free(unused);
    return st;
}

void opr_pki_files_fini(struct opr_pki_files *p)
{
    char *all[] = {p->ca_cert, p->ca_key,      p->server_cert, p->server_key,
                   p->sa_key,  p->client_cert, p->client_key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        opr_free(all[i]);
    }
    *p = (struct opr_pki_files){0};
}
