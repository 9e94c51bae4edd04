/* From the bytes of a watch or a list to changes of the store. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/cache/informer_internal.h"
#include "core/cache/lex.h"

#define MAX_LINE_BYTES (64u << 20)
#define MAX_STALE_LISTS 3 /* then the server was set back, and its word counts */

void opr__informer_tell(struct opr_informer *i, const struct opr_obj *was, const struct opr_obj *is)
{
    for (size_t n = 0; n < i->handlers.count; n++) {
        const struct opr__handler *h = i->handlers.items[n];
        if (!h->is_late) {
            h->fn(h->arg, was, is);
        }
    }
}

/* The object as it is kept; owned. One that can not be read is left out: it must not stop all
 * others. */
static struct opr_obj *read_object(struct opr_informer *i, struct opr_str text)
{
    struct opr_obj *obj = NULL;
    struct opr_error err = {0};
    opr_buf_clear(&i->text);
    if (!opr__lex_trim(&i->text, text, i->api_version, i->resource->kind, i->is_meta_only) ||
        opr_json_parse(opr_buf_str(&i->text), &obj, &err) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "cache", "object left out: it is not valid JSON", "kind=%s error=%s",
                i->resource->gvk, err.message);
        return NULL;
    }
    if (!*opr_meta_name(obj)) {
        opr_json_unref(obj);
        return NULL;
    }
    return obj;
}

static void apply_object(struct opr_informer *i, struct opr_str text)
{
    struct opr_obj *obj = read_object(i, text);
    if (!obj) {
        return;
    }
    struct opr_obj *was = NULL;
    opr_json_ref(obj);
    if (opr__store_apply(&i->store, obj, i->epoch, &was)) {
        opr__informer_tell(i, was, obj);
        opr_json_unref(was);
    }
    opr_json_unref(obj);
}

static void remove_object(struct opr_informer *i, const struct opr_obj *last)
{
    struct opr_obj *was = NULL;
    if (opr__store_remove(&i->store, last, &was)) {
        opr__informer_tell(i, was, NULL);
        opr_json_unref(was);
    }
}

static void advance(struct opr_informer *i, const char *rv)
{
    if (*rv) {
        opr_free(i->rv);
        i->rv = opr_xstrdup(rv);
    }
}

/* The version of an object's text, without parsing all of it. */
static void advance_past(struct opr_informer *i, struct opr_str object)
{
    struct opr_str metadata = opr__lex_member(object, "metadata");
    struct opr_str rv = opr__lex_text(opr__lex_member(metadata, "resourceVersion"));
    uint64_t number = 0;
    if (rv.len == 0) {
        return;
    }
    opr_free(i->rv);
    i->rv = opr_xstrndup(rv.ptr, rv.len);
    if (i->phase == OPR__PHASE_WATCHING && opr_str_to_u64(rv, &number) == OPR_OK) {
        opr__store_pass(&i->store, number);
    }
}

void opr__informer_list_done(struct opr_informer *i, const char *rv)
{
    struct opr_vec gone = {0};
    uint64_t number;
    if (opr_str_to_u64(opr_str_of(rv), &number) != OPR_OK) {
        number = 0; /* an opaque version */
    }
    opr__store_sweep(&i->store, i->epoch, number, &gone);
    for (size_t n = 0; n < gone.count; n++) {
        opr__informer_tell(i, gone.items[n], NULL);
        opr_json_unref(gone.items[n]);
    }
    opr_vec_fini(&gone);
    advance(i, rv);
    i->stale_lists = 0;
    atomic_store(&i->has_failed, false);
    atomic_store(&i->is_synced, true);
    if (i->on_sync) {
        i->on_sync(i->on_sync_arg);
    }
}

static bool is_initial_end(struct opr_str object)
{
    struct opr_str metadata = opr__lex_member(object, "metadata");
    struct opr_str annotations = opr__lex_member(metadata, "annotations");
    struct opr_str end = opr__lex_member(annotations, "k8s.io/initial-events-end");
    return opr_str_is(opr__lex_text(end), "true");
}

static void take_bookmark(struct opr_informer *i, struct opr_str object)
{
    if (i->phase != OPR__PHASE_STREAMING) {
        advance_past(i, object);
        return;
    }
    if (is_initial_end(object)) {
        struct opr_str metadata = opr__lex_member(object, "metadata");
        struct opr_str rv = opr__lex_text(opr__lex_member(metadata, "resourceVersion"));
        char *text = opr_xstrndup(rv.len > 0 ? rv.ptr : "", rv.len);
        i->phase = OPR__PHASE_WATCHING;
        opr__informer_list_done(i, text);
        opr_free(text);
    }
}

