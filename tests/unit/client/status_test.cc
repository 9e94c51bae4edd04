/* From answers to statuses; the bodies are those that kube-apiserver sends. */
#include "core/client/client.h"

#include <gtest/gtest.h>

#include <string>

namespace
{

std::string Body(const std::string &reason, int code, const std::string &more = "")
{
    return "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
           "\"message\":\"pods \\\"x\\\" said no\",\"reason\":\"" +
           reason + "\"" + more + ",\"code\":" + std::to_string(code) + "}";
}

opr_status Map(int code, const std::string &body, struct opr_error *err = nullptr)
{
    return opr_status_from_answer(code, {body.data(), body.size()}, err);
}

TEST(Status, FollowsTheReason)
{
    const struct {
        const char *reason;
        int code;
        opr_status st;
    } cases[] = {
        {"NotFound", 404, OPR_E_NOT_FOUND},
        {"AlreadyExists", 409, OPR_E_EXISTS},
        {"Conflict", 409, OPR_E_CONFLICT},
        {"Expired", 410, OPR_E_EXPIRED},
        {"Gone", 410, OPR_E_EXPIRED},
        {"Invalid", 422, OPR_E_INVALID},
        {"BadRequest", 400, OPR_E_INVALID},
        {"Unauthorized", 401, OPR_E_UNAUTHORIZED},
        {"Forbidden", 403, OPR_E_FORBIDDEN},
        {"TooManyRequests", 429, OPR_E_BUSY},
        {"ServiceUnavailable", 503, OPR_E_BUSY},
        {"InternalError", 500, OPR_E_SERVER},
        {"RequestEntityTooLarge", 413, OPR_E_LIMIT},
        {"Timeout", 504, OPR_E_TIMEOUT},
        {"UnsupportedMediaType", 415, OPR_E_UNSUPPORTED},
        {"SomethingNew", 418, OPR_E_INVALID},
        {"SomethingNew", 599, OPR_E_SERVER},
    };
    for (const auto &c : cases) {
        struct opr_error err = {};
        EXPECT_EQ(Map(c.code, Body(c.reason, c.code), &err), c.st) << c.reason;
        EXPECT_STREQ(err.message, "pods \"x\" said no");
        EXPECT_EQ(err.http_status, c.code);
        EXPECT_EQ(err.status, c.st);
    }
}

TEST(Status, TellsATerminatingNamespaceFromOtherRefusals)
{
    std::string causes = ",\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\","
                         "\"field\":\"metadata.namespace\"}]}";
    EXPECT_EQ(Map(403, Body("Forbidden", 403, causes)), OPR_E_TERMINATING);
    EXPECT_EQ(Map(403, Body("Forbidden", 403, ",\"details\":{\"causes\":[{\"reason\":\"x\"}]}")),
              OPR_E_FORBIDDEN);
    EXPECT_EQ(Map(409, Body("Conflict", 409, causes)), OPR_E_CONFLICT);
}

TEST(Status, GoodAnswersAreGood)
{
    EXPECT_EQ(Map(200, ""), OPR_OK);
    EXPECT_EQ(Map(201, Body("NotFound", 404)), OPR_OK);
}

TEST(Status, AnswersThatAreNoStatusSpeakByTheirCode)
{
    struct opr_error err = {};
    EXPECT_EQ(Map(404, "404 page not found\n", &err), OPR_E_NOT_FOUND);
    EXPECT_STREQ(err.message, "the server answered 404: 404 page not found");
    EXPECT_EQ(Map(409, "{}"), OPR_E_CONFLICT);
    EXPECT_EQ(Map(502, "<html>", &err), OPR_E_SERVER);
    EXPECT_EQ(Map(503, ""), OPR_E_BUSY);
    EXPECT_EQ(Map(301, ""), OPR_E_INVALID);
    std::string long_body(100000, 'x');
    EXPECT_EQ(Map(500, long_body, &err), OPR_E_SERVER);
    EXPECT_LT(strlen(err.message), sizeof err.message);
}

} // namespace
