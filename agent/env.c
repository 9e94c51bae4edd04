/* The environment of a container. */
#include "agent/env.h"

#include "agent/host_files.h"
#include "agent/internal.h"
#include "agent/proxy.h"
#include "agent/reach.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct env {
    struct opr__pod *pod;
    const struct opr__container *container;
    struct opr_caller *caller;
    struct opr_arena *arena;
    struct opr_vec list; /* of char *, in the arena; the last one of a name counts */
};

/* Replaces an earlier value, so that references see the newest. */
static void put(struct env *e, const char *name, const char *value)
{
    size_t len = strlen(name);
    char *text = opr_arena_printf(e->arena, "%s=%s", name, value);
    for (size_t i = 0; i < e->list.count; i++) {
        const char *item = e->list.items[i];
        if (strncmp(item, name, len) == 0 && item[len] == '=') {
            e->list.items[i] = text;
            return;
        }
    }
    opr_vec_push(&e->list, text);
}

static const char *find(char *const *env, size_t count, struct opr_str name)
{
    for (size_t i = 0; i < count && env[i]; i++) {
        if (strncmp(env[i], name.ptr, name.len) == 0 && env[i][name.len] == '=') {
            return env[i] + name.len + 1;
        }
    }
    return NULL;
}

static char *expand(struct opr_arena *arena, const char *text, char *const *env, size_t count)
{
    struct opr_buf b = {0};
    for (const char *c = text; *c; c++) {
        const char *close = c[0] == '$' && c[1] == '(' ? strchr(c, ')') : NULL;
        if (c[0] == '$' && c[1] == '$') {
            opr_buf_add_char(&b, '$'); /* "$$(X)" is the text "$(X)" */
            c++;
        } else if (close) {
            struct opr_str name = opr_str_n(c + 2, (size_t)(close - c - 2));
            const char *value = find(env, count, name);
            if (value) {
                opr_buf_add_text(&b, value);
            } else {
                opr_buf_add(&b, c, (size_t)(close - c + 1));
            }
            c = close;
        } else {
            opr_buf_add_char(&b, *c);
        }
    }
    char *result = opr_arena_dup(arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return result;
}

char *opr__env_expand(struct opr_arena *arena, const char *text, char *const *env)
{
    return expand(arena, text, env, SIZE_MAX);
}

/* The object that a ConfigMap or Secret reference names; owned; OPR_OK and NULL where it is absent
 * and optional. */
static opr_status fetch(struct env *e, const char *plural, const char *what,
                        const struct opr_obj *ref, struct opr_obj **ret_obj,
                        struct opr_error *reterr)
{
    const char *name = opr_json_str(ref, "/name", "");
    struct opr_buf path = {0};
    struct opr_error err = {0};
    *ret_obj = NULL;
    opr_buf_printf(&path, "/api/v1/namespaces/%s/%s/", e->pod->ns, plural);
    opr_url_encode(&path, opr_str_of(name));
    opr_status st = opr__reach_call(e->pod->agent, e->caller, "GET", path.data, NULL,
                                    (struct opr_str){0}, ret_obj, &err);
    opr_buf_fini(&path);
    if (st == OPR_E_NOT_FOUND) {
        return opr_json_bool(ref, "/optional", false)
                   ? OPR_OK
                   : opr_error_set(reterr, st, "%s \"%s\" not found", what, name);
    }
    return st == OPR_OK ? OPR_OK : opr_error_set(reterr, st, "%s", err.message);
}

/* Value of a key; Secrets are base64. NULL: absent, or no text. */
static char *decode(struct opr_arena *arena, const struct opr_obj *value, bool is_secret)
{
    struct opr_str text = opr_json_text(value, "");
    if (!text.ptr) {
        return NULL;
    }
    if (!is_secret) {
        return opr_arena_dup(arena, text);
    }
    struct opr_buf b = {0};
    char *result =
        opr_buf_unbase64(&b, text) == OPR_OK ? opr_arena_dup(arena, opr_buf_str(&b)) : NULL;
    opr_buf_fini(&b);
    return result;
}

static opr_status put_key(struct env *e, const char *name, const struct opr_obj *ref,
                          bool is_secret, struct opr_error *reterr)
{
    struct opr_obj *obj = NULL;
    const char *what = is_secret ? "secret" : "configmap";
    OPR_TRY(fetch(e, is_secret ? "secrets" : "configmaps", what, ref, &obj, reterr));
    const char *key = opr_json_str(ref, "/key", "");
    const struct opr_obj *value = opr_json_member(opr_json_at(obj, "/data"), opr_str_of(key));
    char *text = decode(e->arena, value, is_secret);
    opr_json_unref(obj);
    if (text) {
        put(e, name, text);
    } else if (!opr_json_bool(ref, "/optional", false)) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND, "couldn't find key %s in %s %s/%s", key,
                             is_secret ? "Secret" : "ConfigMap", e->pod->ns,
                             opr_json_str(ref, "/name", ""));
    }
    return OPR_OK;
}

