#include "apiserver/schema/validate.h"

#include "core/base/buf.h"
#include "core/json/json.h"

#define DATA_MAX_BYTES (1u << 20)

/* Bytes of a text or of what its base64 stands for. */
static size_t data_size(struct json_object *value, bool is_base64)
{
    size_t len = (size_t)json_object_get_string_len(value);
    return is_base64 ? len / 4 * 3 : len;
}

static size_t check_keys(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *data, struct json_object *other, bool is_base64)
{
    size_t total = 0;
    if (!json_object_is_type(data, json_type_object)) {
        return 0;
    }
    json_object_object_foreach(data, key, value)
    {
        opr__check_name(e, OPR__KEY(p, key), key, opr__bad_config_key);
        if (other && json_object_object_get_ex(other, key, NULL)) {
            opr__invalid_text(e, OPR__KEY(p, key), key, "duplicate of key present in binaryData");
        }
        total += data_size(value, is_base64);
    }
    return total;
}

/* Once immutable is true, neither it nor the data change. */
static void check_frozen(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old, const char *const *names)
{
    static const char message[] = "field is immutable when `immutable` is set";
    if (!old || !opr__flag(old, "immutable")) {
        return;
    }
    if (!opr__flag(doc, "immutable")) {
        opr__forbidden(e, OPR__IN(NULL, "immutable"), message);
    }
    for (; *names; names++) {
        if (!opr_doc_equal(opr__get(doc, *names), opr__get(old, *names))) {
            opr__forbidden(e, OPR__IN(NULL, *names), message);
        }
    }
}

void opr__validate_config_map(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old)
{
    static const char *const frozen[] = {"data", "binaryData", NULL};
    struct json_object *data = opr__get(doc, "data"), *binary = opr__get(doc, "binaryData");
    check_frozen(e, doc, old, frozen);
    size_t total = check_keys(e, OPR__IN(NULL, "data"), data, binary, false);
    total += check_keys(e, OPR__IN(NULL, "binaryData"), binary, NULL, true);
    if (total > DATA_MAX_BYTES) {
        opr__too_long(e, OPR__IN(NULL, "[]"), DATA_MAX_BYTES); /* the whole object */
    }
}

static void require_key(struct opr_field_errors *e, struct json_object *data, const char *key)
{
    if (!opr__get(data, key)) {
        opr__required(e, OPR__KEY(OPR__IN(NULL, "data"), key), NULL);
    }
}

/* The contents are never shown. */
static void require_json(struct opr_field_errors *e, struct json_object *data, const char *key)
{
    struct json_object *value = opr__get(data, key);
    if (!value) {
        require_key(e, data, key);
        return;
    }
    struct opr_buf text = {0};
    struct opr_obj *parsed = NULL;
    opr_status st = opr_buf_unbase64(&text, opr_str_of(json_object_get_string(value)));
    if (st == OPR_OK) {
        st = opr_json_parse(opr_buf_str(&text), &parsed, NULL);
    }
    if (st != OPR_OK) {
        opr__invalid_text(e, OPR__KEY(OPR__IN(NULL, "data"), key), "<secret contents redacted>",
                          "must be a JSON object");
    }
    opr_json_unref(parsed);
    opr_buf_fini(&text);
}

static void check_secret_type(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *data)
{
    static const char account[] = "kubernetes.io/service-account.name";
    const char *type = opr__text(doc, "type");
    if (strcmp(type, "kubernetes.io/service-account-token") == 0) {
        struct json_object *annotations = opr_doc_at(doc, "/metadata/annotations");
        if (!opr__has_text(annotations, account)) {
            opr__required(e, OPR__KEY(OPR__IN(OPR__IN(NULL, "metadata"), "annotations"), account),
                          NULL);
        }
    } else if (strcmp(type, "kubernetes.io/dockercfg") == 0) {
        require_json(e, data, ".dockercfg");
    } else if (strcmp(type, "kubernetes.io/dockerconfigjson") == 0) {
        require_json(e, data, ".dockerconfigjson");
    } else if (strcmp(type, "kubernetes.io/basic-auth") == 0) {
        if (!opr__get(data, "username") && !opr__get(data, "password")) {
            require_key(e, data, "username");
            require_key(e, data, "password");
        }
    } else if (strcmp(type, "kubernetes.io/ssh-auth") == 0) {
        if (!opr__has_text(data, "ssh-privatekey")) {
            opr__required(e, OPR__KEY(OPR__IN(NULL, "data"), "ssh-privatekey"), NULL);
        }
    } else if (strcmp(type, "kubernetes.io/tls") == 0) {
        require_key(e, data, "tls.crt");
        require_key(e, data, "tls.key");
    }
}

void opr__validate_secret(struct opr_field_errors *e, struct json_object *doc,
                          struct json_object *old)
{
    static const char *const frozen[] = {"data", NULL};
    struct json_object *data = opr__get(doc, "data");
    if (old) {
        opr__check_immutable(e, OPR__IN(NULL, "type"), opr__get(doc, "type"),
                             opr__get(old, "type"));
    }
    check_frozen(e, doc, old, frozen);
    if (check_keys(e, OPR__IN(NULL, "data"), data, NULL, true) > DATA_MAX_BYTES) {
        opr__too_long(e, OPR__IN(NULL, "data"), DATA_MAX_BYTES);
    }
    check_secret_type(e, doc, data);
}

