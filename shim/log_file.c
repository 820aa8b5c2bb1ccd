// SPDX-License-Identifier: Apache-2.0
/*
 * Opening, appending, taking back, reopening and rotating the log file; see log_file.h.
 */
#include "shim/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/fd.h"
#include "common/str.h"
#include "common/sys.h"

/* A longer last line than any record of ours is not ours to cut. */
#define REPAIR_MAX ((off_t)LOG_RECORD_MAX)
#define ROTATED_MAX 100000u

/* "DIR/.BASE.reopen", then with ".N": hidden, and not BASE.*, which log managers take for a rotated
 * file. */
static int away_path(const char *path, unsigned int n, char *buf, size_t size)
{
	const char *base = strrchr(path, '/');
	struct str s = { .data = buf, .cap = size, .fixed = true };

	base = base ? base + 1 : path;
	str_add_n(&s, path, (size_t)(base - path));
	str_addf(&s, ".%s.reopen", base);
	if (n > 0)
		str_addf(&s, ".%u", n);
	return s.overflow ? -ENAMETOOLONG : 0;
}

static int make_parents(const char *path)
{
	char buf[PATH_MAX];
	struct str s = STR_FIXED(buf);

	str_add(&s, path);
	if (s.overflow)
		return -ENAMETOOLONG;
	for (char *p = strchr(buf + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		/* The umask is the daemon's; the mode promised is 0755. */
		if (mkdir(buf, 0755) == 0) {
			if (chmod(buf, 0755) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
		*p = '/';
	}
	return 0;
}

/* Opens or makes the file. `like`: whose mode and owner a new one gets, NULL: 0640. */
static int open_path(const char *path, const struct stat *like)
{
	const int flags = O_RDWR | O_APPEND | O_NOCTTY | O_NONBLOCK;
	int fd;

	/* Two tries: somebody may make or remove the file between the two opens. */
	for (int i = 0; i < 2; i++) {
		fd = fd_open(path, flags, 0);
		if (fd >= 0)
			break;
		if (fd != -ENOENT)
			return fd;
		fd = fd_open(path, flags | O_CREAT | O_EXCL, 0640);
		if (fd < 0)
			continue;
		if (fchmod(fd, like ? like->st_mode & 0777 : 0640) < 0 ||
		    (like && fchown(fd, like->st_uid, like->st_gid) < 0)) {
			/* The log matters more than who may read it: 0640 at most was given. */
		}
		break;
	}
	if (fd >= 0) {
		int r = fd_nonblock(fd, false);

		if (r < 0) {
			fd_close(fd);
			return r;
		}
	}
	return fd;
}

/* Cuts off a last record without its \n. Leaves the file alone if it changes meanwhile, or if what
 * it ends with is longer than any record; then *ret_torn is set. */
static int repair_tail(int fd, off_t size, bool *ret_torn)
{
	char buf[4096];
	off_t end = size, limit = MAX(size - REPAIR_MAX, 0);
	struct stat st;

	*ret_torn = false;
	while (end > limit) {
		size_t want = (size_t)MIN(end - limit, (off_t)sizeof(buf));
		ssize_t n = pread(fd, buf, want, end - (off_t)want);
		const char *lf;

		if (n < 0)
			return -errno;
		if ((size_t)n < want)
			break;
		lf = memrchr(buf, '\n', want);
		if (lf) {
			end -= (off_t)want - (lf - buf) - 1;
			break;
		}
		end -= (off_t)want;
	}
	if (end == size)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != size || (end == limit && limit > 0) || ftruncate(fd, end) < 0)
		*ret_torn = true;
	return 0;
}

/* Makes fd (owned) the file's. */
static int adopt(struct log_file *file, int fd)
{
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (S_ISREG(st.st_mode))
		r = repair_tail(fd, st.st_size, &file->torn);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	fd_close(file->fd);
	file->fd = fd;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	file->regular = S_ISREG(st.st_mode);
	file->end = -1;
	return 0;
}

int log_file_open(struct log_file *file, const struct log_writer_config *config, struct err *err)
{
	char away[PATH_MAX];
	int fd, r;

	*file = (struct log_file){
		.fd = -EBADF,
		.size_max = config->size_max,
		.files_max = config->files_max,
		.keep_newest = config->keep_newest,
	};
	r = make_parents(config->path);
	if (r < 0)
		return err_sysn(err, r, "make the directories of log file \"%s\"", config->path);
	/* A shim that was killed in the middle of a reopen left the file under this name. */
	if (away_path(config->path, 0, away, sizeof(away)) == 0 && access(config->path, F_OK) < 0 &&
	    errno == ENOENT)
		(void)!rename(away, config->path);
	fd = open_path(config->path, NULL);
	if (fd < 0)
		return err_sysn(err, fd, "open log file \"%s\"", config->path);
	r = adopt(file, fd);
	if (r < 0)
		return err_sysn(err, r, "open log file \"%s\"", config->path);
	file->path = strdup(config->path);
	if (!file->path) {
		file->fd = fd_close(file->fd);
		return err_sysn(err, ENOMEM, "open log file \"%s\"", config->path);
	}
	return 0;
}

void log_file_close(struct log_file *file)
{
	file->fd = fd_close(file->fd);
	free(file->path);
	file->path = NULL;
}

/* Does the path name the file that we write to? 1, 0 (also: nothing there), -errno. */
static int is_ours(const struct log_file *file)
{
	struct stat st;

	if (stat(file->path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_dev == file->dev && st.st_ino == file->ino;
}

static int open_new(struct log_file *file)
{
	struct stat st;
	bool have = fstat(file->fd, &st) == 0;
	int fd = open_path(file->path, have ? &st : NULL);

	return fd < 0 ? fd : adopt(file, fd);
}

/* Renames the file to a hidden name that is free; the name goes to `away`. */
static int move_away(const struct log_file *file, char *away, size_t size)
{
	int r = -EEXIST;

	for (unsigned int n = 0; n < 100 && r == -EEXIST; n++) {
		r = away_path(file->path, n, away, size);
		if (r < 0)
			return r;
		r = sys_rename_noreplace(file->path, away);
		/* A file system that does not know the flag. */
		if (r == -EINVAL)
			r = access(away, F_OK) == 0         ? -EEXIST
			    : rename(file->path, away) == 0 ? 0
							    : -errno;
	}
	return r;
}

int log_file_reopen(struct log_file *file)
{
	char away[PATH_MAX];
	int r;

	if (!file->regular)
		return 0;
	r = is_ours(file);
	if (r < 0)
		return r;
	if (r == 0) {
		/* The whole directory may have been removed. */
		r = make_parents(file->path);
		return r < 0 ? r : open_new(file);
	}
	r = move_away(file, away, sizeof(away));
	if (r < 0)
		return r;
	/* Not over a file that somebody made in between: then ours keeps its hidden name, with
	 * every byte in it, and later records go to theirs. */
	r = sys_rename_noreplace(away, file->path);
	if (r == -EEXIST)
		return open_new(file);
	return r == -EINVAL && rename(away, file->path) == 0 ? 0 : r;
}

int log_file_flush(struct log_file *file)
{
	if (fdatasync(file->fd) < 0 && errno != EINVAL && errno != EROFS)
		return -errno;
	return 0;
}

static int rotated_path(const struct log_file *file, unsigned int n, char *buf, size_t size)
{
	struct str s = { .data = buf, .cap = size, .fixed = true };

	str_addf(&s, "%s.%u", file->path, n);
	return s.overflow ? -ENAMETOOLONG : 0;
}

static int rename_rotated(const struct log_file *file, unsigned int from, unsigned int to)
{
	char a[PATH_MAX], b[PATH_MAX];
	int r;

	r = rotated_path(file, from, a, sizeof(a));
	if (r == 0)
		r = rotated_path(file, to, b, sizeof(b));
	if (r < 0)
		return r;
	return rename(a, b) < 0 && errno != ENOENT ? -errno : 0;
}

/* The lowest number that no rotated file has, or the one whose file has to go. */
static unsigned int free_number(const struct log_file *file)
{
	unsigned int last = file->files_max > 0 ? file->files_max - 1 : ROTATED_MAX;
	char buf[PATH_MAX];
	unsigned int n = 1;

	while (n < last && rotated_path(file, n, buf, sizeof(buf)) == 0 && access(buf, F_OK) == 0)
		n++;
	return n;
}

/*
 * PATH.1 becomes PATH.2 and so on, PATH becomes PATH.1, a new PATH is opened. Each try looks at what
 * is there: numbers move only up to the first gap, and PATH only if it is our file. So a step that
 * failed, or a kill between two, leaves a gap at which the next try goes on, and loses nothing.
 */
static int rotate(struct log_file *file)
{
	char first[PATH_MAX];
	int r = is_ours(file);

	if (r < 0)
		return r;
	if (r == 0)
		return open_new(file);
	if (file->keep_newest) {
		r = log_keep_newest(file->path, file->fd, file->size_max / 2);
		return r < 0 ? r : adopt(file, r);
	}
	if (file->files_max == 1)
		return unlink(file->path) < 0 ? -errno : open_new(file);
	for (unsigned int n = free_number(file); n > 1; n--) {
		r = rename_rotated(file, n - 1, n);
		if (r < 0)
			return r;
	}
	r = rotated_path(file, 1, first, sizeof(first));
	if (r < 0)
		return r;
	if (rename(file->path, first) < 0)
		return -errno;
	return open_new(file);
}

/* Writes all that can be written. Returns the bytes; fewer than n: *ret_errno. */
static size_t append(struct log_file *file, const char *data, size_t n, int *ret_errno)
{
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		if (file->torn && done == 0) {
			struct iovec iov[2] = {
				{ .iov_base = (char[]){ '\n' }, .iov_len = 1 },
				{ .iov_base = (char *)data, .iov_len = n },
			};

			r = writev(file->fd, iov, 2);
			if (r > 0) {
				file->torn = false;
				r--;
			}
		} else {
			r = write(file->fd, data + done, n - done);
			if (r == 0) {
				*ret_errno = EIO;
				break;
			}
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			*ret_errno = errno;
			break;
		}
		done += (size_t)r;
	}
	return done;
}

/* After `written` bytes of which only `keep` are whole records: back to there, but only if the file
 * is exactly as our write left it. */
static void roll_back(struct log_file *file, off_t before, size_t written, size_t keep)
{
	off_t end = before + (off_t)written;
	struct stat st;

	if (written == keep)
		return;
	/* O_APPEND leaves the position at the end of what was written. */
	if (file->regular && fstat(file->fd, &st) == 0 && st.st_size == end &&
	    lseek(file->fd, 0, SEEK_CUR) == end && ftruncate(file->fd, before + (off_t)keep) == 0) {
		file->end = before + (off_t)keep;
		return;
	}
	file->torn = true;
}

/* Somebody has truncated the file, or written to it: does it still end after a whole line? */
static void look_at_end(struct log_file *file, off_t size)
{
	char last = '\n';

	if (file->end >= 0 && size != file->end && size > 0 && !file->torn &&
	    pread(file->fd, &last, 1, size - 1) == 1)
		file->torn = last != '\n';
}

/* Writes records [first, last) by one write. Returns the number written whole. */
static size_t write_chunk(struct log_file *file, const struct log_batch *batch, size_t first,
			  size_t last, int *ret_errno)
{
	size_t start = first > 0 ? batch->marks[first - 1].end : 0;
	size_t want = batch->marks[last - 1].end - start, done, keep = 0, n = 0;
	struct stat st = { 0 };
	bool was_torn;

	if (file->regular && fstat(file->fd, &st) < 0) {
		*ret_errno = errno;
		return 0;
	}
	if (file->regular)
		look_at_end(file, st.st_size);
	was_torn = file->torn;
	done = append(file, batch->buf + start, want, ret_errno);
	file->end = st.st_size + (was_torn && !file->torn) + (off_t)done;
	if (done == want)
		return last - first;
	while (first + n < last && batch->marks[first + n].end - start <= done)
		n++;
	/* A record that tells a loss would be told again by the next batch. */
	if (batch->marker && first == 0)
		n = 0;
	if (n > 0)
		keep = batch->marks[first + n - 1].end - start;
	roll_back(file, file->end - (off_t)done, done, keep);
	return n;
}

/* How many records from `first` on fit below size_max; all if there is no limit. */
static size_t records_fitting(const struct log_file *file, const struct log_batch *batch,
			      size_t first, uint64_t size)
{
	size_t start = first > 0 ? batch->marks[first - 1].end : 0, n = first;

	if (file->size_max == 0 || !file->regular)
		return batch->n_marks;
	while (n < batch->n_marks && size + batch->marks[n].end - start <= file->size_max)
		n++;
	return n;
}

size_t log_file_write(struct log_file *file, const struct log_batch *batch, int *ret_errno)
{
	size_t first = 0, last, n;
	bool may_rotate = true;
	struct stat st = { 0 };

	*ret_errno = 0;
	while (first < batch->n_marks) {
		if (file->size_max > 0 && fstat(file->fd, &st) < 0) {
			*ret_errno = errno;
			break;
		}
		last = records_fitting(file, batch, first, (uint64_t)st.st_size);
		if (last == first && st.st_size > 0 && may_rotate) {
			/* Too large a file is better than a lost record: go on where we are. */
			may_rotate = rotate(file) == 0;
			continue;
		}
		if (last == first)
			last = may_rotate ? first + 1 : batch->n_marks;
		n = write_chunk(file, batch, first, last, ret_errno);
		first += n;
		if (*ret_errno != 0)
			break;
	}
	return first;
}
