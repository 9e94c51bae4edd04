/* The programs: which policy is a controller of which kind. */
#include "controllers/policy/reconcile.h"

/* What a policy that came through the API may not have to do with: each would lend it rights of the
 * operator that its author need not have. */
static const char *const closed_groups[] = {
    "rbac.authorization.k8s.io", "admissionregistration.k8s.io",
    "apiextensions.k8s.io",      "apiregistration.k8s.io",
    "certificates.k8s.io",       "authentication.k8s.io",
    "authorization.k8s.io",      "operon.local"};

const char *kind_of(const char *gvk)
{
    const char *slash = strrchr(gvk, '/');
    return slash ? slash + 1 : gvk;
}

const char *gvk_of(struct opr_ctx *c, const struct opr_obj *o)
{
    return opr_ctx_text(c, "%s/%s", opr_obj_str(o, "/apiVersion", ""), opr_obj_str(o, "/kind", ""));
}

bool program_owns(const struct program *p, const char *gvk)
{
    for (uint32_t i = 0; i < p->owns_count; i++) {
        if (str_eq(p->owns[i], gvk)) {
            return true;
        }
    }
    return false;
}

static struct program *find(const struct policies *all, const char *policy)
{
    struct program *p = all->programs;
    while (p && strcmp(p->policy, policy) != 0) {
        p = p->next;
    }
    return p;
}

static char *copy_text(struct opr_ctx *c, const char *text)
{
    return text ? opr_ctx_text(c, "%s", text) : NULL;
}

const struct program *program_find(struct opr_ctx *c, const char *policy)
{
    struct policies *all = opr_ctx_state(c);
    struct program *copy = opr_ctx_alloc(c, sizeof *copy);
    pthread_mutex_lock(&all->lock);
    const struct program *p = find(all, policy);
    if (p) {
        *copy = *p;
        copy->policy = copy_text(c, p->policy);
        copy->ns = copy_text(c, p->ns);
        copy->primary = copy_text(c, p->primary);
        copy->problem = copy_text(c, p->problem);
        copy->problem_of = NULL;
        for (uint32_t i = 0; i < p->owns_count; i++) {
            copy->owns[i] = copy_text(c, p->owns[i]);
        }
    }
    pthread_mutex_unlock(&all->lock);
    return p ? copy : NULL;
}

static void free_program(struct program *p)
{
    if (!p) {
        return;
    }
    free(p->policy);
    free(p->ns);
    free(p->primary);
    free(p->problem);
    free(p->problem_of);
    for (uint32_t i = 0; i < p->owns_count; i++) {
        free(p->owns[i]);
    }
    free(p);
}

void programs_free(struct policies *all)
{
    while (all->programs) {
        struct program *p = all->programs;
        all->programs = p->next;
        free_program(p);
    }
}

/* "v1/Pod" or "group/v1/Kind", and not one of those that are closed to policies of the API. */
static const char *check_kind(struct opr_ctx *c, const char *gvk, bool is_file)
{
    uint32_t slashes = 0;
    for (const char *at = gvk; *at != '\0'; at++) {
        slashes += *at == '/';
    }
    if (slashes < 1 || slashes > 2 || gvk[0] == '/' || *kind_of(gvk) == '\0') {
        return opr_ctx_text(c, "'%s' is no kind: write \"apps/v1/Deployment\"", gvk);
    }
    bool is_closed = str_eq(gvk, "v1/Secret");
    for (size_t i = 0; i < sizeof closed_groups / sizeof *closed_groups; i++) {
        is_closed = is_closed || group_is(gvk, closed_groups[i]);
    }
    if (is_closed && !is_file) {
        return opr_ctx_text(c, "%s is closed to policies that come from an object", gvk);
    }
    return "";
}

