/* A loadable plugin exports one function, opr_plugin_entry(), which OPR_PLUGIN_ENTRY defines. The
 * host checks magic, ABI major and minor before it calls init. Tables begin with their size and
 * grow at the end. Lifetime: the table is static data of the plugin. */
#ifndef OPERON_PLUGIN_H
#define OPERON_PLUGIN_H

#include <operon/controller.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_sched_plugin;
struct opr_plugin {
    uint32_t size; /* sizeof this struct */
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    const char *name;
    const char *version;
    /* Called once on the main thread before any controller runs. config is the plugin's part of the
     * configuration, or NULL. Both may be NULL. */
    opr_status (*init)(const struct opr_obj *config, void **ret_state);
    void (*fini)(void *state);                       /* after the last reconcile returned */
    const struct opr_controller *const *controllers; /* ends with NULL; may be NULL */
    /* Filters and scores for the scheduler (scheduler.h); ends with NULL, may be NULL. Since 0.2.
     */
    const struct opr_sched_plugin *const *schedulers;
};

#define OPR_PLUGIN_HEADER                                                                          \
    .size = sizeof(struct opr_plugin), .magic = OPR_PLUGIN_MAGIC, .abi_major = OPR_ABI_MAJOR,      \
    .abi_minor = OPR_ABI_MINOR

/* The ABI note is read from the file before it is opened: "operon", major, minor. */
#define OPR_PLUGIN_ENTRY(table)                                                                    \
    const struct opr_host *opr__host;                                                              \
    __attribute__((section(".note.operon.abi"), used, aligned(4))) static const struct {           \
        uint32_t namesz, descsz, type;                                                             \
        char name[8];                                                                              \
        uint32_t major, minor;                                                                     \
    } opr__abi_note = {7, 8, 1, "operon", OPR_ABI_MAJOR, OPR_ABI_MINOR};                           \
    __attribute__((visibility("default"))) const struct opr_plugin *opr_plugin_entry(              \
        const struct opr_host *host)                                                               \
    {                                                                                              \
        opr__host = host;                                                                          \
        return &(table);                                                                           \
    }

typedef const struct opr_plugin *(*opr_plugin_entry_fn)(const struct opr_host *host);

/* What OPR_PLUGIN_ENTRY defines; a unit test gives it to opr_test_new(). */
__attribute__((visibility("default"))) const struct opr_plugin *
opr_plugin_entry(const struct opr_host *host);

#ifdef __cplusplus
}
#endif
#endif
