/* One libcurl transfer: its options from an endpoint and a request, and what its end means. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/client_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A dead peer is noticed within 15 s: 9 s of silence, then three probes; the same for data that
 * nobody acknowledges. */
#define KEEPALIVE_IDLE_S 9
#define KEEPALIVE_INTERVAL_S 2
#define KEEPALIVE_COUNT 3
#define UNACKNOWLEDGED_MS 15000

void opr__easy_init(struct opr__easy *e)
{
    e->curl = curl_easy_init();
    OPR_CHECK(e->curl);
    e->headers = NULL;
    e->error[0] = 0;
    e->may_block = false;
}

void opr__easy_fini(struct opr__easy *e)
{
    curl_easy_cleanup(e->curl);
    curl_slist_free_all(e->headers);
    e->curl = NULL;
    e->headers = NULL;
}

static void set_int(curl_socket_t fd, int level, int option, int value)
{
    /* Tuning only: a socket without it works as well. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct opr_endpoint *endpoint = arg;
    (void)purpose;
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
    if (endpoint->on_socket) {
        endpoint->on_socket(endpoint->on_socket_arg, fd);
    }
    return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *curl, CURLoption option, const char *pem)
{
    if (pem) {
        struct curl_blob blob = {(void *)pem, strlen(pem), CURL_BLOB_NOCOPY};
        curl_easy_setopt(curl, option, &blob);
    }
}

static void set_tls(CURL *curl, const struct opr_endpoint *endpoint)
{
    set_blob(curl, CURLOPT_CAINFO_BLOB, endpoint->ca_pem);
    set_blob(curl, CURLOPT_SSLCERT_BLOB, endpoint->client_cert_pem);
    set_blob(curl, CURLOPT_SSLKEY_BLOB, endpoint->client_key_pem);
    if (endpoint->ca_pem) {
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* that CA and no other */
    }
    if (endpoint->is_insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void add_header(struct opr__easy *e, const char *line)
{
    struct curl_slist *headers = curl_slist_append(e->headers, line);
    OPR_CHECK(headers);
    e->headers = headers;
}

static void add_named(struct opr__easy *e, const char *name, const char *value)
{
    char *line = opr_xprintf("%s: %s", name, value);
    add_header(e, line);
    opr_free(line);
}

static void set_headers(struct opr__easy *e, struct opr_endpoint *endpoint,
                        const struct opr_client_request *req)
{
    add_named(e, "Accept", req->accept ? req->accept : "application/json");
    if (req->content_type) {
        add_named(e, "Content-Type", req->content_type);
    } else {
        add_header(e, "Content-Type:"); /* none, instead of libcurl's own */
    }
    add_header(e, "Expect:");
    if (endpoint->host_header) {
        add_header(e, endpoint->host_header);
    }
    char *authorization = opr__endpoint_authorization(endpoint, e->may_block, &e->token_number);
    if (authorization) {
        add_header(e, authorization);
        explicit_bzero(authorization, strlen(authorization));
        opr_free(authorization);
    }
    curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, e->headers);
}

static void set_method(CURL *curl, const struct opr_client_request *req)
{
    bool has_body = req->body.len > 0 || strcmp(req->method, "POST") == 0 ||
                    strcmp(req->method, "PUT") == 0 || strcmp(req->method, "PATCH") == 0;
    if (has_body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, req->body.len ? req->body.ptr : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
    } else if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
    }
}

static void set_connection(struct opr__easy *e, const struct opr_endpoint *endpoint)
{
    CURL *curl = e->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, e->error);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L); /* wait for a shared connection, not for a new */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)OPR__CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, endpoint);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, endpoint->user_agent);
    if (endpoint->connect_to) {
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, endpoint->connect_to);
    }
    if (endpoint->proxy_url) {
        curl_easy_setopt(curl, CURLOPT_PROXY, endpoint->proxy_url);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, ""); /* whatever the environment says */
        curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    } else if (endpoint->is_loopback) {
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    }
}

opr_status opr__easy_prepare(struct opr__easy *e, struct opr_endpoint *endpoint,
                             const struct opr_client_request *req, struct opr_error *reterr)
{
    if (!req->path_query || req->path_query[0] != '/') {
        return opr_error_set(reterr, OPR_E_INVALID, "path \"%s\" does not begin with /",
                             req->path_query ? req->path_query : "");
    }
    curl_easy_reset(e->curl);
    curl_slist_free_all(e->headers);
    e->headers = NULL;
    e->error[0] = 0;
    char *url = opr_xprintf("%s%s", endpoint->url, req->path_query);
    curl_easy_setopt(e->curl, CURLOPT_URL, url);
    opr_free(url);
    set_connection(e, endpoint);
    if (endpoint->is_tls) {
        set_tls(e->curl, endpoint);
    }
    set_method(e->curl, req);
    set_headers(e, endpoint, req);
    return OPR_OK;
}

opr_status opr__easy_result(const struct opr__easy *e, CURLcode code, const char *method,
                            struct opr_error *reterr)
{
    if (code == CURLE_OK) {
        return OPR_OK;
    }
    opr_status st = OPR_E_IO;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        st = OPR_E_TIMEOUT;
    } else if (code == CURLE_URL_MALFORMAT || code == CURLE_SSL_CERTPROBLEM) {
        st = OPR_E_INVALID;
    }
    const char *url = "";
    curl_easy_getinfo(e->curl, CURLINFO_EFFECTIVE_URL, &url);
    return opr_error_set(reterr, st, "%s %s: %s", method, url,
                         e->error[0] ? e->error : curl_easy_strerror(code));
}
