#include "core/client/kubeconfig_exec.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (1024 * 1024)
#define TIMEOUT_NS (60ull * 1000000000)
#define POLL_MS 100

extern char **environ;

struct command {
    const char *program;
    struct opr_vec argv, envp; /* of char *, in the arena; end with NULL */
};

static opr_status fail(const struct opr__exec_place *place, struct opr_error *reterr,
                       const char *what)
{
    return opr_error_set(reterr, OPR_E_INVALID, "%s: context \"%s\": user \"%s\": exec: %s",
                         place->path, place->context, place->user, what);
}

/* A program with a slash is relative to the kubeconfig, one without is looked for in PATH. */
static const char *program_path(const struct opr__exec_place *place, struct opr_arena *a,
                                const char *command)
{
    const char *slash = strrchr(place->path, '/');
    if (!strchr(command, '/') || command[0] == '/' || !slash) {
        return command;
    }
    return opr_arena_printf(a, "%.*s/%s", (int)(slash - place->path), place->path, command);
}

static void set_env(struct opr_vec *envp, const char *assignment)
{
    size_t len = strcspn(assignment, "=") + 1;
    for (size_t i = 0; i < envp->count; i++) {
        if (strncmp(envp->items[i], assignment, len) == 0) {
            envp->items[i] = (char *)assignment;
            return;
        }
    }
    opr_vec_push(envp, (char *)assignment);
}

static void build_command(struct opr__yaml *y, const yaml_node_t *exec, const char *version,
                          struct opr_arena *a, struct command *c)
{
    opr_vec_push(&c->argv, (char *)c->program);
    const yaml_node_t *args = opr__yaml_get(y, exec, "args");
    const yaml_node_t *node;
    for (size_t i = 0; (node = opr__yaml_at(y, args, i)); i++) {
        if (node->type == YAML_SCALAR_NODE) {
            opr_vec_push(&c->argv, node->data.scalar.value);
        }
    }
    opr_vec_push(&c->argv, NULL);
    for (char **e = environ; *e; e++) {
        opr_vec_push(&c->envp, *e);
    }
    const yaml_node_t *env = opr__yaml_get(y, exec, "env");
    for (size_t i = 0; (node = opr__yaml_at(y, env, i)); i++) {
        const char *name = opr__yaml_text(y, node, "name");
        const char *value = opr__yaml_text(y, node, "value");
        if (name) {
            set_env(&c->envp, opr_arena_printf(a, "%s=%s", name, value ? value : ""));
        }
    }
    set_env(&c->envp, opr_arena_printf(a,
                                       "KUBERNETES_EXEC_INFO={\"apiVersion\":\"%s\",\"kind\":"
                                       "\"ExecCredential\",\"spec\":{\"interactive\":false}}",
                                       version));
    opr_vec_push(&c->envp, NULL);
}

/* Starts the command with its output in a pipe, whose other end is *ret_fd. */
static int start(const struct command *c, pid_t *ret_pid, int *ret_fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return errno;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    int err = posix_spawnp(ret_pid, c->program, &actions, NULL, (char *const *)c->argv.items,
                           (char *const *)c->envp.items);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (err != 0) {
        close(ends[0]);
        return err;
    }
    *ret_fd = ends[0];
    return 0;
}

static bool read_output(int fd, struct opr_buf *out)
{
    uint64_t deadline = opr_clock_mono_ns(opr_clock_system()) + TIMEOUT_NS;
    while (out->len < OUTPUT_MAX && opr_clock_mono_ns(opr_clock_system()) < deadline) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, POLL_MS) <= 0) {
            continue;
        }
        char block[4096];
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0) {
            return true;
        }
        if (n > 0) {
            opr_buf_add(out, block, (size_t)n);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return false;
}

