/* The server as a transport. */
#include "core/runtime/testing/sim.h"

#include "core/base/alloc.h"

struct opr_transport_session {
    struct sim *sim;
};

static struct opr_transport_session *session_new(struct opr_transport *t)
{
    struct opr_transport_session *session = opr_xalloc(sizeof *session);
    session->sim = (struct sim *)t;
    return session;
}

static void session_free(struct opr_transport_session *session)
{
    opr_free(session);
}

static opr_status call(struct opr_transport_session *session, const struct opr_client_request *req,
                       struct opr_client_response *ret_res, struct opr_error *reterr)
{
    return sim_handle(session->sim, req, ret_res)
               ? OPR_OK
               : opr_error_set(reterr, OPR_E_IO, "the test crashed this manager");
}

static void call_many(struct opr_transport_session *session, const struct opr_client_request *reqs,
                      size_t n, struct opr_client_response *ret_res, opr_status *ret_status)
{
    for (size_t i = 0; i < n; i++) {
        ret_res[i] = (struct opr_client_response){0};
        ret_status[i] = call(session, &reqs[i], &ret_res[i], NULL);
    }
}

static void cancel(struct opr_transport_session *session)
{
    (void)session; /* a call is over before anyone could cancel it */
}

static void free_transport(struct opr_transport *t)
{
    sim_free((struct sim *)t);
}

struct sim *sim_new(const struct opr_clock *clock)
{
    struct sim *s = opr_xalloc(sizeof *s);
    s->transport = (struct opr_transport){
        .session_new = session_new,
        .session_free = session_free,
        .call = call,
        .call_many = call_many,
        .cancel = cancel,
        .stream_open = sim_stream_open,
        .stream_close = sim_stream_close,
        .free = free_transport,
    };
    s->clock = clock;
    s->writes = opr_map_new();
    s->rv = 100;
    sim_kinds_init(s);
    return s;
}

void sim_free(struct sim *s)
{
    sim_streams_fini(s);
    for (size_t i = 0; i < s->log.count; i++) {
        struct sim_change *c = s->log.items[i];
        opr_json_unref(c->was);
        opr_json_unref(c->is);
        opr_json_unref(c->last);
        opr_free(c);
    }
    opr_vec_fini(&s->log);
    for (size_t i = 0; i < s->failures.count; i++) {
        struct sim_failure *f = s->failures.items[i];
        opr_free(f->verb);
        opr_free(f);
    }
    opr_vec_fini(&s->failures);
    opr_map_free(s->writes, NULL);
    sim_kinds_fini(s);
    opr_free(s);
}
