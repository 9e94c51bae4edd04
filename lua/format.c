/* string.format without addresses and with bounded widths (Lua 5.4 manual, 6.4: string.format; %p,
 * %q and * are left out). */
#include "lua/sandbox.h"

#include <ctype.h>
#include <stdio.h>

struct spec {
    char text[24]; /* "%-08.3" and room for "lld" */
    size_t len;
    bool has_precision;
    long precision;
};

static const char *digits_of(lua_State *L, const char *p, const char *end, struct spec *s,
                             long *ret_value)
{
    long value = 0;
    int count = 0;
    for (; p < end && isdigit((unsigned char)*p); p++) {
        if (++count > 2) {
            luaL_error(L, "a width or precision in string.format is over 99");
        }
        value = value * 10 + (*p - '0');
        s->text[s->len++] = *p;
    }
    *ret_value = value;
    return p;
}

/* Flags, width, precision after a %; returns where the conversion letter stands. */
static const char *parse_spec(lua_State *L, const char *p, const char *end, struct spec *s)
{
    *s = (struct spec){.text = "%", .len = 1};
    while (p < end && memchr("-+ #0", *p, 5)) {
        if (s->len > 5) {
            luaL_error(L, "too many flags in string.format");
        }
        s->text[s->len++] = *p++;
    }
    long width;
    p = digits_of(L, p, end, s, &width);
    if (p < end && *p == '.') {
        s->has_precision = true;
        s->text[s->len++] = *p++;
        p = digits_of(L, p, end, s, &s->precision);
    }
    if (p == end) {
        luaL_error(L, "string.format ends within a conversion");
    }
    return p;
}

static void finish(struct spec *s, const char *letters)
{
    memcpy(s->text + s->len, letters, strlen(letters) + 1);
}

static void add_text(lua_State *L, luaL_Buffer *b, struct spec *s, int arg)
{
    size_t len;
    const char *text = opr__lua_tostring(L, arg, &len);
    opr__lua_charge_text(L, len * 2);
    if (s->len == 1) {
        luaL_addvalue(b);
        return;
    }
    if (len > 400 && !s->has_precision) {
        luaL_error(L, "a padded string in string.format is over 400 bytes");
    }
    luaL_argcheck(L, strlen(text) == len, arg, "string holds a zero byte");
    char out[512];
    finish(s, "s");
    int n = snprintf(out, sizeof out, s->text, text);
    lua_pop(L, 1);
    luaL_addlstring(b, out, n < (int)sizeof out ? (size_t)n : sizeof out - 1);
}

static void add_conversion(lua_State *L, luaL_Buffer *b, struct spec *s, char letter, int arg)
{
    char out[512]; /* %99.99f of the largest double has 410 bytes */
    int n = 0;
    switch (letter) {
    case 'c':
        finish(s, "c");
        n = snprintf(out, sizeof out, s->text, (int)luaL_checkinteger(L, arg));
        break;
    case 'd':
    case 'i':
        finish(s, "lld");
        n = snprintf(out, sizeof out, s->text, (long long)luaL_checkinteger(L, arg));
        break;
    case 'u':
    case 'o':
    case 'x':
    case 'X': {
        const char letters[] = {'l', 'l', letter, '\0'};
        finish(s, letters);
        n = snprintf(out, sizeof out, s->text, (long long)luaL_checkinteger(L, arg));
        break;
    }
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
        const char letters[] = {letter, '\0'};
        finish(s, letters);
        n = snprintf(out, sizeof out, s->text, luaL_checknumber(L, arg));
        break;
    }
    default:
        luaL_error(L, "string.format does not know %%%c: use c d i u o x X e f g a s %%", letter);
    }
    luaL_addlstring(b, out, (size_t)n);
}

int opr__lua_format(lua_State *L)
{
    size_t len;
    const char *p = luaL_checklstring(L, 1, &len), *end = p + len;
    int arg = 1, top = lua_gettop(L);
    opr__lua_charge_text(L, len * 2);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (p < end) {
        if (*p != '%') {
            luaL_addchar(&b, *p++);
            continue;
        }
        if (++p < end && *p == '%') {
            luaL_addchar(&b, *p++);
            continue;
        }
        struct spec s;
        p = parse_spec(L, p, end, &s);
        if (++arg > top) {
            return luaL_argerror(L, arg, "no value");
        }
        opr__lua_charge(L, 4);
        if (*p == 's') {
            add_text(L, &b, &s, arg);
        } else {
            add_conversion(L, &b, &s, *p, arg);
        }
        p++;
    }
    luaL_pushresult(&b);
    return 1;
}
