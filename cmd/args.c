#include "cmd/args.h"

#include "core/base/clock.h"
#include "core/base/str.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_WORD 48

/* Levenshtein distance of two short words. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_WORD + 1];
    size_t la = strnlen(a, MAX_WORD), lb = strnlen(b, MAX_WORD);
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < gap ? change : gap;
        }
    }
    return row[lb];
}

const char *opr_args_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

static void print_help(const struct opr_command *cmd, const struct opr_option *options)
{
    printf("usage: operon %s %s\n\n%s\n", cmd->name, cmd->args, cmd->summary);
    if (options->name) {
        printf("\noptions:\n");
    }
    for (const struct opr_option *o = options; o->name; o++) {
        char left[64];
        char letter[8] = "";
        if (o->letter) {
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
        printf("  %-28s %s\n", left, o->help);
    }
}

static const struct opr_option *find_option(const struct opr_option *options, struct opr_str name)
{
    for (const struct opr_option *o = options; o->name; o++) {
        if (opr_str_is(name, o->name) || (name.len == 1 && o->letter && name.ptr[0] == o->letter)) {
            return o;
        }
    }
    return NULL;
}

static bool refuse_unknown(const struct opr_command *cmd, const struct opr_option *options,
                           const char *given)
{
    const char *names[64];
    size_t count = 0;
    for (const struct opr_option *o = options; o->name && count < 64; o++) {
        names[count++] = o->name;
    }
    char word[MAX_WORD];
    snprintf(word, sizeof word, "%s", given + strspn(given, "-"));
    word[strcspn(word, "=")] = '\0';
    const char *near = opr_args_nearest(word, names, count);
    fprintf(stderr, "operon %s: unknown option '%s'%s%s%s; see 'operon %s --help'\n", cmd->name,
            given, near ? ", did you mean --" : "", near ? near : "", near ? "?" : "", cmd->name);
    return false;
}

static bool set_value(const struct opr_command *cmd, const struct opr_option *o, const char *text)
{
    const char *want = NULL;
    switch (o->kind) {
    case OPR_OPTION_FLAG:
        *(bool *)o->value = true;
        break;
    case OPR_OPTION_TEXT:
        *(const char **)o->value = text;
        break;
    case OPR_OPTION_LIST:
        opr_vec_push(o->value, (void *)(uintptr_t)text);
        break;
    case OPR_OPTION_NUMBER:
        if (opr_str_to_i64(opr_str_of(text), o->value) != OPR_OK || *(int64_t *)o->value < 0) {
            want = "a whole number";
        }
        break;
    case OPR_OPTION_DURATION:
        if (opr_duration_parse(opr_str_of(text), o->value) != OPR_OK) {
            want = "a duration such as 500ms, 20s or 5m";
        }
        break;
    }
    if (want) {
        fprintf(stderr, "operon %s: --%s takes %s, not '%s'\n", cmd->name, o->name, want, text);
    }
    return !want;
}

/* One option at argv[*i]; may use up the next argument. */
static bool parse_option(const struct opr_command *cmd, const struct opr_option *options, int argc,
                         char **argv, int *i)
{
    const char *given = argv[*i];
    bool is_long = given[1] == '-';
    const char *name = given + (is_long ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct opr_option *o = find_option(options, opr_str_n(name, len));
    if (!o || (is_long && len == 1)) {
        return refuse_unknown(cmd, options, given);
    }
    const char *text = equals ? equals + 1 : NULL;
    if (o->kind == OPR_OPTION_FLAG) {
        if (text) {
            fprintf(stderr, "operon %s: --%s takes no value\n", cmd->name, o->name);
            return false;
        }
    } else if (!text) {
        if (*i + 1 >= argc) {
            fprintf(stderr, "operon %s: --%s needs %s\n", cmd->name, o->name, o->arg);
            return false;
        }
        text = argv[++*i];
    }
    return set_value(cmd, o, text);
}

bool opr_args_parse(const struct opr_command *cmd, const struct opr_option *options, int argc,
                    char **argv, struct opr_vec *rest, int *ret_exit)
{
    *ret_exit = 2;
    bool is_over = false;
    for (int i = 1; i < argc; i++) {
        if (is_over || argv[i][0] != '-' || argv[i][1] == '\0') {
            opr_vec_push(rest, argv[i]);
        } else if (strcmp(argv[i], "--") == 0) {
            is_over = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(cmd, options);
            *ret_exit = 0;
            return false;
        } else if (!parse_option(cmd, options, argc, argv, &i)) {
            return false;
        }
    }
    return true;
}

const struct opr_command *opr_command_find(const char *name)
{
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

int opr_cmd_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("operon: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}