static const char *check_owns(struct opr_ctx *c, const struct opr_obj *owns, bool is_file)
{
    if (opr_obj_type(owns) != OPR_TYPE_ARRAY || opr_obj_len(owns) > OWNS_MAX) {
        return opr_ctx_text(c, "owns must be a list of at most %d kinds", OWNS_MAX);
    }
    for (const struct opr_obj *o = opr_obj_first(owns); o; o = opr_obj_next(o)) {
        const char *gvk = opr_obj_str(o, "", ""), *problem = check_kind(c, gvk, is_file);
        if (problem[0] != '\0') {
            return problem;
        }
        for (const struct opr_obj *x = opr_obj_first(owns); x != o; x = opr_obj_next(x)) {
            if (str_eq(kind_of(opr_obj_str(x, "", "")), kind_of(gvk))) {
                return opr_ctx_text(c, "owns names the kind %s twice", kind_of(gvk));
            }
        }
    }
    return "";
}

static const char *check(struct opr_ctx *c, const struct opr_obj *controller, bool is_file)
{
    for (const struct opr_obj *m = opr_obj_first(controller); m; m = opr_obj_next(m)) {
        if (!str_eq(opr_obj_name(m), "primary") && !str_eq(opr_obj_name(m), "owns")) {
            return opr_ctx_text(c, "it has no member '%s': it has primary and owns",
                                opr_obj_name(m));
        }
    }
    const char *primary = opr_obj_str(controller, "/primary", "");
    const char *problem = check_kind(c, primary, is_file);
    const struct opr_obj *owns = opr_obj_at(controller, "/owns");
    if (problem[0] == '\0' && owns && opr_obj_len(owns) > 0) {
        problem = check_owns(c, owns, is_file);
    }
    for (const struct opr_obj *o = opr_obj_first(owns); o && problem[0] == '\0';
         o = opr_obj_next(o)) {
        if (str_eq(opr_obj_str(o, "", ""), primary)) {
            problem = "its primary kind can not be one that it owns";
        }
    }
    return problem;
}

static bool is_kind_in_use(const struct policies *all, const char *gvk)
{
    for (const struct program *p = all->programs; p; p = p->next) {
        if (p->is_active && (str_eq(p->primary, gvk) || program_owns(p, gvk))) {
            return true;
        }
    }
    return false;
}

/* Kinds that no program needs any more; old is no longer in the list. */
static void unwatch_unused(struct opr_ctx *c, struct policies *all, const struct program *old)
{
    for (uint32_t i = 0; i <= old->owns_count; i++) {
        const char *gvk = i < old->owns_count ? old->owns[i] : old->primary;
        pthread_mutex_lock(&all->lock);
        bool is_in_use = is_kind_in_use(all, gvk);
        pthread_mutex_unlock(&all->lock);
        if (!is_in_use) {
            program_unwatch(c, gvk);
        }
    }
}

static struct program *take_out(struct policies *all, const char *policy)
{
    for (struct program **at = &all->programs; *at; at = &(*at)->next) {
        if (strcmp((*at)->policy, policy) == 0) {
            struct program *p = *at;
            *at = p->next;
            return p;
        }
    }
    return NULL;
}

/* Two controllers of one object would undo each other's work. */
static const char *rival_of(struct opr_ctx *c, const struct policies *all, const struct program *p)
{
    for (const struct program *x = all->programs; x; x = x->next) {
        bool do_meet = !x->ns || !p->ns || str_eq(x->ns, p->ns);
        if (x->is_active && do_meet && str_eq(x->primary, p->primary)) {
            return opr_ctx_text(c, "%s is controlled by the policy %s already", p->primary,
                                x->policy);
        }
    }
    return "";
}

