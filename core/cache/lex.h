/* A lexical pass over JSON text that cuts it into members without building anything: how watch
 * events and list pages are split, and how what the cache does not keep is left out before it is
 * parsed. It does not validate: what it hands on is parsed strictly afterwards. Threads: any. */
#ifndef OPR_CACHE_LEX_H
#define OPR_CACHE_LEX_H

#include "core/base/buf.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__lex {
    const char *at, *end;
    bool is_object;
};

/* Begins with the members of an object or the elements of an array; false: it is neither. */
bool opr__lex_open(struct opr__lex *s, struct opr_str value);
/* The next member: its name as it stands between the quotes ({NULL,0} in an array), and its text.
 * False at the end, and where the text is cut. */
bool opr__lex_next(struct opr__lex *s, struct opr_str *ret_name, struct opr_str *ret_value);
/* The text of one member of an object; {NULL,0} where it is absent. */
struct opr_str opr__lex_member(struct opr_str object, const char *name);
/* The text between the quotes of a string without escapes; {NULL,0}: it is none. */
struct opr_str opr__lex_text(struct opr_str value);

/* Adds the object as the cache keeps it: apiVersion and kind first (list items lack them),
 * metadata.managedFields left out, and with is_meta_only nothing but metadata. False: it is no
 * object. */
bool opr__lex_trim(struct opr_buf *out, struct opr_str object, const char *api_version,
                   const char *kind, bool is_meta_only);

#ifdef __cplusplus
}
#endif
#endif
