/* Help, the manual page and the completions. */
#include "cmd/help.h"

#include "cmd/commands.h"
#include "core/base/str.h"

#include <stdio.h>

void opr_help_overview(FILE *out)
{
    fputs("Operon: an operator SDK and control plane.\n\nusage: operon COMMAND [options]\n\n", out);
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    }
    fputs("\n'operon COMMAND --help' tells a command's options.\n", out);
}

void opr_help_print(void *arg, const struct opr_command *cmd, const struct opr_option *options)
{
    (void)arg;
    printf("usage: operon %s%s%s\n\n%s\n", cmd->name, cmd->args[0] ? " " : "", cmd->args,
           cmd->summary);
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

/* Text of a manual page: a hyphen is a minus there, a backslash and a leading dot or quote are
 * escaped. */
static void man_text(const char *text)
{
    if (text[0] == '.' || text[0] == '\'') {
        fputs("\\&", stdout);
    }
    for (const char *p = text; *p; p++) {
        if (*p == '-' || *p == '\\') {
            putchar('\\');
        }
        putchar(*p);
    }
}

static void man_command(void *arg, const struct opr_command *cmd, const struct opr_option *options)
{
    (void)arg;
    printf(".SS operon %s ", cmd->name);
    man_text(cmd->args);
    putchar('\n');
    man_text(cmd->summary);
    putchar('\n');
    for (const struct opr_option *o = options; o->name; o++) {
        printf(".TP\n\\fB");
        if (o->letter) {
            printf("\\-%c\\fR, \\fB", o->letter);
        }
        printf("\\-\\-");
        man_text(o->name);
        printf("\\fR");
        if (o->arg) {
            printf(" \\fI");
            man_text(o->arg);
            printf("\\fR");
        }
        putchar('\n');
        man_text(o->help);
        putchar('\n');
    }
}

static void print_man(void)
{
    printf(".TH OPERON 1 \"\" \"operon %s\" \"User Commands\"\n", OPR_VERSION);
    printf(".SH NAME\noperon \\- an operator SDK and control plane\n"
           ".SH SYNOPSIS\n.B operon\n.I COMMAND\n[options]\n"
           ".SH DESCRIPTION\nRuns controllers written in C and policies written in Lua against any "
           "Kubernetes,\nor against its own embedded cluster, which\n.B operon up\nstarts.\n"
           ".SH COMMANDS\n");
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        opr_args_visit(c, man_command, NULL);
    }
    printf(".SH ENVIRONMENT\n.TP\nOPERON_DIR\nthe default cluster's folder\n"
           ".TP\nOPERON_PLUGINS\nthe folder of the built\\-in plugins\n"
           ".TP\nOPERON_LOG\ndebug: log more\n.TP\nKUBECONFIG\nhow to reach the API server\n"
           ".SH EXIT STATUS\n0: done; 1: failed; 2: wrong usage\n");
}

int opr_cmd_man(int argc, char **argv)
{
    const struct opr_option options[] = {{0}};
    int status = 0;
    if (!opr_args_parse(opr_command_find("man"), options, argc, argv, NULL, &status)) {
        return status;
    }
    print_man();
    return 0;
}

/* "json|yaml" as words apart by spaces. */
static void print_words(struct opr_str choices)
{
    for (size_t i = 0; i < choices.len; i++) {
        putchar(choices.ptr[i] == '|' ? ' ' : choices.ptr[i]);
    }
}

static bool has_choices(const struct opr_option *o)
{
    return o->kind == OPR_OPTION_CHOICE || o->kind == OPR_OPTION_CHOICES;
}

/* What completes an option's value: its choices, files, folders, or nothing. */
static const char *value_kind(const struct opr_option *o)
{
    if (!o->arg || has_choices(o)) {
        return NULL;
    }
    struct opr_str arg = opr_str_of(o->arg);
    if (opr_str_is(arg, "DIR")) {
        return "dir";
    }
    return strstr(o->arg, "FILE") || strstr(o->arg, "PATH") ? "file" : NULL;
}

static void bash_values(void *arg, const struct opr_command *cmd, const struct opr_option *options)
{
    (void)arg;
    for (const struct opr_option *o = options; o->name; o++) {
        const char *kind = value_kind(o);
        if (!o->arg) {
            continue;
        }
        printf("        %s:--%s", cmd->name, o->name);
        if (o->letter) {
            printf("|%s:-%c", cmd->name, o->letter);
        }
        printf(") ");
        if (has_choices(o)) {
            printf("COMPREPLY=($(compgen -W '");
            print_words(opr_str_of(o->arg));
            printf("' -- \"$cur\"))");
        } else {
            printf("COMPREPLY=(%s)", !kind                      ? ""
                                     : strcmp(kind, "dir") == 0 ? "$(compgen -d -- \"$cur\")"
                                                                : "$(compgen -f -- \"$cur\")");
        }
        printf("; return ;;\n");
    }
}

