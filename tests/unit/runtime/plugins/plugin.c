/* One plugin in several states of disrepair, chosen by a definition. Its constructor leaves a mark
 * in the environment, so that a test sees whether the file was opened at all. */
#include <operon/plugin.h>

#include <stdlib.h>

__attribute__((constructor)) static void mark(void)
{
    setenv("PLUGIN_WAS_OPENED", "1", 1);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    (void)c;
    (void)self;
    return opr_done();
}

static const struct opr_controller controller = {
    .size = sizeof controller,
#ifndef PLUGIN_NO_NAME
    .name = "sample",
#endif
    .primary = {.gvk = "v1/ConfigMap"},
    .reconcile = reconcile,
};
static const struct opr_controller *const controllers[] = {&controller, NULL};

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    *ret_state = NULL;
#ifdef PLUGIN_INIT_FAILS
    (void)config;
    return OPR_E_UNSUPPORTED;
#else
    return opr_obj_bool(config, "/refuse", false) ? OPR_E_INVALID : OPR_OK;
#endif
}

static const struct opr_plugin table = {
    OPR_PLUGIN_HEADER, .name = "sample",           .version = "1.2.3",
    .init = init,      .controllers = controllers,
};

#if defined(PLUGIN_NO_ENTRY) || defined(PLUGIN_NO_NOTE) || defined(PLUGIN_NEWER_MINOR) ||          \
    defined(PLUGIN_OTHER_MAJOR) || defined(PLUGIN_BAD_MAGIC) || defined(PLUGIN_TABLE_NEWER)
const struct opr_host *opr__host;

#ifdef PLUGIN_NEWER_MINOR
#define NOTE_MAJOR OPR_ABI_MAJOR
#define NOTE_MINOR (OPR_ABI_MINOR + 1)
#elif defined(PLUGIN_OTHER_MAJOR)
#define NOTE_MAJOR (OPR_ABI_MAJOR + 7)
#define NOTE_MINOR 0
#else
#define NOTE_MAJOR OPR_ABI_MAJOR
#define NOTE_MINOR OPR_ABI_MINOR
#endif

#ifndef PLUGIN_NO_NOTE
__attribute__((section(".note.operon.abi"), used, aligned(4))) static const struct {
    uint32_t namesz, descsz, type;
    char name[8];
    uint32_t major, minor;
} note = {7, 8, 1, "operon", NOTE_MAJOR, NOTE_MINOR};
#endif

#ifdef PLUGIN_NO_ENTRY
#define ENTRY not_the_entry
#else
#define ENTRY opr_plugin_entry
#endif
__attribute__((visibility("default"))) const struct opr_plugin *ENTRY(const struct opr_host *host);
const struct opr_plugin *ENTRY(const struct opr_host *host)
{
    static struct opr_plugin changed;
    opr__host = host;
    changed = table;
#ifdef PLUGIN_BAD_MAGIC
    changed.magic = 0;
#endif
#ifdef PLUGIN_TABLE_NEWER
    changed.abi_minor = OPR_ABI_MINOR + 1;
#endif
    return &changed;
}
#else
extern __attribute__((visibility("default"))) const struct opr_plugin *
opr_plugin_entry(const struct opr_host *host);
OPR_PLUGIN_ENTRY(table)
#endif