void opr__validate_namespace(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct json_object *finalizers = opr_doc_at(doc, "/spec/finalizers");
    const struct opr__path *p = OPR__IN(OPR__IN(NULL, "spec"), "finalizers");
    for (size_t i = 0; i < opr__length(finalizers); i++) {
        const char *name = json_object_get_string(opr__item(finalizers, i));
        const char *problem = opr__bad_qualified_name(name ? name : "");
        if (problem) {
            opr__invalid_text(e, p, name ? name : "", problem);
        } else if (!strchr(name, '/') && strcmp(name, "kubernetes") != 0) {
            opr__invalid_text(e, p, name,
                              "name is neither a standard finalizer name nor is it fully "
                              "qualified");
        }
    }
}

void opr__validate_taints(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *taints)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    for (size_t i = 0; i < opr__length(taints); i++) {
        struct json_object *taint = opr__item(taints, i);
        const struct opr__path *at = OPR__AT(p, i);
        opr__check_name(e, OPR__IN(at, "key"), opr__text(taint, "key"), opr__bad_qualified_name);
        opr__check_name(e, OPR__IN(at, "value"), opr__text(taint, "value"), opr__bad_label_value);
        if (opr__has_text(taint, "effect")) {
            opr__check_enum(e, at, taint, "effect", effects);
        } else {
            opr__required(e, OPR__IN(at, "effect"), NULL);
        }
        for (size_t j = 0; j < i; j++) {
            struct json_object *other = opr__item(taints, j);
            if (strcmp(opr__text(other, "key"), opr__text(taint, "key")) == 0 &&
                strcmp(opr__text(other, "effect"), opr__text(taint, "effect")) == 0) {
                opr__add(e, "FieldValueDuplicate", at,
                         "Duplicate value: {\"Key\":\"%s\",\"Value\":\"%s\",\"Effect\":\"%s\","
                         "\"TimeAdded\":null}: taints must be unique by key and effect pair",
                         opr__text(taint, "key"), opr__text(taint, "value"),
                         opr__text(taint, "effect"));
                break;
            }
        }
    }
}

static void check_amounts(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *amounts)
{
    if (!json_object_is_type(amounts, json_type_object)) {
        return;
    }
    json_object_object_foreach(amounts, name, value)
    {
        opr__check_name(e, OPR__IN(p, name), name, opr__bad_qualified_name);
        opr__check_quantity_nonnegative(e, OPR__IN(p, name), json_object_get_string(value));
    }
}

/* Set once, then kept: the ranges of a node and its provider's name. */
static void check_node_kept(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *spec, struct json_object *old)
{
    static const char *const names[] = {"podCIDRs", "providerID"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct json_object *was = opr__get(old, names[i]), *is = opr__get(spec, names[i]);
        if (was && !opr_doc_equal(was, is)) {
            opr__forbidden(e, OPR__IN(p, names[i]),
                           i ? "node updates may not change providerID except from \"\" to valid"
                             : "node updates may not change podCIDR except from \"\" to valid");
        }
    }
}

void opr__validate_node(struct opr_field_errors *e, struct json_object *doc,
                        struct json_object *old)
{
    struct opr__path p = {.name = "spec"}, status = {.name = "status"};
    struct json_object *spec = opr__get(doc, "spec"), *ranges = opr__get(spec, "podCIDRs");
    opr__validate_taints(e, OPR__IN(old ? &p : OPR__IN(NULL, "metadata"), "taints"),
                         opr__get(spec, "taints"));
    check_amounts(e, OPR__IN(&status, "capacity"), opr_doc_at(doc, "/status/capacity"));
    check_amounts(e, OPR__IN(&status, "allocatable"), opr_doc_at(doc, "/status/allocatable"));
    for (size_t i = 0; i < opr__length(ranges); i++) {
        const char *range = json_object_get_string(opr__item(ranges, i));
        if (!range || !opr__is_cidr(range)) {
            opr__invalid_text(e, OPR__AT(OPR__IN(&p, "podCIDRs"), i), range ? range : "",
                              "must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
                              "2001:db8::/64)");
        }
    }
    if (old) {
        check_node_kept(e, &p, spec, opr__get(old, "spec"));
    }
}

void opr__validate_binding(struct opr_field_errors *e, struct json_object *doc,
                           struct json_object *old)
{
    (void)old; /* bindings are only created */
    struct json_object *target = opr__get(doc, "target");
    const char *kind = opr__text(target, "kind");
    const struct opr__path *p = OPR__IN(NULL, "target");
    static const char *const kinds[] = {"Node", "<empty>", NULL};
    if (*kind && strcmp(kind, "Node") != 0) {
        opr__unsupported(e, OPR__IN(p, "kind"), kind, kinds);
    }
    if (!opr__has_text(target, "name")) {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
}