static void bash_options(void *arg, const struct opr_command *cmd, const struct opr_option *options)
{
    (void)arg;
    printf("        %s) options='--help", cmd->name);
    for (const struct opr_option *o = options; o->name; o++) {
        printf(" --%s", o->name);
    }
    printf("'; words='");
    print_words(opr_args_words(cmd));
    printf("' ;;\n");
}

static void print_commands(void)
{
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        printf("%s ", c->name);
    }
    printf("help");
}

static void print_bash(void)
{
    printf("# bash completion of operon; 'operon completion bash' prints it.\n"
           "_operon() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local cmd=${COMP_WORDS[1]} options='' words=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -le 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    print_commands();
    printf("' -- \"$cur\"))\n        return\n    fi\n    case $cmd:$prev in\n");
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        opr_args_visit(c, bash_values, NULL);
    }
    printf("    esac\n    case $cmd in\n");
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        opr_args_visit(c, bash_options, NULL);
    }
    printf("    esac\n"
           "    case $cur in\n"
           "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
           "        *) if [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$words\" ]; then\n"
           "            COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "        else\n"
           "            COMPREPLY=($(compgen -f -- \"$cur\"))\n"
           "        fi ;;\n"
           "    esac\n"
           "}\n"
           "complete -o filenames -F _operon operon\n");
}

/* Text inside '[...]' of an _arguments specification within single quotes. */
static void zsh_text(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'') {
            fputs("'\\''", stdout);
        } else {
            if (strchr("[]:\\", *p)) {
                putchar('\\');
            }
            putchar(*p);
        }
    }
}

static void zsh_option(const struct opr_option *o, const char *dash, const char *name)
{
    const char *kind = value_kind(o);
    printf(" \\\n            '%s%s%s[", o->kind == OPR_OPTION_LIST ? "*" : "", dash, name);
    zsh_text(o->help);
    putchar(']');
    if (o->arg) {
        putchar(':');
        zsh_text(o->arg);
        putchar(':');
        if (has_choices(o)) {
            putchar('(');
            print_words(opr_str_of(o->arg));
            putchar(')');
        } else if (kind) {
            fputs(strcmp(kind, "dir") == 0 ? "_files -/" : "_files", stdout);
        }
    }
    putchar('\'');
}

static void zsh_command(void *arg, const struct opr_command *cmd, const struct opr_option *options)
{
    (void)arg;
    printf("        %s) _arguments '--help[tell the options]'", cmd->name);
    for (const struct opr_option *o = options; o->name; o++) {
        char letter[2] = {o->letter, '\0'};
        zsh_option(o, "--", o->name);
        if (o->letter) {
            zsh_option(o, "-", letter);
        }
    }
    if (opr_args_words(cmd).len > 0) {
        printf(" \\\n            '1:what:(");
        print_words(opr_args_words(cmd));
        printf(")'");
    }
    printf(" \\\n            '*:file:_files' ;;\n");
}

static void print_zsh(void)
{
    printf("#compdef operon\n# zsh completion of operon; 'operon completion zsh' prints it.\n"
           "_operon() {\n    local -a commands\n    commands=(\n");
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        printf("        '%s:", c->name);
        zsh_text(c->summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $words[1] in\n");
    for (const struct opr_command *c = opr_commands; c->name; c++) {
        opr_args_visit(c, zsh_command, NULL);
    }
    printf("    esac\n}\n"
           "if [ \"$funcstack[1]\" = _operon ]; then _operon \"$@\"; "
           "else compdef _operon operon; fi\n");
}

int opr_cmd_completion(int argc, char **argv)
{
    struct opr_vec rest = {0};
    const struct opr_option options[] = {{0}};
    const struct opr_command *cmd = opr_command_find("completion");
    int status = 0;
    if (!opr_args_parse(cmd, options, argc, argv, &rest, &status)) {
        return status;
    }
    const char *shell = rest.count == 1 ? rest.items[0] : NULL;
    if (!shell) {
        status = opr_cmd_misuse(cmd, "one shell is needed: bash or zsh");
    } else if (!opr_args_is_word(cmd, shell)) {
        status = 2;
    } else if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else {
        print_zsh();
    }
    opr_vec_fini(&rest);
    return status;
}
