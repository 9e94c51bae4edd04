#include "cmd/args.h"

#include "cmd/help.h"
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

/* Where a visit is under way, --help hands the table to it. */
static struct {
    opr_args_visit_fn fn;
    void *arg;
} visitor = {opr_help_print, NULL};

void opr_args_visit(const struct opr_command *cmd, opr_args_visit_fn fn, void *arg)
{
    char name[MAX_WORD], help[] = "--help";
    snprintf(name, sizeof name, "%s", cmd->name);
    char *argv[] = {name, help, NULL};
    visitor.fn = fn;
    visitor.arg = arg;
    (void)cmd->run(2, argv); /* the exit status of --help */
    visitor.fn = opr_help_print;
    visitor.arg = NULL;
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

/* True where the word is one of choices ("json|yaml"); else prints the refusal. */
static bool is_choice(const struct opr_command *cmd, const char *what, const char *word,
                      struct opr_str choices)
{
    char text[256];
    const char *names[32];
    size_t count = 0;
    snprintf(text, sizeof text, "%.*s", (int)choices.len, choices.ptr);
    for (char *save = NULL, *name = strtok_r(text, "|", &save); name && count < 32;
         name = strtok_r(NULL, "|", &save)) {
        if (strcmp(name, word) == 0) {
            return true;
        }
        names[count++] = name;
    }
    const char *near = opr_args_nearest(word, names, count);
    fprintf(stderr, "operon %s: %s is one of %.*s, not '%s'%s%s%s\n", cmd->name, what,
            (int)choices.len, choices.ptr, word, near ? "; did you mean '" : "", near ? near : "",
            near ? "'?" : "");
    return false;
}

struct opr_str opr_args_words(const struct opr_command *cmd)
{
    struct opr_str first = opr_str_n(cmd->args, strcspn(cmd->args, " "));
    bool is_list = cmd->args[0] >= 'a' && cmd->args[0] <= 'z' && memchr(first.ptr, '|', first.len);
    return is_list ? first : (struct opr_str){0};
}

bool opr_args_is_word(const struct opr_command *cmd, const char *word)
{
    return is_choice(cmd, "the first argument", word, opr_args_words(cmd));
}

static bool are_choices(const struct opr_command *cmd, const struct opr_option *o, const char *what,
                        const char *text)
{
    struct opr_str rest = opr_str_of(text), part;
    bool is_good = text[0] != '\0' || is_choice(cmd, what, text, opr_str_of(o->arg));
    while (is_good && opr_str_next(&rest, ',', &part)) {
        char word[MAX_WORD];
        snprintf(word, sizeof word, "%.*s", (int)part.len, part.ptr);
        is_good = is_choice(cmd, what, word, opr_str_of(o->arg));
    }
    return is_good;
}

static bool set_value(const struct opr_command *cmd, const struct opr_option *o, const char *text)
{
    const char *want = NULL;
    char what[MAX_WORD];
    snprintf(what, sizeof what, "--%s", o->name);
    switch (o->kind) {
    case OPR_OPTION_FLAG:
        *(bool *)o->value = true;
        break;
    case OPR_OPTION_TEXT:
        *(const char **)o->value = text;
        break;
    case OPR_OPTION_CHOICE:
        *(const char **)o->value = text;
        return is_choice(cmd, what, text, opr_str_of(o->arg));
    case OPR_OPTION_CHOICES:
        *(const char **)o->value = text;
        return are_choices(cmd, o, what, text);
    case OPR_OPTION_LIST:
        opr_vec_push(o->value, (void *)(uintptr_t)text);
        break;
    case OPR_OPTION_NUMBER:
        if (opr_str_to_i64(opr_str_of(text), o->value) != OPR_OK || *(int64_t *)o->value < 0) {
            want = "a whole number";
        }
        break;
    case OPR_OPTION_PORT:
        if (opr_str_to_i64(opr_str_of(text), o->value) != OPR_OK || *(int64_t *)o->value < 0 ||
            *(int64_t *)o->value > UINT16_MAX) {
            want = "a port, 0 to 65535";
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

static bool read_words(const struct opr_command *cmd, const struct opr_option *options, int argc,
                       char **argv, struct opr_vec *rest, int *ret_exit)
{
    *ret_exit = 2;
    bool is_over = false;
    for (int i = 1; i < argc; i++) {
        if (is_over || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (!rest) {
                *ret_exit = opr_cmd_misuse(cmd, "no argument '%s' is taken", argv[i]);
                return false;
            }
            opr_vec_push(rest, argv[i]);
        } else if (strcmp(argv[i], "--") == 0) {
            is_over = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            visitor.fn(visitor.arg, cmd, options);
            *ret_exit = 0;
            return false;
        } else if (!parse_option(cmd, options, argc, argv, &i)) {
            return false;
        }
    }
    *ret_exit = 0;
    return true;
}

bool opr_args_parse(const struct opr_command *cmd, const struct opr_option *options, int argc,
                    char **argv, struct opr_vec *rest, int *ret_exit)
{
    if (read_words(cmd, options, argc, argv, rest, ret_exit)) {
        return true;
    }
    if (rest) {
        opr_vec_fini(rest);
    }
    for (const struct opr_option *o = options; o->name; o++) {
        if (o->kind == OPR_OPTION_LIST) {
            opr_vec_fini(o->value);
        }
    }
    return false;
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

int opr_cmd_misuse(const struct opr_command *cmd, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "operon %s: ", cmd->name);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "; see 'operon %s --help'\n", cmd->name);
    va_end(args);
    return 2;
}
