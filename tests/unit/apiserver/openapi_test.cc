// OpenAPI documents as clients fetch them: v3 by index and hash, v2 as JSON and as protocol
// buffers.
#include "support.h"

#include <gmock/gmock.h>

using testing::HasSubstr;

class OpenApi : public Api
{
};

/* The bytes of the first field of a number in a message; "" where there is none. */
static std::string field(const std::string &message, unsigned number)
{
    size_t at = 0;
    auto varint = [&] {
        uint64_t v = 0;
        for (int shift = 0; at < message.size(); shift += 7) {
            auto c = static_cast<unsigned char>(message[at++]);
            v |= uint64_t(c & 0x7f) << shift;
            if (c < 0x80) {
                break;
            }
        }
        return v;
    };
    while (at < message.size()) {
        uint64_t tag = varint();
        if ((tag & 7) == 2) {
            uint64_t len = varint();
            if (tag >> 3 == number) {
                return message.substr(at, len);
            }
            at += len;
        } else if ((tag & 7) == 1) {
            at += 8;
        } else {
            varint();
        }
    }
    return "";
}

TEST_F(OpenApi, DocumentsAreNamedByTheirHash)
{
    Answer index = get("/openapi/v3");
    std::string url = index.str("/paths/apis~1apps~1v1/serverRelativeURL");
    ASSERT_THAT(url, HasSubstr("/openapi/v3/apis/apps/v1?hash="));
    Answer document = get(url);
    EXPECT_EQ(document.status, 200);
    EXPECT_EQ(document.header("ETag"), "\"" + url.substr(url.find('=') + 1) + "\"");
    EXPECT_TRUE(document.has("/components/schemas/io.k8s.api.apps.v1.Deployment"));
    Answer old = get("/openapi/v3/apis/apps/v1?hash=OLD");
    EXPECT_EQ(old.status, 301);
    EXPECT_EQ(old.header("Location"), url);
    EXPECT_EQ(get("/openapi/v3/apis/nothere/v1").status, 404);
}

TEST_F(OpenApi, Version2AsJson)
{
    Answer a = get("/openapi/v2");
    EXPECT_EQ(a.str("/swagger"), "2.0");
    EXPECT_EQ(a.str("/definitions/io.k8s.api.core.v1.ConfigMap/properties/data/"
                    "additionalProperties/type"),
              "string");
}

TEST_F(OpenApi, Version2AsProtocolBuffers)
{
    caller.headers = {{"Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}};
    Answer a = get("/openapi/v2");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.header("Content-Type"),
              "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    EXPECT_EQ(field(a.body, 1), "2.0");
    EXPECT_EQ(field(field(a.body, 2), 1), "Kubernetes");
    std::string path = field(field(a.body, 8), 2);
    EXPECT_THAT(field(path, 1), HasSubstr("/api")) << "a path's name";
    std::string schema = field(field(a.body, 9), 1);
    EXPECT_THAT(field(schema, 1), HasSubstr("io.k8s.")) << "a definition's name";
    EXPECT_NE(field(schema, 2), "");
    EXPECT_THAT(a.body, HasSubstr("x-kubernetes-group-version-kind"));
    EXPECT_THAT(a.body, HasSubstr("fieldValidation"));
}
