/* The gRPC health check (grpc.health.v1.Health/Check) over a socket that is connected. Threads:
 * loop. */
#ifndef OPR_AGENT_PROBE_GRPC_H
#define OPR_AGENT_PROBE_GRPC_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr__grpc;
/* service may be "". NULL: nghttp2 gave no session. */
struct opr__grpc *opr__grpc_new(const char *address, int port, const char *service);
void opr__grpc_free(struct opr__grpc *g); /* NULL is fine */
/* Sends and receives what can be; the descriptor does not block. True once it is over: then
 * *ret_healthy says whether the answer is SERVING, and text what else it is. */
bool opr__grpc_step(struct opr__grpc *g, int fd, bool *ret_healthy, char *ret_text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
