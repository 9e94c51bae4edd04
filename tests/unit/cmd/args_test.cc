extern "C" {
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/help.h"
}

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace
{
struct Options {
    bool flag = false;
    const char *text = nullptr, *format = nullptr, *roles = nullptr;
    int64_t number = 0, port = 0, time_ms = 0;
    struct opr_vec list = {};
};
Options given;
struct opr_vec *rest;

int RunEat(int argc, char **argv)
{
    const struct opr_option options[] = {
        {"flag", 'f', OPR_OPTION_FLAG, &given.flag, nullptr, "a flag"},
        {"text", 't', OPR_OPTION_TEXT, &given.text, "TEXT", "a text"},
        {"output", 'o', OPR_OPTION_CHOICE, &given.format, "json|yaml", "the format's name"},
        {"roles", 0, OPR_OPTION_CHOICES, &given.roles, "pods|proxy", "some of them"},
        {"number", 'n', OPR_OPTION_NUMBER, &given.number, "N", "a number"},
        {"port", 'p', OPR_OPTION_PORT, &given.port, "PORT", "a port"},
        {"time", 0, OPR_OPTION_DURATION, &given.time_ms, "TIME", "a time"},
        {"list", 0, OPR_OPTION_LIST, &given.list, "FILE", "files"},
        {nullptr, 0, OPR_OPTION_FLAG, nullptr, nullptr, nullptr},
    };
    int status = 0;
    (void)opr_args_parse(opr_command_find("eat"), options, argc, argv, rest, &status);
    return status;
}
} // namespace

extern "C" const struct opr_command opr_commands[] = {
    {"eat", "apples|pears [NAME]", "Eat.", RunEat},
    {"completion", "bash|zsh", "Complete: all's well [here].", opr_cmd_completion},
    {"man", "", "Print.", opr_cmd_man},
    {nullptr, nullptr, nullptr, nullptr},
};

class Args : public ::testing::Test
{
  protected:
    struct opr_vec rest_ = {};
    std::string out, err;

    Args()
    {
        given = Options();
        rest = &rest_;
    }
    ~Args() override
    {
        opr_vec_fini(&given.list);
        opr_vec_fini(&rest_);
    }
    int Run(std::vector<std::string> words)
    {
        words.insert(words.begin(), "eat");
        std::vector<char *> argv;
        for (auto &w : words) {
            argv.push_back(strdup(w.c_str()));
        }
        kept.insert(kept.end(), argv.begin(), argv.end());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        int status = RunEat((int)argv.size(), argv.data());
        out = testing::internal::GetCapturedStdout();
        err = testing::internal::GetCapturedStderr();
        return status;
    }
    void TearDown() override
    {
        for (char *word : kept) {
            free(word);
        }
    }
    std::vector<char *> kept;
};

TEST_F(Args, EachKindIsRead)
{
    ASSERT_EQ(0, Run({"-f", "--text=a", "-o", "yaml", "--roles", "proxy,pods", "-n", "3", "-p", "0",
                      "--time", "2s", "--list", "x", "--list=y", "apples", "--", "--flag"}));
    EXPECT_TRUE(given.flag);
    EXPECT_STREQ("a", given.text);
    EXPECT_STREQ("yaml", given.format);
    EXPECT_STREQ("proxy,pods", given.roles);
    EXPECT_EQ(3, given.number);
    EXPECT_EQ(0, given.port);
    EXPECT_EQ(2000, given.time_ms);
    ASSERT_EQ(2u, given.list.count);
    ASSERT_EQ(2u, rest_.count);
    EXPECT_STREQ("--flag", (const char *)rest_.items[1]);
}

TEST_F(Args, UnknownOptionsNameTheNearest)
{
    EXPECT_EQ(2, Run({"--nmuber", "3"}));
    EXPECT_NE(std::string::npos, err.find("did you mean --number?"));
    EXPECT_EQ(2, Run({"--xyzzy"}));
    EXPECT_EQ(std::string::npos, err.find("did you mean"));
    EXPECT_EQ(2, Run({"--o", "yaml"}));
    EXPECT_EQ(2, Run({"-q"}));
}

