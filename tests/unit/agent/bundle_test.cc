/* The runtime-spec document of an image's container. */
#include "agent/bundle.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <gtest/gtest.h>

namespace
{

struct Config {
    struct json_object *doc = nullptr;
    std::string exec; /* the first part of a further program's process */
    explicit Config(const char *security, struct opr_vec *mounts = nullptr)
    {
        char a[] = "/bin/x", b[] = "y z", e[] = "A=1", group[] = "77";
        char *args[] = {a, b, nullptr}, *env[] = {e, nullptr};
        struct opr_obj *context = nullptr;
        struct opr_vec groups = {};
        opr_vec_push(&groups, group);
        EXPECT_EQ(OPR_OK, opr_json_parse(opr_str_of(security), &context, nullptr));
        struct opr__bundle bundle = {};
        bundle.dir = "/run";
        bundle.args = args;
        bundle.env = env;
        bundle.cwd = "/w";
        bundle.uid = 5;
        bundle.gid = 6;
        bundle.groups = &groups;
        bundle.mounts = mounts;
        bundle.security = context;
        doc = opr__bundle_config(&bundle);
        struct opr_buf part = {};
        opr__bundle_exec(&bundle, &part);
        exec.assign(part.data, part.len);
        opr_buf_fini(&part);
        opr_vec_fini(&groups);
        opr_json_unref(context);
    }
    ~Config()
    {
        json_object_put(doc);
    }
    std::string text(const char *ptr)
    {
        return json_object_to_json_string_ext(
            opr_doc_at(doc, ptr), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    }
};

TEST(Bundle, HasProgramUserAndNamespaces)
{
    Config c("{}");
    EXPECT_STREQ("y z", opr_doc_str(c.doc, "/process/args/1", ""));
    EXPECT_STREQ("A=1", opr_doc_str(c.doc, "/process/env/0", ""));
    EXPECT_STREQ("/w", opr_doc_str(c.doc, "/process/cwd", ""));
    EXPECT_EQ(5, opr_doc_int(c.doc, "/process/user/uid", 0));
    EXPECT_EQ(77, opr_doc_int(c.doc, "/process/user/additionalGids/0", 0));
    EXPECT_EQ(R"([{"type":"pid"},{"type":"mount"}])", c.text("/linux/namespaces"));
    EXPECT_FALSE(opr_doc_bool(c.doc, "/root/readonly", true));
    EXPECT_FALSE(opr_doc_bool(c.doc, "/process/noNewPrivileges", true));
    EXPECT_NE(std::string::npos, c.text("/linux/maskedPaths").find("/proc/kcore"));
    EXPECT_NE(std::string::npos, c.text("/process/capabilities/bounding").find("CAP_CHOWN"));
    EXPECT_EQ(std::string::npos, c.text("/process/capabilities/bounding").find("CAP_SYS_ADMIN"));
}

TEST(Bundle, AFurtherProgramRunsAsTheFirst)
{
    Config c("{}");
    std::string text = c.exec + R"(,"TERM=xterm"],"terminal":true,"args":["ls"]})";
    struct json_object *process = nullptr;
    ASSERT_EQ(OPR_OK, opr_doc_parse(opr_str_of(text.c_str()), &process, nullptr)) << text;
    EXPECT_STREQ("A=1", opr_doc_str(process, "/env/0", ""));
    EXPECT_STREQ("TERM=xterm", opr_doc_str(process, "/env/1", ""));
    EXPECT_STREQ("ls", opr_doc_str(process, "/args/0", ""));
    EXPECT_EQ(nullptr, opr_doc_at(process, "/args/1"));
    for (const char *member : {"user", "cwd", "capabilities", "noNewPrivileges"}) {
        std::string own = std::string("/") + member;
        EXPECT_TRUE(json_object_equal(opr_doc_at(process, own.c_str()),
                                      opr_doc_at(c.doc, ("/process" + own).c_str())))
            << member;
    }
    json_object_put(process);
}

TEST(Bundle, FollowsTheSecurityContext)
{
    Config none(R"({"capabilities":{"drop":["ALL"]}})");
    EXPECT_EQ("[]", none.text("/process/capabilities/effective"));
    Config some(R"({"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE","CAP_SYS_TIME"]},)"
                R"("readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false})");
    EXPECT_EQ(R"(["CAP_NET_BIND_SERVICE","CAP_SYS_TIME"])",
              some.text("/process/capabilities/permitted"));
    EXPECT_TRUE(opr_doc_bool(some.doc, "/root/readonly", false));
    EXPECT_TRUE(opr_doc_bool(some.doc, "/process/noNewPrivileges", false));
    Config one(R"({"capabilities":{"drop":["chown"]}})");
    EXPECT_EQ(std::string::npos, one.text("/process/capabilities/bounding").find("\"CAP_CHOWN\""));
    Config all(R"({"privileged":true})");
    EXPECT_NE(std::string::npos, all.text("/process/capabilities/bounding").find("CAP_SYS_ADMIN"));
    EXPECT_EQ(nullptr, opr_doc_at(all.doc, "/linux/maskedPaths"));
}

TEST(Bundle, MountsComeOutermostFirst)
{
    char src[] = "/s", deep[] = "/v/deep", top[] = "/v";
    struct opr__run_mount inner = {src, deep, true}, outer = {src, top, false};
    struct opr_vec mounts = {};
    opr_vec_push(&mounts, &inner);
    opr_vec_push(&mounts, &outer);
    Config c("{}", &mounts);
    opr_vec_fini(&mounts);
    struct json_object *list = opr_doc_at(c.doc, "/mounts");
    size_t n = json_object_array_length(list);
    struct json_object *last = json_object_array_get_idx(list, n - 1);
    EXPECT_STREQ("/v/deep", opr_doc_str(last, "/destination", ""));
    EXPECT_STREQ("ro", opr_doc_str(last, "/options/2", ""));
    EXPECT_STREQ("/v", opr_doc_str(json_object_array_get_idx(list, n - 2), "/destination", ""));
}

} // namespace
