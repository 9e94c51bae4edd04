/* Objects and the log of their changes. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

#include <stdarg.h>
#include <stdio.h>

void sim_refuse(struct sim_answer *ret, int code, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(ret->message, sizeof ret->message, fmt, args);
    va_end(args);
    ret->code = code;
    ret->reason = reason;
    ret->obj = NULL;
}

void sim_answer_with(struct sim_answer *ret, int code, const struct opr_obj *o)
{
    ret->code = code;
    ret->obj = opr_json_ref(o);
}

static int order_of(const struct opr_obj *o, const char *ns, const char *name)
{
    int c = strcmp(opr_meta_ns(o), ns);
    return c ? c : strcmp(opr_meta_name(o), name);
}

/* Where an object is, or would be; *ret_found says which. */
static size_t position(const struct sim_kind *k, const char *ns, const char *name, bool *ret_found)
{
    size_t low = 0, high = k->objects.count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = order_of(k->objects.items[mid], ns, name);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *ret_found = false;
    return low;
}

struct opr_obj *sim_get(struct sim_kind *k, const char *ns, const char *name)
{
    bool is_found;
    size_t at = position(k, k->is_namespaced && ns ? ns : "", name, &is_found);
    return is_found ? k->objects.items[at] : NULL;
}

static void log_change(struct sim *s, struct sim_kind *k, struct opr_obj *take_was,
                       struct opr_obj *take_is, struct opr_obj *take_last)
{
    struct sim_change *c = opr_xalloc(sizeof *c);
    *c = (struct sim_change){k, take_was, take_is, take_last, s->rv};
    opr_vec_push(&s->log, c);
}

static void set_rv(struct sim *s, struct json_object *doc)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)++s->rv);
    opr_doc_put_str(doc, "/metadata/resourceVersion", text);
}

/* Stores a document as the new state; the change is logged. The object is borrowed. */
struct opr_obj *sim_store(struct sim *s, struct sim_kind *k, struct json_object *doc)
{
    set_rv(s, doc);
    struct opr_obj *is = opr_doc_to_obj(doc);
    bool is_found;
    size_t at = position(k, opr_meta_ns(is), opr_meta_name(is), &is_found);
    struct opr_obj *was = NULL;
    if (is_found) {
        was = k->objects.items[at];
        k->objects.items[at] = is;
    } else {
        opr_vec_insert(&k->objects, at, is);
    }
    log_change(s, k, was, opr_json_ref(is), NULL);
    return is;
}

void sim_erase(struct sim *s, struct sim_kind *k, const struct opr_obj *o)
{
    bool is_found;
    size_t at = position(k, opr_meta_ns(o), opr_meta_name(o), &is_found);
    struct json_object *doc = opr_doc_from_obj(o);
    set_rv(s, doc);
    struct opr_obj *last = opr_doc_to_obj(doc);
    json_object_put(doc);
    log_change(s, k, opr_vec_remove(&k->objects, at), NULL, last);
}

void sim_refuse_absent(struct sim_answer *ret, const struct sim_kind *k, const char *name)
{
    sim_refuse(ret, 404, "NotFound", "%s%s%s \"%s\" not found", k->plural, *k->group ? "." : "",
               k->group, name);
}

void sim_put_now(struct sim *s, struct json_object *doc, const char *ptr)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(opr_clock_wall_ms(s->clock), text);
    opr_doc_put_str(doc, ptr, text);
}

bool sim_has_finalizers(struct json_object *doc)
{
    struct json_object *own = opr_doc_at(doc, "/metadata/finalizers");
    struct json_object *of_spec = strcmp(opr_doc_str(doc, "/kind", ""), "Namespace") == 0
                                      ? opr_doc_at(doc, "/spec/finalizers")
                                      : NULL;
    return (own && json_object_array_length(own) > 0) ||
           (of_spec && json_object_array_length(of_spec) > 0);
}