static opr_status put_source(struct env *e, const char *name, const struct opr_obj *from,
                             struct opr_error *reterr)
{
    const struct opr_obj *ref;
    if ((ref = opr_json_at(from, "/fieldRef"))) {
        const char *path = opr_json_str(ref, "/fieldPath", "");
        const char *text = opr__field_text(e->pod, e->arena, path);
        if (!text) {
            return opr_error_set(reterr, OPR_E_INVALID, "unsupported fieldPath: %s", path);
        }
        put(e, name, text);
        return OPR_OK;
    }
    if ((ref = opr_json_at(from, "/configMapKeyRef"))) {
        return put_key(e, name, ref, false, reterr);
    }
    if ((ref = opr_json_at(from, "/secretKeyRef"))) {
        return put_key(e, name, ref, true, reterr);
    }
    if ((ref = opr_json_at(from, "/resourceFieldRef"))) {
        const char *text = opr__resource_text(e->pod, e->container->spec, ref, e->arena, reterr);
        if (text) {
            put(e, name, text);
        }
        return text ? OPR_OK : OPR_E_INVALID;
    }
    return opr_error_set(reterr, OPR_E_UNSUPPORTED, "unsupported source of the variable %s", name);
}

static opr_status put_all_of(struct env *e, const struct opr_obj *from, struct opr_error *reterr)
{
    const struct opr_obj *map = opr_json_at(from, "/configMapRef");
    bool is_secret = !map;
    const struct opr_obj *ref = is_secret ? opr_json_at(from, "/secretRef") : map;
    const char *prefix = opr_json_str(from, "/prefix", "");
    struct opr_obj *obj = NULL;
    OPR_TRY(fetch(e, is_secret ? "secrets" : "configmaps", is_secret ? "secret" : "configmap", ref,
                  &obj, reterr));
    const struct opr_obj *data = opr_json_at(obj, "/data");
    for (const struct opr_obj *v = opr_json_first(data); v; v = opr_json_next(v)) {
        char *text = decode(e->arena, v, is_secret);
        if (text) {
            put(e, opr_arena_printf(e->arena, "%s%s", prefix, opr_json_name(v)), text);
        }
    }
    opr_json_unref(obj);
    return OPR_OK;
}