TEST_F(Args, BadValuesAreRefused)
{
    const struct {
        const char *option, *value, *want;
    } cases[] = {
        {"--output", "yml", "did you mean 'yaml'?"},
        {"--output", "", "json|yaml"},
        {"--roles", "pods,prox", "'proxy'"},
        {"--roles", "", "--roles"},
        {"--number", "many", "a whole number"},
        {"--number", "-1", "a whole number"},
        {"--port", "65536", "0 to 65535"},
        {"--port", "http", "0 to 65535"},
        {"--time", "soon", "a duration"},
        {"--flag=yes", nullptr, "takes no value"},
        {"--text", nullptr, "needs TEXT"},
    };
    for (const auto &c : cases) {
        std::vector<std::string> words = {c.option};
        if (c.value) {
            words.push_back(c.value);
        }
        EXPECT_EQ(2, Run(words)) << c.option;
        EXPECT_NE(std::string::npos, err.find(c.want)) << err;
    }
}

TEST_F(Args, ACommandWithoutArgumentsRefusesThem)
{
    rest = nullptr;
    EXPECT_EQ(2, Run({"apples"}));
    EXPECT_NE(std::string::npos, err.find("no argument 'apples' is taken"));
}

TEST_F(Args, TheFirstWordMayBeAChoice)
{
    const struct opr_command *eat = opr_command_find("eat");
    struct opr_str words = opr_args_words(eat);
    EXPECT_EQ("apples|pears", std::string(words.ptr, words.len));
    EXPECT_TRUE(opr_args_is_word(eat, "pears"));
    testing::internal::CaptureStderr();
    EXPECT_FALSE(opr_args_is_word(eat, "pear"));
    EXPECT_NE(std::string::npos, testing::internal::GetCapturedStderr().find("mean 'pears'?"));
    const struct opr_command any = {"x", "FILE|DIR", "", nullptr};
    EXPECT_EQ(0u, opr_args_words(&any).len);
}

TEST_F(Args, HelpComesFromTheTable)
{
    EXPECT_EQ(0, Run({"--help"}));
    EXPECT_NE(std::string::npos, out.find("usage: operon eat apples|pears [NAME]"));
    EXPECT_NE(std::string::npos, out.find("-o, --output json|yaml"));
    int seen = 0;
    opr_args_visit(
        opr_command_find("eat"),
        [](void *arg, const struct opr_command *, const struct opr_option *o) {
            for (; o->name; o++) {
                ++*(int *)arg;
            }
        },
        &seen);
    EXPECT_EQ(8, seen);
}

static std::string Printed(int (*command)(int, char **), std::vector<const char *> words, int want)
{
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(want, command((int)words.size(), const_cast<char **>(words.data())));
    (void)testing::internal::GetCapturedStderr();
    return testing::internal::GetCapturedStdout();
}

TEST_F(Args, TheManualPageHasEveryOption)
{
    std::string page = Printed(opr_cmd_man, {"man"}, 0);
    EXPECT_EQ(0u, page.find(".TH OPERON 1"));
    EXPECT_NE(std::string::npos, page.find(".SS operon eat apples|pears [NAME]\nEat.\n"));
    EXPECT_NE(std::string::npos, page.find("\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIjson|yaml\\fR"));
    EXPECT_EQ("", Printed(opr_cmd_man, {"man", "eat"}, 2));
}

TEST_F(Args, CompletionsHaveEveryOptionAndItsValues)
{
    std::string bash = Printed(opr_cmd_completion, {"completion", "bash"}, 0);
    EXPECT_NE(std::string::npos,
              bash.find("eat:--output|eat:-o) COMPREPLY=($(compgen -W 'json yaml'"));
    EXPECT_NE(std::string::npos, bash.find("eat) options='--help --flag --text"));
    EXPECT_NE(std::string::npos, bash.find("words='apples pears'"));
    std::string zsh = Printed(opr_cmd_completion, {"completion", "zsh"}, 0);
    EXPECT_NE(std::string::npos,
              zsh.find("'--output[the format'\\''s name]:json|yaml:(json yaml)'"));
    EXPECT_NE(std::string::npos, zsh.find("'completion:Complete\\: all'\\''s well \\[here\\].'"));
    EXPECT_EQ("", Printed(opr_cmd_completion, {"completion", "fish"}, 2));
    EXPECT_EQ("", Printed(opr_cmd_completion, {"completion"}, 2));
}
