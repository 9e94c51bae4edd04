#include "agent/bundle.h"

#include "core/base/str.h"

#include <stdio.h>

/* Field number of a line "a:b:c". */
static struct opr_str field(struct opr_str line, int number)
{
    struct opr_str part = {0};
    for (int i = 0; i <= number; i++) {
        if (!opr_str_next(&line, ':', &part)) {
            return (struct opr_str){0};
        }
    }
    return part;
}

/* The line of a passwd or group file whose field "at" is the text. */
static struct opr_str find_line(const char *file, int at, struct opr_str text)
{
    struct opr_str rest = opr_str_of(file), line;
    while (opr_str_next(&rest, '\n', &line)) {
        if (opr_str_eq(field(line, at), text)) {
            return line;
        }
    }
    return (struct opr_str){0};
}

static bool number_of(struct opr_str text, int64_t *ret_number)
{
    return opr_str_to_i64(text, ret_number) == OPR_OK && *ret_number >= 0 &&
           *ret_number < UINT32_MAX;
}

opr_status opr__image_user(const char *passwd, const char *group, const char *user,
                           int64_t *ret_uid, int64_t *ret_gid, struct opr_error *reterr)
{
    struct opr_str rest = opr_str_of(user), name = {0}, group_name;
    (void)opr_str_next(&rest, ':', &name);
    group_name = rest;
    *ret_uid = *ret_gid = 0;
    bool is_number = name.len == 0 || number_of(name, ret_uid);
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)*ret_uid);
    struct opr_str line =
        is_number ? find_line(passwd, 2, opr_str_of(digits)) : find_line(passwd, 0, name);
    if (!is_number && !number_of(field(line, 2), ret_uid)) {
        return opr_error_set(reterr, OPR_E_INVALID, "the image has no user \"%.*s\"",
                             OPR_STR_ARG(name));
    }
    if (line.len > 0 && !number_of(field(line, 3), ret_gid)) {
        *ret_gid = 0;
    }
    if (group_name.len > 0 && !number_of(group_name, ret_gid) &&
        !number_of(field(find_line(group, 0, group_name), 2), ret_gid)) {
        return opr_error_set(reterr, OPR_E_INVALID, "the image has no group \"%.*s\"",
                             OPR_STR_ARG(group_name));
    }
    return OPR_OK;
}
