/* The template language of operon/object.h: JSON with ' for ", and printf conversions. */
#include "core/json/doc.h"

#include "core/base/str.h"

static void add_text(struct opr_buf *out, const char *text)
{
    if (text) {
        opr_buf_add_json(out, opr_str_of(text));
    } else {
        opr_buf_add_text(out, "null");
    }
}

/* One conversion, after its '%'. Returns its length, or 0 where it is not known. */
static size_t convert(struct opr_buf *out, const char *spec, va_list *args)
{
    if (strncmp(spec, "lld", 3) == 0) {
        opr_buf_printf(out, "%lld", va_arg(*args, long long));
        return 3;
    }
    switch (*spec) {
    case 's':
        add_text(out, va_arg(*args, const char *));
        return 1;
    case 'd':
        opr_buf_printf(out, "%d", va_arg(*args, int));
        return 1;
    case 'u':
        opr_buf_printf(out, "%u", va_arg(*args, unsigned));
        return 1;
    case 'f':
        opr_buf_printf(out, "%.17g", va_arg(*args, double));
        return 1;
    case 'p':
        opr_json_write(out, va_arg(*args, const struct opr_obj *));
        return 1;
    case '%':
        opr_buf_add_char(out, '%');
        return 1;
    default:
        return 0;
    }
}

/* A ' is a quote only where it delimits: inside "..." it is itself. */
opr_status opr_doc_template(struct json_object **ret_doc, struct opr_error *reterr,
                            const char *tmpl, va_list args)
{
    struct opr_buf out = {0};
    va_list copy;
    va_copy(copy, args);
    opr_status st = OPR_OK;
    bool in_double = false;
    for (const char *p = tmpl; *p && st == OPR_OK; p++) {
        if (*p == '%') {
            size_t len = convert(&out, p + 1, &copy);
            if (len == 0) {
                st = opr_error_set(reterr, OPR_E_INVALID, "template: unknown conversion '%.4s'", p);
            }
            p += len;
        } else if (*p == '"') {
            in_double = !in_double;
            opr_buf_add_char(&out, '"');
        } else if (*p == '\\' && p[1]) {
            opr_buf_add(&out, p++, 2);
        } else {
            opr_buf_add_char(&out, *p == '\'' && !in_double ? '"' : *p);
        }
    }
    va_end(copy);
    if (st == OPR_OK) {
        st = opr_doc_parse(opr_buf_str(&out), ret_doc, reterr);
    }
    opr_buf_fini(&out);
    return st;
}
