/* Certificates, ES256 and SHA-256 on OpenSSL 3's EVP interface. */
#include "core/net/pki.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#define CLOCK_SKEW_S 300 /* a certificate is valid a little before now, for machines behind us */
#define DAY_S 86400L

static opr_status openssl_error(struct opr_error *reterr, const char *what)
{
    char text[160] = "unknown error";
    unsigned long code = ERR_peek_last_error();
    if (code) {
        ERR_error_string_n(code, text, sizeof text);
    }
    ERR_clear_error();
    return opr_error_set(reterr, OPR_E_INVALID, "%s: %s", what, text);
}

/* Refuses encrypted keys: nobody is there to type a passphrase. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static EVP_PKEY *read_key(const char *pem, bool may_be_public)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (!key && may_be_public) {
        (void)BIO_reset(bio); /* a memory BIO always rewinds */
        key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    if (!key && may_be_public) {
        (void)BIO_reset(bio); /* as above */
        X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        key = cert ? X509_get_pubkey(cert) : NULL;
        X509_free(cert);
    }
    BIO_free(bio);
    if (key) {
        ERR_clear_error();
    }
    return key;
}

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return cert;
}

static void take_bio(BIO *bio, struct opr_buf *b)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    opr_buf_add(b, data, len > 0 ? (size_t)len : 0);
}

static bool set_name(X509 *cert, const struct opr_pki_request *req)
{
    X509_NAME *name = X509_get_subject_name(cert);
    for (size_t i = 0; req->organizations && req->organizations[i]; i++) {
        if (!X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                        (const unsigned char *)req->organizations[i], -1, -1, 0)) {
            return false;
        }
    }
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)req->common_name, -1, -1, 0) == 1;
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, never zero (RFC 5280) */
    BIGNUM *bn = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
    BN_free(bn);
    return is_ok;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool is_ok = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return is_ok;
}

static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *take_value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (!name || !take_value) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(take_value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, take_value);
    if (!sk_GENERAL_NAME_push(names, name)) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool push_dns(GENERAL_NAMES *names, const char *text)
{
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    if (value && !ASN1_STRING_set(value, text, -1)) {
        ASN1_STRING_free(value);
        value = NULL;
    }
    return push_name(names, GEN_DNS, value);
}

static opr_status add_alt_names(X509 *cert, const struct opr_pki_request *req,
                                struct opr_error *reterr)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    opr_status st = OPR_OK;
    for (size_t i = 0; req->dns_names && req->dns_names[i] && st == OPR_OK; i++) {
        if (!push_dns(names, req->dns_names[i])) {
            st = openssl_error(reterr, "certificate DNS name");
        }
    }
    for (size_t i = 0; req->ip_addresses && req->ip_addresses[i] && st == OPR_OK; i++) {
        if (!push_name(names, GEN_IPADD, a2i_IPADDRESS(req->ip_addresses[i]))) {
            ERR_clear_error();
            st = opr_error_set(reterr, OPR_E_INVALID,
                               "certificate for \"%s\": \"%s\" is no IP "
                               "address",
                               req->common_name, req->ip_addresses[i]);
        }
    }
    if (st == OPR_OK && sk_GENERAL_NAME_num(names) > 0 &&
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) != 1) {
        st = openssl_error(reterr, "certificate alternative names");
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return st;
}

static bool add_usage(X509 *cert, X509 *issuer, const struct opr_pki_request *req)
{
    const char *basic = req->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE";
    const char *usage =
        req->is_ca ? "critical,digitalSignature,keyCertSign,cRLSign" : "critical,digitalSignature";
    bool is_ok = add_extension(cert, issuer, NID_basic_constraints, basic) &&
                 add_extension(cert, issuer, NID_key_usage, usage) &&
                 add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
                 add_extension(cert, issuer, NID_authority_key_identifier, "keyid");
    if (is_ok && !req->is_ca) {
        is_ok = add_extension(cert, issuer, NID_ext_key_usage,
                              req->is_server ? "serverAuth" : "clientAuth");
    }
    return is_ok;
}

