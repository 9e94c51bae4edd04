/* The difference of any two documents, applied to the first, gives the second. */
#include <gtest/gtest.h>

#include <random>
#include <string>

extern "C" {
#include "core/api/patch.h"
#include "core/api/quantity.h"
#include "core/base/str.h"
}

namespace
{

class Documents
{
  public:
    explicit Documents(uint32_t seed) : random_(seed)
    {
    }
    std::string object(unsigned depth)
    {
        std::string s = "{";
        static const char *const names[] = {"a", "b", "c", "d~/"};
        for (const char *name : names) {
            if (random_() % 3 != 0) {
                s += (s.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":" + value(depth);
            }
        }
        return s + "}";
    }

  private:
    std::string value(unsigned depth)
    {
        static const char *const scalars[] = {
            "null", "true", "1",      "1.5", "\"s\"", "9223372036854775807", "18446744073709551615",
            "[]",   "{}",   "[null]", "[{}]"};
        unsigned kind = random_() % (depth > 0 ? 4 : 2);
        if (kind < 2) {
            return scalars[random_() % (sizeof scalars / sizeof *scalars)];
        }
        return kind == 2 ? object(depth - 1)
                         : "[" + object(depth - 1) + "," + value(depth - 1) + "]";
    }
    std::mt19937 random_;
};

struct json_object *doc(const std::string &text)
{
    struct json_object *d = nullptr;
    EXPECT_EQ(OPR_OK, opr_doc_parse({text.data(), text.size()}, &d, nullptr)) << text;
    return d;
}

TEST(PatchProperty, TheDifferenceLeadsFromAnyAToAnyB)
{
    Documents documents(11);
    int changed = 0;
    for (int i = 0; i < 5000; i++) {
        std::string from = documents.object(3), to = documents.object(3);
        struct json_object *a = doc(from), *b = doc(to);
        struct json_object *patch = opr_patch_diff(a, b);
        if (patch) {
            changed++;
            EXPECT_EQ(OPR_OK, opr_patch_merge(&a, patch, nullptr));
        }
        EXPECT_TRUE(opr_doc_equal(a, b)) << from << " to " << to;
        struct json_object *rest = opr_patch_diff(a, b);
        EXPECT_EQ(nullptr, rest) << from << " to " << to << ": "
                                 << json_object_to_json_string(rest);
        json_object_put(rest);
        json_object_put(patch);
        json_object_put(a);
        json_object_put(b);
    }
    EXPECT_GT(changed, 4000);
}

TEST(PatchProperty, NoDifferenceFromItself)
{
    Documents documents(12);
    for (int i = 0; i < 500; i++) {
        std::string text = documents.object(4);
        struct json_object *a = doc(text), *b = doc(text);
        EXPECT_EQ(nullptr, opr_patch_diff(a, b)) << text;
        json_object_put(a);
        json_object_put(b);
    }
}

TEST(QuantityProperty, OneSignInAnExponent)
{
    int64_t milli = 0;
    for (const char *bad : {"1e+-3", "1e--3", "1e++3", "1e-+3", "1E+", "1E-"}) {
        EXPECT_NE(OPR_OK, opr_quantity_parse(opr_str_of(bad), &milli)) << bad;
    }
    EXPECT_EQ(OPR_OK, opr_quantity_parse(opr_str_of("1E+3"), &milli));
    EXPECT_EQ(1000000, milli);
}

/* Any amount, said with any suffix, is the same amount. */
TEST(QuantityProperty, SuffixesAgree)
{
    const char *const same[][3] = {
        {"1k", "1000", "1e3"},           {"1Ki", "1024", "1024000m"},
        {"1M", "1000k", "1e6"},          {"1Mi", "1024Ki", "1048576"},
        {"0.5Gi", "512Mi", "536870912"}, {"1u", "1000n", "0.000001"},
        {"1T", "1e12", "1000G"},         {"1Ti", "1024Gi", "1099511627776"},
        {"1.5", "1500m", "1500000u"},    {"-2k", "-2e3", "-2000000m"}};
    for (const auto &s : same) {
        int64_t milli[3] = {};
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(OPR_OK, opr_quantity_parse(opr_str_of(s[i]), &milli[i])) << s[i];
        }
        EXPECT_EQ(milli[0], milli[1]) << s[0];
        EXPECT_EQ(milli[0], milli[2]) << s[0];
    }
}

} // namespace
