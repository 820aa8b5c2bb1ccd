/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text of errors. Everything here works on the stack and in the object given, so that it
 * may run in a forked child of a program with threads.
 */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define ERR_TEXT_SIZE sizeof(((struct err *)0)->msg)

/* Marks a text that was cut: the last three bytes become dots, on a character boundary. */
static void mark_cut(char *text, size_t size)
{
	size_t end = size - 4;

	/* A cut UTF-8 sequence would make the whole message invalid for JSON readers. */
	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", 4);
}

static size_t format(char *text, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
static int set_sys(struct err *err, int code, const char *fmt, va_list args) PRINTF_LIKE(3, 0);

/* vsnprintf that leaves a marked text where it does not fit. Returns the length written. */
static size_t format(char *text, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(text, size, fmt, args);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= size)
		mark_cut(text, size);
	return strlen(text);
}

/* Appends to a text of `len` bytes in a buffer of `size`. */
static void append(char *text, size_t size, size_t len, const char *more)
{
	size_t n = strlen(more);

	if (n < size - len) {
		memcpy(text + len, more, n + 1);
		return;
	}
	n = size - len - 1;
	memcpy(text + len, more, n);
	text[size - 1] = '\0';
	mark_cut(text, size);
}

/* The arguments may point into err->msg, hence the detour through a buffer in the callers. */
static int store(struct err *err, int code, const char *text)
{
	err->code = code;
	err->step[0] = '\0';
	memcpy(err->msg, text, strlen(text) + 1);
	return -code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_SIZE];
	va_list args;

	if (!err)
		return -code;
	va_start(args, fmt);
	format(text, sizeof(text), fmt, args);
	va_end(args);
	return store(err, code, text);
}

static int set_sys(struct err *err, int code, const char *fmt, va_list args)
{
	char text[ERR_TEXT_SIZE];
	size_t n;

	n = format(text, sizeof(text), fmt, args);
	append(text, sizeof(text), n, ": ");
	append(text, sizeof(text), strlen(text), err_strerror(code));
	return store(err, code, text);
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	va_list args;

	if (!err)
		return -code;
	va_start(args, fmt);
	set_sys(err, code, fmt, args);
	va_end(args);
	errno = code;
	return -code;
}

int err_sysn(struct err *err, int code, const char *fmt, ...)
{
	va_list args;

	/* A caller that lost its errno must still fail. */
	if (code == 0)
		code = EIO;
	if (code < 0)
		code = -code;
	if (!err)
		return -code;
	va_start(args, fmt);
	set_sys(err, code, fmt, args);
	va_end(args);
	return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_SIZE];
	va_list args;
	size_t n;

	if (!err)
		return -EIO;
	va_start(args, fmt);
	n = format(text, sizeof(text), fmt, args);
	va_end(args);
	append(text, sizeof(text), n, ": ");
	append(text, sizeof(text), strlen(text), err->msg);
	memcpy(err->msg, text, strlen(text) + 1);
	return err->code ? -err->code : -EIO;
}

/*
 * A table of our own: callers match these texts, the C library's differ between implementations,
 * are translated under a lock, and begin with a capital.
 */
