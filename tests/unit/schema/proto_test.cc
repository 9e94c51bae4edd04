/* Protobuf bodies: envelopes, malformed input, and the shapes that the golden files do not have. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;

namespace
{

const char PROTO[] = "application/vnd.kubernetes.protobuf";

std::string varint(uint64_t v)
{
    std::string s;
    for (; v >= 128; v >>= 7) {
        s += static_cast<char>(v | 128);
    }
    return s + static_cast<char>(v);
}
std::string bytes(int number, const std::string &s)
{
    return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(s.size()) + s;
}
std::string number(int field, uint64_t v)
{
    return varint(static_cast<uint64_t>(field) << 3) + varint(v);
}
std::string envelope(const std::string &version, const std::string &kind, const std::string &raw)
{
    return std::string("k8s\0", 4) + bytes(1, bytes(1, version) + bytes(2, kind)) + bytes(2, raw) +
           bytes(3, "") + bytes(4, "");
}

TEST(Proto, ReadsAnObjectAndTakesItsKindFromTheEnvelope)
{
    std::string meta = bytes(1, "a1") + bytes(11, bytes(1, "k") + bytes(2, "v"));
    Decoded d = decode(
        nullptr,
        envelope("v1", "ConfigMap", bytes(1, meta) + bytes(2, bytes(1, "x") + bytes(2, "y"))),
        PROTO);
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_EQ(quoted(text_of(d.doc)), "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':"
                                      "'a1','labels':{'k':'v'}},'data':{'x':'y'}}");
}

TEST(Proto, DropsZerosThatGoOmitsAndKeepsThoseOfPointers)
{
    std::string spec = number(1, 0) + number(5, 0) + number(7, 0);
    Decoded d = decode(nullptr, envelope("apps/v1", "Deployment", bytes(2, spec)), PROTO);
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/replicas", -1), 0);
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/paused"), nullptr);
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/minReadySeconds"), nullptr);
}

TEST(Proto, ReadsInlinedMessagesIntsAndStrings)
{
    /* Probe: handler=1 {httpGet=2 {port=2 IntOrString}}, periodSeconds=4 */
    std::string port_text = number(1, 1) + bytes(3, "web");
    std::string probe = bytes(1, bytes(2, bytes(2, port_text))) + number(4, 7);
    std::string container = bytes(1, "c") + bytes(10, probe);
    Decoded d = decode(nullptr, envelope("v1", "Pod", bytes(2, bytes(2, container))), PROTO);
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/spec/containers/0/livenessProbe/httpGet/port", ""),
                 "web");
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/containers/0/livenessProbe/periodSeconds", 0), 7);
}

TEST(Proto, IgnoresUnknownFields)
{
    Decoded d = decode(
        nullptr,
        envelope("v1", "ConfigMap", bytes(99, "zz") + number(98, 5) + bytes(1, bytes(1, "n"))),
        PROTO);
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/metadata/name", ""), "n");
}

TEST(Proto, RefusesWhatIsNoEnvelope)
{
    EXPECT_THAT(decode(nullptr, "{}", PROTO).error, HasSubstr("expected prefix [107 56 115 0]"));
    EXPECT_EQ(decode(nullptr, "", PROTO).status, OPR_E_INVALID);
    EXPECT_EQ(decode(nullptr, envelope("v9", "Foo", ""), PROTO).error,
              "no kind \"Foo\" is registered for version \"v9\"");
}

TEST(Proto, RefusesTruncatedAndForgedMessagesAtEveryByte)
{
    std::string meta = bytes(1, "a1") + bytes(8, number(1, 1700000000));
    std::string whole = envelope("v1", "Pod", bytes(1, meta) + bytes(2, bytes(2, bytes(1, "c"))));
    ASSERT_EQ(decode(nullptr, whole, PROTO).status, OPR_OK);
    for (size_t n = 0; n < whole.size(); n++) {
        decode(nullptr, whole.substr(0, n), PROTO); /* must not read past the end */
        std::string forged = whole;
        forged[n] = static_cast<char>(forged[n] ^ 0xff);
        decode(nullptr, forged, PROTO);
    }
    EXPECT_EQ(decode(nullptr, whole.substr(0, whole.size() - 5), PROTO).status, OPR_E_INVALID);
    std::string endless = std::string("k8s\0", 4) + std::string(20, '\xff');
    EXPECT_EQ(decode(nullptr, endless, PROTO).status, OPR_E_INVALID);
}

TEST(Proto, RefusesWrongWireTypesAndDeepNesting)
{
    Decoded d = decode(nullptr, envelope("v1", "ConfigMap", number(2, 5)), PROTO);
    EXPECT_EQ(d.status, OPR_E_INVALID);
    d = decode(nullptr, envelope("v1", "Pod", number(1, 5)), PROTO);
    EXPECT_EQ(d.status, OPR_E_INVALID);
    /* CustomResourceDefinition.spec.versions.schema.openAPIV3Schema.not.not... */
    std::string schema = bytes(5, "object");
    for (int i = 0; i < 300; i++) {
        schema = bytes(28, schema) + bytes(5, "object");
    }
    std::string version = bytes(1, "v1") + bytes(4, bytes(1, schema));
    std::string crd = bytes(2, bytes(7, version));
    d = decode(nullptr, envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", crd),
               PROTO);
    EXPECT_EQ(d.status, OPR_E_LIMIT);
}

} // namespace
