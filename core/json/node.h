/* The inside of a packed value: one block of a header, nodes of 16 bytes, and text. Children follow
 * their parent in the array. Names and words that many values share stand in the pool of intern.h
 * instead of in the text. */
#ifndef OPR_JSON_NODE_H
#define OPR_JSON_NODE_H

#include "core/json/intern.h"
#include "core/json/json.h"

struct opr_obj {
    uint32_t head; /* index << 5 | is_shared << 4 | is_last << 3 | type */
    uint32_t text; /* string, number: place of its text, in the pool where is_shared; boolean: 1
                      or 0; object, array: index of the first node after it */
    uint32_t len;  /* bytes of text; members or elements */
    uint32_t name; /* of a member: its place + 1, or in the pool with OPR__NAME_SHARED; else 0 */
};

struct opr__block {
    uint32_t refs; /* atomic */
    uint32_t nodes;
    uint32_t text_len;
    uint32_t reserved; /* keeps the nodes 16-byte aligned */
    struct opr_obj node[];
};

#define OPR__NODE_TYPE(n) ((int32_t)((n)->head & 7u))
#define OPR__NODE_LAST 8u
#define OPR__NODE_SHARED 16u
#define OPR__NAME_SHARED 0x80000000u
#define OPR__NODE_INDEX(n) ((n)->head >> 5)
#define OPR__NODES_MAX (1u << 27)

static inline const struct opr__block *opr__block_of(const struct opr_obj *n)
{
    const struct opr_obj *first = n - OPR__NODE_INDEX(n);
    return (const struct opr__block *)(const void *)((const char *)first -
                                                     offsetof(struct opr__block, node));
}
static inline const char *opr__text_of(const struct opr__block *b)
{
    return (const char *)(b->node + b->nodes);
}

/* Text of a string or number. */
static inline struct opr_str opr__node_text(const struct opr_obj *n)
{
    const char *from =
        n->head & OPR__NODE_SHARED ? opr__intern_pool : opr__text_of(opr__block_of(n));
    return (struct opr_str){from + n->text, n->len};
}
/* NULL: not a member. text is that of the block, which a parser has elsewhere. */
static inline const char *opr__node_name(const struct opr_obj *n, const char *text)
{
    if (n->name & OPR__NAME_SHARED) {
        return opr__intern_pool + (n->name & ~OPR__NAME_SHARED);
    }
    return n->name ? text + n->name - 1 : NULL;
}

/* Unescapes the string whose first byte (after the quote) is in.ptr[*at] to out[*len], adds a
 * terminator, and moves both past it. NULL, or what was expected at *at. out has room for as many
 * bytes as the string has with both quotes. */
const char *opr__unescape(struct opr_str in, size_t *at, char *out, size_t *len);

#endif
