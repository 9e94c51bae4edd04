#include "core/base/str.h"
#include "core/net/pki.h"

#include <gtest/gtest.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string>

struct Pair {
    std::string cert, key;
};

static Pair issue(const struct opr_pki_request &req, const Pair *ca = nullptr)
{
    struct opr_buf cert = {}, key = {};
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_pki_issue(&req, ca ? ca->cert.c_str() : nullptr,
                                    ca ? ca->key.c_str() : nullptr, &cert, &key, &err))
        << err.message;
    Pair p{std::string(cert.data, cert.len), std::string(key.data, key.len)};
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    return p;
}

static Pair make_ca(const char *name)
{
    struct opr_pki_request req = {};
    req.common_name = name;
    req.is_ca = true;
    req.valid_days = 10;
    return issue(req);
}

static X509 *parse(const std::string &pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data(), (int)pem.size());
    X509 *cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return cert;
}

static int verify(X509 *cert, X509 *ca, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_init(ctx, store, cert, nullptr);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
    X509_verify_cert(ctx);
    int result = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return result;
}

TEST(Pki, ServerCertificate)
{
    Pair ca = make_ca("ca");
    const char *dns[] = {"kubernetes", "kubernetes.default.svc", nullptr};
    const char *ips[] = {"127.0.0.1", "::1", nullptr};
    struct opr_pki_request req = {};
    req.common_name = "apiserver";
    req.dns_names = dns;
    req.ip_addresses = ips;
    req.is_server = true;
    req.valid_days = 1;
    Pair server = issue(req, &ca);
    X509 *cert = parse(server.cert), *root = parse(ca.cert);
    EXPECT_EQ(X509_V_OK, verify(cert, root, X509_PURPOSE_SSL_SERVER));
    EXPECT_NE(X509_V_OK, verify(cert, root, X509_PURPOSE_SSL_CLIENT));
    EXPECT_EQ(1, X509_check_host(cert, "kubernetes.default.svc", 0, 0, nullptr));
    EXPECT_EQ(0, X509_check_host(cert, "example.com", 0, 0, nullptr));
    EXPECT_EQ(1, X509_check_ip_asc(cert, "127.0.0.1", 0));
    EXPECT_EQ(1, X509_check_ip_asc(cert, "::1", 0));
    EXPECT_EQ(0, X509_check_ip_asc(cert, "10.0.0.1", 0));
    EXPECT_EQ(0, X509_check_ca(cert));
    EXPECT_EQ(1, X509_check_ca(root));
    EXPECT_NE(0u, X509_get_key_usage(root) & KU_KEY_CERT_SIGN);
    EXPECT_EQ(0, X509_cmp_current_time(X509_get0_notBefore(cert)) > 0);
    X509_free(cert);
    X509_free(root);
}

TEST(Pki, ClientCertificateCarriesNameAndGroups)
{
    Pair ca = make_ca("ca"), other = make_ca("ca");
    const char *orgs[] = {"system:masters", "dev", nullptr};
    struct opr_pki_request req = {};
    req.common_name = "admin";
    req.organizations = orgs;
    req.valid_days = 1;
    Pair client = issue(req, &ca);
    X509 *cert = parse(client.cert), *root = parse(ca.cert), *foreign = parse(other.cert);
    EXPECT_EQ(X509_V_OK, verify(cert, root, X509_PURPOSE_SSL_CLIENT));
    EXPECT_NE(X509_V_OK, verify(cert, foreign, X509_PURPOSE_SSL_CLIENT));
    char *line = X509_NAME_oneline(X509_get_subject_name(cert), nullptr, 0);
    EXPECT_STREQ("/O=system:masters/O=dev/CN=admin", line);
    OPENSSL_free(line);
    X509_free(cert);
    X509_free(root);
    X509_free(foreign);
}

TEST(Pki, SerialsAndKeysDiffer)
{
    Pair a = make_ca("ca"), b = make_ca("ca");
    EXPECT_NE(a.key, b.key);
    X509 *ca = parse(a.cert), *cb = parse(b.cert);
    EXPECT_NE(0, ASN1_INTEGER_cmp(X509_get_serialNumber(ca), X509_get_serialNumber(cb)));
    X509_free(ca);
    X509_free(cb);
}

TEST(Pki, Refusals)
{
    Pair ca = make_ca("ca"), other = make_ca("other");
    struct opr_pki_request req = {};
    struct opr_buf cert = {}, key = {};
    struct opr_error err = {};
    auto try_issue = [&](const char *c, const char *k) {
        return opr_pki_issue(&req, c, k, &cert, &key, &err);
    };
    EXPECT_EQ(OPR_E_INVALID, try_issue(nullptr, nullptr)); /* no name */
    req.common_name = "x";
    req.valid_days = 1;
    EXPECT_EQ(OPR_E_INVALID, try_issue(ca.cert.c_str(), nullptr));
    EXPECT_EQ(OPR_E_INVALID, try_issue(ca.cert.c_str(), other.key.c_str()));
    EXPECT_EQ(OPR_E_INVALID, try_issue("nonsense", ca.key.c_str()));
    const char *ips[] = {"1.2.3", nullptr};
    req.ip_addresses = ips;
    EXPECT_EQ(OPR_E_INVALID, try_issue(ca.cert.c_str(), ca.key.c_str()));
    EXPECT_NE(nullptr, strstr(err.message, "1.2.3"));
    EXPECT_EQ(0u, cert.len);
    EXPECT_EQ(0u, key.len);
}

TEST(Pki, Es256)
{
    Pair a = make_ca("a"), b = make_ca("b");
    uint8_t sig[64];
    ASSERT_EQ(OPR_OK, opr_pki_es256_sign(a.key.c_str(), OPR_STR("header.payload"), sig, nullptr));
    EXPECT_TRUE(opr_pki_es256_verify(a.key.c_str(), OPR_STR("header.payload"), sig));
    EXPECT_TRUE(opr_pki_es256_verify(a.cert.c_str(), OPR_STR("header.payload"), sig));
    EXPECT_FALSE(opr_pki_es256_verify(a.key.c_str(), OPR_STR("header.payloae"), sig));
    EXPECT_FALSE(opr_pki_es256_verify(b.key.c_str(), OPR_STR("header.payload"), sig));
    EXPECT_FALSE(opr_pki_es256_verify("nonsense", OPR_STR("header.payload"), sig));
    sig[40] ^= 1;
    EXPECT_FALSE(opr_pki_es256_verify(a.key.c_str(), OPR_STR("header.payload"), sig));
    uint8_t zero[64] = {0};
    EXPECT_FALSE(opr_pki_es256_verify(a.key.c_str(), OPR_STR("header.payload"), zero));
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_INVALID, opr_pki_es256_sign("nonsense", OPR_STR("x"), sig, &err));
    EXPECT_EQ(OPR_E_INVALID, opr_pki_es256_sign(a.cert.c_str(), OPR_STR("x"), sig, &err));
}

TEST(Pki, Sha256)
{
    uint8_t d[32];
    opr_sha256(OPR_STR("abc"), d);
    EXPECT_EQ(0xba, d[0]); /* FIPS 180-2, appendix B.1 */
    EXPECT_EQ(0x78, d[1]);
    EXPECT_EQ(0xad, d[31]);
    opr_sha256(opr_str_n(nullptr, 0), d);
    EXPECT_EQ(0xe3, d[0]);
}
