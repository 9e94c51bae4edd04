/* Kubeconfig files and the files of a pod, into an endpoint. */
#include "core/client/kubeconfig.h"

#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/client/kubeconfig_exec.h"
#include "core/client/kubeconfig_internal.h"
#include "core/client/kubeconfig_yaml.h"

#include <stdlib.h>
#include <unistd.h>

#define CONFIG_MAX (1024 * 1024)
#define PEM_MAX (1024 * 1024)
#define POD_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* One loading: everything it makes lives in the arena. */
struct loader {
    const char *path;    /* of the file */
    const char *context; /* its name */
    struct opr_arena *arena;
    struct opr__yaml yaml;
    struct opr_error *reterr;
};

/* The mapping under inner of the list entry with that name: {name: N, inner: {...}}. */
static yaml_node_t *find_named(struct loader *l, const char *list, const char *name,
                               const char *inner)
{
    yaml_node_t *entries = opr__yaml_get(&l->yaml, opr__yaml_root(&l->yaml), list);
    yaml_node_t *entry;
    for (size_t i = 0; (entry = opr__yaml_at(&l->yaml, entries, i)); i++) {
        const char *text = opr__yaml_text(&l->yaml, entry, "name");
        if (text && strcmp(text, name) == 0) {
            return opr__yaml_get(&l->yaml, entry, inner);
        }
    }
    return NULL;
}

/* Relative paths are relative to the kubeconfig. */
static const char *resolve_path(struct loader *l, const char *path)
{
    const char *slash = strrchr(l->path, '/');
    if (path[0] == '/' || !slash) {
        return path;
    }
    return opr_arena_printf(l->arena, "%.*s/%s", (int)(slash - l->path), l->path, path);
}

static opr_status read_into(struct loader *l, const char *path, const char *what,
                            const char **ret_text)
{
    struct opr_buf data = {0};
    struct opr_error err = {0};
    opr_status st = opr_fs_read(path, PEM_MAX, &data, &err);
    if (st == OPR_OK) {
        *ret_text = opr_arena_dup(l->arena, opr_buf_str(&data));
    } else {
        st = opr_error_set(l->reterr, st, "%s: context \"%s\": %s: %s", l->path, l->context, what,
                           err.message);
    }
    opr_buf_fini(&data);
    return st;
}

/* NAME-data (base64) is preferred to NAME (a path), as kubectl does. NULL where both are absent. */
static opr_status read_pem(struct loader *l, const yaml_node_t *map, const char *name,
                           const char **ret_pem)
{
    const char *inline_name = opr_arena_printf(l->arena, "%s-data", name);
    const char *inline_text = opr__yaml_text(&l->yaml, map, inline_name);
    const char *path = opr__yaml_text(&l->yaml, map, name);
    if (inline_text) {
        struct opr_buf data = {0};
        opr_status st = opr_buf_unbase64(&data, opr_str_trim(opr_str_of(inline_text)));
        if (st == OPR_OK) {
            *ret_pem = opr_arena_dup(l->arena, opr_buf_str(&data));
        } else {
            st = opr_error_set(l->reterr, OPR_E_INVALID, "%s: context \"%s\": %s is no base64",
                               l->path, l->context, inline_name);
        }
        opr_buf_fini(&data);
        return st;
    }
    return path ? read_into(l, resolve_path(l, path), name, ret_pem) : OPR_OK;
}

static opr_status read_bool(struct loader *l, const yaml_node_t *map, const char *name,
                            bool *ret_value)
{
    const char *text = opr__yaml_text(&l->yaml, map, name);
    if (!text || strcmp(text, "false") == 0) {
        return OPR_OK;
    }
    if (strcmp(text, "true") != 0) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "%s: context \"%s\": %s is \"%s\", not true or false", l->path,
                             l->context, name, text);
    }
    *ret_value = true;
    return OPR_OK;
}

static opr_status read_cluster(struct loader *l, const char *name,
                               struct opr_endpoint_config *config)
{
    const yaml_node_t *cluster = find_named(l, "clusters", name, "cluster");
    if (!cluster) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: context \"%s\": no cluster \"%s\"",
                             l->path, l->context, name);
    }
    config->url = opr__yaml_text(&l->yaml, cluster, "server");
    if (!config->url) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "%s: context \"%s\": cluster \"%s\" has no server", l->path,
                             l->context, name);
    }
    config->server_name = opr__yaml_text(&l->yaml, cluster, "tls-server-name");
    OPR_TRY(read_bool(l, cluster, "insecure-skip-tls-verify", &config->is_insecure));
    return read_pem(l, cluster, "certificate-authority", &config->ca_pem);
}

