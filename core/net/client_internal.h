/* What the files of the HTTP client share: endpoints (endpoint.c) and prepared transfers (easy.c),
 * which sessions (session.c) and streams (streams.c) run. */
#ifndef OPR_NET_CLIENT_INTERNAL_H
#define OPR_NET_CLIENT_INTERNAL_H

#include "core/net/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    OPR__CALL_TIMEOUT_MS = 30 * 1000,
    OPR__CONNECT_TIMEOUT_MS = 10 * 1000,
};
#define OPR__BODY_MAX (256u * 1024 * 1024)

struct opr_endpoint {
    atomic_uint refs;
    char *url; /* owned, as all strings here; scheme://host:port, host by server_name if given */
    char *ca_pem, *client_cert_pem, *client_key_pem;
    char *user_agent;
    char *host_header;             /* NULL: from the url */
    struct curl_slist *connect_to; /* owned; NULL: connect where the url says */
    char *token_file;
    char *proxy_url; /* NULL: none of its own */
    bool is_insecure, is_tls, is_loopback;
    void (*on_socket)(void *arg, int fd); /* may be NULL */
    void *on_socket_arg;

    pthread_mutex_t lock;
    char *token;              /* owned; lock */
    int64_t token_mtime_ns;   /* lock */
    unsigned token_number;    /* counts the tokens read so far; lock */
    uint64_t token_seen_ns;   /* when the file was last looked at; 0: look now; lock */
    int64_t token_expires_ms; /* 0: unknown; lock */

    struct opr_renewal renewal; /* its arg is owned */
    pthread_mutex_t renew_lock; /* held while the program runs; taken before lock */
    uint64_t renewed_ns;        /* when it last ended; 0: never; renew_lock */
    atomic_bool is_renewing;    /* on a thread of its own */
};

/* "Authorization: Bearer ..." in an owned string, or NULL. Looks at the token file when due, and
 * renews what has expired: at once where may_block, else in the background. */
char *opr__endpoint_authorization(struct opr_endpoint *e, bool may_block, unsigned *ret_number);
/* The server refused the token with this number: looks at the file at once, or renews it. true:
 * there is another token now. */
bool opr__endpoint_token_refused(struct opr_endpoint *e, unsigned number, bool may_block);
void opr__token_wipe(char *text); /* frees a secret, which does not stay in freed memory */

/* One transfer. The request must live until it ends. */
struct opr__easy {
    CURL *curl;                 /* owned */
    struct curl_slist *headers; /* owned */
    char error[CURL_ERROR_SIZE];
    unsigned token_number; /* of the endpoint: which token was sent */
    bool may_block;        /* it runs on a worker; set before it is prepared */
};
void opr__easy_init(struct opr__easy *e);
void opr__easy_fini(struct opr__easy *e);
OPR_NODISCARD opr_status opr__easy_prepare(struct opr__easy *e, struct opr_endpoint *endpoint,
                                           const struct opr_client_request *req,
                                           struct opr_error *reterr);
/* The status and text of a transfer that ended. */
opr_status opr__easy_result(const struct opr__easy *e, CURLcode code, const char *method,
                            struct opr_error *reterr);

#endif
