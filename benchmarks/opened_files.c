/* Preloaded: notes each file that a process opens, libraries in C included, in the file named by OPENED_FILES.

   A line is "r" or "w", a blank, and the path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int note_file = -1;

__attribute__((constructor)) static void start(void) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    char *path = getenv("OPENED_FILES");
    if (path) note_file = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(int folder, const char *path, int writes) {
    char link[64], from[4096] = "", line[9000];
    if (note_file < 0 || !path) return;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, from, sizeof from - 2);
        from[length < 0 ? 0 : length] = 0;
        strcat(from, "/");
    }
    int length = snprintf(line, sizeof line, "%c %s%s\n", writes ? 'w' : 'r', from, path);
    if (write(note_file, line, length) < 0) abort();
}

#define WRITES(flags) (((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0)
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); }
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(flags, mode) \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        note(AT_FDCWD, path, WRITES(flags)); \
        return real(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        MODE(flags, mode) \
        int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        note(folder, path, WRITES(flags)); \
        return real(folder, path, flags, mode); \
    }
#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, #name); \
        note(AT_FDCWD, path, mode[0] != 'r' || strchr(mode, '+')); \
        return real(path, mode); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)
