#include "cmd/policies.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "lua/policy_host.h"

#include <sys/stat.h>

#define POLL_MS 500
#define FILE_LIMIT (64 * 1024)

struct policy_file {
    const char *path; /* borrowed */
    char *name;       /* owned */
    struct timespec changed;
};

struct opr_policies {
    struct opr_policy_service service; /* first: the service is the struct */
    struct opr_policy_host *host;      /* owned */
    struct opr_timer *timer;           /* owned; NULL without files */
    struct opr_manager *manager;       /* borrowed; NULL: none follows */
    struct policy_file *files;         /* owned */
    size_t count;
};

static opr_status service_load(struct opr_policy_service *s, const char *name,
                               struct opr_str source, struct opr_error *reterr)
{
    return opr_policy_host_load(((struct opr_policies *)s)->host, name, source, reterr);
}

static void service_unload(struct opr_policy_service *s, const char *name)
{
    opr_policy_host_unload(((struct opr_policies *)s)->host, name);
}

static opr_status service_call(struct opr_policy_service *s, const char *name, const char *function,
                               const struct opr_obj *input, struct opr_obj **ret_result,
                               struct opr_error *reterr)
{
    struct opr_policies *p = (struct opr_policies *)s;
    return opr_policy_host_call(p->host, name, function, input, ret_result, reterr);
}

static uint32_t service_list(struct opr_policy_service *s, const char *function,
                             struct opr_arena *a, const char *const **ret_names)
{
    return opr_policy_host_list(((struct opr_policies *)s)->host, function, a, ret_names);
}

/* Policies go by the last part of their path: of two alike the second would take the first's place.
 */
static opr_status check_name(const struct opr_policies *p, const struct policy_file *f,
                             struct opr_error *reterr)
{
    for (const struct policy_file *x = p->files; x < f; x++) {
        if (strcmp(x->name, f->name) == 0) {
            return opr_error_set(reterr, OPR_E_EXISTS,
                                 "the policy files %s and %s have the same name: rename one",
                                 x->path, f->path);
        }
    }
    return OPR_OK;
}

static opr_status load_file(struct opr_policies *p, struct policy_file *f, struct opr_error *reterr)
{
    struct opr_buf text = {0};
    opr_status st = opr_fs_read(f->path, FILE_LIMIT, &text, reterr);
    if (st == OPR_OK) {
        st = opr_policy_host_install(p->host, f->name, opr_buf_str(&text), reterr);
    }
    opr_buf_fini(&text);
    return st;
}

/* True where the file changed since the last look. */
static bool look(struct policy_file *f)
{
    struct stat info;
    if (stat(f->path, &info) != 0 ||
        (info.st_mtim.tv_sec == f->changed.tv_sec && info.st_mtim.tv_nsec == f->changed.tv_nsec)) {
        return false;
    }
    f->changed = info.st_mtim;
    return true;
}

/* Where that controller does not run, nothing reconciles: only the scheduler asks policies. */
static void tell(struct opr_policies *p, const struct policy_file *f)
{
    if (p->manager) {
        (void)opr_manager_enqueue(p->manager, "policy-reconcile", f->name, "");
    }
}

static void on_timer(void *arg)
{
    struct opr_policies *p = arg;
    for (size_t i = 0; i < p->count; i++) {
        struct policy_file *f = &p->files[i];
        struct opr_error err = {0};
        if (!look(f)) {
            continue;
        }
        if (load_file(p, f, &err) == OPR_OK) {
            tell(p, f);
            opr_log(OPR_LOG_INFO, "policies", "policy loaded again", "file=%s", f->path);
        } else {
            opr_log(OPR_LOG_WARN, "policies", "policy does not load, the last good one stays",
                    "file=%s error=\"%s\"", f->path, err.message);
        }
    }
    opr_timer_set(p->timer, POLL_MS);
}

opr_status opr_policies_new(struct opr_loop *loop, const char *const *files, size_t count,
                            struct opr_policies **ret_policies, struct opr_error *reterr)
{
    struct opr_policies *p = opr_xalloc(sizeof *p);
    p->service =
        (struct opr_policy_service){service_load, service_unload, service_call, service_list};
    p->host = opr_policy_host_new(NULL);
    p->files = opr_xalloc((count + 1) * sizeof *p->files);
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(files[i], '/');
        struct policy_file *f = &p->files[p->count++];
        f->path = files[i];
        f->name = opr_xprintf("file/%s", slash ? slash + 1 : files[i]);
        (void)look(f);
        opr_status st = check_name(p, f, reterr);
        if (st == OPR_OK) {
            st = load_file(p, f, reterr);
        }
        if (st != OPR_OK) {
            opr_policies_free(p);
            return st;
        }
    }
    if (count > 0) {
        p->timer = opr_timer_new(loop, on_timer, p);
        opr_timer_set(p->timer, POLL_MS);
    }
    *ret_policies = p;
    return OPR_OK;
}

void opr_policies_follow(struct opr_policies *p, struct opr_manager *m)
{
    p->manager = m;
    for (size_t i = 0; m && i < p->count; i++) {
        tell(p, &p->files[i]);
    }
}

struct opr_policy_service *opr_policies_service(struct opr_policies *p)
{
    return &p->service;
}

void opr_policies_free(struct opr_policies *p)
{
    if (!p) {
        return;
    }
    opr_timer_free(p->timer);
    opr_policy_host_free(p->host);
    for (size_t i = 0; i < p->count; i++) {
        opr_free(p->files[i].name);
    }
    opr_free(p->files);
    opr_free(p);
}
