/* Label selectors as text (kubernetes.io/docs/concepts/overview/working-with-objects/labels):
 * "a=b,c!=d,e in (f,g),h notin (i),j,!k". */
#include "controllers/autoscaler/autoscaler.h"

#include <ctype.h>

struct parser {
    struct opr_ctx *c;
    const char *at;
    struct opr_doc *expressions;
};

static void skip_blanks(struct parser *p)
{
    while (isblank((unsigned char)*p->at)) {
        p->at++;
    }
}

static bool take(struct parser *p, const char *token)
{
    skip_blanks(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0) {
        return false;
    }
    p->at += n;
    return true;
}

/* A key, a value or a word operator; "" where none stands here. */
static const char *word(struct parser *p)
{
    skip_blanks(p);
    size_t n = 0;
    while (isalnum((unsigned char)p->at[n]) || (p->at[n] != '\0' && strchr("-._/", p->at[n]))) {
        n++;
    }
    p->at += n;
    return opr_ctx_text(p->c, "%.*s", (int)n, p->at - n);
}

/* "(a, b)"; NULL where it is no list. */
static const struct opr_obj *values(struct parser *p)
{
    struct opr_doc *list = opr_doc_new(p->c, "[]");
    if (!take(p, "(")) {
        return NULL;
    }
    do {
        opr_doc_set(list, "/-", "%s", word(p));
    } while (take(p, ","));
    return take(p, ")") ? opr_doc_obj(list) : NULL;
}

static void add(struct parser *p, const char *key, const char *op, const struct opr_obj *list)
{
    opr_doc_set(p->expressions, "/-",
                list ? "{'key':%s,'operator':%s,'values':%p}" : "{'key':%s,'operator':%s}", key, op,
                list);
}

static bool requirement(struct parser *p)
{
    if (take(p, "!")) {
        const char *absent = word(p);
        add(p, absent, "DoesNotExist", NULL);
        return absent[0] != '\0';
    }
    const char *key = word(p);
    skip_blanks(p);
    if (key[0] == '\0' || *p->at == ',' || *p->at == '\0') {
        add(p, key, "Exists", NULL);
        return key[0] != '\0';
    }
    bool is_not = take(p, "!=");
    if (is_not || take(p, "==") || take(p, "=")) {
        add(p, key, is_not ? "NotIn" : "In", opr_doc_obj(opr_doc_new(p->c, "[%s]", word(p))));
        return true;
    }
    const char *op = word(p);
    const struct opr_obj *list = values(p);
    add(p, key, str_eq(op, "in") ? "In" : "NotIn", list);
    return list && (str_eq(op, "in") || str_eq(op, "notin"));
}

const struct opr_obj *selector_parse(struct opr_ctx *c, const char *text)
{
    struct parser p = {.c = c, .at = text, .expressions = opr_doc_new(c, "[]")};
    do {
        if (!requirement(&p)) {
            return NULL;
        }
    } while (take(&p, ","));
    skip_blanks(&p);
    return *p.at == '\0'
               ? opr_doc_obj(opr_doc_new(c, "{'matchExpressions':%p}", opr_doc_obj(p.expressions)))
               : NULL;
}
