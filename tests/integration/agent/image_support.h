/* An image for tests, out of programs of this machine: a shell and what it needs. */
#ifndef OPR_TESTS_INTEGRATION_AGENT_IMAGE_SUPPORT_H
#define OPR_TESTS_INTEGRATION_AGENT_IMAGE_SUPPORT_H

#include "support.h"

#include "agent/image.h"
#include "core/base/buf.h"

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <vector>

inline bool sh(const std::string &command)
{
    return system(("{ " + command + "\n} > /dev/null 2>&1").c_str()) == 0;
}

inline void write_file(const std::string &path, const std::string &text)
{
    std::ofstream(path, std::ios::binary) << text;
}

inline std::string digest_of(const std::string &path)
{
    char hex[65] = "";
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(OPR_OK, opr__digest_fd(fd, hex, nullptr));
    close(fd);
    return hex;
}

/* An OCI image layout under construction. */
struct Layout {
    std::string dir;
    std::vector<std::string> layers; /* digests */
    std::vector<size_t> sizes;

    explicit Layout(const std::string &at) : dir(at)
    {
        EXPECT_TRUE(sh("mkdir -p " + dir + "/blobs/sha256"));
        write_file(dir + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    }
    std::string add_blob(const std::string &file)
    {
        std::string hex = digest_of(file);
        EXPECT_TRUE(sh("cp " + file + " " + dir + "/blobs/sha256/" + hex));
        return hex;
    }
    std::string add_text(const std::string &text)
    {
        write_file(dir + "/text", text);
        std::string hex = add_blob(dir + "/text");
        unlink((dir + "/text").c_str());
        return hex;
    }
    void add_layer(const std::string &tar)
    {
        layers.push_back(add_blob(tar));
    }
    /* config: the "config" member. */
    void finish(const std::string &config, const std::string &name)
    {
        std::string config_hex = add_text(
            R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":)" +
            config + "}");
        std::string list;
        for (const auto &hex : layers) {
            list += (list.empty() ? "" : ",") +
                    std::string(R"({"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",)") +
                    R"("size":1,"digest":"sha256:)" + hex + "\"}";
        }
        std::string manifest = add_text(
            R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":1,"digest":"sha256:)" +
            config_hex + R"("},"layers":[)" + list + "]}");
        write_file(
            dir + "/index.json",
            R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:)" +
                manifest + R"(","annotations":{"org.opencontainers.image.ref.name":")" + name +
                R"("}}]})");
    }
};

/* /bin/sh, a few programs and their libraries, below a folder. False: this machine lacks them. */
inline bool make_root(const std::string &root)
{
    return sh("set -e; mkdir -p " + root + "/etc " + root +
              "/tmp; for p in sh sleep cat id ls readlink hostname; do "
              "f=$(command -v $p); mkdir -p " +
              root + "/bin; cp -L $f " + root +
              "/bin/$p; "
              "for l in $(ldd $f | grep -o '/[^ ]*'); do mkdir -p " +
              root +
              "$(dirname $l); "
              "cp -L $l " +
              root +
              "$l; done; done; "
              "echo root:x:0:0::/root:/bin/sh > " +
              root +
              "/etc/passwd; "
              "echo app:x:1000:1001::/:/bin/sh >> " +
              root + "/etc/passwd");
}

#endif