static opr_status refuse_unsupported(struct loader *l, const yaml_node_t *user, const char *name)
{
    static const char *const unsupported[] = {"username", "auth-provider", "as"};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        if (opr__yaml_get(&l->yaml, user, unsupported[i])) {
            return opr_error_set(l->reterr, OPR_E_UNSUPPORTED,
                                 "%s: context \"%s\": user \"%s\": %s is not supported; use a "
                                 "client certificate, token, tokenFile or exec",
                                 l->path, l->context, name, unsupported[i]);
        }
    }
    return OPR_OK;
}

static opr_status read_user(struct loader *l, const char *name, struct opr_endpoint_config *config)
{
    const yaml_node_t *user = find_named(l, "users", name, "user");
    if (!user) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: context \"%s\": no user \"%s\"",
                             l->path, l->context, name);
    }
    OPR_TRY(refuse_unsupported(l, user, name));
    OPR_TRY(read_pem(l, user, "client-certificate", &config->client_cert_pem));
    OPR_TRY(read_pem(l, user, "client-key", &config->client_key_pem));
    if (!config->client_cert_pem != !config->client_key_pem) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "%s: context \"%s\": user \"%s\" has no client-%s", l->path,
                             l->context, name, config->client_key_pem ? "certificate" : "key");
    }
    config->token = opr__yaml_text(&l->yaml, user, "token");
    const char *token_file = opr__yaml_text(&l->yaml, user, "tokenFile");
    if (token_file) {
        config->token_file = resolve_path(l, token_file); /* wins over token, as kubectl does */
    }
    const yaml_node_t *exec = opr__yaml_get(&l->yaml, user, "exec");
    if (!exec || config->token || config->token_file || config->client_cert_pem) {
        return OPR_OK;
    }
    struct opr__exec_place place = {l->path, l->context, name};
    return opr__exec_run(&l->yaml, exec, &place, l->arena, config, l->reterr);
}

/* The document goes away before the arena does. */
static void keep_strings(struct loader *l, struct opr__kubeconfig_text *text)
{
    struct opr_endpoint_config *config = &text->config;
    const char **strings[] = {&config->url,         &config->token, &config->token_file,
                              &config->server_name, &text->context, &text->namespace_};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        if (*strings[i]) {
            *strings[i] = opr_arena_dup(l->arena, opr_str_of(*strings[i]));
        }
    }
}

static opr_status read_context(struct loader *l, const char *context,
                               struct opr__kubeconfig_text *text)
{
    const char *name =
        context ? context : opr__yaml_text(&l->yaml, opr__yaml_root(&l->yaml), "current-context");
    if (!name) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: no current-context, and none was given",
                             l->path);
    }
    l->context = name;
    const yaml_node_t *ctx = find_named(l, "contexts", name, "context");
    if (!ctx) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: no context \"%s\"", l->path, name);
    }
    const char *cluster = opr__yaml_text(&l->yaml, ctx, "cluster");
    const char *user = opr__yaml_text(&l->yaml, ctx, "user");
    if (!cluster) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: context \"%s\" names no cluster",
                             l->path, name);
    }
    text->context = name;
    text->namespace_ = opr__yaml_text(&l->yaml, ctx, "namespace");
    OPR_TRY(read_cluster(l, cluster, &text->config));
    if (user) {
        OPR_TRY(read_user(l, user, &text->config));
    }
    keep_strings(l, text);
    return OPR_OK;
}

opr_status opr__kubeconfig_read(const char *path, const char *context, struct opr_arena *a,
                                struct opr__kubeconfig_text *ret_text, struct opr_error *reterr)
{
    struct loader l = {.path = path, .arena = a, .reterr = reterr};
    struct opr_buf data = {0};
    struct opr__kubeconfig_text text = {0};
    opr_status st = opr_fs_read(path, CONFIG_MAX, &data, reterr);
    if (st == OPR_OK) {
        st = opr__yaml_parse(&l.yaml, opr_buf_str(&data), path, reterr);
    }
    if (st == OPR_OK) {
        st = read_context(&l, context, &text);
    }
    opr__yaml_fini(&l.yaml);
    opr_buf_fini(&data);
    if (st == OPR_OK) {
        *ret_text = text;
    }
    return st;
}

