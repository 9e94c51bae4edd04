#include "cmd/manifest.h"

#include "apiserver/schema/schema.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_LIMIT (16u << 20)

static void take_doc(struct opr_vec *docs, struct json_object *take_doc_)
{
    struct json_object *items = opr_doc_at(take_doc_, "/items");
    const char *kind = opr_doc_str(take_doc_, "/kind", "");
    if (json_object_is_type(take_doc_, json_type_array)) {
        items = take_doc_;
    } else if (!opr_str_ends(opr_str_of(kind), "List") ||
               !json_object_is_type(items, json_type_array)) {
        items = NULL;
    }
    if (!items) {
        if (take_doc_) {
            opr_vec_push(docs, take_doc_);
        }
        return;
    }
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        if (item) {
            opr_vec_push(docs, json_object_get(item));
        }
    }
    json_object_put(take_doc_);
}

/* The next YAML document of a text: up to a line that begins with "---". */
static bool next_document(struct opr_str *rest, struct opr_str *ret_doc)
{
    if (rest->len == 0) {
        return false;
    }
    const char *from = rest->ptr, *end = rest->ptr + rest->len;
    for (const char *line = from; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        const char *next = eol ? eol + 1 : end;
        if (next - line >= 3 && memcmp(line, "---", 3) == 0) {
            *ret_doc = opr_str_n(from, (size_t)(line - from));
            *rest = opr_str_n(line + 3, (size_t)(end - line - 3));
            return true;
        }
        line = next;
    }
    *ret_doc = *rest;
    *rest = opr_str_n(end, 0);
    return true;
}

/* Nothing but comments and white space. */
static bool is_blank(struct opr_str text)
{
    struct opr_str line;
    while (opr_str_next(&text, '\n', &line)) {
        line = opr_str_trim(line);
        if (line.len > 0 && line.ptr[0] != '#') {
            return false;
        }
    }
    return true;
}

static opr_status read_text(const char *path, struct opr_buf *text, struct opr_error *reterr)
{
    if (strcmp(path, "-") != 0) {
        return opr_fs_read(path, FILE_LIMIT, text, reterr);
    }
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;) {
        if (text->len + n > FILE_LIMIT) {
            return opr_error_set(reterr, OPR_E_LIMIT, "standard input: more than %u bytes",
                                 FILE_LIMIT);
        }
        opr_buf_add(text, chunk, n);
    }
    return OPR_OK;
}

static opr_status read_file(const char *path, struct opr_vec *docs, struct opr_error *reterr)
{
    struct opr_buf text = {0};
    opr_status st = read_text(path, &text, reterr);
    struct opr_str rest = opr_buf_str(&text), part;
    while (st == OPR_OK && next_document(&rest, &part)) {
        struct json_object *doc = NULL;
        struct opr_error err = {0};
        if (is_blank(part)) {
            continue;
        }
        st = opr_yaml_to_doc(part, NULL, &doc, &err);
        if (st == OPR_OK) {
            take_doc(docs, doc);
        } else {
            (void)opr_error_set(reterr, st, "%s: %s", path, err.message);
        }
    }
    opr_buf_fini(&text);
    return st;
}

static int is_manifest(const struct dirent *entry)
{
    struct opr_str name = opr_str_of(entry->d_name);
    return opr_str_ends(name, ".yaml") || opr_str_ends(name, ".yml") || opr_str_ends(name, ".json");
}

opr_status opr_manifest_read(const char *path, struct opr_vec *docs, struct opr_error *reterr)
{
    struct stat info;
    if (strcmp(path, "-") == 0 || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return read_file(path, docs, reterr);
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_manifest, alphasort);
    opr_status st = OPR_OK;
    if (count <= 0) {
        st = opr_error_set(reterr, OPR_E_NOT_FOUND, "%s: no .yaml, .yml or .json file", path);
    }
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (st == OPR_OK) {
            st = read_file(file, docs, reterr);
        }
        free(entries[i]);
    }
    free(entries);
    return st;
}

void opr_manifest_free(struct opr_vec *docs)
{
    for (size_t i = 0; i < docs->count; i++) {
        json_object_put(docs->items[i]);
    }
    opr_vec_fini(docs);
}
