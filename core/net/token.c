/* The bearer token of an endpoint, and how it is renewed: from a file that is replaced now and
 * then, or by a program (an exec credential plugin). Only workers wait for a program; on a loop it
 * runs on a thread of its own, and the stream is refused until there is a new token. */
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/net/client_internal.h"

#include <sys/stat.h>

#define TOKEN_CHECK_NS (60ull * 1000000000)
/* A server that refuses every token is no reason to run the program all the time. */
#define RENEW_EVERY_NS (10ull * 1000000000)
#define TOKEN_MAX (64 * 1024)
#define SECOND_NS 1000000000ll

static uint64_t now_ns(void)
{
    return opr_clock_mono_ns(opr_clock_system());
}

void opr__token_wipe(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        opr_free(text);
    }
}

/* Holds lock. */
static void set_token(struct opr_endpoint *e, char *take_token)
{
    opr__token_wipe(e->token);
    e->token = take_token;
    e->token_number++;
}

/* Reads the file where it has changed. A file that can not be read leaves the token as it is: it
 * may be in the middle of its replacement. Holds lock. */
static void refresh_from_file(struct opr_endpoint *e)
{
    uint64_t now = now_ns();
    if (e->token_seen_ns != 0 && now - e->token_seen_ns < TOKEN_CHECK_NS) {
        return;
    }
    e->token_seen_ns = now;
    struct stat st;
    if (stat(e->token_file, &st) < 0) {
        return;
    }
    int64_t mtime_ns = st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec;
    if (e->token && mtime_ns == e->token_mtime_ns) {
        return;
    }
    struct opr_buf data = {0};
    if (opr_fs_read(e->token_file, TOKEN_MAX, &data, NULL) == OPR_OK) {
        struct opr_str text = opr_str_trim(opr_buf_str(&data));
        if (text.len > 0) {
            set_token(e, opr_xstrndup(text.ptr, text.len));
            e->token_mtime_ns = mtime_ns;
        }
    }
    opr_buf_fini(&data);
}

static bool is_token(struct opr_endpoint *e, unsigned number)
{
    pthread_mutex_lock(&e->lock);
    bool is_same = e->token_number == number;
    pthread_mutex_unlock(&e->lock);
    return is_same;
}

/* Runs the program where the token is still the one with this number. Blocks; one at a time. */
static void renew(struct opr_endpoint *e, unsigned number)
{
    pthread_mutex_lock(&e->renew_lock);
    uint64_t now = now_ns();
    bool is_due = e->renewed_ns == 0 || now - e->renewed_ns >= RENEW_EVERY_NS;
    if (is_due && is_token(e, number)) {
        struct opr_credential fresh = {0};
        struct opr_error err = {0};
        opr_status st = e->renewal.renew(e->renewal.arg, &fresh, &err);
        e->renewed_ns = now_ns();
        if (st == OPR_OK) {
            pthread_mutex_lock(&e->lock);
            set_token(e, fresh.token);
            e->token_expires_ms = fresh.expires_ms;
            pthread_mutex_unlock(&e->lock);
        } else {
            opr_log(OPR_LOG_WARN, "client", "credential not renewed, will retry", "error=%s",
                    err.message);
        }
    }
    pthread_mutex_unlock(&e->renew_lock);
}

struct background {
    struct opr_endpoint *endpoint; /* ref */
    unsigned number;
};

static void *renew_in_background(void *arg)
{
    struct background *b = arg;
    renew(b->endpoint, b->number);
    atomic_store(&b->endpoint->is_renewing, false);
    opr_endpoint_unref(b->endpoint);
    opr_free(b);
    return NULL;
}

/* Away from a loop, which must not wait. Where no thread can be made the next stream tries again.
 */
static void start_renewal(struct opr_endpoint *e, unsigned number)
{
    if (atomic_exchange(&e->is_renewing, true)) {
        return;
    }
    struct background *b = opr_xalloc(sizeof *b);
    *b = (struct background){opr_endpoint_ref(e), number};
    pthread_t thread;
    if (pthread_create(&thread, NULL, renew_in_background, b) == 0) {
        pthread_setname_np(thread, "opr-renew");
        pthread_detach(thread);
        return;
    }
    atomic_store(&e->is_renewing, false);
    opr_endpoint_unref(b->endpoint);
    opr_free(b);
}

static void renew_as_may(struct opr_endpoint *e, unsigned number, bool may_block)
{
    if (may_block) {
        renew(e, number);
    } else {
        start_renewal(e, number);
    }
}

char *opr__endpoint_authorization(struct opr_endpoint *e, bool may_block, unsigned *ret_number)
{
    pthread_mutex_lock(&e->lock);
    if (e->renewal.renew && e->token_expires_ms != 0 &&
        e->token_expires_ms <= opr_clock_wall_ms(opr_clock_system())) {
        unsigned number = e->token_number;
        pthread_mutex_unlock(&e->lock);
        renew_as_may(e, number, may_block);
        pthread_mutex_lock(&e->lock);
    }
    if (e->token_file) {
        refresh_from_file(e);
    }
    *ret_number = e->token_number;
    char *header = e->token ? opr_xprintf("Authorization: Bearer %s", e->token) : NULL;
    pthread_mutex_unlock(&e->lock);
    return header;
}

bool opr__endpoint_token_refused(struct opr_endpoint *e, unsigned number, bool may_block)
{
    if (e->renewal.renew && is_token(e, number)) {
        renew_as_may(e, number, may_block);
    }
    pthread_mutex_lock(&e->lock);
    if (e->token_file && e->token_number == number) {
        e->token_seen_ns = 0;
        refresh_from_file(e);
    }
    bool is_renewed = e->token_number != number;
    pthread_mutex_unlock(&e->lock);
    return is_renewed;
}
