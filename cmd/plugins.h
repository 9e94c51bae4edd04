/* Where the compiled plugins are, and loading them into a manager. Threads: main. */
#ifndef OPR_CMD_PLUGINS_H
#define OPR_CMD_PLUGINS_H

#include "core/runtime/manager.h"

/* The folder of the built-in plugins: $OPERON_PLUGINS, else plugins/ beside the program, else
 * ../lib/operon/plugins as installed. From the arena. */
char *opr_plugins_dir(struct opr_arena *a);
/* A name ("deployment") becomes a file in that folder; a path (with a slash, or
 * ending in .so) stays. */
char *opr_plugin_path(struct opr_arena *a, const char *name);
/* Refuses a plugin whose file is not there, with the nearest name that is. */
OPR_NODISCARD opr_status opr_plugin_check(const char *name, struct opr_error *reterr);
/* The configuration that a plugin has where the user gave none, or NULL: "serviceaccount" publishes
 * the CA (PEM, may be NULL) that the API server is reached by. From the arena. */
const char *opr_plugin_default_config(struct opr_arena *a, const char *name, const char *ca);
/* Loads every plugin of the folder. config_of gives a plugin's JSON configuration or NULL. */
OPR_NODISCARD opr_status opr_plugins_load_all(struct opr_manager *m,
                                              const char *(*config_of)(void *arg, const char *name),
                                              void *arg, struct opr_error *reterr);

#endif
