/* Events, of both groups (kubernetes core/validation/events.go). Errors name the fields as they are
 * stored, and do not show what they hold. */
#include "apiserver/schema/validate.h"

#define TEXT_MAX 128
#define NOTE_MAX 1024

/* An event about what is in no namespace is in one of two; is_same: others are where their object
 * is. */
static void check_namespace(struct opr_field_errors *e, struct json_object *doc, const char *member,
                            bool is_same)
{
    const char *ns = opr_doc_str(doc, "/metadata/namespace", "");
    const char *about = opr_doc_str(doc, member, "");
    const struct opr__path *p = OPR__IN(OPR__IN(NULL, "involvedObject"), "namespace");
    if (is_same && *about && strcmp(ns, about) != 0) {
        opr__invalid_text(e, p, about, "does not match event.namespace");
    } else if (!*about && strcmp(ns, "default") != 0 && strcmp(ns, "kube-system") != 0) {
        opr__invalid_text(e, p, about, "does not match event.namespace");
    }
}

void opr__validate_event(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old)
{
    (void)old; /* the same on create and update */
    check_namespace(e, doc, "/involvedObject/namespace", true);
}

static void check_text(struct opr_field_errors *e, struct json_object *doc, const char *name)
{
    const char *text = opr__text(doc, name);
    if (!*text) {
        opr__required(e, OPR__IN(NULL, name), NULL);
    } else if (strlen(text) > TEXT_MAX) {
        opr__invalid_text(e, OPR__IN(NULL, name), "", "can have at most 128 characters");
    }
}

static void check_series(struct opr_field_errors *e, struct json_object *series)
{
    const struct opr__path *p = OPR__IN(NULL, "series");
    if (!series) {
        return;
    }
    if (opr__number(series, "count") < 2) {
        opr__invalid_text(e, OPR__IN(p, "count"), "", "should be at least 2");
    }
    if (!opr__has_text(series, "lastObservedTime")) {
        opr__required(e, OPR__IN(p, "lastObservedTime"), NULL);
    }
}

/* What the older form alone has. */
static void check_unset(struct opr_field_errors *e, struct json_object *doc)
{
    static const struct {
        const char *member, *stored;
    } members[] = {{"deprecatedFirstTimestamp", "firstTimestamp"},
                   {"deprecatedLastTimestamp", "lastTimestamp"},
                   {"deprecatedCount", "count"},
                   {"deprecatedSource", "source"}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct json_object *value = opr__get(doc, members[i].member);
        bool is_set =
            json_object_is_type(value, json_type_object)
                ? json_object_object_length(value) > 0
                : json_object_get_int64(value) != 0 || opr__has_text(doc, members[i].member);
        if (is_set) {
            opr__invalid_text(e, OPR__IN(NULL, members[i].stored), "", "needs to be unset");
        }
    }
}

void opr__validate_new_event(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old)
{
    const char *type = opr__text(doc, "type"), *controller = opr__text(doc, "reportingController");
    if (old) {
        return; /* only its series goes on; agents of other versions write it, too */
    }
    check_namespace(e, doc, "/regarding/namespace", false);
    if (!opr__has_text(doc, "eventTime")) {
        opr__required(e, OPR__IN(NULL, "eventTime"), NULL);
    }
    if (!*controller) {
        opr__required(e, OPR__IN(NULL, "reportingController"), NULL);
    }
    opr__check_name(e, OPR__IN(NULL, "reportingController"), controller, opr__bad_qualified_name);
    check_text(e, doc, "reportingInstance");
    check_text(e, doc, "action");
    check_text(e, doc, "reason");
    if (strlen(opr__text(doc, "note")) > NOTE_MAX) {
        opr__invalid_text(e, OPR__IN(NULL, "message"), "", "can have at most 1024 characters");
    }
    if (strcmp(type, "Normal") != 0 && strcmp(type, "Warning") != 0) {
        opr__invalid_text(e, OPR__IN(NULL, "type"), "",
                          opr_arena_printf(e->arena, "has invalid value: %s", type));
    }
    check_unset(e, doc);
    check_series(e, opr__get(doc, "series"));
}
