/* A disk that forgets what was not synced, for LD_PRELOAD.
 *
 * Files under SHIM_ROOT are written as ever, so that the program reads what it wrote. Beside them, under SHIM_DISK,
 * stands what a disk would hold: `files/N` has the content of file N as of its last sync, and `journal` the changes of
 * names with the syncs of their folders, in order. After a kill, disk.py builds from both what a power cut leaves.
 *
 *   SHIM_ROOT     folder that is watched, absolute
 *   SHIM_DISK     folder for the disk's content
 *   SHIM_LIE      words: `fsync`, `fdatasync` (of files), `names` (fsync of folders): these do nothing and say they did
 *   SHIM_FAULT    a file that may come and go; where it is there, its first word says what the disk refuses:
 *                 `full` ENOSPC for whatever makes a file longer or is new, `sync` EIO for every sync
 *   SHIM_SYNC_US  how long a sync takes, microseconds
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define FDS_MAX 65536
#define FILES_MAX 65536

/* One file, whatever its name. */
struct file {
    dev_t device;
    ino_t inode;
    unsigned id;
    pthread_mutex_t lock;
    uint8_t *dirty; /* a bit a page */
    size_t pages;
};

static struct file *open_files[FDS_MAX];
static char *open_folders[FDS_MAX];
static struct file *files[FILES_MAX];
static unsigned file_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], disk[PATH_MAX], fault[PATH_MAX];
static bool lie_fsync, lie_fdatasync, lie_names;
static useconds_t sync_us;
static int journal = -1, syncs = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

