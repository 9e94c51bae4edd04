/* Reads that a controller adds while it runs. */
#include "tests/support/lab.h"

#include <operon/testing.h>

#include <gtest/gtest.h>

#include <string>

namespace
{

struct opr_watch Watch(const char *gvk, uint32_t flags = 0, opr_map_fn map = nullptr)
{
    struct opr_watch w = {};
    w.gvk = gvk;
    w.flags = flags;
    w.map = map;
    return w;
}

/* Every change of a watched object enqueues default/main. */
void ToMain(struct opr_mapper *m, const struct opr_obj *, const struct opr_obj *, void *)
{
    opr_map_enqueue(m, "default", "main");
}

class WatchAdd : public ::testing::Test
{
  protected:
    Lab lab;
    struct opr_test *t = nullptr;
    struct opr_watch wanted = Watch("v1/Service", 0, ToMain);
    bool is_dropped = false;
    opr_status status = OPR_OK;
    uint32_t seen = 0, runs = 0;
    std::string error;

    void Start()
    {
        lab.Add("main", "v1/ConfigMap", [this](struct opr_ctx *c, const struct opr_obj *) {
            runs++;
            if (is_dropped) {
                opr_watch_drop(c, &wanted);
                return opr_done();
            }
            status = opr_watch_add(c, &wanted);
            error = opr_ctx_error(c);
            const struct opr_obj *const *objs;
            if (status == OPR_OK &&
                opr_list(c, wanted.gvk, "default", nullptr, nullptr, &objs, &seen) != OPR_OK) {
                seen = UINT32_MAX;
            }
            return status == OPR_E_BUSY ? opr_requeue_after_ms(10) : opr_done();
        });
        t = opr_test_new(Lab::Entry, nullptr);
    }
    ~WatchAdd() override
    {
        if (t) {
            opr_test_free(t);
        }
    }
    void Apply(const char *kind, const char *name)
    {
        std::string json = std::string("{'apiVersion':'v1','kind':'") + kind +
                           "','metadata':{'name':'" + name + "','namespace':'default'}}";
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "");
        opr_test_run(t);
        opr_test_advance_ms(t, 100);
    }
};

TEST_F(WatchAdd, ReadsTheKindAndHearsOfItsChanges)
{
    Start();
    ASSERT_STREQ(opr_test_apply(t, "{'apiVersion':'v1','kind':'Service','metadata':{'name':'a',"
                                   "'namespace':'default'}}"),
                 "");
    Apply("ConfigMap", "main");
    EXPECT_EQ(status, OPR_OK) << error;
    EXPECT_EQ(seen, 1u);
    uint32_t before = runs;
    Apply("Service", "b");
    EXPECT_EQ(seen, 2u);
    EXPECT_GT(runs, before);
}

TEST_F(WatchAdd, OneThatIsReadAlreadyIsShownWhole)
{
    static uint32_t shown;
    shown = 0;
    wanted = Watch("v1/ConfigMap", 0,
                   [](struct opr_mapper *, const struct opr_obj *was, const struct opr_obj *is,
                      void *) { shown += !was && is ? 1 : 0; });
    Start();
    Apply("ConfigMap", "one");
    Apply("ConfigMap", "two");
    EXPECT_EQ(status, OPR_OK) << error;
    EXPECT_EQ(seen, 2u);
    EXPECT_EQ(shown, 2u);
}

TEST_F(WatchAdd, EndsWhenItIsDropped)
{
    Start();
    Apply("ConfigMap", "main");
    Apply("Service", "a");
    ASSERT_EQ(seen, 1u);
    is_dropped = true;
    Apply("ConfigMap", "other");
    uint32_t before = runs;
    Apply("Service", "b");
    EXPECT_EQ(runs, before);
    is_dropped = false;
    Apply("ConfigMap", "third");
    EXPECT_EQ(status, OPR_OK) << error;
    EXPECT_EQ(seen, 2u) << "and may be added again";
}

TEST_F(WatchAdd, Refuses)
{
    Start();
    const struct {
        struct opr_watch watch;
        opr_status status;
    } cases[] = {
        {Watch("Service"), OPR_E_INVALID},
        {Watch("*"), OPR_E_INVALID},
        {Watch(nullptr), OPR_E_INVALID},
        {Watch("v1/Node", OPR_WATCH_NAMESPACED), OPR_E_INVALID},
        {Watch("absent.example/v1/Thing"), OPR_E_NOT_FOUND},
    };
    int n = 0;
    for (const auto &c : cases) {
        wanted = c.watch;
        Apply("ConfigMap", ("m" + std::to_string(n++)).c_str());
        EXPECT_EQ(status, c.status) << n;
        EXPECT_NE(error, "");
    }
    wanted = Watch("v1/Service");
    wanted.index = "a=/b";
    Apply("ConfigMap", "last");
    EXPECT_EQ(status, OPR_E_INVALID);
}

} // namespace