static opr_status take_error(struct opr_informer *i, struct opr_str object)
{
    struct opr_error err = {0};
    int64_t code = 0;
    if (opr_str_to_i64(opr__lex_member(object, "code"), &code) != OPR_OK || code < 400) {
        code = 500;
    }
    opr_status st = opr_status_from_answer((int)code, object, &err);
    opr_log(OPR_LOG_DEBUG, "cache", "watch ended with an error", "kind=%s error=%s",
            i->resource->gvk, err.message);
    return st;
}

static opr_status take_event(struct opr_informer *i, struct opr_str line)
{
    struct opr_str type = opr__lex_text(opr__lex_member(line, "type"));
    struct opr_str object = opr__lex_member(line, "object");
    if (opr_str_is(type, "ADDED") || opr_str_is(type, "MODIFIED")) {
        apply_object(i, object);
    } else if (opr_str_is(type, "DELETED")) {
        struct opr_obj *last = read_object(i, object);
        if (last) {
            remove_object(i, last);
            opr_json_unref(last);
        }
    } else if (opr_str_is(type, "BOOKMARK")) {
        i->has_bookmark = i->phase == OPR__PHASE_WATCHING;
        take_bookmark(i, object);
        return OPR_OK;
    } else if (opr_str_is(type, "ERROR")) {
        return take_error(i, object);
    } else {
        return OPR_E_IO; /* a cut or foreign line */
    }
    if (i->phase == OPR__PHASE_WATCHING) {
        advance_past(i, object);
    }
    return OPR_OK;
}

opr_status opr__informer_decode_events(struct opr_informer *i)
{
    size_t start = 0;
    opr_status st = OPR_OK;
    while (st == OPR_OK && i->scanned < i->pending.len && i->phase != OPR__PHASE_STOPPED) {
        const char *from = i->pending.data + i->scanned;
        const char *end = memchr(from, '\n', i->pending.len - i->scanned);
        if (!end) {
            i->scanned = i->pending.len;
            break;
        }
        size_t line_end = (size_t)(end - i->pending.data);
        struct opr_str line = opr_str_trim(opr_str_n(i->pending.data + start, line_end - start));
        start = line_end + 1;
        i->scanned = start;
        if (line.len > 0) {
            i->has_event = true;
            st = take_event(i, line);
        }
    }
    opr_buf_consume(&i->pending, start);
    i->scanned -= start;
    return st == OPR_OK && i->pending.len > MAX_LINE_BYTES ? OPR_E_LIMIT : st;
}

/* A server that lags behind what this informer knows must not turn back time (a list of the past
 * would bring back what was deleted). */
static bool is_stale_list(struct opr_informer *i, struct opr_str rv)
{
    uint64_t number = 0;
    if (opr_str_to_u64(rv, &number) != OPR_OK || number == 0 ||
        number >= opr__store_passed_rv(&i->store)) {
        return false;
    }
    if (++i->stale_lists < MAX_STALE_LISTS) {
        return true;
    }
    opr__store_forget_rv(&i->store);
    return false;
}

opr_status opr__informer_decode_page(struct opr_informer *i, char **ret_page)
{
    struct opr_str body = opr_buf_str(&i->pending);
    struct opr_str metadata = opr__lex_member(body, "metadata");
    struct opr_str items = opr__lex_member(body, "items");
    struct opr_str rv = opr__lex_text(opr__lex_member(metadata, "resourceVersion"));
    if (rv.len == 0) {
        return OPR_E_IO; /* cut, or no list at all */
    }
    if (is_stale_list(i, rv)) {
        return OPR_E_BUSY;
    }
    struct opr__lex s;
    struct opr_str name, item;
    if (opr__lex_open(&s, items)) {
        while (opr__lex_next(&s, &name, &item)) {
            apply_object(i, item);
        }
    }
    struct opr_str page = opr__lex_text(opr__lex_member(metadata, "continue"));
    *ret_page = page.len > 0 ? opr_xstrndup(page.ptr, page.len) : NULL;
    opr_free(i->rv);
    i->rv = opr_xstrndup(rv.ptr, rv.len);
    return OPR_OK;
}
