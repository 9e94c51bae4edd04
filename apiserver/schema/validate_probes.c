#include "apiserver/schema/validate.h"

#include <ctype.h>

static void check_port_or_name(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *port)
{
    if (json_object_is_type(port, json_type_string)) {
        opr__check_name(e, p, json_object_get_string(port), opr__bad_port_name);
    } else {
        opr__check_port(e, p, json_object_get_int64(port));
    }
}

static void check_headers(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *headers)
{
    for (size_t i = 0; i < opr__length(headers); i++) {
        const char *name = opr__text(opr__item(headers, i), "name");
        const char *c = name;
        while (isalnum((unsigned char)*c) || *c == '-') {
            c++;
        }
        if (!*name || *c) {
            opr__invalid_text(e, p, name,
                              "a valid HTTP header must consist of alphanumeric characters or '-' "
                              "(e.g. 'X-Header-Name', regex used for validation is "
                              "'[-A-Za-z0-9]+')");
        }
    }
}

static void check_sleep(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *sleep, int64_t grace_s)
{
    int64_t seconds = opr__number(sleep, "seconds");
    if (seconds < 0 || seconds > grace_s) {
        struct json_object *value = json_object_new_int64(seconds);
        opr__invalid(e, p, value,
                     opr_arena_printf(e->arena,
                                      "must be non-negative and less than "
                                      "terminationGracePeriodSeconds (%lld)",
                                      (long long)grace_s));
        json_object_put(value);
    }
}

/* The actions of a probe or of a lifecycle hook: exactly one. */
static void check_handler(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *h, int64_t grace_s)
{
    static const char *const actions[] = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"};
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct json_object *action = opr__get(h, actions[i]);
        const struct opr__path *at = OPR__IN(p, actions[i]);
        if (!action) {
            continue;
        }
        if (count++) {
            opr__forbidden(e, at, "may not specify more than 1 handler type");
        } else if (i == 0 && opr__length(opr__get(action, "command")) == 0) {
            opr__required(e, OPR__IN(at, "command"), NULL);
        } else if (i == 1 || i == 2) {
            check_port_or_name(e, OPR__IN(at, "port"), opr__get(action, "port"));
            opr__check_enum(e, at, action, "scheme", schemes);
            check_headers(e, OPR__IN(at, "httpHeaders"), opr__get(action, "httpHeaders"));
        } else if (i == 3) {
            opr__check_port(e, OPR__IN(at, "port"), opr__number(action, "port"));
        } else if (i == 4) {
            check_sleep(e, at, action, grace_s);
        }
    }
    if (count == 0) {
        opr__required(e, p, "must specify a handler type");
    }
}

static void check_probe(struct opr_field_errors *e, const struct opr__path *container,
                        struct json_object *c, const char *name, bool is_single_success)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    struct json_object *probe = opr__get(c, name);
    const struct opr__path *p = OPR__IN(container, name);
    if (!probe) {
        return;
    }
    check_handler(e, p, probe, 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        opr__check_nonnegative(e, p, probe, numbers[i]);
    }
    struct json_object *grace = opr__get(probe, "terminationGracePeriodSeconds");
    if (grace && json_object_get_int64(grace) <= 0) {
        opr__invalid(e, OPR__IN(p, "terminationGracePeriodSeconds"), grace,
                     "must be greater than 0");
    }
    if (is_single_success && opr__number(probe, "successThreshold") != 1) {
        opr__invalid(e, OPR__IN(p, "successThreshold"), opr__get(probe, "successThreshold"),
                     "must be 1");
    }
    if (!is_single_success && grace) {
        opr__invalid(e, OPR__IN(p, "terminationGracePeriodSeconds"), grace,
                     "must not be set for readinessProbes");
    }
}

void opr__validate_probes(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *c, int64_t grace_s)
{
    static const char *const hooks[] = {"postStart", "preStop"};
    struct json_object *lifecycle = opr__get(c, "lifecycle");
    for (size_t i = 0; i < 2; i++) {
        struct json_object *hook = opr__get(lifecycle, hooks[i]);
        if (hook) {
            check_handler(e, OPR__IN(OPR__IN(p, "lifecycle"), hooks[i]), hook, grace_s);
        }
    }
    check_probe(e, p, c, "livenessProbe", true);
    check_probe(e, p, c, "readinessProbe", false);
    check_probe(e, p, c, "startupProbe", true);
}
