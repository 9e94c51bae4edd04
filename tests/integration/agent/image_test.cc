/* Images: loading, refusing, finding, removing. */
#include "image_support.h"

#include "core/json/doc.h"

#include <sys/file.h>
#include <sys/xattr.h>

namespace
{

class Image : public WithFolder
{
  protected:
    std::string store;
    struct opr_arena *arena = opr_arena_new();
    std::string message;

    void SetUp() override
    {
        WithFolder::SetUp();
        store = dir + "/images";
    }
    void TearDown() override
    {
        opr_arena_free(arena);
        WithFolder::TearDown();
    }
    opr_status load(const std::string &file, const char *name = nullptr)
    {
        struct opr_error err = {};
        struct json_object *names = nullptr;
        opr_status st = opr_images_load(store.c_str(), file.c_str(), name, &names, &err);
        json_object_put(names);
        message = err.message;
        return st;
    }
    opr_status find(const char *name, struct opr__image *image)
    {
        return opr__image_find(store.c_str(), name, arena, image, nullptr);
    }
    std::string layer_path(const struct opr__image &image, size_t i)
    {
        return std::string(image.layers_dir) + "/" + image.layers[i];
    }
    /* A layer out of shell commands that run in an empty folder. */
    std::string tar(const std::string &name, const std::string &script,
                    const std::string &options = "--numeric-owner")
    {
        std::string root = dir + "/" + name + ".d", file = dir + "/" + name + ".tar";
        EXPECT_TRUE(sh("mkdir -p " + root + " && cd " + root + " && " + script + " && tar " +
                       options + " -cf " + file + " ."));
        return file;
    }
};

TEST_F(Image, ALayoutIsLoadedAndFound)
{
    Layout layout(dir + "/layout");
    layout.add_layer(tar("a", "mkdir etc && echo app:x:7:8::/: > etc/passwd && echo low > f"));
    layout.add_layer(tar("b", "echo high > f"));
    layout.finish(
        R"({"Entrypoint":["/bin/e"],"Cmd":["c"],"Env":["A=1"],"WorkingDir":"/w","User":"app","StopSignal":"SIGQUIT"})",
        "example.com/x/y:1");
    ASSERT_EQ(OPR_OK, load(dir + "/layout")) << message;
    struct opr__image image;
    ASSERT_EQ(OPR_OK, find("example.com/x/y:1", &image));
    EXPECT_STREQ("/bin/e", image.entrypoint[0]);
    EXPECT_STREQ("c", image.cmd[0]);
    EXPECT_STREQ("A=1", image.env[0]);
    EXPECT_STREQ("/w", image.cwd);
    EXPECT_STREQ("app", image.user);
    EXPECT_EQ(SIGQUIT, image.stop_signal);
    ASSERT_NE(nullptr, image.layers[1]);
    EXPECT_EQ(nullptr, image.layers[2]);
    EXPECT_STREQ("high\n", opr__image_file(&image, "f", arena)) << "the topmost counts";
    EXPECT_STREQ("app:x:7:8::/:\n", opr__image_file(&image, "etc/passwd", arena));
    EXPECT_EQ(nullptr, opr__image_file(&image, "nope", arena));
    EXPECT_EQ(OPR_E_NOT_FOUND, find("example.com/x/y:2", &image));
    ASSERT_EQ(OPR_OK, load(dir + "/layout", "other:2")) << message;
    EXPECT_EQ(OPR_OK, find("docker.io/library/other:2", &image)) << "under the name asked for";
}

TEST_F(Image, AnArchiveOfALayoutAndOneOfDocker)
{
    Layout layout(dir + "/layout");
    layout.add_layer(tar("a", "echo x > f"));
    layout.finish("{}", "t:1");
    ASSERT_TRUE(sh("tar -C " + dir + "/layout -czf " + dir + "/oci.tgz ."));
    ASSERT_EQ(OPR_OK, load(dir + "/oci.tgz")) << message;
    std::string save = dir + "/save";
    ASSERT_TRUE(sh("mkdir -p " + save + "/l1"));
    ASSERT_TRUE(sh("cp " + tar("b", "echo y > g") + " " + save + "/l1/layer.tar"));
    write_file(save + "/cfg.json", R"({"os":"linux","config":{"Cmd":["/g"]}})");
    write_file(save + "/manifest.json",
               R"([{"Config":"cfg.json","RepoTags":["d:1","e/f:2"],"Layers":["l1/layer.tar"]}])");
    ASSERT_TRUE(sh("tar -C " + save + " -cf " + dir + "/save.tar ."));
    ASSERT_EQ(OPR_OK, load(dir + "/save.tar")) << message;
    struct opr__image image;
    for (const char *name : {"t:1", "d:1", "e/f:2"}) {
        EXPECT_EQ(OPR_OK, find(name, &image)) << name;
    }
    EXPECT_STREQ("/g", image.cmd[0]);
    EXPECT_NE(0, access((store + "/unpacked").c_str(), F_OK));
}

TEST_F(Image, WhiteoutsBecomeThoseOfOverlayfs)
{
    Layout layout(dir + "/layout");
    layout.add_layer(tar("a", "mkdir d && echo x > d/gone && echo x > d/stay"));
    layout.add_layer(tar("b", "mkdir d o && echo > d/.wh.gone && echo > o/.wh..wh..opq"));
    layout.finish("{}", "w:1");
    ASSERT_EQ(OPR_OK, load(dir + "/layout")) << message;
    struct opr__image image;
    ASSERT_EQ(OPR_OK, find("w:1", &image));
    struct stat st;
    ASSERT_EQ(0, stat((layer_path(image, 0) + "/d/gone").c_str(), &st));
    EXPECT_TRUE(S_ISCHR(st.st_mode) && st.st_rdev == 0);
    EXPECT_NE(0, access((layer_path(image, 0) + "/d/.wh.gone").c_str(), F_OK));
    char value = 0;
    EXPECT_EQ(1,
              getxattr((layer_path(image, 0) + "/o").c_str(), "trusted.overlay.opaque", &value, 1));
    EXPECT_EQ('y', value);
}

TEST_F(Image, WhatLeadsOutIsRefusedAndLeavesNothing)
{
    std::string victim = dir + "/victim";
    ASSERT_TRUE(sh("mkdir " + victim));
    const struct {
        const char *name;
        std::string script, options;
    } cases[] = {
        {"dots", "touch evil", "--transform='s,^./evil,../../evil,' -P"},
        {"link", "ln -s " + victim + " l && mkdir d && touch d/evil",
         "--transform='s,^./d/evil,./l/evil,'  --sort=name"},
        {"hard", "echo x > a && ln a b", R"(--transform='flags=h;s,^\./[ab]$,../../victim/x,' -P)"},
        {"white", "touch .wh...", ""},
    };
    for (const auto &c : cases) {
        Layout layout(dir + "/layout-" + c.name);
        std::string file = tar(c.name, c.script, c.options);
        if (strcmp(c.name, "link") == 0) { /* the link first */
            ASSERT_TRUE(sh("cd " + dir + "/link.d && tar -cf " + file + " ./l && tar " + c.options +
                           " -rf " + file + " ./d/evil"));
        }
        layout.add_layer(file);
        layout.finish("{}", "evil:1");
        EXPECT_EQ(OPR_E_INVALID, load(layout.dir)) << c.name << ": " << message;
        EXPECT_NE(std::string::npos, message.find("refused")) << c.name << ": " << message;
    }
    EXPECT_TRUE(sh("test -z \"$(ls -A " + victim + ")\""));
    EXPECT_TRUE(sh("test -z \"$(find " + dir + " -maxdepth 2 -name evil -not -path '*.d/*')\""));
    EXPECT_TRUE(sh("test -z \"$(ls -A " + store + "/layers)\"")) << "what was begun is removed";
}

TEST_F(Image, AForgedOrBrokenFileIsRefused)
{
    Layout layout(dir + "/layout");
    std::string file = tar("a", "echo x > f");
    layout.add_layer(file);
    layout.finish("{}", "b:1");
    write_file(layout.dir + "/blobs/sha256/" + layout.layers[0], "forged");
    EXPECT_EQ(OPR_E_INVALID, load(layout.dir));
    EXPECT_NE(std::string::npos, message.find("digest")) << message;
    write_file(dir + "/noise", std::string(5000, 'z'));
    EXPECT_NE(OPR_OK, load(dir + "/noise"));
    EXPECT_NE(OPR_OK, load(file)) << "a tar, but no image";
    EXPECT_NE(std::string::npos, message.find("neither")) << message;
    EXPECT_EQ(OPR_E_NOT_FOUND, load(dir + "/absent"));
    ASSERT_TRUE(sh("ln -s /etc " + dir + "/up && mkdir " + dir + "/leak && ln -s /etc/hostname " +
                   dir + "/leak/cfg.json"));
    write_file(dir + "/leak/manifest.json",
               R"([{"Config":"cfg.json","RepoTags":["d:1"],"Layers":["../a.tar"]}])");
    EXPECT_NE(OPR_OK, load(dir + "/leak")) << "a link out of the folder";
}

TEST_F(Image, RemovalKeepsWhatIsSharedOrUsed)
{
    std::string shared = tar("a", "echo x > f");
    Layout one(dir + "/one"), two(dir + "/two");
    one.add_layer(shared);
    one.finish("{}", "one:1");
    two.add_layer(shared);
    two.add_layer(tar("b", "echo y > g"));
    two.finish("{}", "two:1");
    ASSERT_EQ(OPR_OK, load(one.dir)) << message;
    ASSERT_EQ(OPR_OK, load(two.dir)) << message;
    struct opr__image image;
    ASSERT_EQ(OPR_OK, find("two:1", &image));
    std::string top = layer_path(image, 0), low = layer_path(image, 1);
    int fd = open(top.c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(0, flock(fd, LOCK_SH)) << "as a shim does";
    ASSERT_EQ(OPR_OK, opr_images_remove(store.c_str(), "two:1", nullptr));
    EXPECT_EQ(0, access(low.c_str(), F_OK)) << "shared";
    EXPECT_EQ(0, access(top.c_str(), F_OK)) << "used";
    close(fd);
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_images_remove(store.c_str(), "two:1", nullptr));
    ASSERT_EQ(OPR_OK, opr_images_remove(store.c_str(), "one:1", nullptr));
    EXPECT_NE(0, access(low.c_str(), F_OK));
    EXPECT_NE(0, access(top.c_str(), F_OK));
}

} // namespace
