/* A store and objects for its tests. */
#ifndef OPR_TESTS_UNIT_STORE_SUPPORT_H
#define OPR_TESTS_UNIT_STORE_SUPPORT_H

#include "apiserver/store/store.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

class Store
{
  public:
    explicit Store(const char *dir = nullptr, uint32_t window = 0)
    {
        opr_store_config config = {dir, window};
        opr_error err = {};
        EXPECT_EQ(opr_store_open(&config, &store_, &err), OPR_OK) << err.message;
    }
    ~Store()
    {
        opr_store_close(store_);
    }
    Store(const Store &) = delete;
    Store &operator=(const Store &) = delete;
    opr_store *get() const
    {
        return store_;
    }

    opr_status put(const std::string &key, const std::string &value,
                   uint64_t expected = OPR_STORE_ANY, uint64_t *ret_rv = nullptr)
    {
        json_object *doc = json_object_new_object();
        opr_doc_put_str(doc, "/metadata/name", key.c_str());
        opr_doc_put_str(doc, "/data", value.c_str());
        opr_obj *obj = nullptr;
        opr_status st =
            opr_store_put(store_, opr_str_of(key.c_str()), expected, doc, &obj, nullptr);
        if (st == OPR_OK && ret_rv) {
            *ret_rv = rv_of(obj);
        }
        opr_json_unref(obj);
        json_object_put(doc);
        return st;
    }
    opr_status remove(const std::string &key, uint64_t expected = OPR_STORE_ANY)
    {
        return opr_store_delete(store_, opr_str_of(key.c_str()), expected, nullptr, nullptr,
                                nullptr);
    }
    /* "-" where there is none. */
    std::string data(const std::string &key) const
    {
        opr_obj *obj = opr_store_get(store_, opr_str_of(key.c_str()));
        std::string text = obj ? opr_json_str(obj, "/data", "") : "-";
        opr_json_unref(obj);
        return text;
    }
    std::vector<std::string> list(const std::string &prefix, const std::string &after = "",
                                  size_t limit = 0, size_t *ret_more = nullptr) const
    {
        opr_arena *a = opr_arena_new();
        const opr_obj *const *objs = nullptr;
        size_t count = 0, more = 0;
        uint64_t revision = 0;
        opr_store_list(store_, a, opr_str_of(prefix.c_str()), opr_str_of(after.c_str()), limit,
                       &objs, &count, &revision, &more);
        std::vector<std::string> names;
        for (size_t i = 0; i < count; i++) {
            names.emplace_back(opr_json_str(objs[i], "/metadata/name", ""));
        }
        if (ret_more) {
            *ret_more = more;
        }
        opr_arena_free(a);
        return names;
    }
    static uint64_t rv_of(const opr_obj *obj)
    {
        return strtoull(opr_json_str(obj, "/metadata/resourceVersion", "0"), nullptr, 10);
    }

  private:
    opr_store *store_ = nullptr;
};

class Folder
{
  public:
    Folder()
    {
        char path[] = "/tmp/operon-store-XXXXXX";
        path_ = mkdtemp(path);
    }
    ~Folder()
    {
        EXPECT_EQ(opr_fs_remove_tree(path_.c_str(), nullptr), OPR_OK);
    }
    const char *path() const
    {
        return path_.c_str();
    }

  private:
    std::string path_;
};

#endif
