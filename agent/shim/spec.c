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

static void take(struct shim_spec *s, size_t *counts, const char *key, char *value)
{
    struct shim_mount *mount = &s->mounts[s->n_mounts];
    if (strcmp(key, SHIM_KEY_ARG) == 0) {
        s->args[counts[0]++] = value;
    } else if (strcmp(key, SHIM_KEY_ENV) == 0) {
        s->env[counts[1]++] = value;
    } else if (strcmp(key, SHIM_KEY_CGROUP) == 0) {
        s->cgroups[counts[2]++] = value;
    } else if (strcmp(key, SHIM_KEY_SHIM_CGROUP) == 0) {
        s->shim_cgroups[counts[3]++] = value;
    } else if (strcmp(key, SHIM_KEY_SRC) == 0) {
        mount->src = value;
    } else if (strcmp(key, SHIM_KEY_RO) == 0) {
        mount->is_read_only = value[0] == '1';
    } else if (strcmp(key, SHIM_KEY_DST) == 0) {
        mount->dst = value;
        s->n_mounts++;
    } else if (strcmp(key, SHIM_KEY_CWD) == 0) {
        s->cwd = value;
    } else if (strcmp(key, SHIM_KEY_HOSTNAME) == 0) {
        s->hostname = value;
    } else if (strcmp(key, SHIM_KEY_NETNS) == 0) {
        s->netns = value;
    } else if (strcmp(key, SHIM_KEY_NAMESPACES) == 0) {
        s->has_namespaces = value[0] == '1';
    } else if (strcmp(key, SHIM_KEY_UID) == 0) {
        s->uid = atol(value);
    } else if (strcmp(key, SHIM_KEY_GID) == 0) {
        s->gid = atol(value);
    }
}

static void parse(struct shim_spec *s, size_t size)
{
    size_t counts[4] = {0};
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
    s.args = calloc(strings + 1, sizeof *s.args);
    s.env = calloc(strings + 1, sizeof *s.env);
    s.cgroups = calloc(strings + 1, sizeof *s.cgroups);
    s.shim_cgroups = calloc(strings + 1, sizeof *s.shim_cgroups);
    s.mounts = calloc(strings + 1, sizeof *s.mounts);
    if (!s.text || !s.args || !s.env || !s.cgroups || !s.shim_cgroups || !s.mounts) {
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
