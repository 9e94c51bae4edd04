/* The two forms of one resource, where renaming members is not enough. Threads: any. */
#ifndef OPR_SCHEMA_CONVERT_H
#define OPR_SCHEMA_CONVERT_H

#include "core/json/doc.h"

/* autoscaling/v2 to v1 and back. What v1 has no member for stands in annotations, by the names and
 * in the form that Kubernetes gives them: autoscaling.alpha.kubernetes.io/{metrics,behavior,
 * current-metrics,conditions}. An annotation that can not be read is left out. */
void opr__autoscaler_to_v1(struct json_object *doc);
void opr__autoscaler_to_v2(struct json_object *doc);

#endif