static void die(const char *what) {
    dprintf(2, "shim: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("SHIM_ROOT"), *to = getenv("SHIM_DISK"), *lie = getenv("SHIM_LIE");
    if (!at || !to)
        return;
    const char *refuses = getenv("SHIM_FAULT"), *wait = getenv("SHIM_SYNC_US");
    snprintf(disk, sizeof disk, "%s", to);
    snprintf(fault, sizeof fault, "%s", refuses ? refuses : "");
    lie_fsync = lie && strstr(lie, "fsync");
    lie_fdatasync = lie && strstr(lie, "fdatasync");
    lie_names = lie && strstr(lie, "names");
    sync_us = wait ? (useconds_t)atoi(wait) : 0;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/journal", disk);
    journal = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    snprintf(path, sizeof path, "%s/syncs", disk);
    syncs = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (journal < 0 || syncs < 0)
        die("open the journal");
    /* Last: nothing is watched before all is ready. */
    snprintf(root, sizeof root, "%s", at);
}

/* Whether a path lies under the watched folder; makes it absolute. */
static bool watched(const char *path, char *absolute) {
    if (!root[0] || !path)
        return false;
    if (path[0] == '/') {
        snprintf(absolute, PATH_MAX, "%s", path);
    } else {
        char cwd[PATH_MAX];
        if (!getcwd(cwd, sizeof cwd))
            return false;
        if (snprintf(absolute, PATH_MAX, "%s/%s", cwd, path) >= PATH_MAX)
            return false;
    }
    size_t length = strlen(root);
    return strncmp(absolute, root, length) == 0 && (absolute[length] == '/' || absolute[length] == 0);
}

static void note(const char *format, ...) {
    char line[3 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (REAL(write)(journal, line, (size_t)length) != length)
        die("write the journal");
}

/* What the disk refuses now: 0, 'f' for full, 's' for syncs. */
static char refused(void) {
    if (!fault[0])
        return 0;
    int fd = REAL(open)(fault, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char word = 0;
    if (read(fd, &word, 1) != 1)
        word = 0;
    REAL(close)(fd);
    return word;
}

static void mark(struct file *file, off_t from, off_t to) {
    size_t pages = (size_t)(to + PAGE - 1) / PAGE;
    if (pages > file->pages) {
        size_t grown = pages * 2 + 64;
        file->dirty = realloc(file->dirty, grown / 8 + 1);
        memset(file->dirty + file->pages / 8 + 1, 0, grown / 8 - file->pages / 8);
        if (!file->pages)
            file->dirty[0] = 0;
        file->pages = grown;
    }
    for (size_t page = (size_t)from / PAGE; page < pages; page++)
        file->dirty[page / 8] |= (uint8_t)(1 << page % 8);
}

static int shadow(struct file *file) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/files/%u", disk, file->id);
    int fd = REAL(open)(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        die("open a file of the disk");
    return fd;
}

/* Brings the disk up to what the file holds; the caller has the file's lock. */
static off_t persist(struct file *file, int fd) {
    char path[64], buffer[PAGE];
    struct stat now;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int from = REAL(open)(path, O_RDONLY | O_CLOEXEC), to = shadow(file);
    if (from < 0 || fstat(from, &now))
        die("read a file again");
    for (size_t page = 0; page < file->pages; page++) {
        if (!(file->dirty[page / 8] & 1 << page % 8))
            continue;
        file->dirty[page / 8] &= (uint8_t) ~(1 << page % 8);
        ssize_t length = pread(from, buffer, PAGE, (off_t)page * PAGE);
        if (length > 0 && REAL(pwrite)(to, buffer, (size_t)length, (off_t)page * PAGE) != length)
            die("write a file of the disk");
    }
    if (REAL(ftruncate)(to, now.st_size))
        die("cut a file of the disk");
    REAL(close)(from);
    REAL(close)(to);
    return now.st_size;
}

static struct file *file_of(int fd, const char *path, bool created) {
    struct stat now;
    if (fstat(fd, &now))
        die("look at a file");
    for (unsigned place = file_count; place-- > 0 && !created;)
        if (files[place]->device == now.st_dev && files[place]->inode == now.st_ino)
            return files[place];
    if (file_count == FILES_MAX)
        die("too many files");
    struct file *file = calloc(1, sizeof *file);
    *file = (struct file){.device = now.st_dev, .inode = now.st_ino, .id = file_count};
    pthread_mutex_init(&file->lock, NULL);
    files[file_count++] = file;
    if (created) {
        note("create\t%s\t%u\n", path, file->id);
    } else {
        /* It stood there before the program began, so the disk has it. */
        mark(file, 0, now.st_size);
        persist(file, fd);
        note("known\t%s\t%u\n", path, file->id);
    }
    return file;
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char absolute[PATH_MAX];
    int (*next)(int, const char *, int, ...) = REAL(openat);
    if (!watched(path, absolute) || (folder != AT_FDCWD && path[0] != '/'))
        return next(folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before;
    bool there = stat(absolute, &before) == 0;
    int fd = -1;
    if (!there && flags & O_CREAT && refused() == 'f') {
        errno = ENOSPC;
    } else {
        /* Kept until it is known what it held. */
        fd = next(folder, path, flags & ~O_TRUNC, mode);
    }
    if (fd >= 0 && fd < FDS_MAX) {
        struct stat now;
        int result = fstat(fd, &now);
        if (!result && S_ISDIR(now.st_mode)) {
            open_folders[fd] = strdup(absolute);
        } else if (!result && S_ISREG(now.st_mode) && (flags & O_ACCMODE) != O_RDONLY) {
            struct file *file = open_files[fd] = file_of(fd, absolute, !there);
            if (flags & O_TRUNC) {
                pthread_mutex_lock(&file->lock);
                mark(file, 0, now.st_size);
                REAL(ftruncate)(fd, 0);
                pthread_mutex_unlock(&file->lock);
            }
        }
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(folder, path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < FDS_MAX) {
        open_files[fd] = NULL;
        free(open_folders[fd]);
        open_folders[fd] = NULL;
    }
    return REAL(close)(fd);
}

static struct file *writable(int fd) { return fd >= 0 && fd < FDS_MAX ? open_files[fd] : NULL; }

/* One write at `at`, or at the file's own place where that is negative. A full disk takes half of the first write that
 * makes a file longer, as real ones do. */
static ssize_t written(int fd, const struct iovec *parts, int count, off_t at) {
    struct file *file = writable(fd);
    if (!file)
        return at < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev)(fd, parts, count, at);
    pthread_mutex_lock(&file->lock);
    struct stat now;
    fstat(fd, &now);
    off_t from = at >= 0 ? at : fcntl(fd, F_GETFL) & O_APPEND ? now.st_size : lseek(fd, 0, SEEK_CUR);
    size_t length = 0;
    for (int part = 0; part < count; part++)
        length += parts[part].iov_len;
    ssize_t done;
    if (from + (off_t)length > now.st_size && refused() == 'f') {
        static __thread int failures;
        size_t half = parts[0].iov_len / 2;
        done = failures++ % 2 == 0 && half > 0 ? REAL(pwrite)(fd, parts[0].iov_base, half, from) : -1;
        if (done > 0 && at < 0)
            lseek(fd, from + done, SEEK_SET);
        if (done < 0)
            errno = ENOSPC;
    } else {
        done = at < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev)(fd, parts, count, at);
    }
    int kept = errno;
    if (done > 0)
        mark(file, from, from + done);
    pthread_mutex_unlock(&file->lock);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!writable(fd))
        return REAL(write)(fd, bytes, length);
    return written(fd, &(struct iovec){(void *)bytes, length}, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, -1); }

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    if (!writable(fd))
        return REAL(pwrite)(fd, bytes, length, at);
    return written(fd, &(struct iovec){(void *)bytes, length}, 1, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return pwrite(fd, bytes, length, at); }

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return written(fd, parts, count, at); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return written(fd, parts, count, at); }

int ftruncate(int fd, off_t length) {
    struct file *file = writable(fd);
    if (!file)
        return REAL(ftruncate)(fd, length);
    pthread_mutex_lock(&file->lock);
    struct stat now;
    fstat(fd, &now);
    int result = -1;
    if (length > now.st_size && refused() == 'f')
        errno = ENOSPC;
    else
        result = REAL(ftruncate)(fd, length);
    if (!result)
        mark(file, length < now.st_size ? length : now.st_size, length < now.st_size ? now.st_size : length);
    pthread_mutex_unlock(&file->lock);
    return result;
}

int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t at, off_t length) {
    struct file *file = writable(fd);
    if (file && refused() == 'f' && !(mode & FALLOC_FL_PUNCH_HOLE)) {
        errno = ENOSPC;
        return -1;
    }
    if (file)
        pthread_mutex_lock(&file->lock);
    int result = REAL(fallocate)(fd, mode, at, length);
    if (file) {
        if (!result)
            mark(file, at, at + length);
        pthread_mutex_unlock(&file->lock);
    }
    return result;
}

