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

/* One file. */
struct source {
    const char *path;
    struct opr__yaml yaml;
};

/* One loading: everything it makes lives in the arena. Of several files the first one that has an
 * entry counts for all of that entry, as client-go merges them. */
struct loader {
    const char *path;       /* of the file that is being read; else all of them */
    const char *all;        /* the paths, as an error names them */
    const char *context;    /* its name */
    struct opr__yaml *yaml; /* of the file that is being read */
    struct source *sources;
    size_t n_sources;
    struct opr_arena *arena;
    struct opr_error *reterr;
};

/* The list entry with that name: {name: N, inner: {...}}; NULL: the file has none. */
static yaml_node_t *find_entry(struct opr__yaml *y, const char *list, const char *name)
{
    yaml_node_t *entries = opr__yaml_get(y, opr__yaml_root(y), list);
    yaml_node_t *entry;
    for (size_t i = 0; (entry = opr__yaml_at(y, entries, i)); i++) {
        const char *text = opr__yaml_text(y, entry, "name");
        if (text && strcmp(text, name) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* The mapping under inner of that entry; what is read from now on is of its file. */
static yaml_node_t *find_named(struct loader *l, const char *list, const char *name,
                               const char *inner)
{
    for (size_t i = 0; i < l->n_sources; i++) {
        yaml_node_t *entry = find_entry(&l->sources[i].yaml, list, name);
        if (entry) {
            l->path = l->sources[i].path;
            l->yaml = &l->sources[i].yaml;
            return opr__yaml_get(l->yaml, entry, inner);
        }
    }
    l->path = l->all;
    return NULL;
}

static const char *current_context(const struct loader *l)
{
    const char *name = NULL;
    for (size_t i = 0; i < l->n_sources && !name; i++) {
        struct opr__yaml *y = &l->sources[i].yaml;
        name = opr__yaml_text(y, opr__yaml_root(y), "current-context");
    }
    return name;
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
    const char *inline_text = opr__yaml_text(l->yaml, map, inline_name);
    const char *path = opr__yaml_text(l->yaml, map, name);
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
    const char *text = opr__yaml_text(l->yaml, map, name);
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
    config->url = opr__yaml_text(l->yaml, cluster, "server");
    if (!config->url) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "%s: context \"%s\": cluster \"%s\" has no server", l->path,
                             l->context, name);
    }
    config->server_name = opr__yaml_text(l->yaml, cluster, "tls-server-name");
    config->proxy_url = opr__yaml_text(l->yaml, cluster, "proxy-url");
    OPR_TRY(read_bool(l, cluster, "insecure-skip-tls-verify", &config->is_insecure));
    return read_pem(l, cluster, "certificate-authority", &config->ca_pem);
}

static opr_status refuse_unsupported(struct loader *l, const yaml_node_t *user, const char *name)
{
    static const char *const unsupported[] = {"username", "auth-provider", "as"};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        if (opr__yaml_get(l->yaml, user, unsupported[i])) {
            return opr_error_set(l->reterr, OPR_E_UNSUPPORTED,
                                 "%s: context \"%s\": user \"%s\": %s is not supported; use a "
                                 "client certificate, token, tokenFile or exec",
                                 l->path, l->context, name, unsupported[i]);
        }
    }
    return OPR_OK;
}

static opr_status read_user(struct loader *l, const char *name, struct opr__kubeconfig_text *text)
{
    struct opr_endpoint_config *config = &text->config;
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
    config->token = opr__yaml_text(l->yaml, user, "token");
    const char *token_file = opr__yaml_text(l->yaml, user, "tokenFile");
    if (token_file) {
        config->token_file = resolve_path(l, token_file); /* wins over token, as kubectl does */
    }
    const yaml_node_t *exec = opr__yaml_get(l->yaml, user, "exec");
    if (!exec || config->token || config->token_file || config->client_cert_pem) {
        return OPR_OK;
    }
    struct opr__exec_place place = {l->path, l->context, name};
    OPR_TRY(opr__exec_run(l->yaml, exec, &place, l->arena, config, l->reterr));
    text->is_by_program = config->token != NULL;
    return OPR_OK;
}

/* The document goes away before the arena does. */
static void keep_strings(struct loader *l, struct opr__kubeconfig_text *text)
{
    struct opr_endpoint_config *config = &text->config;
    const char **strings[] = {&config->url,         &config->token,     &config->token_file,
                              &config->server_name, &config->proxy_url, &text->context,
                              &text->namespace_};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        if (*strings[i]) {
            *strings[i] = opr_arena_dup(l->arena, opr_str_of(*strings[i]));
        }
    }
}

static opr_status read_context(struct loader *l, const char *context,
                               struct opr__kubeconfig_text *text)
{
    const char *name = context ? context : current_context(l);
    if (!name) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: no current-context, and none was given",
                             l->path);
    }
    l->context = name;
    const yaml_node_t *ctx = find_named(l, "contexts", name, "context");
    if (!ctx) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: no context \"%s\"", l->path, name);
    }
    const char *cluster = opr__yaml_text(l->yaml, ctx, "cluster");
    const char *user = opr__yaml_text(l->yaml, ctx, "user");
    if (!cluster) {
        return opr_error_set(l->reterr, OPR_E_INVALID, "%s: context \"%s\" names no cluster",
                             l->path, name);
    }
    text->context = name;
    text->namespace_ = opr__yaml_text(l->yaml, ctx, "namespace");
    OPR_TRY(read_cluster(l, cluster, &text->config));
    if (user) {
        OPR_TRY(read_user(l, user, text));
    }
    keep_strings(l, text);
    return OPR_OK;
}

