/* The randomness seam: system (getrandom) or seeded, for a replay. Threads: any. */
#ifndef OPR_BASE_RAND_H
#define OPR_BASE_RAND_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_UUID_TEXT_MAX 37

void opr_rand_bytes(void *ret_data, size_t len);
uint64_t opr_rand_u64(void);
uint64_t opr_rand_below(uint64_t n); /* 0..n-1; n > 0 */
/* From now on every value follows from the seed (a test); 0: the system's again. */
void opr_rand_seed(uint64_t seed);
void opr_uuid4(char ret_text[OPR_UUID_TEXT_MAX]);
/* n characters of Kubernetes' safe alphabet, bcdfghjklmnpqrstvwxz2456789, and a terminator. */
void opr_rand_name(char *ret_text, size_t n);

#ifdef __cplusplus
}
#endif
#endif
