/* nftables: commands run in this process, and what they print. */
#include "agent/proxy_rules.h"
#include "core/base/buf.h"
#include "core/base/str.h"

#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

opr_status opr__nft_read(const char *text, struct opr_buf *ret_output, struct opr_error *reterr)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED, "nftables can not be used");
    }
    (void)nft_ctx_buffer_error(nft);
    (void)nft_ctx_buffer_output(nft);
    opr_status st = OPR_OK;
    if (nft_run_cmd_from_buffer(nft, text) != 0) {
        struct opr_str why = opr_str_trim(opr_str_of(nft_ctx_get_error_buffer(nft)));
        st = opr_error_set(reterr, OPR_E_IO, "nftables: %.*s", OPR_STR_ARG(why));
    } else if (ret_output) {
        opr_buf_add_text(ret_output, nft_ctx_get_output_buffer(nft));
    }
    nft_ctx_free(nft);
    return st;
}

opr_status opr__nft_run(const char *text, struct opr_error *reterr)
{
    return opr__nft_read(text, NULL, reterr);
}

struct opr_str opr__nft_elements(const char *table_text, const char *set)
{
    static const char words[] = "elements = {";
    char head[256];
    snprintf(head, sizeof head, "set %s {", set);
    const char *at = table_text ? strstr(table_text, head) : NULL;
    const char *end = at ? strstr(at, "\n\t}") : NULL; /* of the set; elements are further in */
    const char *from = at ? strstr(at, words) : NULL;
    const char *to = from && end && from < end ? strchr(from, '}') : NULL;
    return to ? opr_str_trim(
                    opr_str_n(from + sizeof words - 1, (size_t)(to - from) - (sizeof words - 1)))
              : (struct opr_str){0};
}
