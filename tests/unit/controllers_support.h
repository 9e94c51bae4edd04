/* A test cluster for the controllers' tests: what a user, a node agent and a reader would do. */
#ifndef OPR_TESTS_UNIT_CONTROLLERS_SUPPORT_H
#define OPR_TESTS_UNIT_CONTROLLERS_SUPPORT_H

#include <operon/testing.h>

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <vector>

namespace testing_cluster
{

inline std::string Replace(std::string text, const std::string &what, const std::string &with)
{
    for (size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
    return text;
}

class Cluster : public ::testing::Test
{
  public:
    explicit Cluster(const char *config = nullptr, opr_plugin_entry_fn entry = opr_plugin_entry)
        : t(opr_test_new(entry, config))
    {
    }
    ~Cluster() override
    {
        opr_test_free(t);
    }

  protected:
    struct opr_test *t;

    void Apply(const std::string &json)
    {
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "") << json;
    }
    void Status(const char *gvk, const char *ns, const std::string &name, const std::string &json)
    {
        ASSERT_STREQ(opr_test_status(t, gvk, ns, name.c_str(), json.c_str()), "") << json;
    }
    void Delete(const char *gvk, const char *ns, const std::string &name)
    {
        ASSERT_STREQ(opr_test_delete(t, gvk, ns, name.c_str()), "");
    }
    void Run()
    {
        ASSERT_LT(opr_test_run(t), 10000u) << "does not settle";
    }
    void Advance(uint64_t ms)
    {
        opr_test_advance_ms(t, ms);
    }
    const struct opr_obj *Get(const char *gvk, const char *ns, const std::string &name)
    {
        return opr_test_get(t, gvk, ns, name.c_str());
    }
    uint32_t Count(const char *gvk, const char *ns = "default")
    {
        return opr_test_count(t, gvk, ns);
    }
    std::vector<const struct opr_obj *> All(const char *gvk, const char *ns = "default")
    {
        std::vector<const struct opr_obj *> all;
        for (uint32_t i = 0; i < opr_test_count(t, gvk, ns); i++) {
            all.push_back(opr_test_nth(t, gvk, ns, i));
        }
        return all;
    }
    static std::string Str(const struct opr_obj *o, const char *ptr)
    {
        return opr_obj_str(o, ptr, "");
    }
    static int64_t Int(const struct opr_obj *o, const char *ptr, int64_t dflt = 0)
    {
        return opr_obj_int(o, ptr, dflt);
    }
    static std::string Name(const struct opr_obj *o)
    {
        return Str(o, "/metadata/name");
    }
    /* A condition's field; "" where there is no such condition. */
    static std::string Condition(const struct opr_obj *o, const std::string &type,
                                 const char *field = "/status")
    {
        const struct opr_obj *list = opr_obj_at(o, "/status/conditions");
        for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
            if (Str(x, "/type") == type) {
                return Str(x, field);
            }
        }
        return "";
    }
    /* How many events of a reason, with a text in the message, were written. */
    int64_t Events(const std::string &reason, const std::string &text = "")
    {
        int64_t count = 0;
        for (const struct opr_obj *e : All("v1/Event", nullptr)) {
            std::string message = Str(e, "/message");
            if (Str(e, "/reason") == reason && message.find(text) != std::string::npos) {
                count += Int(e, "/count", 1);
            }
        }
        return count;
    }
    std::string Now()
    {
        return Time(opr_test_now_ms(t));
    }
    static std::string Time(int64_t ms)
    {
        time_t s = (time_t)(ms / 1000);
        struct tm tm;
        char text[32];
        gmtime_r(&s, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return text;
    }
    void SetReady(const std::string &pod, bool is_ready, const std::string &more = "")
    {
        Status("v1/Pod", "default", pod,
               "{'phase':'Running','conditions':[{'type':'Ready','status':'" +
                   std::string(is_ready ? "True" : "False") + "','lastTransitionTime':'" + Now() +
                   "'}]" + more + "}");
    }
    /* As node agents would: every pod becomes ready. */
    void ReadyAll()
    {
        for (const struct opr_obj *pod : All("v1/Pod")) {
            if (Condition(pod, "Ready") != "True" &&
                !opr_obj_at(pod, "/metadata/deletionTimestamp")) {
                SetReady(Name(pod), true);
            }
        }
    }
};

} // namespace testing_cluster

#endif