const char *err_strerror(int code)
{
	static const struct {
		int code;
		const char *text;
	} table[] = {
		{ 0, "success" },
		{ EPERM, "operation not permitted" },
		{ ENOENT, "no such file or directory" },
		{ ESRCH, "no such process" },
		{ EINTR, "interrupted system call" },
		{ EIO, "input/output error" },
		{ ENXIO, "no such device or address" },
		{ E2BIG, "argument list too long" },
		{ ENOEXEC, "exec format error" },
		{ EBADF, "bad file descriptor" },
		{ ECHILD, "no child processes" },
		{ EAGAIN, "resource temporarily unavailable" },
		{ ENOMEM, "cannot allocate memory" },
		{ EACCES, "permission denied" },
		{ EFAULT, "bad address" },
		{ ENOTBLK, "block device required" },
		{ EBUSY, "device or resource busy" },
		{ EEXIST, "file exists" },
		{ EXDEV, "invalid cross-device link" },
		{ ENODEV, "no such device" },
		{ ENOTDIR, "not a directory" },
		{ EISDIR, "is a directory" },
		{ EINVAL, "invalid argument" },
		{ ENFILE, "too many open files in system" },
		{ EMFILE, "too many open files" },
		{ ENOTTY, "inappropriate ioctl for device" },
		{ ETXTBSY, "text file busy" },
		{ EFBIG, "file too large" },
		{ ENOSPC, "no space left on device" },
		{ ESPIPE, "illegal seek" },
		{ EROFS, "read-only file system" },
		{ EMLINK, "too many links" },
		{ EPIPE, "broken pipe" },
		{ EDOM, "numerical argument out of domain" },
		{ ERANGE, "numerical result out of range" },
		{ EDEADLK, "resource deadlock avoided" },
		{ ENAMETOOLONG, "file name too long" },
		{ ENOLCK, "no locks available" },
		{ ENOSYS, "function not implemented" },
		{ ENOTEMPTY, "directory not empty" },
		{ ELOOP, "too many levels of symbolic links" },
		{ ENOMSG, "no message of desired type" },
		{ EIDRM, "identifier removed" },
		{ ENOSTR, "device not a stream" },
		{ ENODATA, "no data available" },
		{ ETIME, "timer expired" },
		{ ENOSR, "out of streams resources" },
		{ ENONET, "machine is not on the network" },
		{ EREMOTE, "object is remote" },
		{ ENOLINK, "link has been severed" },
		{ ECOMM, "communication error on send" },
		{ EPROTO, "protocol error" },
		{ EMULTIHOP, "multihop attempted" },
		{ EBADMSG, "bad message" },
		{ EOVERFLOW, "value too large for defined data type" },
		{ ENOTUNIQ, "name not unique on network" },
		{ EBADFD, "file descriptor in bad state" },
		{ EREMCHG, "remote address changed" },
		{ EILSEQ, "invalid or incomplete multibyte or wide character" },
		{ ERESTART, "interrupted system call should be restarted" },
		{ ESTRPIPE, "streams pipe error" },
		{ EUSERS, "too many users" },
		{ ENOTSOCK, "socket operation on non-socket" },
		{ EDESTADDRREQ, "destination address required" },
		{ EMSGSIZE, "message too long" },
		{ EPROTOTYPE, "protocol wrong type for socket" },
		{ ENOPROTOOPT, "protocol not available" },
		{ EPROTONOSUPPORT, "protocol not supported" },
		{ ESOCKTNOSUPPORT, "socket type not supported" },
		{ EOPNOTSUPP, "operation not supported" },
		{ EPFNOSUPPORT, "protocol family not supported" },
		{ EAFNOSUPPORT, "address family not supported by protocol" },
		{ EADDRINUSE, "address already in use" },
		{ EADDRNOTAVAIL, "cannot assign requested address" },
		{ ENETDOWN, "network is down" },
		{ ENETUNREACH, "network is unreachable" },
		{ ENETRESET, "network dropped connection on reset" },
		{ ECONNABORTED, "software caused connection abort" },
		{ ECONNRESET, "connection reset by peer" },
		{ ENOBUFS, "no buffer space available" },
		{ EISCONN, "transport endpoint is already connected" },
		{ ENOTCONN, "transport endpoint is not connected" },
		{ ESHUTDOWN, "cannot send after transport endpoint shutdown" },
		{ ETOOMANYREFS, "too many references: cannot splice" },
		{ ETIMEDOUT, "connection timed out" },
		{ ECONNREFUSED, "connection refused" },
		{ EHOSTDOWN, "host is down" },
		{ EHOSTUNREACH, "no route to host" },
		{ EALREADY, "operation already in progress" },
		{ EINPROGRESS, "operation now in progress" },
		{ ESTALE, "stale file handle" },
		{ EUCLEAN, "structure needs cleaning" },
		{ EREMOTEIO, "remote I/O error" },
		{ EDQUOT, "disk quota exceeded" },
		{ ENOMEDIUM, "no medium found" },
		{ EMEDIUMTYPE, "wrong medium type" },
		{ ECANCELED, "operation canceled" },
		{ ENOKEY, "required key not available" },
		{ EKEYEXPIRED, "key has expired" },
		{ EKEYREVOKED, "key has been revoked" },
		{ EKEYREJECTED, "key was rejected by service" },
		{ EOWNERDEAD, "owner died" },
		{ ENOTRECOVERABLE, "state not recoverable" },
	};

	if (code < 0)
		code = -code;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		if (table[i].code == code)
			return table[i].text;
	return "unknown error";
}