/* "my-db", "_SERVICE_HOST" to "MY_DB_SERVICE_HOST". */
static char *service_name(struct opr_arena *arena, const char *name, const char *suffix)
{
    char *text = opr_arena_printf(arena, "%s%s", name, suffix);
    for (char *c = text; *c; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    return text;
}

/* {SVC}_PORT_80_TCP, with _PROTO, _PORT and _ADDR: what links between containers once gave. */
static void put_link(struct env *e, const char *name, const struct opr_obj *port,
                     const char *address, int number, bool is_first)
{
    struct opr_arena *a = e->arena;
    const char *protocol = opr_json_str(port, "/protocol", "TCP");
    char *lower = opr_arena_dup(a, opr_str_of(protocol));
    for (char *c = lower; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    char *url = opr_arena_printf(a, "%s://%s:%d", lower, address, number);
    if (is_first) {
        put(e, service_name(a, name, "_PORT"), url);
    }
    char *prefix = opr_arena_printf(a, "_PORT_%d_%s", number, protocol);
    put(e, service_name(a, name, prefix), url);
    put(e, service_name(a, name, opr_arena_printf(a, "%s_PROTO", prefix)), lower);
    put(e, service_name(a, name, opr_arena_printf(a, "%s_PORT", prefix)),
        opr_arena_printf(a, "%d", number));
    put(e, service_name(a, name, opr_arena_printf(a, "%s_ADDR", prefix)), address);
}

/* {SVC}_SERVICE_HOST, _SERVICE_PORT, _SERVICE_PORT_{NAME}, and the links (kubernetes
 * pkg/kubelet/envvars). */
static void put_service(struct env *e, const struct opr_obj *service)
{
    const char *name = opr_meta_name(service);
    bool is_first = true;
    const struct opr_obj *ports = opr_json_at(service, "/spec/ports");
    for (const struct opr_obj *v = opr_json_first(ports); v; v = opr_json_next(v)) {
        char number[16], address[OPR__IP_MAX];
        int port = 0;
        if (!opr__proxy_reach(e->pod->agent, service, (int)opr_json_int(v, "/port", 0), address,
                              &port)) {
            return;
        }
        snprintf(number, sizeof number, "%d", port);
        if (is_first) {
            put(e, service_name(e->arena, name, "_SERVICE_HOST"), address);
            put(e, service_name(e->arena, name, "_SERVICE_PORT"), number);
        }
        const char *port_name = opr_json_str(v, "/name", "");
        if (*port_name) {
            char *suffix = opr_arena_printf(e->arena, "_SERVICE_PORT_%s", port_name);
            put(e, service_name(e->arena, name, suffix), number);
        }
        put_link(e, name, v, address, port, is_first);
        is_first = false;
    }
}

static void put_services(struct env *e)
{
    struct opr_informer *services = e->pod->agent->services_informer;
    if (!services) {
        return;
    }
    struct opr_obj *api = opr_informer_get(services, "default", "kubernetes");
    if (api) {
        put_service(e, api);
        opr_json_unref(api);
    }
    const struct opr_obj *const *list = NULL;
    uint32_t count = 0;
    if (opr_json_bool(e->pod->work, "/spec/enableServiceLinks", true) &&
        opr_informer_list(services, e->arena, e->pod->ns, NULL, NULL, &list, &count) == OPR_OK) {
        for (uint32_t i = 0; i < count; i++) {
            put_service(e, list[i]);
        }
    }
}

static void put_base(struct env *e, const char *const *base)
{
    const char *path = base ? NULL : getenv("PATH");
    put(e, "PATH", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (; base && *base; base++) {
        const char *equals = strchr(*base, '=');
        if (equals) {
            put(e, opr_arena_dup(e->arena, opr_str_n(*base, (size_t)(equals - *base))), equals + 1);
        }
    }
}

opr_status opr__env_make(struct opr__pod *p, const struct opr__container *c,
                         const char *const *base, struct opr_caller *k, struct opr_arena *arena,
                         char ***ret_env, struct opr_error *reterr)
{
    struct env e = {.pod = p, .container = c, .caller = k, .arena = arena};
    put_base(&e, base);
    put(&e, "HOSTNAME", opr__hostname(p, arena));
    put_services(&e);
    opr_status st = OPR_OK;
    const struct opr_obj *from = opr_json_at(c->spec, "/envFrom");
    for (const struct opr_obj *v = opr_json_first(from); v && st == OPR_OK; v = opr_json_next(v)) {
        st = put_all_of(&e, v, reterr);
    }
    const struct opr_obj *env = opr_json_at(c->spec, "/env");
    for (const struct opr_obj *v = opr_json_first(env); v && st == OPR_OK; v = opr_json_next(v)) {
        const char *name = opr_json_str(v, "/name", "");
        const struct opr_obj *source = opr_json_at(v, "/valueFrom");
        if (source) {
            st = put_source(&e, name, source, reterr);
        } else {
            put(&e, name,
                expand(arena, opr_json_str(v, "/value", ""), (char *const *)e.list.items,
                       e.list.count));
        }
    }
    if (st == OPR_OK) {
        char **list = opr_arena_alloc(arena, (e.list.count + 1) * sizeof *list);
        for (size_t i = 0; i < e.list.count; i++) {
            list[i] = e.list.items[i];
        }
        *ret_env = list;
    }
    opr_vec_fini(&e.list);
    return st;
}
