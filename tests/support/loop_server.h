/* The test server behind real threads: calls from workers, streams on a loop. A lock makes the
 * server, which is written for one thread, safe; its callbacks run on the loop as the transport
 * promises. Clients take `transport`; the server outlives them. */
#ifndef TESTS_SUPPORT_LOOP_SERVER_H
#define TESTS_SUPPORT_LOOP_SERVER_H

#include "core/net/loop.h"
#include "core/runtime/testing/sim.h"

#include <atomic>
#include <functional>
#include <mutex>

struct LoopServer {
    struct opr_transport transport = {}; /* first */
    struct opr_loop *loop;
    struct sim *sim;
    std::recursive_mutex lock;
    std::atomic<bool> is_posted{false}, is_down{false};
    std::function<void(const struct opr_client_request *)> on_call; /* before each, unlocked */

    explicit LoopServer(struct opr_loop *l) : loop(l), sim(sim_new(opr_clock_system()))
    {
        transport.session_new = [](struct opr_transport *t) {
            return reinterpret_cast<struct opr_transport_session *>(t);
        };
        transport.session_free = [](struct opr_transport_session *) {};
        transport.call = Call;
        transport.call_many = [](struct opr_transport_session *s,
                                 const struct opr_client_request *reqs, size_t n,
                                 struct opr_client_response *res, opr_status *st) {
            for (size_t i = 0; i < n; i++) {
                res[i] = {};
                st[i] = Call(s, &reqs[i], &res[i], nullptr);
            }
        };
        transport.cancel = [](struct opr_transport_session *) {};
        transport.stream_open = [](struct opr_transport *t, const struct opr_client_request *req,
                                   const struct opr_stream_handler *h, void *arg) {
            auto *self = reinterpret_cast<LoopServer *>(t);
            std::lock_guard<std::recursive_mutex> guard(self->lock);
            struct opr_transport_stream *st = sim_stream_open(&self->sim->transport, req, h, arg);
            self->Post();
            return st;
        };
        transport.stream_close = [](struct opr_transport_stream *st) { sim_stream_close(st); };
        transport.free = [](struct opr_transport *) {};
    }
    ~LoopServer()
    {
        sim_free(sim);
    }
    /* Any thread. */
    void Apply(const char *gvk, const std::string &ns, const std::string &json)
    {
        std::lock_guard<std::recursive_mutex> guard(lock);
        struct json_object *doc = nullptr;
        (void)!opr_doc_parse({json.data(), json.size()}, &doc, nullptr);
        struct sim_kind *k = sim_kind_learn(sim, gvk, !ns.empty());
        struct sim_answer answer = {};
        const char *name = opr_doc_str(doc, "/metadata/name", "");
        if (*name && sim_get(k, ns.c_str(), name)) {
            sim_update(sim, k, ns.c_str(), name, nullptr, doc, true, &answer);
        } else {
            sim_create(sim, k, ns.c_str(), doc, true, &answer);
        }
        opr_json_unref(answer.obj);
        json_object_put(doc);
        Post();
    }
    size_t Count(const char *gvk)
    {
        std::lock_guard<std::recursive_mutex> guard(lock);
        struct sim_kind *k = sim_kind_find(sim, gvk);
        return k ? k->objects.count : 0;
    }
    /* Every object of a kind satisfies this. */
    bool All(const char *gvk, const std::function<bool(const struct opr_obj *)> &is_good)
    {
        std::lock_guard<std::recursive_mutex> guard(lock);
        struct sim_kind *k = sim_kind_find(sim, gvk);
        for (size_t i = 0; k && i < k->objects.count; i++) {
            if (!is_good(static_cast<struct opr_obj *>(k->objects.items[i]))) {
                return false;
            }
        }
        return true;
    }

  private:
    void Post()
    {
        if (!is_posted.exchange(true)) {
            opr_loop_post(
                loop,
                [](void *arg) {
                    auto *self = static_cast<LoopServer *>(arg);
                    self->is_posted = false;
                    std::lock_guard<std::recursive_mutex> guard(self->lock);
                    sim_pump(self->sim);
                },
                this);
        }
    }
    static opr_status Call(struct opr_transport_session *s, const struct opr_client_request *req,
                           struct opr_client_response *ret_res, struct opr_error *reterr)
    {
        auto *self = reinterpret_cast<LoopServer *>(s);
        if (self->on_call) {
            self->on_call(req);
        }
        if (self->is_down) {
            return opr_error_set(reterr, OPR_E_IO, "connection refused");
        }
        std::lock_guard<std::recursive_mutex> guard(self->lock);
        sim_handle(self->sim, req, ret_res);
        self->Post();
        return OPR_OK;
    }
};

#endif
