#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/client/kubeconfig_internal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

struct Kubeconfig : testing::Test {
    std::string dir;
    struct opr_kubeconfig config = {};
    struct opr__kubeconfig_text seen = {};
    struct opr_arena *arena = opr_arena_new();
    struct opr_error err = {};

    void SetUp() override
    {
        char path[] = "/tmp/opr-kubeconfig-XXXXXX";
        dir = mkdtemp(path);
        for (const char *name :
             {"KUBECONFIG", "HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}) {
            unsetenv(name);
        }
    }
    ~Kubeconfig() override
    {
        opr_kubeconfig_fini(&config);
        opr_arena_free(arena);
        EXPECT_EQ(OPR_OK, opr_fs_remove_tree(dir.c_str(), nullptr));
    }
    std::string write(const std::string &name, const std::string &text, unsigned mode = 0600)
    {
        std::string path = dir + "/" + name;
        EXPECT_EQ(OPR_OK,
                  opr_fs_write(path.c_str(), opr_str_n(text.data(), text.size()), mode, nullptr));
        return path;
    }
    opr_status load(const std::string &text, const char *context = nullptr)
    {
        opr_kubeconfig_fini(&config);
        err = {};
        std::string path = write("config", text);
        opr_status st = opr_kubeconfig_load(path.c_str(), context, &config, &err);
        if (st == OPR_OK) {
            EXPECT_EQ(OPR_OK, opr__kubeconfig_read(path.c_str(), context, arena, &seen, &err));
        }
        return st;
    }
    /* cluster and user are the mappings' insides, in flow style. */
    opr_status load_with(const std::string &cluster, const std::string &user)
    {
        return load("current-context: c\n"
                    "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
                    "clusters: [{name: k, cluster: {" +
                    cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
    }
    void refuses(opr_status st, const std::string &part)
    {
        EXPECT_NE(OPR_OK, st);
        EXPECT_NE(std::string::npos, std::string(err.message).find(part)) << err.message;
        EXPECT_EQ(nullptr, config.endpoint);
    }
};

static const char *const kServer = "server: 'https://127.0.0.1:6443'";

TEST_F(Kubeconfig, ContextsAndInlineData)
{
    const char *text = "apiVersion: v1\n"
                       "kind: Config\n"
                       "current-context: one\n"
                       "contexts:\n"
                       "- name: one\n"
                       "  context: {cluster: k, user: u}\n"
                       "- name: two\n"
                       "  context: {cluster: k, user: t, namespace: team}\n"
                       "clusters:\n"
                       "- name: k\n"
                       "  cluster:\n"
                       "    server: https://10.0.0.1:6443/\n"
                       "    certificate-authority-data: Q0E=\n"
                       "    tls-server-name: api.example\n"
                       "users:\n"
                       "- name: u\n"
                       "  user:\n"
                       "    client-certificate-data: Q0VSVA==\n"
                       "    client-key-data: S0VZ\n"
                       "- name: t\n"
                       "  user: {token: secret}\n";
    ASSERT_EQ(OPR_OK, load(text)) << err.message;
    EXPECT_STREQ("default", config.namespace_);
    EXPECT_STREQ("CA", seen.config.ca_pem);
    EXPECT_STREQ("CERT", seen.config.client_cert_pem);
    EXPECT_STREQ("KEY", seen.config.client_key_pem);
    EXPECT_STREQ("https://10.0.0.1:6443/", seen.config.url);
    EXPECT_STREQ("api.example", seen.config.server_name);
    EXPECT_FALSE(seen.config.is_insecure);
    EXPECT_EQ(nullptr, seen.config.token);
    ASSERT_EQ(OPR_OK, load(text, "two")) << err.message;
    EXPECT_STREQ("team", config.namespace_);
    EXPECT_STREQ("secret", seen.config.token);
}

TEST_F(Kubeconfig, Json)
{
    ASSERT_EQ(OPR_OK,
              load("{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":"
                   "{\"cluster\":\"k\",\"user\":\"\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":"
                   "{\"server\":\"https://h\",\"insecure-skip-tls-verify\":true}}]}"))
        << err.message;
    EXPECT_TRUE(seen.config.is_insecure);
    EXPECT_STREQ("https://h", seen.config.url);
}

TEST_F(Kubeconfig, FilesAreRelativeToTheKubeconfig)
{
    ASSERT_EQ(0, mkdir((dir + "/pki").c_str(), 0700));
    write("pki/ca.pem", "CA FILE");
    write("token", " file-token\n");
    ASSERT_EQ(OPR_OK, load_with(std::string(kServer) + ", certificate-authority: pki/ca.pem",
                                "tokenFile: token, token: first"))
        << err.message;
    EXPECT_STREQ("CA FILE", seen.config.ca_pem);
    EXPECT_EQ(dir + "/token", seen.config.token_file);
    refuses(load_with(std::string(kServer) + ", certificate-authority: absent.pem", "token: t"),
            "absent.pem");
}

TEST_F(Kubeconfig, SaysWhatIsMissing)
{
    refuses(load("a: [b"), dir + "/config:");
    refuses(load(""), "no current-context");
    refuses(load("{}"), "no current-context");
    refuses(load("current-context: c"), "no context \"c\"");
    refuses(load("{}", "given"), "no context \"given\"");
    refuses(load("contexts: [{name: c, context: {user: u}}]", "c"), "names no cluster");
    refuses(load("contexts: [{name: c, context: {cluster: k}}]", "c"), "no cluster \"k\"");
    refuses(load_with("", "token: t"), "cluster \"k\" has no server");
    refuses(load_with("server: 'ldap://h'", "token: t"), "ldap://h");
    refuses(load("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                 "clusters: [{name: k, cluster: {server: 'https://h'}}]\n"),
            "no user \"u\"");
    refuses(load_with(kServer, "client-key-data: S0VZ"), "has no client-certificate");
    refuses(load_with(kServer, "client-certificate-data: S0VZ"), "has no client-key");
    refuses(load_with(kServer, "client-certificate-data: '!!', client-key-data: S0VZ"),
            "client-certificate-data is no base64");
    refuses(load_with(std::string(kServer) + ", insecure-skip-tls-verify: perhaps", "token: t"),
            "insecure-skip-tls-verify");
    refuses(load_with(kServer, "username: a, password: b"), "username is not supported");
    err = {};
    refuses(opr_kubeconfig_load("/none/config", nullptr, &config, &err), "/none/config");
}

TEST_F(Kubeconfig, ExecPlugin)
{
    write("plugin",
          "#!/bin/sh\n"
          "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"'$1'\",'\n"
          "echo '\"status\":{\"token\":\"'$WHO'\",\"expirationTimestamp\":\"'$UNTIL'\"}}'\n",
          0700);
    const std::string v1 = "client.authentication.k8s.io/v1";
    auto exec = [&](const std::string &until, const std::string &version) {
        return load_with(kServer, "exec: {apiVersion: " + version +
                                      ", command: ./plugin, args: [x], env: [{name: WHO, value: "
                                      "bob}, {name: UNTIL, value: '" +
                                      until + "'}]}");
    };
    ASSERT_EQ(OPR_OK, exec("2999-01-01T00:00:00Z", v1)) << err.message;
    EXPECT_STREQ("bob", seen.config.token);
    refuses(exec("2001-01-01T00:00:00Z", v1), "exec: the credential expired");
    refuses(exec("soon", v1), "exec: expirationTimestamp");
    refuses(exec("2999-01-01T00:00:00Z", "client.authentication.k8s.io/v1alpha1"), "v1alpha1");
    refuses(load_with(kServer, "exec: {apiVersion: " + v1 + ", command: ./absent}"), "absent");
    refuses(load_with(kServer, "exec: {apiVersion: " + v1 + "}"), "exec: no command");
    refuses(load_with(kServer, "exec: {apiVersion: " + v1 + ", command: 'false'}"),
            "false ended with status 1");
    refuses(load_with(kServer, "exec: {apiVersion: " + v1 + ", command: echo, args: [hi]}"),
            "no ExecCredential");
}

TEST_F(Kubeconfig, Find)
{
    refuses(opr_kubeconfig_find(nullptr, &config, &err), "no kubeconfig");
    ASSERT_EQ(OPR_OK, load_with(kServer, "token: t"));
    std::string path = dir + "/config";
    setenv("KUBECONFIG", (dir + "/absent:" + path).c_str(), 1);
    opr_kubeconfig_fini(&config);
    EXPECT_EQ(OPR_OK, opr_kubeconfig_find(nullptr, &config, &err)) << err.message;
    unsetenv("KUBECONFIG");
    opr_kubeconfig_fini(&config);
    ASSERT_EQ(0, mkdir((dir + "/.kube").c_str(), 0700));
    ASSERT_EQ(0, rename(path.c_str(), (dir + "/.kube/config").c_str()));
    setenv("HOME", dir.c_str(), 1);
    EXPECT_EQ(OPR_OK, opr_kubeconfig_find(nullptr, &config, &err)) << err.message;
    opr_kubeconfig_fini(&config);
    EXPECT_EQ(OPR_OK, opr_kubeconfig_find((dir + "/.kube/config").c_str(), &config, &err));
}

TEST_F(Kubeconfig, SeveralFilesAreMergedAndTheFirstWins)
{
    ASSERT_EQ(0, mkdir((dir + "/other").c_str(), 0700));
    write("other/ca.pem", "OTHER CA");
    std::string one = write("one", "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
                                   "users: [{name: u, user: {token: first}}]\n");
    std::string two =
        write("other/two", "current-context: c\n"
                           "contexts: [{name: c, context: {cluster: none, namespace: two}}]\n"
                           "clusters: [{name: k, cluster: {server: 'https://h', "
                           "certificate-authority: ca.pem}}]\n"
                           "users: [{name: u, user: {token: second}}]\n");
    std::string list = dir + "/absent:" + one + "::" + two;
    ASSERT_EQ(OPR_OK, opr__kubeconfig_read(list.c_str(), nullptr, arena, &seen, &err))
        << err.message;
    EXPECT_STREQ("first", seen.config.token);
    EXPECT_STREQ("OTHER CA", seen.config.ca_pem) << "relative to its own file";
    EXPECT_EQ(nullptr, seen.namespace_) << "entries are not mixed";
    setenv("KUBECONFIG", list.c_str(), 1);
    EXPECT_EQ(OPR_OK, opr_kubeconfig_find(nullptr, &config, &err)) << err.message;
    opr_kubeconfig_fini(&config);
    write("one", "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
                 "users: [{name: u, user: {client-key-data: S0VZ}}]\n");
    refuses(opr_kubeconfig_find(nullptr, &config, &err), one + ": context \"c\"");
    std::string odd =
        write("a:b", "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
                     "clusters: [{name: k, cluster: {server: 'https://h'}}]\n");
    EXPECT_EQ(OPR_OK, opr_kubeconfig_load(odd.c_str(), nullptr, &config, &err)) << err.message;
    opr_kubeconfig_fini(&config);
    write("other/two", "clusters: [");
    refuses(opr_kubeconfig_find(nullptr, &config, &err), two + ":");
    setenv("KUBECONFIG", (dir + "/absent:" + dir + "/gone").c_str(), 1);
    refuses(opr_kubeconfig_find(nullptr, &config, &err), "no kubeconfig");
}

TEST_F(Kubeconfig, ProxyUrl)
{
    ASSERT_EQ(OPR_OK,
              load_with(std::string(kServer) + ", proxy-url: 'socks5://p:1080'", "token: t"))
        << err.message;
    EXPECT_STREQ("socks5://p:1080", seen.config.proxy_url);
    refuses(load_with(std::string(kServer) + ", proxy-url: 'ftp://p'", "token: t"), "ftp://p");
    refuses(load_with(std::string(kServer) + ", proxy-url: p", "token: t"), "proxy-url");
}

TEST_F(Kubeconfig, InCluster)
{
    refuses(opr_kubeconfig_in_cluster(&config, &err), "KUBERNETES_SERVICE_HOST");
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    if (opr_fs_exists("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")) {
        GTEST_SKIP() << "this machine is a pod";
    }
    refuses(opr_kubeconfig_in_cluster(&config, &err), "ca.crt");
}
