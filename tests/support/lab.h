/* A plugin made of functions that a test gives, for tests of the runtime. One lab at a time, since
 * the host pointer of a plugin is a global; the including file defines opr__host. */
#ifndef TESTS_SUPPORT_LAB_H
#define TESTS_SUPPORT_LAB_H

#include <operon/plugin.h>
#include <operon/policy.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

struct LabController {
    std::function<opr_result(struct opr_ctx *, const struct opr_obj *)> run;
    std::vector<struct opr_watch> reads;
    struct opr_controller decl = {};
};

struct Lab {
    static constexpr int kMax = 4;
    std::deque<LabController> controllers;
    std::vector<const struct opr_controller *> list;
    struct opr_plugin table = {};
    opr_status init_status = OPR_OK;
    static Lab *&Current()
    {
        static Lab *current;
        return current;
    }

    Lab()
    {
        Current() = this;
        table.size = sizeof table;
        table.magic = OPR_PLUGIN_MAGIC;
        table.abi_major = OPR_ABI_MAJOR;
        table.abi_minor = OPR_ABI_MINOR;
        table.name = "lab";
        table.version = "1";
    }
    /* At most kMax. */
    LabController &Add(const char *name, const char *gvk,
                       std::function<opr_result(struct opr_ctx *, const struct opr_obj *)> run)
    {
        static decltype(opr_controller::reconcile)
            const runs[kMax] = {Run<0>, Run<1>, Run<2>, Run<3>};
        controllers.emplace_back();
        LabController &c = controllers.back();
        c.run = std::move(run);
        c.decl.size = sizeof c.decl;
        c.decl.name = name;
        c.decl.primary.gvk = gvk;
        c.decl.reconcile = runs[controllers.size() - 1];
        return c;
    }
    static struct opr_watch Read(const char *gvk, opr_map_fn map = nullptr)
    {
        struct opr_watch w = {};
        w.gvk = gvk;
        w.map = map;
        return w;
    }
    static const struct opr_plugin *Entry(const struct opr_host *host)
    {
        Lab *lab = Current();
        opr__host = host;
        lab->list.clear();
        for (LabController &c : lab->controllers) {
            if (!c.reads.empty()) {
                c.reads.push_back({});
                c.decl.reads = c.reads.data();
            }
            lab->list.push_back(&c.decl);
        }
        lab->list.push_back(nullptr);
        lab->table.controllers = lab->list.data();
        return &lab->table;
    }

  private:
    template <int n> static opr_result Run(struct opr_ctx *c, const struct opr_obj *self)
    {
        return Current()->controllers[n].run(c, self);
    }
};

#endif