/* One that does not hold what it declares stays in the list, inactive, to say so. */
static struct program *parse(struct opr_ctx *c, const char *policy,
                             const struct opr_obj *controller)
{
    bool is_file = strncmp(policy, "file/", 5) == 0;
    const char *slash = strchr(policy, '/'), *problem = check(c, controller, is_file);
    struct program *p = calloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    p->policy = strdup(policy);
    p->ns = is_file || !slash ? NULL : strndup(policy, (size_t)(slash - policy));
    p->primary = strdup(opr_obj_str(controller, "/primary", ""));
    p->tokens = WRITES_BURST;
    p->refilled_ms = opr_ctx_now_ms(c);
    if (problem[0] != '\0') {
        p->problem = strdup(opr_ctx_text(c, "controller: %s", problem));
        return p;
    }
    const struct opr_obj *owns = opr_obj_at(controller, "/owns");
    for (const struct opr_obj *o = opr_obj_first(owns); o; o = opr_obj_next(o)) {
        p->owns[p->owns_count++] = strdup(opr_obj_str(o, "", ""));
    }
    p->is_active = true;
    return p;
}

/* The list takes fresh (NULL: nothing) in the place of what it had; returns what it had. */
static struct program *put_in(struct opr_ctx *c, struct policies *all, const char *policy,
                              struct program *fresh)
{
    pthread_mutex_lock(&all->lock);
    struct program *old = take_out(all, policy);
    if (fresh) {
        const char *rival = fresh->is_active ? rival_of(c, all, fresh) : "";
        if (rival[0] != '\0') {
            fresh->is_active = false;
            fresh->problem = strdup(rival);
        }
        fresh->tokens = old ? old->tokens : fresh->tokens;
        fresh->refilled_ms = old ? old->refilled_ms : fresh->refilled_ms;
        fresh->next = all->programs;
        all->programs = fresh;
    }
    pthread_mutex_unlock(&all->lock);
    return old;
}

static void show(struct opr_ctx *c, const char *policy, const char *problem)
{
    if (strncmp(policy, "file/", 5) != 0) {
        const char *slash = strchr(policy, '/');
        const char *ns = opr_ctx_text(c, "%.*s", (int)(slash - policy), policy);
        opr_enqueue_after(c, "policy", (struct opr_key){ns, slash + 1}, 0);
    } else if (problem) {
        opr_ctx_log(c, OPR_LOG_WARN, "policy %s is hindered: %s", policy, problem);
    }
}

void program_declare(struct opr_ctx *c, const char *policy, const struct opr_obj *controller)
{
    struct policies *all = opr_ctx_state(c);
    struct program *fresh = controller ? parse(c, policy, controller) : NULL;
    const char *problem = fresh && fresh->problem ? copy_text(c, fresh->problem) : NULL;
    struct program *old = put_in(c, all, policy, fresh);
    if (old) {
        unwatch_unused(c, all, old);
    }
    if (problem || (old && old->problem)) {
        show(c, policy, problem);
    }
    free_program(old);
}

void program_report(struct opr_ctx *c, const char *policy, const char *key, const char *problem)
{
    struct policies *all = opr_ctx_state(c);
    pthread_mutex_lock(&all->lock);
    struct program *p = find(all, policy);
    bool is_its_own = p && p->problem && str_eq(p->problem_of, key);
    bool is_news = p && (problem ? !p->problem || !str_eq(p->problem, problem) : is_its_own);
    if (is_news) {
        free(p->problem);
        free(p->problem_of);
        p->problem = problem ? strdup(problem) : NULL;
        p->problem_of = strdup(key);
    }
    pthread_mutex_unlock(&all->lock);
    if (is_news) {
        show(c, policy, problem);
    }
}

bool program_may_write(struct opr_ctx *c, const char *policy, uint32_t *ret_ms)
{
    struct policies *all = opr_ctx_state(c);
    int64_t now_ms = opr_ctx_now_ms(c);
    bool is_allowed = false;
    *ret_ms = 1000 / WRITES_PER_S;
    pthread_mutex_lock(&all->lock);
    struct program *p = find(all, policy);
    if (p) {
        p->tokens += (double)(now_ms - p->refilled_ms) * WRITES_PER_S / 1000;
        p->tokens = p->tokens > WRITES_BURST ? WRITES_BURST : p->tokens;
        p->refilled_ms = now_ms;
        is_allowed = p->tokens >= 1;
        p->tokens -= is_allowed ? 1 : 0;
    }
    pthread_mutex_unlock(&all->lock);
    return is_allowed;
}
