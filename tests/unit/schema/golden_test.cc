/* Published golden files: JSON, YAML and protobuf of one object decode to equal documents. */
#include "support.h"

#include <gtest/gtest.h>

#include <dirent.h>
#include <fstream>
#include <sstream>

namespace
{

std::string read(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    std::stringstream s;
    s << in.rdbuf();
    return s.str();
}

std::vector<std::string> golden_names()
{
    std::vector<std::string> names;
    DIR *d = opendir(OPR_SCHEMA_TESTDATA);
    while (dirent *e = d ? readdir(d) : nullptr) {
        std::string n = e->d_name;
        if (n.size() > 5 && n.substr(n.size() - 5) == ".json") {
            names.push_back(n.substr(0, n.size() - 5));
        }
    }
    if (d) {
        closedir(d);
    }
    return names;
}

class Golden : public testing::TestWithParam<std::string>
{
};

TEST_P(Golden, AllEncodingsGiveTheSameDocument)
{
    std::string base = std::string(OPR_SCHEMA_TESTDATA) + "/" + GetParam();
    std::string text = read(base + ".json");
    Decoded json = decode(nullptr, text);
    ASSERT_EQ(json.status, OPR_OK) << json.error;
    EXPECT_TRUE(json.strict.empty()) << json.strict[0];
    Decoded yaml = decode(nullptr, read(base + ".yaml"), "application/yaml");
    ASSERT_EQ(yaml.status, OPR_OK) << yaml.error;
    EXPECT_TRUE(yaml.strict.empty()) << yaml.strict[0];
    Decoded proto = decode(nullptr, read(base + ".pb"), "application/vnd.kubernetes.protobuf");
    ASSERT_EQ(proto.status, OPR_OK) << proto.error;
    EXPECT_EQ(text_of(json.doc), text_of(yaml.doc));
    EXPECT_EQ(text_of(json.doc), text_of(proto.doc));
    /* and nothing of the file is lost */
    EXPECT_TRUE(opr_doc_equal(parse(text).get(), json.doc.get()));
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(golden_names()), [](const auto &test) {
    std::string name = test.param;
    for (char &c : name) {
        c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
    }
    return name;
});

} // namespace
