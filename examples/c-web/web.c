/* A controller for the custom resource Web (../web-crd.yaml): for each Web it keeps a ConfigMap
 * with the message, a Deployment of small web servers that serve it, and a Service in front of
 * them.
 *
 *     spec:   {replicas, port, message}
 *     status: {observedGeneration, readyReplicas, conditions: [Ready]}
 *
 * How to read it: reconcile() at the end is the whole story. It is told a key, never an event; it
 * reads what is there, compares it with what should be, and writes only what differs. All three
 * children name the Web as their controller, so that a change of a child wakes the Web's key, and
 * so that they go when the Web goes: there is nothing to clean up here, and no finalizer. */
#include <operon/plugin.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GVK "demo.example/v1/Web"
#define LABEL "app.kubernetes.io/managed-by"
#define MANAGED LABEL "=web-controller"

/* What the Pods run: without a configuration the host's own Python, as Operon's node agents offer
 * it; elsewhere {"image":"docker.io/library/python:3-alpine"}. */
#define DEFAULT_IMAGE "operon.local/host"

/* One reconcile: what it read, and how it ends where a child can not be kept. */
struct web {
    struct opr_ctx *c;
    const struct opr_obj *self;
    const char *ns, *name, *message;
    int replicas, port;
    const char *refusal; /* why it is not Ready, beyond its Pods; NULL: nothing */
};

/* metadata of a child, for a template's %p: its name, our label, and the Web as its controller. */
static const struct opr_obj *child_metadata(const struct web *w)
{
    struct opr_doc *d = opr_doc_new(
        w->c,
        "{'name':%s,'namespace':%s,'labels':{'app':%s,'" LABEL "':'web-controller'},"
        "'ownerReferences':[{'apiVersion':'demo.example/v1','kind':'Web','name':%s,'uid':%s,"
        "'controller':true,'blockOwnerDeletion':true}]}",
        w->name, w->ns, w->name, w->name, opr_obj_str(w->self, "/metadata/uid", ""));
    return opr_doc_obj(d);
}

static struct opr_doc *wanted_config(const struct web *w)
{
    return opr_doc_new(w->c,
                       "{'apiVersion':'v1','kind':'ConfigMap','metadata':%p,"
                       "'data':{'index.html':%s}}",
                       child_metadata(w), w->message);
}

static struct opr_doc *wanted_deployment(const struct web *w)
{
    const char *port = opr_ctx_text(w->c, "%d", w->port);
    const char *image = opr_ctx_state(w->c);
    return opr_doc_new(w->c,
                       "{'apiVersion':'apps/v1','kind':'Deployment','metadata':%p,'spec':{"
                       "'replicas':%d,'selector':{'matchLabels':{'app':%s}},"
                       "'template':{'metadata':{'labels':{'app':%s}},'spec':{"
                       "'containers':[{'name':'web','image':%s,"
                       "'command':['python3','-m','http.server',%s,'--directory','/www'],"
                       "'ports':[{'name':'http','containerPort':%d}],"
                       "'readinessProbe':{'httpGet':{'path':'/','port':%d},'periodSeconds':1},"
                       "'volumeMounts':[{'name':'www','mountPath':'/www'}]}],"
                       "'volumes':[{'name':'www','configMap':{'name':%s}}]}}}}",
                       child_metadata(w), w->replicas, w->name, w->name, image, port, w->port,
                       w->port, w->name);
}

static struct opr_doc *wanted_service(const struct web *w)
{
    return opr_doc_new(w->c,
                       "{'apiVersion':'v1','kind':'Service','metadata':%p,'spec':{"
                       "'selector':{'app':%s},"
                       "'ports':[{'name':'http','port':%d,'targetPort':%d}]}}",
                       child_metadata(w), w->name, w->port, w->port);
}

/* The parts of a child that this controller decides. The server fills in many more fields, and
 * others may write them; comparing whole objects would never settle. */
struct child {
    const char *gvk;
    struct opr_doc *(*wanted)(const struct web *w);
    const char *parts[4]; /* ends with NULL */
};
static const struct child children[] = {
    {"v1/ConfigMap", wanted_config, {"/data"}},
    {"apps/v1/Deployment",
     wanted_deployment,
     {"/spec/replicas", "/spec/template/spec/containers/0/image",
      "/spec/template/spec/containers/0/command"}},
    {"v1/Service", wanted_service, {"/spec/ports/0/port", "/spec/ports/0/targetPort"}},
};

static bool is_ours(const struct web *w, const struct opr_obj *o)
{
    const char *uid = opr_obj_str(w->self, "/metadata/uid", "");
    const struct opr_obj *refs = opr_obj_at(o, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        if (opr_obj_bool(r, "/controller", false)) {
            return strcmp(opr_obj_str(r, "/uid", ""), uid) == 0;
        }
    }
    return false;
}

/* Only objects with our label are watched, so one of another's may be there unseen: its name is
 * taken, and the Web says so instead of writing over it. */
static opr_status create_child(struct web *w, const struct child *child, struct opr_doc *wanted)
{
    opr_status st = opr_create(w->c, wanted, NULL);
    if (st == OPR_E_EXISTS) {
        w->refusal = opr_ctx_text(w->c, "a %s named %s belongs to another",
                                  strrchr(child->gvk, '/') + 1, w->name);
        return OPR_OK;
    }
    if (st == OPR_OK) {
        opr_event(w->c, w->self, "Normal", "Created", "Created %s %s", child->gvk, w->name);
    }
    return st;
}

