/* The server's side of TLS: its context, and the identity in a client's certificate. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/server_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static opr_status tls_error(struct opr_error *reterr, const char *what)
{
    char text[160] = "unknown error";
    unsigned long code = ERR_peek_last_error();
    if (code) {
        ERR_error_string_n(code, text, sizeof text);
    }
    ERR_clear_error();
    return opr_error_set(reterr, OPR_E_INVALID, "%s: %s", what, text);
}

/* The first certificate is the server's, the others are its chain. */
static bool use_chain(SSL_CTX *tls, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool is_ok = cert && SSL_CTX_use_certificate(tls, cert) == 1;
    X509_free(cert);
    while (is_ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        is_ok = SSL_CTX_add0_chain_cert(tls, cert) == 1;
        if (!is_ok) {
            X509_free(cert);
        }
    }
    BIO_free(bio);
    if (is_ok) {
        ERR_clear_error(); /* the end of the PEM text counts as one */
    }
    return is_ok;
}

static bool use_key(SSL_CTX *tls, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
    BIO_free(bio);
    bool is_ok = key && SSL_CTX_use_PrivateKey(tls, key) == 1;
    EVP_PKEY_free(key);
    return is_ok && SSL_CTX_check_private_key(tls) == 1;
}

static bool trust_clients_of(SSL_CTX *tls, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_STORE *store = SSL_CTX_get_cert_store(tls);
    size_t count = 0;
    X509 *cert;
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (X509_STORE_add_cert(store, cert) == 1 && SSL_CTX_add_client_CA(tls, cert) == 1) {
            count++;
        }
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the PEM text counts as one */
    /* A client without a certificate goes on without identity; a bad certificate is refused. */
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return count > 0;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

opr_status opr__tls_new(const struct opr_server_config *config, SSL_CTX **ret_tls,
                        struct opr_error *reterr)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls) {
        return tls_error(reterr, "TLS");
    }
    opr_status st = OPR_OK;
    /* No resumption: a session ticket would carry a client's identity past its certificate. */
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(tls, select_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1) {
        st = tls_error(reterr, "TLS 1.2");
    } else if (!use_chain(tls, config->cert_pem)) {
        st = tls_error(reterr, "the server's certificate");
    } else if (!config->key_pem || !use_key(tls, config->key_pem)) {
        st = tls_error(reterr, "the server's key");
    } else if (config->client_ca_pem && !trust_clients_of(tls, config->client_ca_pem)) {
        st = opr_error_set(reterr, OPR_E_INVALID, "no certificate in the client CA's PEM text");
    }
    if (st != OPR_OK) {
        SSL_CTX_free(tls);
        return st;
    }
    *ret_tls = tls;
    return OPR_OK;
}

struct opr__peer *opr__peer_new(void)
{
    struct opr__peer *p = opr_xalloc(sizeof *p);
    p->refs = 1;
    return p;
}

struct opr__peer *opr__peer_ref(struct opr__peer *p)
{
    p->refs++;
    return p;
}

void opr__peer_unref(struct opr__peer *p)
{
    if (p && --p->refs == 0) {
        opr_arena_free(p->arena);
        opr_free(p);
    }
}

/* false: the entry is no text, or hides a zero byte from C code. */
static bool entry_text(struct opr_arena *a, const X509_NAME *name, int at, struct opr_str *ret_text)
{
    ASN1_STRING *data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, data);
    bool is_ok = len > 0 && !memchr(utf8, 0, (size_t)len);
    if (is_ok) {
        const char *text = opr_arena_dup(a, opr_str_n((const char *)utf8, (size_t)len));
        *ret_text = opr_str_n(text, (size_t)len);
    }
    OPENSSL_free(utf8);
    return is_ok;
}

static bool read_subject(struct opr__peer *p, const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || !entry_text(p->arena, name, at, &p->pub.cert_cn)) {
        return false;
    }
    size_t count = (size_t)X509_NAME_entry_count(name);
    struct opr_str *orgs = opr_arena_alloc(p->arena, count * sizeof *orgs);
    p->pub.cert_orgs = orgs;
    at = -1;
    while ((at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0) {
        if (!entry_text(p->arena, name, at, &orgs[p->pub.n_cert_orgs++])) {
            return false;
        }
    }
    return true;
}

struct opr__peer *opr__tls_peer(SSL *ssl)
{
    struct opr__peer *p = opr__peer_new();
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert || SSL_get_verify_result(ssl) != X509_V_OK) {
        return p;
    }
    p->arena = opr_arena_new();
    if (!read_subject(p, X509_get_subject_name(cert))) {
        p->pub = (struct opr_http_peer){0};
    }
    ERR_clear_error();
    return p;
}
