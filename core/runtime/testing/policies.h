/* The policy host of unit tests: it knows no Lua, it answers what the test said. */
#ifndef OPR_TESTING_POLICIES_H
#define OPR_TESTING_POLICIES_H

#include "core/runtime/manager.h"

struct test_policies;
struct test_policies *test_policies_new(void);
void test_policies_free(struct test_policies *p);
struct opr_policy_service *test_policies_service(struct test_policies *p);
/* take_result NULL: the call raises an error. */
void test_policies_set(struct test_policies *p, const char *name, const char *function,
                       struct opr_obj *take_result);
/* Of the last call; borrowed; NULL: there was none. */
const struct opr_obj *test_policies_input(struct test_policies *p, const char *name,
                                          const char *function);

#endif
