/* Taking in a plugin's table: its checks, its init, its controllers. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

/* What every version of the table has; a shorter one is no table. */
#define TABLE_MIN_SIZE (offsetof(struct opr_plugin, name))

static opr_status check_table(const struct opr_plugin *t, const char *where,
                              struct opr_error *reterr)
{
    if (!t || t->size < TABLE_MIN_SIZE || t->magic != OPR_PLUGIN_MAGIC) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "%s: opr_plugin_entry() gives no plugin table (OPR_PLUGIN_HEADER)",
                             where);
    }
    if (t->abi_major != OPR_ABI_MAJOR || t->abi_minor > OPR_ABI_MINOR) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "%s: built for plugin ABI %u.%u, this host has %u.%u; build it "
                             "against this host's headers",
                             where, t->abi_major, t->abi_minor, OPR_ABI_MAJOR, OPR_ABI_MINOR);
    }
    return OPR_OK;
}

static opr_status init_plugin(struct opr__plugin *p, const char *config_json, const char *where,
                              struct opr_error *reterr)
{
    if (config_json && *config_json) {
        struct opr_error err = {0};
        if (opr_json_parse(opr_str_of(config_json), &p->config, &err) != OPR_OK) {
            return opr_error_set(reterr, OPR_E_INVALID, "%s: its configuration is not JSON: %s",
                                 where, err.message);
        }
    }
    if (p->table.init) {
        opr_status st = p->table.init(p->config, &p->state);
        if (st != OPR_OK) {
            p->table.fini = NULL; /* what did not begin has no end */
            return opr_error_set(reterr, st, "%s: the plugin refused to start: %s", where,
                                 opr_status_name(st));
        }
    }
    return OPR_OK;
}

static opr_status add_controllers(struct opr_manager *m, struct opr__plugin *p, const char *where,
                                  struct opr_error *reterr)
{
    const struct opr_controller *const *all = p->table.controllers;
    for (size_t i = 0; all && all[i]; i++) {
        struct opr_error err = {0};
        struct opr__controller *c = opr__controller_new(m, p, all[i], &err);
        if (!c) {
            return opr_error_set(reterr, OPR_E_INVALID, "%s: %s", where, err.message);
        }
        opr_vec_push(&m->controllers, c);
    }
    return OPR_OK;
}

/* Takes back the controllers of a plugin that could not be added. */
static void remove_controllers(struct opr_manager *m, const struct opr__plugin *p)
{
    for (size_t i = m->controllers.count; i-- > 0;) {
        struct opr__controller *c = m->controllers.items[i];
        if (c->plugin == p) {
            opr_vec_remove(&m->controllers, i);
            opr__controller_free(c);
        }
    }
}

/* Sources that nobody reads any more. */
static void remove_unread(struct opr_manager *m)
{
    for (size_t i = m->sources.count; i-- > 0;) {
        struct opr__source *s = m->sources.items[i];
        if (s->subs.count == 0) {
            opr_vec_remove(&m->sources, i);
            opr__source_free(s);
        }
    }
}

opr_status opr__plugin_add(struct opr_manager *m, opr_plugin_entry_fn entry, void *take_handle,
                           const char *config_json, const char *where, struct opr_error *reterr)
{
    if (m->is_started) {
        opr__plugin_close(take_handle);
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "%s: plugins are loaded before the manager starts", where);
    }
    const struct opr_plugin *table = entry(&opr__host_table);
    opr_status st = check_table(table, where, reterr);
    if (st != OPR_OK) {
        opr__plugin_close(take_handle);
        return st;
    }
    struct opr__plugin *p = opr_xalloc(sizeof *p);
    size_t size = table->size < sizeof p->table ? table->size : sizeof p->table;
    memcpy(&p->table, table, size);
    p->handle = take_handle;
    const char *name = p->table.name ? p->table.name : where;
    st = init_plugin(p, config_json, name, reterr);
    if (st == OPR_OK) {
        st = add_controllers(m, p, name, reterr);
    }
    if (st == OPR_OK) {
        st = opr__sched_add(m, p, reterr);
    }
    if (st != OPR_OK) {
        remove_controllers(m, p);
        remove_unread(m);
        if (p->table.fini) {
            p->table.fini(p->state);
        }
        opr_json_unref(p->config);
        opr__plugin_close(take_handle);
        opr_free(p);
        return st;
    }
    opr_vec_push(&m->plugins, p);
    opr_log(OPR_LOG_INFO, "runtime", "plugin loaded", "plugin=%s version=%s", name,
            p->table.version ? p->table.version : "");
    return OPR_OK;
}

opr_status opr_manager_add(struct opr_manager *m, opr_plugin_entry_fn entry,
                           const char *config_json, struct opr_error *reterr)
{
    return opr__plugin_add(m, entry, NULL, config_json, "plugin", reterr);
}
