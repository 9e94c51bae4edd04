/* Unit tests of a plugin: a manager over an in-memory API server and a fake clock, on one thread.
 *
 *     struct opr_test *t = opr_test_new(opr_plugin_entry, NULL);
 *     opr_test_apply(t, "{'apiVersion':'apps/v1','kind':'Deployment',...}");
 *     opr_test_run(t);                        -- until nothing is left to do at this time
 *     opr_test_count(t, "apps/v1/ReplicaSet", "default");
 *
 * The kinds of core, apps, batch, autoscaling, policy, discovery.k8s.io and so on are known;
 * another kind is learned when an object of it is applied (namespaced where the object names a
 * namespace). The server neither defaults nor validates; it keeps .status apart, as the real one
 * does.
 *
 * Link with liboperon-testing. Threads: one test uses one thread. Lifetime: opr_test_free().
 * Objects are borrowed until then, texts until the next call on the same test. */
#ifndef OPERON_TESTING_H
#define OPERON_TESTING_H

#include <operon/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_test;

/* entry: the plugin's opr_plugin_entry. config: JSON text, or NULL. Aborts on a refused plugin.
 * entry NULL: no plugin yet; see opr_test_load(). */
struct opr_test *opr_test_new(opr_plugin_entry_fn entry, const char *config);
/* Adds one more plugin that is linked into the test. Before the first run. "" or the error text. */
const char *opr_test_add(struct opr_test *t, opr_plugin_entry_fn entry, const char *config);
/* Adds a plugin from its .so file, so that several work together. Before the first run. "" or the
 * error text. */
const char *opr_test_load(struct opr_test *t, const char *path, const char *config);
/* For a test that links no plugin: opr__host = opr_test_host(), so that it can read objects. */
const struct opr_host *opr_test_host(void);
void opr_test_free(struct opr_test *t);

/* Creates or replaces an object, as a user would; the test server gives uid, resourceVersion,
 * generation and creationTimestamp. JSON in which ' may stand for ". "" or the error text. */
const char *opr_test_apply(struct opr_test *t, const char *json);
/* Replaces only .status, by merge patch, as a node agent would. "" or the error text. */
const char *opr_test_status(struct opr_test *t, const char *gvk, const char *ns, const char *name,
                            const char *status_json);
/* Deletes with background propagation; finalizers are honoured. "" or the error text. */
const char *opr_test_delete(struct opr_test *t, const char *gvk, const char *ns, const char *name);

/* Delivers watch events and runs reconciles until the queues are empty at the present time. Returns
 * the number of reconciles that ran; stops at 10,000 (a loop that does not settle). */
uint32_t opr_test_run(struct opr_test *t);
/* Moves the fake clock, then runs. */
uint32_t opr_test_advance_ms(struct opr_test *t, uint64_t ms);

const struct opr_obj *opr_test_get(struct opr_test *t, const char *gvk, const char *ns,
                                   const char *name);
/* i-th object of a kind in name order; ns NULL: all namespaces. */
const struct opr_obj *opr_test_nth(struct opr_test *t, const char *gvk, const char *ns, uint32_t i);
uint32_t opr_test_count(struct opr_test *t, const char *gvk, const char *ns);
/* Number of writes of a verb ("create", "update", "patch", "delete") of a kind so far. */
uint32_t opr_test_writes(struct opr_test *t, const char *verb, const char *gvk);

/* The next n requests of a verb ("get", "list", "create", "update", "patch", "delete"; "*": any of
 * these; "watch") fail with this HTTP status. Events are left out of it. */
void opr_test_fail_next(struct opr_test *t, const char *verb, uint32_t n, int32_t http_status);
/* Moves the fake clock and runs nothing; also from inside a reconcile. */
void opr_test_advance_clock(struct opr_test *t, uint64_t ms);
/* The fake clock: it begins at 2026-01-01T00:00:00Z. */
int64_t opr_test_now_ms(const struct opr_test *t);

/* Stands in for a Lua policy: opr_policy_call() of this function answers with this JSON array of
 * results (' may stand for "); NULL: it raises an error. opr_policy_load() accepts every source
 * that does not begin with "error". */
void opr_test_policy(struct opr_test *t, const char *name, const char *function,
                     const char *result_json);
/* What it was called with last, or NULL. */
const struct opr_obj *opr_test_policy_input(struct opr_test *t, const char *name,
                                            const char *function);

/* The manager crashes at its n-th write from now (1: the next one; Events do not count): before the
 * server gets it or, is_after, when the server has done it and nobody heard the answer. From then
 * on nothing that it asks is answered, until opr_test_restart() starts another with the same
 * plugins. n 0: it does not crash. A controller is sound when it comes to the same end from every
 * n. */
void opr_test_crash(struct opr_test *t, uint32_t n, int32_t is_after);
int32_t opr_test_has_crashed(const struct opr_test *t); /* 1: that write was reached */
void opr_test_restart(struct opr_test *t);

/* While held, watch events of a kind are not delivered: the cache is stale. */
void opr_test_hold(struct opr_test *t, const char *gvk, bool is_held);

#ifdef __cplusplus
}
#endif
#endif