opr_status opr_kubeconfig_load(const char *path, const char *context,
                               struct opr_kubeconfig *ret_config, struct opr_error *reterr)
{
    struct opr_arena *a = opr_arena_new();
    struct opr__kubeconfig_text text;
    opr_status st = opr__kubeconfig_read(path, context, a, &text, reterr);
    if (st == OPR_OK) {
        struct opr_error err = {0};
        st = opr_endpoint_new(&text.config, &ret_config->endpoint, &err);
        if (st == OPR_OK) {
            ret_config->namespace_ = opr_xstrdup(text.namespace_ ? text.namespace_ : "default");
        } else {
            st = opr_error_set(reterr, st, "%s: context \"%s\": %s", path, text.context,
                               err.message);
        }
    }
    opr_arena_free(a);
    return st;
}

/* The namespace of the pod, from its file; "default" where it has none. */
static char *pod_namespace(const char *dir)
{
    char *path = opr_xprintf("%s/namespace", dir);
    struct opr_buf data = {0};
    char *ns = NULL;
    if (opr_fs_read(path, 4096, &data, NULL) == OPR_OK) {
        struct opr_str text = opr_str_trim(opr_buf_str(&data));
        ns = text.len ? opr_xstrndup(text.ptr, text.len) : NULL;
    }
    opr_buf_fini(&data);
    opr_free(path);
    return ns ? ns : opr_xstrdup("default");
}

static opr_status load_pod_files(const char *dir, const char *host, const char *port,
                                 struct opr_kubeconfig *ret_config, struct opr_error *reterr)
{
    struct opr_arena *a = opr_arena_new();
    const char *ca_path = opr_arena_printf(a, "%s/ca.crt", dir);
    const char *token_path = opr_arena_printf(a, "%s/token", dir);
    bool is_ipv6 = strchr(host, ':') != NULL;
    struct opr_buf ca = {0};
    opr_status st = opr_fs_read(ca_path, PEM_MAX, &ca, reterr);
    if (st == OPR_OK && !opr_fs_exists(token_path)) {
        st = opr_error_set(reterr, OPR_E_NOT_FOUND, "in-cluster configuration: no file %s",
                           token_path);
    }
    if (st == OPR_OK) {
        struct opr_endpoint_config config = {
            .url = opr_arena_printf(a, "https://%s%s%s:%s", is_ipv6 ? "[" : "", host,
                                    is_ipv6 ? "]" : "", port),
            .ca_pem = ca.data,
            .token_file = token_path, /* and not its content: it is replaced now and then */
        };
        st = opr_endpoint_new(&config, &ret_config->endpoint, reterr);
    }
    if (st == OPR_OK) {
        ret_config->namespace_ = pod_namespace(dir);
    }
    opr_buf_fini(&ca);
    opr_arena_free(a);
    return st;
}

opr_status opr_kubeconfig_in_cluster(struct opr_kubeconfig *ret_config, struct opr_error *reterr)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !host[0]) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND,
                             "not in a cluster: KUBERNETES_SERVICE_HOST is not set");
    }
    return load_pod_files(POD_DIR, host, port && port[0] ? port : "443", ret_config, reterr);
}

/* $KUBECONFIG may be a list; the first file that exists counts. */
static char *first_existing(const char *list)
{
    struct opr_str rest = opr_str_of(list), part;
    while (opr_str_next(&rest, ':', &part)) {
        if (part.len > 0) {
            char *path = opr_xstrndup(part.ptr, part.len);
            if (opr_fs_exists(path)) {
                return path;
            }
            opr_free(path);
        }
    }
    return NULL;
}

opr_status opr_kubeconfig_find(const char *path, struct opr_kubeconfig *ret_config,
                               struct opr_error *reterr)
{
    if (path) {
        return opr_kubeconfig_load(path, NULL, ret_config, reterr);
    }
    if (getenv("KUBERNETES_SERVICE_HOST") && opr_fs_exists(POD_DIR "/token")) {
        return opr_kubeconfig_in_cluster(ret_config, reterr);
    }
    const char *list = getenv("KUBECONFIG");
    const char *home = getenv("HOME");
    char *found = NULL;
    if (list && list[0]) {
        found = first_existing(list);
    } else if (home) {
        found = opr_xprintf("%s/.kube/config", home);
    }
    if (!found || !opr_fs_exists(found)) {
        opr_free(found);
        return opr_error_set(reterr, OPR_E_NOT_FOUND,
                             "no kubeconfig: not in a cluster, and neither $KUBECONFIG%s%s nor "
                             "~/.kube/config leads to a file; give --kubeconfig",
                             list ? "=" : "", list ? list : "");
    }
    opr_status st = opr_kubeconfig_load(found, NULL, ret_config, reterr);
    opr_free(found);
    return st;
}

void opr_kubeconfig_fini(struct opr_kubeconfig *config)
{
    opr_endpoint_unref(config->endpoint);
    opr_free(config->namespace_);
    *config = (struct opr_kubeconfig){0};
}
