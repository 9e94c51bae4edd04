/* What the two forms of discovery say alike. Threads: any. */
#ifndef OPR_APISERVER_HTTP_DISCOVERY_H
#define OPR_APISERVER_HTTP_DISCOVERY_H

#include "apiserver/registry/api.h"

struct opr__sub {
    uint32_t flag;
    const char *name, *kind, *group, *version, *verbs; /* kind NULL: the resource's own */
};
extern const struct opr__sub opr__subs[];
extern const size_t opr__n_subs;

/* A list of names as a member; none is not said. */
void opr__discovery_names(struct json_object *doc, const char *member, const char *const *names);
struct json_object *opr__discovery_verbs(const char *text); /* words with spaces between them */
const char *opr__discovery_verbs_of(const struct opr_kind *k);

/* True where the first acceptable form is the aggregated v2. */
bool opr__wants_aggregated(struct opr_req *r);
void opr__serve_aggregated(struct opr_req *r, bool is_core);

#endif