static opr_status keep_child(struct web *w, const struct child *child)
{
    const struct opr_obj *is = NULL;
    struct opr_doc *wanted = child->wanted(w);
    opr_status st = opr_get(w->c, child->gvk, w->ns, w->name, &is);
    if (st == OPR_E_NOT_FOUND) {
        return create_child(w, child, wanted);
    }
    if (st != OPR_OK) {
        return st;
    }
    if (!is_ours(w, is)) {
        w->refusal = opr_ctx_text(w->c, "a %s named %s belongs to another",
                                  strrchr(child->gvk, '/') + 1, w->name);
        return OPR_OK;
    }
    struct opr_doc *next = opr_doc_of(w->c, is);
    bool differs = false;
    for (const char *const *part = child->parts; *part; part++) {
        const struct opr_obj *want = opr_obj_at(opr_doc_obj(wanted), *part);
        if (!opr_obj_equal(want, opr_obj_at(is, *part))) {
            differs = true;
            st = opr_doc_set(next, *part, "%p", want);
        }
        if (st != OPR_OK) {
            return st;
        }
    }
    /* The update carries the resourceVersion that was read: a conflict means that the cache is
     * behind, and the reconcile is run again. */
    return differs ? opr_update(w->c, next, NULL, NULL) : OPR_OK;
}

static const char *time_text(struct opr_ctx *c)
{
    time_t seconds = (time_t)(opr_ctx_now_ms(c) / 1000);
    struct tm tm;
    char *text = opr_ctx_alloc(c, 32);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return text;
}

/* Status last, and only where it differs: a write would wake this reconcile again. */
static opr_status write_status(struct web *w)
{
    const struct opr_obj *deployment = NULL;
    opr_status st = opr_get(w->c, "apps/v1/Deployment", w->ns, w->name, &deployment);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        return st;
    }
    int ready = 0;
    if (deployment && is_ours(w, deployment)) {
        ready = (int)opr_obj_int(deployment, "/status/readyReplicas", 0);
    }
    bool is_ready = !w->refusal && ready >= w->replicas;
    const char *state = is_ready ? "True" : "False";
    const char *reason = w->refusal ? "NameTaken" : is_ready ? "Serving" : "Waiting";
    const char *message =
        w->refusal ? w->refusal
                   : opr_ctx_text(w->c, "%d of %d replicas are ready", ready, w->replicas);
    /* The time of the condition is that of its last change of status. */
    const struct opr_obj *was = opr_obj_at(w->self, "/status/conditions/0");
    const char *since = strcmp(opr_obj_str(was, "/status", ""), state) == 0
                            ? opr_obj_str(was, "/lastTransitionTime", "")
                            : time_text(w->c);
    int64_t generation = opr_obj_int(w->self, "/metadata/generation", 0);
    struct opr_doc *d = opr_doc_new(
        w->c,
        "{'status':{'observedGeneration':%lld,'readyReplicas':%d,'conditions':["
        "{'type':'Ready','status':%s,'reason':%s,'message':%s,'lastTransitionTime':%s,"
        "'observedGeneration':%lld}]}}",
        (long long)generation, ready, state, reason, message, since, (long long)generation);
    if (opr_obj_equal(opr_obj_at(opr_doc_obj(d), "/status"), opr_obj_at(w->self, "/status"))) {
        return OPR_OK;
    }
    return opr_patch(w->c, w->self, "status", OPR_PATCH_MERGE, d, NULL);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self || opr_obj_at(self, "/metadata/deletionTimestamp")) {
        return opr_done(); /* the garbage collector takes the children */
    }
    struct web w = {
        .c = c,
        .self = self,
        .ns = opr_ctx_key(c).ns,
        .name = opr_ctx_key(c).name,
        .message = opr_obj_str(self, "/spec/message", ""),
        .replicas = (int)opr_obj_int(self, "/spec/replicas", 1),
        .port = (int)opr_obj_int(self, "/spec/port", 8080),
    };
    opr_status st = OPR_OK;
    for (size_t i = 0; i < sizeof children / sizeof children[0] && st == OPR_OK; i++) {
        st = keep_child(&w, &children[i]);
    }
    if (st == OPR_OK) {
        st = write_status(&w);
    }
    if (st == OPR_E_NOT_FOUND) {
        return opr_done(); /* deleted in between */
    }
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c)); /* with backoff; a conflict too */
    }
    /* Nothing will tell when a name that another holds becomes free: ask now and then. */
    return w.refusal ? opr_requeue_after_ms(10000) : opr_done();
}

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    char *image = strdup(opr_obj_str(config, "/image", DEFAULT_IMAGE));
    *ret_state = image;
    return image ? OPR_OK : OPR_E_NOMEM;
}

/* No mapping functions: a change of a child enqueues the Web that is its controller. */
static const struct opr_watch reads[] = {
    {.gvk = "v1/ConfigMap", .labels = MANAGED},
    {.gvk = "apps/v1/Deployment", .labels = MANAGED},
    {.gvk = "v1/Service", .labels = MANAGED},
    {.gvk = NULL},
};
static const struct opr_controller controller = {
    .size = sizeof controller,
    .name = "web",
    .primary = {.gvk = GVK, .flags = OPR_WATCH_OPTIONAL}, /* it may be started before the CRD */
    .reads = reads,
    .reconcile = reconcile,
    .writes = "v1/ConfigMap,apps/v1/Deployment,v1/Service,demo.example/v1/Web/status,v1/Event",
};
static const struct opr_controller *const controllers[] = {&controller, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "web", .version = "1.0",
    .init = init,      .fini = free,  .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