static opr_status run(const struct command *c, const struct opr__exec_place *place,
                      struct opr_arena *a, struct opr_buf *out, struct opr_error *reterr)
{
    pid_t pid = 0;
    int fd = -1;
    int err = start(c, &pid, &fd);
    if (err != 0) {
        return fail(place, reterr, opr_arena_printf(a, "%s: %s", c->program, strerror(err)));
    }
    bool is_complete = read_output(fd, out);
    close(fd);
    if (!is_complete) {
        kill(pid, SIGKILL);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!is_complete) {
        return fail(place, reterr,
                    opr_arena_printf(a, "%s did not end within 60 s and 1 MiB", c->program));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(place, reterr,
                    opr_arena_printf(a, "%s ended with status %d", c->program,
                                     WIFEXITED(status) ? WEXITSTATUS(status) : -1));
    }
    return OPR_OK;
}

static opr_status read_expiry(const char *text, const struct opr__exec_place *place,
                              struct opr_arena *a, int64_t *ret_expires_ms,
                              struct opr_error *reterr)
{
    int64_t expiry_ms = 0;
    if (!text) {
        return OPR_OK;
    }
    if (opr_time_parse(opr_str_of(text), &expiry_ms) != OPR_OK) {
        return fail(place, reterr, opr_arena_printf(a, "expirationTimestamp \"%s\"", text));
    }
    if (expiry_ms <= opr_clock_wall_ms(opr_clock_system())) {
        return fail(place, reterr, opr_arena_printf(a, "the credential expired at %s", text));
    }
    *ret_expires_ms = expiry_ms;
    return OPR_OK;
}

static const char *dup_or_null(struct opr_arena *a, const char *text)
{
    return text ? opr_arena_dup(a, opr_str_of(text)) : NULL;
}

static opr_status read_credential(const struct opr_buf *out, const struct opr__exec_place *place,
                                  struct opr_arena *a, struct opr_endpoint_config *config,
                                  struct opr_error *reterr)
{
    struct opr__yaml y;
    struct opr_error err = {0};
    opr_status st = opr__yaml_parse(&y, opr_buf_str(out), "its output", &err);
    if (st != OPR_OK) {
        return fail(place, reterr, err.message);
    }
    const yaml_node_t *root = opr__yaml_root(&y);
    const yaml_node_t *status = opr__yaml_get(&y, root, "status");
    const char *kind = opr__yaml_text(&y, root, "kind");
    config->token = dup_or_null(a, opr__yaml_text(&y, status, "token"));
    config->client_cert_pem = dup_or_null(a, opr__yaml_text(&y, status, "clientCertificateData"));
    config->client_key_pem = dup_or_null(a, opr__yaml_text(&y, status, "clientKeyData"));
    if (!kind || strcmp(kind, "ExecCredential") != 0) {
        st = fail(place, reterr, "its output is no ExecCredential");
    } else if (!config->token && !config->client_cert_pem) {
        st = fail(place, reterr, "the ExecCredential has no token and no clientCertificateData");
    } else {
        st = read_expiry(opr__yaml_text(&y, status, "expirationTimestamp"), place, a,
                         &config->token_expires_ms, reterr);
    }
    opr__yaml_fini(&y);
    return st;
}

opr_status opr__exec_run(struct opr__yaml *y, const yaml_node_t *exec,
                         const struct opr__exec_place *place, struct opr_arena *a,
                         struct opr_endpoint_config *config, struct opr_error *reterr)
{
    const char *version = opr__yaml_text(y, exec, "apiVersion");
    const char *command = opr__yaml_text(y, exec, "command");
    if (!command) {
        return fail(place, reterr, "no command");
    }
    if (!version || (strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
                     strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)) {
        return fail(place, reterr,
                    opr_arena_printf(a,
                                     "apiVersion \"%s\" is not supported; "
                                     "client.authentication.k8s.io/v1 and v1beta1 are",
                                     version ? version : ""));
    }
    struct command c = {.program = program_path(place, a, command)};
    struct opr_buf out = {0};
    build_command(y, exec, version, a, &c);
    opr_status st = run(&c, place, a, &out, reterr);
    if (st == OPR_OK) {
        st = read_credential(&out, place, a, config, reterr);
    }
    if (out.data) {
        explicit_bzero(out.data, out.len);
    }
    opr_buf_fini(&out);
    opr_vec_fini(&c.argv);
    opr_vec_fini(&c.envp);
    return st;
}
