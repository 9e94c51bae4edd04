/* A scanner over JSON text for the typed decoder: it keeps duplicate members and the text of
 * numbers, and words its errors as Go's encoding/json does. Threads: one owner. */
#ifndef OPR_APISERVER_SCHEMA_SCAN_H
#define OPR_APISERVER_SCHEMA_SCAN_H

#include "core/base/buf.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__scan {
    const char *p, *end;      /* borrowed text */
    struct opr_error *reterr; /* borrowed; may be NULL */
};

/* The first character of the next value, after spaces; 0 at the end of the text. */
char opr__scan_peek(struct opr__scan *s);
/* An error at the current character: "invalid character 'x' CONTEXT". */
opr_status opr__scan_error(struct opr__scan *s, const char *context);
/* Takes one punctuation character. */
OPR_NODISCARD opr_status opr__scan_expect(struct opr__scan *s, char c, const char *context);
/* Takes a string; adds its unescaped text to out. */
OPR_NODISCARD opr_status opr__scan_string(struct opr__scan *s, struct opr_buf *out);
/* Takes a number; its text is borrowed from the input. */
OPR_NODISCARD opr_status opr__scan_number(struct opr__scan *s, struct opr_str *ret_text);
/* Takes true, false or null. */
OPR_NODISCARD opr_status opr__scan_word(struct opr__scan *s, const char *word);
/* Only spaces are left. */
OPR_NODISCARD opr_status opr__scan_end(struct opr__scan *s);

#ifdef __cplusplus
}
#endif
#endif
