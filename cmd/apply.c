/* operon apply and operon delete: manifests to objects, by a three-way merge as kubectl's
 * client-side apply does it (the last applied manifest is kept in an annotation). */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/manifest.h"
#include "cmd/session.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define LAST_APPLIED_PTR "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"

static struct json_object *find_named(struct json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (strcmp(opr_doc_str(item, "/name", ""), name) == 0) {
            return item;
        }
    }
    return NULL;
}

static void mark_removed(struct json_object *last, struct json_object *now);

/* Items of a list merged by name that are gone are deleted by a directive. */
static void mark_removed_items(struct json_object *last, struct json_object *now)
{
    size_t count = json_object_array_length(last);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(last, i);
        const char *name = opr_doc_str(item, "/name", NULL);
        if (!name) {
            return;
        }
        struct json_object *kept = find_named(now, name);
        if (kept) {
            mark_removed(item, kept);
            continue;
        }
        struct json_object *directive = json_object_new_object();
        json_object_object_add(directive, "$patch", json_object_new_string("delete"));
        json_object_object_add(directive, "name", json_object_new_string(name));
        json_object_array_add(now, directive);
    }
}

/* Puts a null into now for each member that last had and now has not. */
static void mark_removed(struct json_object *last, struct json_object *now)
{
    if (json_object_is_type(last, json_type_array) && json_object_is_type(now, json_type_array)) {
        mark_removed_items(last, now);
        return;
    }
    if (!json_object_is_type(last, json_type_object) ||
        !json_object_is_type(now, json_type_object)) {
        return;
    }
    json_object_object_foreach(last, name, value)
    {
        struct json_object *kept = NULL;
        if (json_object_object_get_ex(now, name, &kept)) {
            mark_removed(value, kept);
        } else {
            json_object_object_add(now, name, NULL);
        }
    }
}

static struct json_object *make_patch(const struct opr_obj *live, struct json_object *doc)
{
    struct json_object *patch = opr_doc_dup(doc);
    struct json_object *last = NULL;
    struct opr_str text = opr_json_text(live, LAST_APPLIED_PTR);
    if (text.ptr && opr_doc_parse(text, &last, NULL) == OPR_OK) {
        mark_removed(last, patch);
        json_object_put(last);
    }
    return patch;
}

struct target {
    const struct opr_resource *resource;
    const char *ns, *name;
    char *path, *collection;
};

static opr_status find_target(struct opr_cmd_session *s, struct json_object *doc, struct target *t,
                              struct opr_error *reterr)
{
    t->name = opr_doc_str(doc, "/metadata/name", NULL);
    const char *version = opr_doc_str(doc, "/apiVersion", NULL);
    const char *kind = opr_doc_str(doc, "/kind", NULL);
    if (!t->name || !version || !kind) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "an object needs apiVersion, kind and metadata.name");
    }
    t->ns = opr_doc_str(doc, "/metadata/namespace", s->ns);
    char *gvk = opr_arena_printf(s->arena, "%s/%s", version, kind);
    OPR_TRY(opr_cmd_path(s, gvk, t->ns, t->name, NULL, &t->resource, &t->path, reterr));
    t->collection = opr_resource_path(s->arena, t->resource,
                                      t->resource->is_namespaced ? t->ns : NULL, NULL, NULL);
    return OPR_OK;
}

/* The annotation holds the manifest without itself. */
static void note_applied(struct json_object *doc)
{
    struct opr_buf text = {0};
    opr_doc_del(doc, LAST_APPLIED_PTR);
    opr_doc_write(&text, doc);
    opr_doc_put_str(doc, LAST_APPLIED_PTR, text.data);
    opr_buf_fini(&text);
}

static opr_status send(struct opr_cmd_session *s, const char *method, const char *path,
                       const char *type, struct json_object *doc, struct opr_obj **ret_obj,
                       struct opr_error *reterr)
{
    struct opr_buf body = {0};
    opr_doc_write(&body, doc);
    char *query =
        opr_arena_printf(s->arena, "%s?fieldManager=operon-apply&fieldValidation=Strict", path);
    opr_status st = opr_call(s->caller, method, query, type, opr_buf_str(&body), ret_obj, reterr);
    opr_buf_fini(&body);
    return st;
}

static opr_status apply_one(struct opr_cmd_session *s, struct json_object *doc,
                            struct opr_error *reterr)
{
    struct target t;
    OPR_TRY(find_target(s, doc, &t, reterr));
    note_applied(doc);
    struct opr_obj *live = NULL, *result = NULL;
    opr_status st = opr_call(s->caller, "GET", t.path, NULL, (struct opr_str){0}, &live, reterr);
    const char *verb = "created";
    if (st == OPR_E_NOT_FOUND) {
        st = send(s, "POST", t.collection, "application/json", doc, &result, reterr);
    } else if (st == OPR_OK) {
        struct json_object *patch = make_patch(live, doc);
        bool is_custom = strchr(t.resource->group, '.') &&
                         !opr_str_ends(opr_str_of(t.resource->group), ".k8s.io");
        st = send(s, "PATCH", t.path,
                  is_custom ? "application/merge-patch+json"
                            : "application/strategic-merge-patch+json",
                  patch, &result, reterr);
        json_object_put(patch);
        verb = opr_meta_rv(result) == opr_meta_rv(live) ? "unchanged" : "configured";
    }
    if (st == OPR_OK) {
        printf("%s%s%s/%s %s\n", t.resource->plural, *t.resource->group ? "." : "",
               t.resource->group, t.name, verb);
    }
    opr_json_unref(live);
    opr_json_unref(result);
    return st;
}

