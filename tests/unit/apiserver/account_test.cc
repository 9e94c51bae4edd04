/* Pods and their ServiceAccounts: the volume with the token, and tokens that end with an object. */
#include "support.h"

#include <gmock/gmock.h>

using testing::HasSubstr;
using testing::StartsWith;

namespace
{

#define PODS "/api/v1/namespaces/default/pods"
#define MOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

class Account : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        make("serviceaccounts", "sa");
    }
    Answer request_token(const std::string &spec)
    {
        return post("/api/v1/namespaces/default/serviceaccounts/sa/token",
                    "{'spec':{" + spec + "}}");
    }
    /* What a user of the token is told. */
    int answer_to(const std::string &token)
    {
        return post("/apis/authentication.k8s.io/v1/tokenreviews",
                    "{'spec':{'token':'" + token + "'}}")
                       .flag("/status/authenticated")
                   ? 200
                   : 401;
    }
};

TEST_F(Account, EveryContainerFindsTheToken)
{
    Answer a =
        make("pods", "p",
             "'spec':{'initContainers':[{'name':'i','image':'x'}],'containers':[{'name':'c',"
             "'image':'x'},{'name':'d','image':'x','volumeMounts':[{'name':'own','mountPath':"
             "'" MOUNT "'}]}],'volumes':[{'name':'own','emptyDir':{}}]}");
    ASSERT_EQ(a.status, 201) << a.body;
    EXPECT_EQ(a.str("/spec/serviceAccountName"), "default");
    std::string volume = a.str("/spec/volumes/1/name");
    EXPECT_THAT(volume, StartsWith("kube-api-access-"));
    EXPECT_EQ(a.num("/spec/volumes/1/projected/sources/0/serviceAccountToken/expirationSeconds"),
              3607);
    EXPECT_EQ(a.str("/spec/volumes/1/projected/sources/1/configMap/name"), "kube-root-ca.crt");
    EXPECT_EQ(a.str("/spec/initContainers/0/volumeMounts/0/name"), volume);
    EXPECT_EQ(a.str("/spec/containers/0/volumeMounts/0/mountPath"), MOUNT);
    EXPECT_TRUE(a.flag("/spec/containers/0/volumeMounts/0/readOnly"));
    EXPECT_EQ(a.size("/spec/containers/1/volumeMounts"), 1u) << "it has a mount there";
}

TEST_F(Account, ItMayBeLeftOut)
{
    EXPECT_FALSE(make_pod("p", "'automountServiceAccountToken':false").has("/spec/volumes"));
    make("serviceaccounts", "bare", "'automountServiceAccountToken':false");
    EXPECT_FALSE(make_pod("q", "'serviceAccountName':'bare'").has("/spec/volumes"));
    EXPECT_TRUE(make_pod("r", "'serviceAccountName':'bare','automountServiceAccountToken':true")
                    .has("/spec/volumes"));
}

TEST_F(Account, SecretsForImagesComeFromTheAccount)
{
    make("serviceaccounts", "puller", "'imagePullSecrets':[{'name':'s'}]");
    Answer a = make_pod("p", "'serviceAccountName':'puller'");
    EXPECT_EQ(a.str("/spec/imagePullSecrets/0/name"), "s");
    a = make_pod("q", "'serviceAccountName':'puller','imagePullSecrets':[{'name':'t'}]");
    EXPECT_EQ(a.str("/spec/imagePullSecrets/0/name"), "t");
}

TEST_F(Account, AnUnknownOneIsRefused)
{
    Answer a = make_pod("p", "'serviceAccountName':'nobody'");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"), "pods \"p\" is forbidden: error looking up service account "
                                 "default/nobody: serviceaccount \"nobody\" not found");
}

TEST_F(Account, ATokenEndsWithItsPod)
{
    std::string uid = make_pod("p", "'serviceAccountName':'sa'").str("/metadata/uid");
    std::string ref = "'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p','uid':'";
    Answer a = request_token(ref + uid + "'}");
    ASSERT_EQ(a.status, 201) << a.body;
    std::string token = a.str("/status/token");
    EXPECT_EQ(answer_to(token), 200);
    ASSERT_EQ(remove(PODS "/p").status, 200);
    make_pod("p", "'serviceAccountName':'sa'");
    EXPECT_EQ(answer_to(token), 401) << "another Pod of the name";
    a = request_token(ref + uid + "'}");
    EXPECT_EQ(a.status, 409);
    EXPECT_THAT(a.str("/message"), HasSubstr("does not match the UID in record"));
}

TEST_F(Account, ATokenOfAnEndingPodLastsAMinute)
{
    make_pod("p", "'serviceAccountName':'sa','nodeName':'n'");
    std::string token =
        request_token("'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'}")
            .str("/status/token");
    ASSERT_EQ(remove(PODS "/p").status, 200); /* 30 s of grace */
    advance(89 * 1000);
    EXPECT_EQ(answer_to(token), 200);
    advance(3 * 1000);
    EXPECT_EQ(answer_to(token), 401);
}