int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }

int posix_fallocate(int fd, off_t at, off_t length) { return fallocate(fd, 0, at, length) ? errno : 0; }

int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }

static int synced(int fd, int (*next)(int), bool lie) {
    struct file *file = writable(fd);
    const char *folder = fd >= 0 && fd < FDS_MAX ? open_folders[fd] : NULL;
    if (!file && !folder)
        return next(fd);
    if (refused() == 's') {
        errno = EIO;
        return -1;
    }
    if (sync_us)
        usleep(sync_us);
    if (folder) {
        if (!lie_names) {
            pthread_mutex_lock(&lock);
            note("sync\t%s\n", folder);
            pthread_mutex_unlock(&lock);
        }
        return 0;
    }
    if (!lie) {
        pthread_mutex_lock(&file->lock);
        off_t length = persist(file, fd);
        char line[64];
        int size = snprintf(line, sizeof line, "%u %lld\n", file->id, (long long)length);
        if (REAL(write)(syncs, line, (size_t)size) != size)
            die("write the list of syncs");
        pthread_mutex_unlock(&file->lock);
    }
    return 0;
}

int fsync(int fd) { return synced(fd, REAL(fsync), lie_fsync); }

int fdatasync(int fd) { return synced(fd, REAL(fdatasync), lie_fdatasync); }

/* A change of names: done, then noted, in one order for all threads. */
#define RENAMED(word, call, first, second)                                                                             \
    do {                                                                                                               \
        char from[PATH_MAX], to[PATH_MAX];                                                                             \
        if (!watched(first, from) || !watched(second, to))                                                             \
            return call;                                                                                               \
        pthread_mutex_lock(&lock);                                                                                     \
        int result = call, kept = errno;                                                                               \
        if (!result)                                                                                                   \
            note(word "\t%s\t%s\n", from, to);                                                                         \
        pthread_mutex_unlock(&lock);                                                                                   \
        errno = kept;                                                                                                  \
        return result;                                                                                                 \
    } while (0)

int rename(const char *old, const char *new) { RENAMED("rename", REAL(rename)(old, new), old, new); }

int link(const char *old, const char *new) { RENAMED("link", REAL(link)(old, new), old, new); }

int linkat(int from_folder, const char *old, int to_folder, const char *new, int flags) {
    RENAMED("link", REAL(linkat)(from_folder, old, to_folder, new, flags), old, new);
}

int unlink(const char *path) { RENAMED("unlink", REAL(unlink)(path), path, path); }

int remove(const char *path) { RENAMED("unlink", REAL(remove)(path), path, path); }

int mkdir(const char *path, mode_t mode) { RENAMED("mkdir", REAL(mkdir)(path, mode), path, path); }

int rmdir(const char *path) { RENAMED("unlink", REAL(rmdir)(path), path, path); }

int statvfs(const char *path, struct statvfs *told) {
    char absolute[PATH_MAX];
    int result = REAL(statvfs)(path, told);
    if (!result && watched(path, absolute) && refused() == 'f')
        told->f_bavail = told->f_bfree = 0;
    return result;
}

int statvfs64(const char *path, struct statvfs64 *told) { return statvfs(path, (struct statvfs *)told); }