static opr_status read_source(struct source *s, struct opr_error *reterr)
{
    struct opr_buf data = {0};
    opr_status st = opr_fs_read(s->path, CONFIG_MAX, &data, reterr);
    if (st == OPR_OK) {
        st = opr__yaml_parse(&s->yaml, opr_buf_str(&data), s->path, reterr);
    }
    opr_buf_fini(&data);
    return st;
}

/* The paths of a list that lead to a file; a single path, or one with a colon in its name, stands
 * for itself. */
static void split_paths(struct loader *l, const char *list)
{
    size_t parts = 1;
    bool is_one = opr_fs_exists(list);
    for (const char *p = list; *p && !is_one; p++) {
        parts += *p == ':';
    }
    l->sources = opr_arena_alloc(l->arena, parts * sizeof *l->sources);
    if (parts == 1) {
        l->sources[l->n_sources++] = (struct source){.path = list};
        return;
    }
    struct opr_str rest = opr_str_of(list), part;
    while (opr_str_next(&rest, ':', &part)) {
        const char *path = opr_arena_dup(l->arena, part);
        if (part.len > 0 && opr_fs_exists(path)) {
            l->sources[l->n_sources++] = (struct source){.path = path};
        }
    }
}

opr_status opr__kubeconfig_read(const char *paths, const char *context, struct opr_arena *a,
                                struct opr__kubeconfig_text *ret_text, struct opr_error *reterr)
{
    struct loader l = {.path = paths, .all = paths, .arena = a, .reterr = reterr};
    struct opr__kubeconfig_text text = {0};
    opr_status st = OPR_OK;
    split_paths(&l, paths);
    for (size_t i = 0; i < l.n_sources && st == OPR_OK; i++) {
        st = read_source(&l.sources[i], reterr);
    }
    if (st == OPR_OK) {
        st = read_context(&l, context, &text);
    }
    for (size_t i = 0; i < l.n_sources; i++) {
        opr__yaml_fini(&l.sources[i].yaml);
    }
    if (st == OPR_OK) {
        *ret_text = text;
    }
    return st;
}

/* Where a token by a program came from. */
struct origin {
    char *paths, *context; /* owned */
};

static void free_origin(void *arg)
{
    struct origin *o = arg;
    opr_free(o->paths);
    opr_free(o->context);
    opr_free(o);
}

/* Reads the files again, and so runs the program again. */
static opr_status renew(void *arg, struct opr_credential *ret_credential, struct opr_error *reterr)
{
    const struct origin *o = arg;
    struct opr_arena *a = opr_arena_new();
    struct opr__kubeconfig_text text;
    opr_status st = opr__kubeconfig_read(o->paths, o->context, a, &text, reterr);
    if (st == OPR_OK && !text.config.token) {
        st = opr_error_set(reterr, OPR_E_INVALID, "%s: context \"%s\" gives no token any more",
                           o->paths, o->context);
    }
    if (st == OPR_OK) {
        ret_credential->token = opr_xstrdup(text.config.token);
        ret_credential->expires_ms = text.config.token_expires_ms;
    }
    opr_arena_free(a);
    return st;
}

static struct opr_renewal renewal_of(const char *paths, const char *context)
{
    struct origin *o = opr_xalloc(sizeof *o);
    o->paths = opr_xstrdup(paths);
    o->context = opr_xstrdup(context);
    return (struct opr_renewal){.renew = renew, .free = free_origin, .arg = o};
}

opr_status opr_kubeconfig_load(const char *path, const char *context,
                               struct opr_kubeconfig *ret_config, struct opr_error *reterr)
{
    struct opr_arena *a = opr_arena_new();
    struct opr__kubeconfig_text text;
    opr_status st = opr__kubeconfig_read(path, context, a, &text, reterr);
    if (st == OPR_OK) {
        struct opr_error err = {0};
        if (text.is_by_program) {
            text.config.renewal = renewal_of(path, text.context);
        }
        st = opr_endpoint_new(&text.config, &ret_config->endpoint, &err);
        if (st != OPR_OK && text.is_by_program) {
            free_origin(text.config.renewal.arg);
        }
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

static bool leads_to_a_file(const char *list)
{
    struct opr_str rest = opr_str_of(list), part;
    bool is_there = false;
    while (!is_there && opr_str_next(&rest, ':', &part)) {
        char *path = opr_xstrndup(part.ptr, part.len);
        is_there = part.len > 0 && opr_fs_exists(path);
        opr_free(path);
    }
    return is_there;
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
        found = opr_xstrdup(list);
    } else if (home) {
        found = opr_xprintf("%s/.kube/config", home);
    }
    if (!found || !leads_to_a_file(found)) {
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