TEST_F(Account, BindingsThatAreRefused)
{
    make_pod("other");
    EXPECT_EQ(request_token("'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'no'}").status,
              404);
    Answer a = request_token("'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'other'}");
    EXPECT_EQ(a.status, 400);
    EXPECT_THAT(a.str("/message"), HasSubstr("different serviceaccount name"));
    a = request_token("'boundObjectRef':{'kind':'Service','apiVersion':'v1','name':'x'}");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "cannot bind token to object of type /v1, Kind=Service");
}

TEST_F(Account, ARequestIsAnsweredWithWhatItBecame)
{
    Answer a = request_token("");
    EXPECT_EQ(a.str("/spec/audiences/0"), "https://kubernetes.default.svc");
    EXPECT_EQ(a.num("/spec/expirationSeconds"), 3600);
    EXPECT_EQ(a.str("/metadata/name"), "sa");
    std::string path = "/api/v1/namespaces/default/serviceaccounts/sa/token";
    EXPECT_EQ(request_token("'expirationSeconds':4294967297").status, 422);
    EXPECT_EQ(post(path, "{'metadata':{'name':'other'}}").status, 422);
    EXPECT_EQ(post(path, "{'metadata':{'namespace':'other'}}").status, 400);
    EXPECT_EQ(post(path, "{'metadata':{'uid':'x'}}").status, 409);
    EXPECT_EQ(request_token("'boundObjectRef':{'kind':'Pod','apiVersion':'v1'}").status, 400);
    EXPECT_EQ(post("/api/v1/namespaces/none/serviceaccounts/sa/token", "{}").str("/message"),
              "namespaces \"none\" not found");
}

TEST_F(Account, AReviewTellsThePodAndItsNode)
{
    post("/api/v1/nodes", "{'metadata':{'name':'n'}}");
    std::string uid =
        make_pod("p", "'serviceAccountName':'sa','nodeName':'n'").str("/metadata/uid");
    std::string token =
        request_token("'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'}")
            .str("/status/token");
    remove("/api/v1/nodes/n");
    Answer a =
        post("/apis/authentication.k8s.io/v1/tokenreviews", "{'spec':{'token':'" + token + "'}}");
    std::string extra = "/status/user/extra/authentication.kubernetes.io~1";
    EXPECT_TRUE(a.flag("/status/authenticated")) << "it ends with the Pod, not with the node";
    EXPECT_EQ(a.str(extra + "pod-uid/0"), uid);
    EXPECT_EQ(a.str(extra + "node-name/0"), "n");
    EXPECT_THAT(a.str(extra + "credential-id/0"), StartsWith("JTI="));
}

TEST_F(Account, TheTokenOfAPodOutlivesItsTime)
{
    make_pod("p", "'serviceAccountName':'sa','nodeName':'n'");
    std::string pod = "'boundObjectRef':{'kind':'Pod','apiVersion':'v1','name':'p'},";
    Answer a = request_token(pod + "'expirationSeconds':3607");
    EXPECT_EQ(a.str("/status/expirationTimestamp"), "2026-01-02T01:00:07Z") << "renew it then";
    std::string asked_less = request_token(pod + "'expirationSeconds':3606").str("/status/token");
    std::string free = request_token("'expirationSeconds':3607").str("/status/token");
    std::string other =
        request_token(pod + "'expirationSeconds':3607,'audiences':['a']").str("/status/token");
    advance(24 * 3600 * 1000);
    EXPECT_EQ(answer_to(a.str("/status/token")), 200) << "who read it once goes on";
    EXPECT_EQ(answer_to(asked_less), 401);
    EXPECT_EQ(answer_to(free), 401);
    EXPECT_FALSE(post("/apis/authentication.k8s.io/v1/tokenreviews",
                      "{'spec':{'token':'" + other + "','audiences':['a']}}")
                     .flag("/status/authenticated"));
}

TEST_F(Account, AMirrorPodHasNone)
{
    std::string mirror = "{'metadata':{'name':'m','annotations':{'kubernetes.io/config.mirror':"
                         "'x'}},'spec':{'containers':[{'name':'c','image':'i'}],'nodeName':'n'";
    EXPECT_EQ(post(PODS, mirror + ",'serviceAccountName':'sa'}}").status, 403);
    Answer a = post(PODS, mirror + "}}");
    EXPECT_EQ(a.status, 201);
    EXPECT_FALSE(a.has("/spec/serviceAccountName"));
}

TEST_F(Account, ATokenEndsWithItsSecret)
{
    make("secrets", "s");
    std::string token =
        request_token("'boundObjectRef':{'kind':'Secret','apiVersion':'v1','name':'s'}")
            .str("/status/token");
    EXPECT_EQ(answer_to(token), 200);
    remove("/api/v1/namespaces/default/secrets/s");
    EXPECT_EQ(answer_to(token), 401);
}

TEST_F(Account, AReviewNamesTheAudiencesThatItFound)
{
    std::string token = request_token("'audiences':['vault','bank']").str("/status/token");
    EXPECT_EQ(answer_to(token), 401) << "it is not for this server";
    Answer a = post("/apis/authentication.k8s.io/v1/tokenreviews",
                    "{'spec':{'token':'" + token + "','audiences':['bank','shop']}}");
    EXPECT_TRUE(a.flag("/status/authenticated"));
    EXPECT_EQ(a.size("/status/audiences"), 1u);
    EXPECT_EQ(a.str("/status/audiences/0"), "bank");
}

} // namespace
