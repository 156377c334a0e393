/* Preloaded: counts, notes and refuses the calls by which a process and its children reach files in one folder.

   NEURO_MPC_CALLS_STATE names a file that all of them map, see `State`; NEURO_MPC_CALLS_LOG the file of the notes, see
   `Note`; NEURO_MPC_CALLS_FOLDER the folder, without a slash at its end.  `fork`, `pipe` and `pipe2` are counted wherever they are made.  */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <dirent.h>
#include <unistd.h>

typedef struct {
    _Atomic int64_t count;  /* calls so far, of the one kind where there is one */
    int64_t first, last;    /* these are refused, and those between them; where last is later, those of other kinds, too */
    int64_t error;          /* with this number */
    int64_t notes;          /* 1: calls are noted, 2: with what is written */
    _Atomic int64_t locked; /* by this process, while a call and its note are made: notes are in the order of calls */
    char kind[16];          /* the one that is counted; empty: all are */
} State;

typedef struct {
    char call[16];
    int64_t number, device, inode, offset, length; /* length: of what was written, or of the file now */
    int32_t path, other, data;                     /* bytes that follow: the path, a second one, what was written */
    int32_t created;                               /* whether there was no such file before */
    int32_t failed, unused;                        /* whether no name was changed, though that was asked for */
} Note;

static State none, *state = &none;
static int log_file = -1;
static char folder[4096];
static size_t folder_length;

__attribute__((constructor)) static void start(void) {
    char *path = getenv("NEURO_MPC_CALLS_STATE"), *log = getenv("NEURO_MPC_CALLS_LOG"), *watched = getenv("NEURO_MPC_CALLS_FOLDER");
    if (!path || !log || !watched || strlen(watched) >= sizeof folder) return;
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (mapped == MAP_FAILED) return;
    log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CLOEXEC);
    strcpy(folder, watched);
    folder_length = strlen(folder);
    state = mapped;
}

static int is_pipe(const char *path) { return !strncmp(path, "pipe:", 5); }

