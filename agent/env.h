/* Variables in texts. Threads: any. */
#ifndef OPR_AGENT_ENV_H
#define OPR_AGENT_ENV_H

#include "core/base/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/* $(NAME) of a text by Kubernetes' expansion rules: an unknown name stays, "$$(NAME)" is the text
 * "$(NAME)". env ends with NULL. */
char *opr__env_expand(struct opr_arena *arena, const char *text, char *const *env);

#ifdef __cplusplus
}
#endif
#endif
