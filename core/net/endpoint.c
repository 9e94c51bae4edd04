/* Endpoints: an address with what is needed to trust it and to be trusted. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/client_internal.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
    OPR_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static char *dup_or_null(const char *text)
{
    return text && text[0] ? opr_xstrdup(text) : NULL;
}

/* scheme, host (with brackets for IPv6) and port. */
struct url_parts {
    char *scheme, *host, *port;
};

static opr_status split_url(const char *url, struct url_parts *ret, struct opr_error *reterr)
{
    CURLU *u = curl_url();
    char *path = NULL;
    opr_status st = OPR_OK;
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &ret->host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
        st = opr_error_set(reterr, OPR_E_INVALID, "server address \"%s\" is no URL", url);
    } else if (strcmp(ret->scheme, "https") != 0 && strcmp(ret->scheme, "http") != 0) {
        st = opr_error_set(reterr, OPR_E_INVALID, "server address \"%s\" must begin with https://",
                           url);
    }
    curl_free(path);
    curl_url_cleanup(u);
    return st;
}

static opr_status check_proxy(const char *url, struct opr_error *reterr)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://"};
    for (size_t i = 0; url && i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0 && url[strlen(schemes[i])]) {
            return OPR_OK;
        }
    }
    return !url ? OPR_OK
                : opr_error_set(reterr, OPR_E_INVALID,
                                "proxy-url \"%s\" must begin with http://, https:// or socks5://",
                                url);
}

static bool is_loopback_host(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

/* libcurl takes the TLS name from the URL: with a server name of its own the URL carries that name,
 * and the connection is led to the real host. */
static void set_address(struct opr_endpoint *e, const struct opr_endpoint_config *config,
                        const struct url_parts *url)
{
    size_t len = strlen(config->url);
    while (len > 0 && config->url[len - 1] == '/') {
        len--;
    }
    e->is_tls = strcmp(url->scheme, "https") == 0;
    e->is_loopback = is_loopback_host(url->host);
    if (config->server_name && e->is_tls) {
        const char *rest = strstr(config->url, "://") + 3;
        size_t base = strcspn(rest, "/");
        const char *path = rest + base;
        size_t path_len =
            len > (size_t)(path - config->url) ? len - (size_t)(path - config->url) : 0;
        e->url =
            opr_xprintf("https://%s:%s%.*s", config->server_name, url->port, (int)path_len, path);
        char *to = opr_xprintf("%s:%s:%s:%s", config->server_name, url->port, url->host, url->port);
        e->connect_to = curl_slist_append(NULL, to);
        opr_free(to);
        e->host_header = opr_xprintf("Host: %s:%s", url->host, url->port);
        return;
    }
    e->url = opr_xstrndup(config->url, len);
}

opr_status opr_endpoint_new(const struct opr_endpoint_config *config,
                            struct opr_endpoint **ret_endpoint, struct opr_error *reterr)
{
    pthread_once(&curl_once, curl_start);
    struct url_parts url = {0};
    opr_status st = config->url ? split_url(config->url, &url, reterr)
                                : opr_error_set(reterr, OPR_E_INVALID, "no server address");
    if (st == OPR_OK) {
        st = check_proxy(config->proxy_url, reterr);
    }
    if (st == OPR_OK && !config->client_cert_pem != !config->client_key_pem) {
        st = opr_error_set(reterr, OPR_E_INVALID,
                           "%s: a client certificate and its key go together", config->url);
    }
    if (st == OPR_OK) {
        struct opr_endpoint *e = opr_xalloc(sizeof *e);
        atomic_init(&e->refs, 1);
        pthread_mutex_init(&e->lock, NULL);
        pthread_mutex_init(&e->renew_lock, NULL);
        set_address(e, config, &url);
        e->ca_pem = dup_or_null(config->ca_pem);
        e->client_cert_pem = dup_or_null(config->client_cert_pem);
        e->client_key_pem = dup_or_null(config->client_key_pem);
        e->user_agent =
            opr_xstrdup(config->user_agent ? config->user_agent : "operon/" OPR_VERSION);
        e->on_socket = config->on_socket;
        e->on_socket_arg = config->on_socket_arg;
        e->token = dup_or_null(config->token);
        e->token_file = dup_or_null(config->token_file);
        e->proxy_url = dup_or_null(config->proxy_url);
        e->is_insecure = config->is_insecure;
        e->renewal = config->renewal;
        e->token_expires_ms = config->token_expires_ms;
        *ret_endpoint = e;
    }
    curl_free(url.scheme);
    curl_free(url.host);
    curl_free(url.port);
    return st;
}

struct opr_endpoint *opr_endpoint_ref(struct opr_endpoint *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

const char *opr_endpoint_url(const struct opr_endpoint *e)
{
    return e->url;
}

const char *opr_endpoint_ca(const struct opr_endpoint *e)
{
    return e->ca_pem;
}

void opr_endpoint_unref(struct opr_endpoint *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) != 1) {
        return;
    }
    opr_free(e->url);
    opr_free(e->ca_pem);
    opr_free(e->client_cert_pem);
    opr__token_wipe(e->client_key_pem);
    opr__token_wipe(e->token);
    opr_free(e->user_agent);
    opr_free(e->host_header);
    curl_slist_free_all(e->connect_to);
    opr_free(e->token_file);
    opr__token_wipe(e->proxy_url); /* it may carry a password */
    if (e->renewal.free) {
        e->renewal.free(e->renewal.arg);
    }
    pthread_mutex_destroy(&e->renew_lock);
    pthread_mutex_destroy(&e->lock);
    opr_free(e);
}
