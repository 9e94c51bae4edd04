/* What a test file that has a lab and a test server includes: it also defines the host pointer. */
#ifndef TESTS_SUPPORT_LAB_HOST_H
#define TESTS_SUPPORT_LAB_HOST_H

#include "tests/support/lab.h"

#include <operon/testing.h>

const struct opr_host *opr__host;

#endif