/* How often a pipe is read depends on how its content arrives; what is written to a disk is no pipe's. */
static int is_watched(const char *call, const char *path) {
    if (is_pipe(path)) return state->notes < 2 && strcmp(call, "read");
    return folder_length && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

/* The path of a descriptor, or of a name in a folder that is open; "" where there is none. */
static void path_of(char *path, size_t size, int place, const char *name) {
    char link[64];
    path[0] = 0;
    if (name && name[0] == '/') {
        snprintf(path, size, "%s", name);
        return;
    }
    if (place == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", place);
    ssize_t length = syscall(SYS_readlink, link, path, size - 2);
    if (length < 0) length = 0;
    path[length] = 0;
    if (name && name[0]) snprintf(path + length, size - length, "/%s", name);
}

typedef struct {
    const char *call;
    char path[4096];
    int64_t number; /* 0: of a file elsewhere */
    int held, failed;
} Made;

/* Takes the lock, also from a process that was killed while it had it. */
static void lock(void) {
    int saved = errno;
    int64_t own = syscall(SYS_getpid), holder = 0;
    while (!atomic_compare_exchange_strong(&state->locked, &holder, own)) {
        if (holder && syscall(SYS_kill, holder, 0) && errno == ESRCH &&
            atomic_compare_exchange_strong(&state->locked, &holder, own))
            break;
        holder = 0;
        sched_yield();
    }
    errno = saved;
}

static void note(Made *made, int place, const char *other, int64_t offset, const void *data, int64_t length, int created) {
    if (!made->number) return;
    int saved = errno;
    if (state->notes && log_file >= 0) {
        Note entry = {.number = made->number, .offset = offset, .length = length, .created = created, .failed = made->failed};
        struct stat status;
        strncpy(entry.call, made->call, sizeof entry.call - 1);
        int found = place >= 0 ? syscall(SYS_fstat, place, &status)
                               : syscall(SYS_newfstatat, AT_FDCWD, made->path, &status, AT_SYMLINK_NOFOLLOW);
        if (!found) {
            entry.device = status.st_dev;
            entry.inode = status.st_ino;
            if (!data) entry.length = status.st_size;
        }
        entry.path = strlen(made->path);
        entry.other = other ? strlen(other) : 0;
        entry.data = data && state->notes > 1 ? length : 0;
        struct iovec parts[] = {
            {&entry, sizeof entry}, {made->path, entry.path}, {(void *)other, entry.other}, {(void *)data, entry.data}};
        int64_t size = sizeof entry + entry.path + entry.other + entry.data;
        if (syscall(SYS_writev, log_file, parts, 4) != size) abort();
    }
    if (made->held) atomic_store(&state->locked, 0);
    errno = saved;
}

/* Whether a call may wait for another process, which may first need the lock itself. */
static int may_wait(const Made *made) { return is_pipe(made->path) || !strcmp(made->call, "flock"); }

/* Counts a call; errno where it is refused, else 0. */
static int refused(Made *made, const char *call, int place, const char *name, int everywhere) {
    made->call = call;
    made->number = made->held = made->failed = 0;
    if (state == &none) return 0;
    made->path[0] = 0;
    if (!everywhere) {
        path_of(made->path, sizeof made->path, place, name);
        if (!is_watched(call, made->path)) return 0;
    }
    if (state->notes) lock();
    made->held = state->notes != 0;
    int counts = !state->kind[0] || !strcmp(call, state->kind);
    made->number = atomic_fetch_add(&state->count, counts) + counts;
    int among = made->number >= state->first && made->number <= state->last;
    int problem = among && (counts || state->last > state->first) ? (int)state->error : 0;
    if (!problem && may_wait(made)) {
        note(made, -1, NULL, 0, NULL, 0, 0);
        made->number = made->held = 0; /* it is noted */
    }
    return problem;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, #name)
/* Refuses a call, or goes on. */
#define REFUSE(call, place, path, failure) \
    Made made; \
    int problem = refused(&made, call, place, path, 0); \
    if (problem) { \
        note(&made, -1, NULL, 0, NULL, 0, 0); \
        errno = problem; \
        return failure; \
    }
#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); }

static int is_there(int place, const char *path) { return !syscall(SYS_faccessat, place, path, F_OK); }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(flags) REAL(int, name, const char *, int, ...); \
        REFUSE((flags) & O_TRUNC ? "truncate" : "open", AT_FDCWD, path, -1) \
        int before = made.number ? is_there(AT_FDCWD, path) : 1, file = real(path, flags, mode); \
        note(&made, file, NULL, 0, NULL, 0, file >= 0 && !before); \
        return file; \
    }
#define OPENAT(name) \
    int name(int place, const char *path, int flags, ...) { \
        MODE(flags) REAL(int, name, int, const char *, int, ...); \
        REFUSE((flags) & O_TRUNC ? "truncate" : "open", place, path, -1) \
        int before = made.number ? is_there(place, path) : 1, file = real(place, path, flags, mode); \
        note(&made, file, NULL, 0, NULL, 0, file >= 0 && !before); \
        return file; \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(FILE *, name, const char *, const char *); \
        REFUSE(mode[0] == 'w' ? "truncate" : "open", AT_FDCWD, path, NULL) \
        int before = made.number ? is_there(AT_FDCWD, path) : 1; \
        FILE *file = real(path, mode); \
        note(&made, file ? fileno(file) : -1, NULL, 0, NULL, 0, file && !before); \
        return file; \
    }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    REFUSE("write", file, NULL, -1)
    ssize_t written = real(file, data, size);
    int64_t end = made.number && made.held ? syscall(SYS_lseek, file, 0, SEEK_CUR) : 0;
    note(&made, file, NULL, end - (written > 0 ? written : 0), written > 0 ? data : NULL, written > 0 ? written : 0, 0);
    return written;
}

#define PWRITE(name) \
    ssize_t name(int file, const void *data, size_t size, off_t offset) { \
        REAL(ssize_t, name, int, const void *, size_t, off_t); \
        REFUSE("write", file, NULL, -1) \
        ssize_t written = real(file, data, size, offset); \
        note(&made, file, NULL, offset, written > 0 ? data : NULL, written > 0 ? written : 0, 0); \
        return written; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

/* How Python copies a file: what has arrived is read back. */
ssize_t sendfile(int file, int source, off_t *offset, size_t size) {
    REAL(ssize_t, sendfile, int, int, off_t *, size_t);
    REFUSE("write", file, NULL, -1)
    ssize_t written = real(file, source, offset, size);
    void *copy = made.number && made.held && written > 0 ? malloc(written) : NULL;
    int64_t end = copy ? syscall(SYS_lseek, file, 0, SEEK_CUR) : 0;
    if (copy) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        int again = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (syscall(SYS_pread64, again, copy, written, end - written) != written) abort();
        syscall(SYS_close, again);
    }
    note(&made, file, NULL, end - (written > 0 ? written : 0), copy, copy ? written : 0, 0);
    free(copy);
    return written;
}

/* A call with a descriptor as its first argument, in which nothing is written. */
#define ON_FILE(type, name, call, arguments, names) \
    type name arguments { \
        REAL(type, name, OF_##name); \
        REFUSE(call, file, NULL, -1) \
        type result = real names; \
        note(&made, file, NULL, 0, NULL, 0, 0); \
        return result; \
    }
#define OF_fsync int
#define OF_fdatasync int
#define OF_read int, void *, size_t
#define OF_pread int, void *, size_t, off_t
#define OF_pread64 int, void *, size_t, off_t
#define OF_ftruncate int, off_t
#define OF_ftruncate64 int, off_t
#define OF_flock int, int
#define OF_fstat int, struct stat *
#define OF_fstat64 int, struct stat64 *
#define OF_fstatvfs int, struct statvfs *
ON_FILE(int, fsync, "fsync", (int file), (file))
ON_FILE(int, fdatasync, "fsync", (int file), (file))
ON_FILE(ssize_t, read, "read", (int file, void *data, size_t size), (file, data, size))
ON_FILE(ssize_t, pread, "read", (int file, void *data, size_t size, off_t offset), (file, data, size, offset))
ON_FILE(ssize_t, pread64, "read", (int file, void *data, size_t size, off_t offset), (file, data, size, offset))
ON_FILE(int, ftruncate, "ftruncate", (int file, off_t size), (file, size))
ON_FILE(int, ftruncate64, "ftruncate", (int file, off_t size), (file, size))
ON_FILE(int, flock, "flock", (int file, int operation), (file, operation))
ON_FILE(int, fstat, "stat", (int file, struct stat *status), (file, status))
ON_FILE(int, fstat64, "stat", (int file, struct stat64 *status), (file, status))
ON_FILE(int, fstatvfs, "statvfs", (int file, struct statvfs *status), (file, status))

/* As the system does: a file is closed even where that is an error. */
int close(int file) {
    REAL(int, close, int);
    Made made;
    int problem = refused(&made, "close", file, NULL, 0);
    note(&made, file, NULL, 0, NULL, 0, 0);
    int result = real(file);
    if (!problem) return result;
    errno = problem;
    return -1;
}

/* A call with a path as its first argument. */
#define ON_PATH(type, name, call, failure, arguments, names) \
    type name arguments { \
        REAL(type, name, OF_##name); \
        REFUSE(call, AT_FDCWD, path, failure) \
        type result = real names; \
        note(&made, -1, NULL, 0, NULL, 0, 0); \
        return result; \
    }
#define OF_stat const char *, struct stat *
#define OF_stat64 const char *, struct stat64 *
#define OF_lstat const char *, struct stat *
#define OF_lstat64 const char *, struct stat64 *
#define OF_statvfs const char *, struct statvfs *
#define OF_statvfs64 const char *, struct statvfs64 *
#define OF_mkdir const char *, mode_t
#define OF_opendir const char *
ON_PATH(int, stat, "stat", -1, (const char *path, struct stat *status), (path, status))
ON_PATH(int, stat64, "stat", -1, (const char *path, struct stat64 *status), (path, status))
ON_PATH(int, lstat, "stat", -1, (const char *path, struct stat *status), (path, status))
ON_PATH(int, lstat64, "stat", -1, (const char *path, struct stat64 *status), (path, status))
ON_PATH(int, statvfs, "statvfs", -1, (const char *path, struct statvfs *status), (path, status))
ON_PATH(int, statvfs64, "statvfs", -1, (const char *path, struct statvfs64 *status), (path, status))
ON_PATH(int, mkdir, "mkdir", -1, (const char *path, mode_t mode), (path, mode))
ON_PATH(DIR *, opendir, "opendir", NULL, (const char *path), (path))

#define FSTATAT(name, type) \
    int name(int place, const char *path, struct type *status, int flags) { \
        REAL(int, name, int, const char *, struct type *, int); \
        REFUSE("stat", place, path, -1) \
        int result = real(place, path, status, flags); \
        note(&made, -1, NULL, 0, NULL, 0, 0); \
        return result; \
    }
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

/* What libraries call that were built for an older C library. */
#define XSTAT(name, type) \
    int name(int version, const char *path, struct type *status) { \
        REAL(int, name, int, const char *, struct type *); \
        REFUSE("stat", AT_FDCWD, path, -1) \
        int result = real(version, path, status); \
        note(&made, -1, NULL, 0, NULL, 0, 0); \
        return result; \
    }
#define FXSTAT(name, type) \
    int name(int version, int file, struct type *status) { \
        REAL(int, name, int, int, struct type *); \
        REFUSE("stat", file, NULL, -1) \
        int result = real(version, file, status); \
        note(&made, file, NULL, 0, NULL, 0, 0); \
        return result; \
    }
XSTAT(__xstat, stat)
XSTAT(__xstat64, stat64)
XSTAT(__lxstat, stat)
XSTAT(__lxstat64, stat64)
FXSTAT(__fxstat, stat)
FXSTAT(__fxstat64, stat64)

/* Names are noted once they have changed. */
static int renamed(Made *made, int result, const char *new) {
    if (made->number && !result) {
        Made there = *made;
        char path[4096];
        path_of(path, sizeof path, AT_FDCWD, new);
        note(&there, -1, path, 0, NULL, 0, 0);
    } else {
        made->failed = 1;
        note(made, -1, NULL, 0, NULL, 0, 0);
    }
    return result;
}

int rename(const char *path, const char *new) {
    REAL(int, rename, const char *, const char *);
    REFUSE("rename", AT_FDCWD, path, -1)
    return renamed(&made, real(path, new), new);
}

int renameat(int place, const char *path, int to, const char *new) {
    REAL(int, renameat, int, const char *, int, const char *);
    REFUSE("rename", place, path, -1)
    return renamed(&made, real(place, path, to, new), new);
}

#define REMOVE(name, what) \
    int name(const char *path) { \
        REAL(int, name, const char *); \
        REFUSE(what, AT_FDCWD, path, -1) \
        int result = real(path); \
        made.failed = result != 0; \
        note(&made, -1, NULL, 0, NULL, 0, 0); \
        return result; \
    }
REMOVE(unlink, "unlink")
REMOVE(rmdir, "unlink")
REMOVE(remove, "unlink")

int unlinkat(int place, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    REFUSE("unlink", place, path, -1)
    int result = real(place, path, flags);
    made.failed = result != 0;
    note(&made, -1, NULL, 0, NULL, 0, 0);
    return result;
}

#define EVERYWHERE(call) \
    Made made; \
    int problem = refused(&made, call, -1, NULL, 1); \
    note(&made, -1, NULL, 0, NULL, 0, 0); \
    if (problem) { \
        errno = problem; \
        return -1; \
    }

pid_t fork(void) {
    REAL(pid_t, fork, void);
    EVERYWHERE("fork")
    return real();
}

int pipe(int ends[2]) {
    REAL(int, pipe, int *);
    EVERYWHERE("pipe")
    return real(ends);
}

int pipe2(int ends[2], int flags) {
    REAL(int, pipe2, int *, int);
    EVERYWHERE("pipe")
    return real(ends, flags);
}
