#include "core/api/yaml_out.h"

#include <yaml.h>

#include <string.h>

static int on_output(void *arg, unsigned char *data, size_t len)
{
    opr_buf_add(arg, data, len);
    return 1;
}

static void emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
    (void)yaml_emitter_emit(emitter, event); /* output to memory does not fail */
}

static void emit_text(yaml_emitter_t *emitter, const char *text, size_t len, bool is_string)
{
    /* A plain scalar that another reader would take for a number, a boolean or null is quoted. */
    static const char *const words[] = {"null", "Null",  "NULL",  "~",     "true", "True", "TRUE",
                                        "yes",  "Yes",   "YES",   "on",    "On",   "ON",   "y",
                                        "Y",    "false", "False", "FALSE", "no",   "No",   "NO",
                                        "off",  "Off",   "OFF",   "n",     "N",    ""};
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; is_string && i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
        }
    }
    if (is_string && len > 0 && strspn(text, "0123456789+-.eExXoObB_:") == len) {
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    }
    if (is_string && memchr(text, '\n', len)) {
        style = YAML_LITERAL_SCALAR_STYLE;
    }
    yaml_event_t event;
    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)len, 1, 1,
                                 style);
    emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, const struct opr_obj *o)
{
    yaml_event_t event;
    int32_t type = opr_json_type(o);
    if (type == OPR_TYPE_OBJECT) {
        yaml_mapping_style_t style =
            opr_json_len(o) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
        yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style);
        emit(emitter, &event);
        for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
            emit_text(emitter, opr_json_name(v), strlen(opr_json_name(v)), true);
            emit_value(emitter, v);
        }
        yaml_mapping_end_event_initialize(&event);
        emit(emitter, &event);
    } else if (type == OPR_TYPE_ARRAY) {
        yaml_sequence_style_t style =
            opr_json_len(o) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style);
        emit(emitter, &event);
        for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
            emit_value(emitter, v);
        }
        yaml_sequence_end_event_initialize(&event);
        emit(emitter, &event);
    } else if (type == OPR_TYPE_STRING) {
        struct opr_str text = opr_json_text(o, "");
        emit_text(emitter, text.ptr, text.len, true);
    } else {
        struct opr_buf text = {0};
        opr_json_write(&text, o);
        emit_text(emitter, text.data, text.len, false);
        opr_buf_fini(&text);
    }
}

void opr_yaml_write(struct opr_buf *b, const struct opr_obj *o)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output(&emitter, on_output, b);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    emit(&emitter, &event);
    emit_value(&emitter, o);
    yaml_document_end_event_initialize(&event, 1);
    emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
}
