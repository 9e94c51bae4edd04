#include "core/client/kubeconfig_yaml.h"

#include "core/base/str.h"

opr_status opr__yaml_parse(struct opr__yaml *y, struct opr_str text, const char *name,
                           struct opr_error *reterr)
{
    *y = (struct opr__yaml){0};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return opr_error_set(reterr, OPR_E_NOMEM, "%s: no memory", name);
    }
    opr_status st = OPR_OK;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    if (!yaml_parser_load(&parser, &y->doc)) {
        st = opr_error_set(reterr, OPR_E_INVALID, "%s:%zu: %s", name, parser.problem_mark.line + 1,
                           parser.problem ? parser.problem : "no YAML");
    } else {
        y->is_loaded = true;
    }
    yaml_parser_delete(&parser);
    return st;
}

void opr__yaml_fini(struct opr__yaml *y)
{
    if (y->is_loaded) {
        yaml_document_delete(&y->doc);
        y->is_loaded = false;
    }
}

yaml_node_t *opr__yaml_root(struct opr__yaml *y)
{
    return yaml_document_get_root_node(&y->doc);
}

yaml_node_t *opr__yaml_get(struct opr__yaml *y, const yaml_node_t *map, const char *key)
{
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(&y->doc, p->key);
        if (k && k->type == YAML_SCALAR_NODE &&
            opr_str_is(opr_str_n((const char *)k->data.scalar.value, k->data.scalar.length), key)) {
            return yaml_document_get_node(&y->doc, p->value);
        }
    }
    return NULL;
}

yaml_node_t *opr__yaml_at(struct opr__yaml *y, const yaml_node_t *list, size_t i)
{
    if (!list || list->type != YAML_SEQUENCE_NODE ||
        i >= (size_t)(list->data.sequence.items.top - list->data.sequence.items.start)) {
        return NULL;
    }
    return yaml_document_get_node(&y->doc, list->data.sequence.items.start[i]);
}

const char *opr__yaml_text(struct opr__yaml *y, const yaml_node_t *map, const char *key)
{
    const yaml_node_t *node = opr__yaml_get(y, map, key);
    if (!node || node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0) {
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    bool is_plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return is_plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0) ? NULL : text;
}
