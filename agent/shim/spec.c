#include "agent/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPEC_MAX_BYTES (8 << 20)

static char *read_all(int fd, size_t size)
{
    char *text = malloc(size + 1);
    size_t len = 0;
    while (text && len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    if (text && len != size) {
        free(text);
        return NULL;
    }
    if (text) {
        text[size] = 0;
    }
    return text;
}

/* The lists of a spec, by their keys. */
enum { LISTS = 7 };
static const char *const list_keys[LISTS] = {SHIM_KEY_ARG,         SHIM_KEY_ENV,   SHIM_KEY_CGROUP,
                                             SHIM_KEY_SHIM_CGROUP, SHIM_KEY_GROUP, SHIM_KEY_EXEC,
                                             SHIM_KEY_LAYER};

static char ***list_of(struct shim_spec *s, size_t number)
{
    char ***lists[LISTS] = {&s->args,   &s->env,  &s->cgroups, &s->shim_cgroups,
                            &s->groups, &s->exec, &s->layers};
    return lists[number];
}

static void take_text(struct shim_spec *s, const char *key, const char *value)
{
    const struct {
        const char *key, **place;
    } texts[] = {{SHIM_KEY_CWD, &s->cwd},
                 {SHIM_KEY_HOSTNAME, &s->hostname},
                 {SHIM_KEY_NETNS, &s->netns},
                 {SHIM_KEY_ROOTFS, &s->rootfs},
                 {SHIM_KEY_LAYERS_DIR, &s->layers_dir}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key) == 0) {
            *texts[i].place = value;
        }
    }
}

static void take(struct shim_spec *s, size_t counts[LISTS], const char *key, char *value)
{
    struct shim_mount *mount = &s->mounts[s->n_mounts];
    for (size_t i = 0; i < LISTS; i++) {
        if (strcmp(key, list_keys[i]) == 0) {
            (*list_of(s, i))[counts[i]++] = value;
            return;
        }
    }
    if (strcmp(key, SHIM_KEY_SRC) == 0) {
        mount->src = value;
    } else if (strcmp(key, SHIM_KEY_RO) == 0) {
        mount->is_read_only = value[0] == '1';
    } else if (strcmp(key, SHIM_KEY_DST) == 0) {
        mount->dst = value;
        s->n_mounts++;
    } else if (strcmp(key, SHIM_KEY_NAMESPACES) == 0) {
        s->has_namespaces = value[0] == '1';
    } else if (strcmp(key, SHIM_KEY_RO_ROOT) == 0) {
        s->is_root_read_only = value[0] == '1';
    } else if (strcmp(key, SHIM_KEY_UID) == 0) {
        s->uid = atol(value);
    } else if (strcmp(key, SHIM_KEY_GID) == 0) {
        s->gid = atol(value);
    } else {
        take_text(s, key, value);
    }
}

static void parse(struct shim_spec *s, size_t size)
{
    size_t counts[LISTS] = {0};
    for (char *at = s->text; at < s->text + size;) {
        size_t len = strlen(at);
        char *equals = strchr(at, '=');
        if (equals) {
            *equals = 0;
            take(s, counts, at, equals + 1);
        }
        at += len + 1;
    }
}

bool shim_spec_read(int dir_fd, struct shim_spec *ret_spec)
{
    struct shim_spec s = {.uid = -1, .gid = -1};
    struct stat st = {0};
    int fd = openat(dir_fd, SHIM_FILE_SPEC, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > SPEC_MAX_BYTES) {
        fprintf(stderr, "can not read the spec file: %s\n", strerror(errno));
        return false;
    }
    size_t size = (size_t)st.st_size, strings = 1;
    s.text = read_all(fd, size);
    close(fd);
    for (size_t i = 0; s.text && i < size; i++) {
        strings += s.text[i] == 0;
    }
    bool has_memory = s.text != NULL;
    for (size_t i = 0; i < LISTS; i++) {
        *list_of(&s, i) = calloc(strings + 1, sizeof(char *));
        has_memory = has_memory && *list_of(&s, i);
    }
    s.mounts = calloc(strings + 1, sizeof *s.mounts);
    if (!has_memory || !s.mounts) {
        fprintf(stderr, "can not read the spec file: no memory, or it changed\n");
        return false;
    }
    parse(&s, size);
    if (!s.args[0]) {
        fprintf(stderr, "the spec file names no program\n");
        return false;
    }
    *ret_spec = s;
    return true;
}