static opr_status delete_one(struct opr_cmd_session *s, struct json_object *doc,
                             struct opr_error *reterr)
{
    struct target t;
    OPR_TRY(find_target(s, doc, &t, reterr));
    OPR_TRY(opr_call(s->caller, "DELETE", t.path, "application/json",
                     OPR_STR("{\"propagationPolicy\":\"Background\"}"), NULL, reterr));
    printf("%s/%s deleted\n", t.resource->plural, t.name);
    return OPR_OK;
}

/* Runs fn on every object of the files; the exit status. */
static int each_object(const struct opr_session_options *o, const struct opr_vec *files,
                       opr_status (*fn)(struct opr_cmd_session *, struct json_object *,
                                        struct opr_error *))
{
    struct opr_error err = {0};
    struct opr_vec docs = {0};
    struct opr_cmd_session s;
    for (size_t i = 0; i < files->count; i++) {
        if (opr_manifest_read(files->items[i], &docs, &err) != OPR_OK) {
            opr_manifest_free(&docs);
            return opr_cmd_fail("%s", err.message);
        }
    }
    if (opr_cmd_session_open(&s, o, &err) != OPR_OK) {
        opr_manifest_free(&docs);
        return opr_cmd_fail("%s", err.message);
    }
    int status = 0;
    for (size_t i = 0; i < docs.count; i++) {
        if (fn(&s, docs.items[i], &err) != OPR_OK) {
            status = opr_cmd_fail("%s %s: %s", opr_doc_str(docs.items[i], "/kind", "object"),
                                  opr_doc_str(docs.items[i], "/metadata/name", ""), err.message);
        }
    }
    opr_cmd_session_close(&s);
    opr_manifest_free(&docs);
    return status;
}

int opr_cmd_apply(int argc, char **argv)
{
    struct opr_session_options o = {0};
    struct opr_vec rest = {0}, files = {0};
    const struct opr_option options[] = {
        OPR_SESSION_OPTIONS(o),
        {"filename", 'f', OPR_OPTION_LIST, &files, "FILE|DIR", "manifests; - is standard input"},
        {0},
    };
    int status = 0;
    if (opr_args_parse(opr_command_find("apply"), options, argc, argv, &rest, &status)) {
        status = files.count > 0 && rest.count == 0
                     ? each_object(&o, &files, apply_one)
                     : opr_cmd_misuse(opr_command_find("apply"), "files are given by -f FILE");
    }
    opr_vec_fini(&rest);
    opr_vec_fini(&files);
    return status;
}

static int delete_named(const struct opr_session_options *o, const char *kind, const char *name)
{
    struct opr_error err = {0};
    struct opr_cmd_session s;
    if (opr_cmd_session_open(&s, o, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    const struct opr_resource *resource = NULL;
    char *path = NULL;
    opr_status st = opr_cmd_path(&s, kind, s.ns, name, NULL, &resource, &path, &err);
    if (st == OPR_OK) {
        st = opr_call(s.caller, "DELETE", path, "application/json",
                      OPR_STR("{\"propagationPolicy\":\"Background\"}"), NULL, &err);
    }
    int status = st == OPR_OK ? 0 : opr_cmd_fail("%s", err.message);
    if (st == OPR_OK) {
        printf("%s/%s deleted\n", resource->plural, name);
    }
    opr_cmd_session_close(&s);
    return status;
}

int opr_cmd_delete(int argc, char **argv)
{
    struct opr_session_options o = {0};
    struct opr_vec rest = {0}, files = {0};
    const struct opr_option options[] = {
        OPR_SESSION_OPTIONS(o),
        {"filename", 'f', OPR_OPTION_LIST, &files, "FILE|DIR", "manifests of what to delete"},
        {0},
    };
    int status = 0;
    if (opr_args_parse(opr_command_find("delete"), options, argc, argv, &rest, &status)) {
        if (files.count > 0 && rest.count == 0) {
            status = each_object(&o, &files, delete_one);
        } else if (files.count == 0 && rest.count == 2) {
            status = delete_named(&o, rest.items[0], rest.items[1]);
        } else {
            status = opr_cmd_misuse(opr_command_find("delete"), "KIND NAME, or -f FILE, is needed");
        }
    }
    opr_vec_fini(&rest);
    opr_vec_fini(&files);
    return status;
}
