/* Certificates and signatures (OpenSSL): a small CA, client and server certificates, and ES256 for
 * ServiceAccount tokens. Keys are EC P-256. Threads: any. All results are PEM text in buffers. */
#ifndef OPR_NET_PKI_H
#define OPR_NET_PKI_H

#include "core/base/buf.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_pki_request {
    const char *common_name;
    const char *const *organizations; /* NULL-terminated; may be NULL */
    const char *const *dns_names;     /* NULL-terminated; may be NULL */
    const char *const *ip_addresses;  /* NULL-terminated; may be NULL */
    bool is_ca;
    bool is_server; /* serverAuth; else clientAuth */
    uint32_t valid_days;
};

/* ca_cert and ca_key NULL: self-signed. */
OPR_NODISCARD opr_status opr_pki_issue(const struct opr_pki_request *req, const char *ca_cert,
                                       const char *ca_key, struct opr_buf *ret_cert,
                                       struct opr_buf *ret_key, struct opr_error *reterr);
/* Raw r||s ES256 signature (RFC 7518 3.4) of data, and its check. */
OPR_NODISCARD opr_status opr_pki_es256_sign(const char *key_pem, struct opr_str data,
                                            uint8_t ret_signature[64], struct opr_error *reterr);
bool opr_pki_es256_verify(const char *key_pem, struct opr_str data, const uint8_t signature[64]);
void opr_sha256(struct opr_str data, uint8_t ret_digest[32]);

#ifdef __cplusplus
}
#endif
#endif