static opr_status fill_cert(X509 *cert, X509 *issuer, EVP_PKEY *key,
                            const struct opr_pki_request *req, struct opr_error *reterr)
{
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
        !X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW_S) ||
        !X509_gmtime_adj(X509_getm_notAfter(cert), (long)req->valid_days * DAY_S) ||
        X509_set_pubkey(cert, key) != 1 || !set_name(cert, req)) {
        return openssl_error(reterr, "certificate");
    }
    if (X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1 ||
        !add_usage(cert, issuer, req)) {
        return openssl_error(reterr, "certificate extensions");
    }
    return add_alt_names(cert, req, reterr);
}

static opr_status write_pem(X509 *cert, EVP_PKEY *key, struct opr_buf *ret_cert,
                            struct opr_buf *ret_key, struct opr_error *reterr)
{
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    opr_status st = OPR_OK;
    if (!cert_bio || !key_bio || PEM_write_bio_X509(cert_bio, cert) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        st = openssl_error(reterr, "writing PEM");
    } else {
        take_bio(cert_bio, ret_cert);
        take_bio(key_bio, ret_key);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return st;
}

opr_status opr_pki_issue(const struct opr_pki_request *req, const char *ca_cert, const char *ca_key,
                         struct opr_buf *ret_cert, struct opr_buf *ret_key,
                         struct opr_error *reterr)
{
    if (!req->common_name || !ca_cert != !ca_key) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "a certificate needs a common name, and a CA needs both parts");
    }
    opr_status st = OPR_OK;
    X509 *cert = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *issuer = ca_cert ? read_cert(ca_cert) : NULL;
    EVP_PKEY *issuer_key = ca_key ? read_key(ca_key, false) : NULL;
    if (!cert || !key || (ca_cert && (!issuer || !issuer_key))) {
        st = openssl_error(reterr, "reading the CA's certificate and key");
        goto out;
    }
    if (issuer && X509_check_private_key(issuer, issuer_key) != 1) {
        st = openssl_error(reterr, "the CA's key does not belong to its certificate");
        goto out;
    }
    st = fill_cert(cert, issuer ? issuer : cert, key, req, reterr);
    if (st == OPR_OK && X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256()) == 0) {
        st = openssl_error(reterr, "signing the certificate");
    }
    if (st == OPR_OK) {
        st = write_pem(cert, key, ret_cert, ret_key, reterr);
    }
out:
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    return st;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t len = 0;
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool der_to_raw(const unsigned char *der, size_t len, uint8_t raw[64])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool is_ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32 &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    return is_ok;
}

/* The length of the DER form in *ret_der (OPENSSL_free), or 0. */
static int raw_to_der(const uint8_t raw[64], unsigned char **ret_der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, 32, NULL);
    BIGNUM *s = BN_bin2bn(raw + 32, 32, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return 0;
    }
    int len = i2d_ECDSA_SIG(sig, ret_der);
    ECDSA_SIG_free(sig);
    return len > 0 ? len : 0;
}

opr_status opr_pki_es256_sign(const char *key_pem, struct opr_str data, uint8_t ret_signature[64],
                              struct opr_error *reterr)
{
    EVP_PKEY *key = read_key(key_pem, false);
    if (!key || !is_p256(key)) {
        EVP_PKEY_free(key);
        ERR_clear_error();
        return opr_error_set(reterr, OPR_E_INVALID, "ES256 needs a private EC P-256 key in PEM");
    }
    unsigned char der[80];
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                 EVP_DigestSign(ctx, der, &len, (const unsigned char *)data.ptr, data.len) == 1 &&
                 der_to_raw(der, len, ret_signature);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_ok ? OPR_OK : openssl_error(reterr, "ES256 signature");
}

bool opr_pki_es256_verify(const char *key_pem, struct opr_str data, const uint8_t signature[64])
{
    EVP_PKEY *key = read_key(key_pem, true);
    unsigned char *der = NULL;
    int len = key && is_p256(key) ? raw_to_der(signature, &der) : 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_valid =
        len > 0 && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(ctx, der, (size_t)len, (const unsigned char *)data.ptr, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_valid;
}

void opr_sha256(struct opr_str data, uint8_t ret_digest[32])
{
    SHA256((const unsigned char *)data.ptr, data.len, ret_digest);
}
