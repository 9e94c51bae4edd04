/* Names of images and users. */
#include "agent/bundle.h"
#include "agent/image.h"

#include <gtest/gtest.h>

namespace
{

TEST(ImageName, IsMadeWhole)
{
    struct opr_arena *arena = opr_arena_new();
    const std::string digest = "@sha256:" + std::string(64, 'a');
    const struct {
        std::string text, expected;
    } cases[] = {
        {"busybox", "docker.io/library/busybox:latest"},
        {"busybox:1.36", "docker.io/library/busybox:1.36"},
        {"a/b", "docker.io/a/b:latest"},
        {"docker.io/nginx", "docker.io/library/nginx:latest"},
        {"example.com/x", "example.com/x:latest"},
        {"localhost/x:t", "localhost/x:t"},
        {"host:5000/a/b:V_1.0-x", "host:5000/a/b:V_1.0-x"},
        {"busybox" + digest, "docker.io/library/busybox" + digest},
        {"host:5000/a" + digest, "host:5000/a" + digest},
    };
    for (const auto &c : cases) {
        char *name = nullptr;
        ASSERT_EQ(OPR_OK, opr_image_name(c.text.c_str(), arena, &name, nullptr)) << c.text;
        EXPECT_EQ(c.expected, name);
    }
    opr_arena_free(arena);
}

TEST(ImageName, WhatIsNoNameIsRefused)
{
    struct opr_arena *arena = opr_arena_new();
    for (const std::string text :
         {"", "UPPER", "a b", "a:", "a:.x", "/a", "a//b", "a/", "a@sha256:12",
          "a@md5:"
          "00",
          "-a", "../x", "a:b:c", "example.com/"}) {
        char *name = nullptr;
        EXPECT_EQ(OPR_E_INVALID, opr_image_name(text.c_str(), arena, &name, nullptr)) << text;
    }
    EXPECT_EQ(OPR_E_INVALID,
              opr_image_name(std::string(600, 'a').c_str(), arena, nullptr, nullptr));
    opr_arena_free(arena);
}

TEST(ImageUser, IsFoundInTheImagesFiles)
{
    const char *passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/x\nbad:x:y:z::/:\n";
    const char *group = "staff:x:50:\nwheel:x:10:app\n";
    const struct {
        const char *user;
        int64_t uid, gid;
    } cases[] = {{"", 0, 0},  {"root", 0, 0},          {"app", 1000, 1001}, {"1000", 1000, 1001},
                 {"7", 7, 0}, {"app:staff", 1000, 50}, {"7:8", 7, 8},       {"app:12", 1000, 12}};
    for (const auto &c : cases) {
        int64_t uid = -1, gid = -1;
        ASSERT_EQ(OPR_OK, opr__image_user(passwd, group, c.user, &uid, &gid, nullptr)) << c.user;
        EXPECT_EQ(c.uid, uid) << c.user;
        EXPECT_EQ(c.gid, gid) << c.user;
    }
    for (const char *user : {"nobody", "app:nobody", "bad", "-1", "4294967295"}) {
        int64_t uid, gid;
        EXPECT_EQ(OPR_E_INVALID, opr__image_user(passwd, group, user, &uid, &gid, nullptr)) << user;
    }
}

} // namespace
