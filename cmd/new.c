/* operon new: the skeleton of a controller or of a policy, which builds and passes its test. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>

#define NAME_MAX_LENGTH 40

/* The texts of cmd/skeleton, in which @NAME@ stands for the name. */
#define EMBED(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" OPR_SKELETON "/" file                 \
            "\"\n.byte 0\n.popsection\n");                                                         \
    extern const char symbol[]

EMBED(opr_skeleton_source, "controller.c.in");
EMBED(opr_skeleton_test, "controller_test.c.in");
EMBED(opr_skeleton_cmake, "CMakeLists.txt.in");
EMBED(opr_skeleton_readme, "controller.md.in");
EMBED(opr_skeleton_policy, "policy.lua.in");
EMBED(opr_skeleton_policy_readme, "policy.md.in");

struct skeleton_file {
    const char *name; /* "@NAME@.c" */
    const char *text;
};

static const struct skeleton_file controller_files[] = {
    {"CMakeLists.txt", opr_skeleton_cmake},
    {"@NAME@.c", opr_skeleton_source},
    {"@NAME@_test.c", opr_skeleton_test},
    {"README.md", opr_skeleton_readme},
    {NULL, NULL},
};
static const struct skeleton_file policy_files[] = {
    {"@NAME@.lua", opr_skeleton_policy},
    {"README.md", opr_skeleton_policy_readme},
    {NULL, NULL},
};

static void fill(struct opr_buf *out, const char *text, const char *name)
{
    static const char mark[] = "@NAME@";
    for (const char *at; (at = strstr(text, mark)); text = at + sizeof mark - 1) {
        opr_buf_add(out, text, (size_t)(at - text));
        opr_buf_add_text(out, name);
    }
    opr_buf_add_text(out, text);
}

/* The name becomes a file's, a CMake target's, a controller's and a label's. */
static bool is_good_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LENGTH && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[len - 1] != '-';
}

static opr_status write_files(const struct skeleton_file *files, const char *dir, const char *name,
                              struct opr_error *reterr)
{
    OPR_TRY(opr_fs_mkdirs(dir, 0755, reterr));
    opr_status st = OPR_OK;
    for (const struct skeleton_file *f = files; f->name && st == OPR_OK; f++) {
        struct opr_buf path = {0}, text = {0};
        opr_buf_printf(&path, "%s/", dir);
        fill(&path, f->name, name);
        fill(&text, f->text, name);
        st = opr_fs_write(path.data, opr_buf_str(&text), 0644, reterr);
        printf("  %s\n", path.data);
        opr_buf_fini(&path);
        opr_buf_fini(&text);
    }
    return st;
}

static int make(const struct opr_command *cmd, const char *what, const char *name, const char *dir)
{
    bool is_controller = strcmp(what, "controller") == 0;
    struct opr_error err = {0};
    if (!is_good_name(name)) {
        return opr_cmd_misuse(cmd,
                              "'%s' is no name: small letters, digits and '-', a letter first, "
                              "at most %d of them",
                              name, NAME_MAX_LENGTH);
    }
    if (opr_fs_exists(dir)) {
        return opr_cmd_fail("%s is there already", dir);
    }
    if (write_files(is_controller ? controller_files : policy_files, dir, name, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    if (is_controller) {
        printf("\n  cmake -S %s -B %s/build && cmake --build %s/build && ctest --test-dir "
               "%s/build\n",
               dir, dir, dir, dir);
    } else {
        printf("\n  operon test %s/%s.lua\n", dir, name);
    }
    return 0;
}

int opr_cmd_new(int argc, char **argv)
{
    const char *dir = NULL;
    struct opr_vec rest = {0};
    const struct opr_option options[] = {
        {"dir", 'd', OPR_OPTION_TEXT, &dir, "DIR", "the folder to make (default: ./NAME)"},
        {0},
    };
    const struct opr_command *cmd = opr_command_find("new");
    int status = 0;
    if (!opr_args_parse(cmd, options, argc, argv, &rest, &status)) {
        return status;
    }
    if (rest.count > 0 && !opr_args_is_word(cmd, rest.items[0])) {
        status = 2;
    } else if (rest.count != 2) {
        status = opr_cmd_misuse(cmd, "controller or policy, and a NAME, are needed");
    } else {
        status = make(cmd, rest.items[0], rest.items[1], dir ? dir : rest.items[1]);
    }
    opr_vec_fini(&rest);
    return status;
}
