/* The matcher of Lua patterns (Lua 5.4 manual, 6.4.1) with a budget: each step is charged, and the
 * recursion is bounded. Threads and errors: as the state's. */
#ifndef OPR_LUA_PATTERN_H
#define OPR_LUA_PATTERN_H

#include "lua/sandbox.h"

#define OPR__PATTERN_MAX_CAPTURES 32
#define OPR__CAPTURE_OPEN (-1)     /* length of a capture that has begun and not ended */
#define OPR__CAPTURE_POSITION (-2) /* length of (), which gives its position */

struct opr__matcher {
    lua_State *L;
    const unsigned char *text, *text_end, *pattern_end;
    uint32_t steps;
    int depth;
    int count;
    struct {
        const unsigned char *start;
        ptrdiff_t len;
    } capture[OPR__PATTERN_MAX_CAPTURES];
};

/* Charges for reading both texts once. */
void opr__matcher_init(struct opr__matcher *m, lua_State *L, struct opr_str text,
                       struct opr_str pattern);
/* Matches the pattern from p on at s, and nowhere else; returns where the match ends, or NULL. */
const unsigned char *opr__matcher_start(struct opr__matcher *m, const unsigned char *s,
                                        const unsigned char *p);

#endif
