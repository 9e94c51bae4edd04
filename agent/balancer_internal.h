/* What the balancer's files share: listeners (balancer.c) and connections (balancer_conn.c).
 * Threads: the balancer's own. */
#ifndef OPR_AGENT_BALANCER_INTERNAL_H
#define OPR_AGENT_BALANCER_INTERNAL_H

#include "agent/balancer.h"

#include <pthread.h>
#include <sys/queue.h>

enum { OPR__RELAY_BYTES = 16384 };

/* What an epoll event points to. */
enum opr__relay_kind { OPR__RELAY_WAKE, OPR__RELAY_LISTENER, OPR__RELAY_SIDE };
struct opr__relay_handle {
    enum opr__relay_kind kind;
};

struct opr__listener {
    struct opr__relay_handle handle;
    struct opr__balancer_rule rule; /* endpoints owned */
    int fd;
    size_t next; /* round robin */
};

/* One end of a connection, and what it has sent that the other end has not taken yet. */
struct opr__side {
    struct opr__relay_handle handle;
    struct opr__connection *connection;
    int fd;             /* -1: closed */
    uint32_t interest;  /* as epoll knows it */
    bool is_ended;      /* it sends no more */
    bool is_shut;       /* the other end was told so */
    size_t from, until; /* bytes in data */
    char data[OPR__RELAY_BYTES];
};

struct opr__connection {
    LIST_ENTRY(opr__connection) entry;
    int epoll_fd;
    bool is_connected, is_dead;
    size_t tried, first;                      /* endpoints tried so far; the one tried first */
    struct opr__balancer_endpoint *endpoints; /* owned copy */
    size_t n_endpoints;
    struct opr__side client, server;
};
LIST_HEAD(opr__connections, opr__connection);

/* Takes the client's socket and begins to connect. NULL: the client was hung up on. */
struct opr__connection *opr__connection_new(int epoll_fd, int client_fd,
                                            struct opr__listener *listener);
/* is_dead may be set afterwards. */
void opr__connection_event(struct opr__side *side, uint32_t events);
void opr__connection_free(struct opr__connection *c);

#endif
