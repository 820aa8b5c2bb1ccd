// SPDX-License-Identifier: Apache-2.0
/*
 * A session with a process of the container: our standard input, output and error over the shim's
 * Attach stream, window size, signals, detach keys, and the exit status. One poll loop; neither a
 * slow reader of our output nor a process that does not read makes it wait anywhere else.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>

#include "common/fd.h"
#include "shim/client_private.h"

#define INPUT_MAX 32768
#define OUTPUT_CHUNK 4096 /* what a pipe that polls writable takes at once */
#define GRACE_MS 1000     /* for output after the exit, since the last of it */

struct loop {
	const struct client_session *s;
	struct client_term term;
	struct client_keys keys;
	struct ttrpc_client io, control;
	uint32_t stream, wait;
	int signals;
	struct str output; /* waits for our stdout or stderr */
	size_t written;
	int output_fd;
	bool output_gone, input_ended, stream_ended, exited, detached;
	uint32_t status;
	int left;             /* our exit status after detaching */
	struct timespec last; /* sign of life after the exit */
};

static const struct ttrpc_method attach_method = { CLIENT_SHIM, "Attach", NULL };
static const struct ttrpc_method wait_method = { CLIENT_TASK, "Wait",
						 &containerd__task__v2__wait_response__descriptor };
static const struct ttrpc_method kill_method = { CLIENT_TASK, "Kill", NULL };
static const struct ttrpc_method resize_method = { CLIENT_TASK, "ResizePty", NULL };

/* Calls on the control connection are not waited for: their answers are read and forgotten. */

static void send_signal(struct loop *l, int sig)
{
	Containerd__Task__V2__KillRequest request = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	request.id = (char *)l->s->c->key.id;
	request.exec_id = (char *)l->s->exec_id;
	request.signal = (uint32_t)sig;
	ttrpc_client_begin(&l->control, &kill_method, &request.base, 0);
}

static void send_size(struct loop *l)
{
	Containerd__Task__V2__ResizePtyRequest request =
		CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;

	if (!l->s->terminal || !client_term_size(STDIN_FILENO, &request.width, &request.height))
		return;
	request.id = (char *)l->s->c->key.id;
	request.exec_id = (char *)l->s->exec_id;
	ttrpc_client_begin(&l->control, &resize_method, &request.base, 0);
}

static void send_input(struct loop *l, const char *data, size_t n, bool eof)
{
	Thole__Shim__V1__AttachData message = THOLE__SHIM__V1__ATTACH_DATA__INIT;

	message.stream = THOLE__SHIM__V1__STREAM__STDIN;
	message.data = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
	message.eof = eof;
	ttrpc_client_data(&l->io, l->stream, &message.base);
}

static void on_input(struct loop *l)
{
	CLEANUP_STR struct str passed = { 0 };
	char data[INPUT_MAX];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		l->input_ended = true;
		send_input(l, NULL, 0, true);
		return;
	}
	if (l->term.raw && l->keys.n > 0) {
		l->detached = client_keys_filter(&l->keys, data, (size_t)n, &passed);
		if (passed.len > 0)
			send_input(l, passed.data, passed.len, false);
	} else {
		send_input(l, data, (size_t)n, false);
	}
}

static void on_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT)
		client_term_again(&l->term);
	if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT) {
		send_size(l);
	} else if (l->s->forward) {
		send_signal(l, (int)info.ssi_signo);
	} else {
		l->detached = true;
		l->left = 128 + (int)info.ssi_signo;
	}
}

/* ---- output ---- */

static void write_output(struct loop *l)
{
	size_t left = l->output.len - l->written;
	ssize_t n = 0;

	if (!l->output_gone)
		n = write(l->output_fd, l->output.data + l->written,
			  MIN(left, (size_t)OUTPUT_CHUNK));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/* As if the process itself had written to a pipe that nobody reads. */
		l->output_gone = true;
		if (l->s->forward)
			send_signal(l, SIGPIPE);
		else
			l->detached = true;
	}
	l->written += n > 0 ? (size_t)n : left;
	if (l->written == l->output.len) {
		str_reset(&l->output);
		l->written = 0;
	}
}

static bool output_waits(const struct loop *l)
{
	return l->written < l->output.len;
}

static void on_data(struct loop *l, const struct ttrpc_frame *frame)
{
	Thole__Shim__V1__AttachData *m;

	m = (Thole__Shim__V1__AttachData *)ttrpc_unpack(&thole__shim__v1__attach_data__descriptor,
							frame->data, frame->length);
	if (!m)
		return;
	if (m->dropped > 0)
		fprintf(stderr, "thole-shim: %llu bytes of output missed: too slow%s\n",
			(unsigned long long)m->dropped, l->term.raw ? "\r" : "");
	if (m->data.len > 0) {
		l->output_fd = m->stream == THOLE__SHIM__V1__STREAM__STDERR ? STDERR_FILENO
									    : STDOUT_FILENO;
		str_add_n(&l->output, (const char *)m->data.data, m->data.len);
	}
	protobuf_c_message_free_unpacked(&m->base, NULL);
	clock_gettime(CLOCK_MONOTONIC, &l->last);
}

static int on_io_frame(struct loop *l, const struct ttrpc_frame *frame, struct err *err)
{
	if (frame->stream != l->stream)
		return 0;
	if (frame->type == TTRPC_DATA) {
		if (frame->length > 0)
			on_data(l, frame);
		return 0;
	}
	if (frame->type != TTRPC_RESPONSE)
		return 0;
	l->stream_ended = true;
	return ttrpc_client_reply(frame, &attach_method, NULL, err);
}

static int on_control_frame(struct loop *l, const struct ttrpc_frame *frame, struct err *err)
{
	ProtobufCMessage *message = NULL;
	int r;

	if (frame->stream != l->wait || frame->type != TTRPC_RESPONSE)
		return 0;
	r = ttrpc_client_reply(frame, &wait_method, &message, err);
	if (r < 0)
		return r;
	l->exited = true;
	l->status = ((Containerd__Task__V2__WaitResponse *)message)->exit_status;
	clock_gettime(CLOCK_MONOTONIC, &l->last);
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

/* ---- the loop ---- */

/* Takes what has arrived: the exit first, because then the shim may go at any time. */
static int receive_control(struct loop *l, struct err *err)
{
	struct ttrpc_frame frame;
	int r = 0;

	while (!l->exited && (r = ttrpc_client_next(&l->control, &frame)) > 0) {
		r = on_control_frame(l, &frame, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? err_sysn(err, r, "connection to the shim") : 0;
}

/* Frames of the stream wait until our output is written. */
static int receive_io(struct loop *l, struct err *err)
{
	struct ttrpc_frame frame;
	int r = 0;

	while (!output_waits(l) && !l->stream_ended &&
	       (r = ttrpc_client_next(&l->io, &frame)) > 0) {
		r = on_io_frame(l, &frame, err);
		if (r < 0)
			return r;
	}
	if (r < 0 && l->exited) {
		l->stream_ended = true;
		r = 0;
	}
	return r < 0 ? err_sysn(err, r, "connection to the shim") : 0;
}

static int grace_left(const struct loop *l)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - l->last.tv_sec) * 1000 + (now.tv_nsec - l->last.tv_nsec) / 1000000;
	return ms >= GRACE_MS ? 0 : (int)(GRACE_MS - ms);
}

static bool is_over(const struct loop *l)
{
	if (output_waits(l))
		return false;
	/* A grandchild may keep the stream open: output is waited for, but not for ever. */
	return l->detached || (l->exited && (l->stream_ended || grace_left(l) == 0));
}

static int wait_events(struct loop *l, struct err *err)
{
	enum { SIGNALS, INPUT, IO, CONTROL, OUTPUT, N };
	int io_more = ttrpc_client_flush(&l->io), control_more = ttrpc_client_flush(&l->control);
	bool want_input = l->s->with_stdin && !l->input_ended && !l->stream_ended && io_more == 0;
	bool want_io = !output_waits(l) && !l->stream_ended;
	struct pollfd p[N] = {
		[SIGNALS] = { .fd = l->signals, .events = POLLIN },
		[INPUT] = { .fd = want_input ? STDIN_FILENO : -1, .events = POLLIN },
		[IO] = { .fd = want_io || io_more > 0 ? l->io.fd : -1 },
		[CONTROL] = { .fd = l->exited ? -1 : l->control.fd, .events = POLLIN },
		[OUTPUT] = { .fd = output_waits(l) ? l->output_fd : -1, .events = POLLOUT },
	};
	int n;

	p[IO].events = (short)((want_io ? POLLIN : 0) | (io_more > 0 ? POLLOUT : 0));
	p[CONTROL].events |= control_more > 0 ? POLLOUT : 0;
	n = poll(p, N, l->exited ? grace_left(l) : -1);
	if (n < 0)
		return errno == EINTR ? 0 : err_sys(err, "poll");
	if (p[SIGNALS].revents)
		on_signal(l);
	if (p[INPUT].revents)
		on_input(l);
	if (p[OUTPUT].revents)
		write_output(l);
	return 0;
}

static int run(struct loop *l, struct err *err)
{
	int r;

	for (;;) {
		r = receive_control(l, err);
		if (r == 0)
			r = receive_io(l, err);
		if (r < 0)
			return r;
		if (is_over(l))
			break;
		r = wait_events(l, err);
		if (r < 0)
			return r;
	}
	if (!l->detached)
		return (int)(l->status & 0xff);
	if (l->term.raw)
		fprintf(stderr, "\r\n");
	/* What was typed before the keys still goes out. */
	(void)!ttrpc_client_flush(&l->io);
	return l->left;
}

static int open_signals(struct loop *l, sigset_t *old, struct err *err)
{
	static const int list[] = { SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
				    SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(list); i++)
		sigaddset(&set, list[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, old);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals < 0 ? err_sys(err, "signalfd") : 0;
}

/* The stream comes before the start, so that no output is lost, and the wait before it too. */
static int open_calls(struct loop *l, struct err *err)
{
	Thole__Shim__V1__AttachRequest attach = THOLE__SHIM__V1__ATTACH_REQUEST__INIT;
	Containerd__Task__V2__WaitRequest wait = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	const struct client_session *s = l->s;
	int r;

	r = client_connect(s->c, &l->io, err);
	if (r == 0)
		r = client_connect(s->c, &l->control, err);
	if (r < 0)
		return r;
	attach.id = (char *)s->c->key.id;
	attach.exec_id = (char *)s->exec_id;
	attach.with_stdin = s->with_stdin;
	l->stream = ttrpc_client_begin(&l->io, &attach_method, &attach.base, TTRPC_REMOTE_OPEN);
	r = ttrpc_client_flush(&l->io);
	if (r < 0)
		return err_sysn(err, r, "connection to the shim");
	if (s->start)
		r = s->start(s->c, s->exec_id, err);
	if (r < 0)
		return r;
	wait.id = (char *)s->c->key.id;
	wait.exec_id = (char *)s->exec_id;
	l->wait = ttrpc_client_begin(&l->control, &wait_method, &wait.base, 0);
	send_size(l);
	return 0;
}

int client_session_run(const struct client_session *session, struct err *err)
{
	struct loop l = { .s = session, .signals = -EBADF };
	sigset_t old;
	int r;

	l.io.fd = l.control.fd = -EBADF;
	r = client_keys_parse(&l.keys, session->detach_keys, err);
	if (r < 0)
		return r;
	r = open_signals(&l, &old, err);
	if (r == 0)
		r = open_calls(&l, err);
	/* Every way out is below: signals that would end us are read from the descriptor. */
	if (r == 0 && session->terminal && session->with_stdin)
		r = client_term_raw(&l.term, STDIN_FILENO, err);
	if (r == 0)
		r = run(&l, err);
	client_term_restore(&l.term);
	ttrpc_client_done(&l.io);
	ttrpc_client_done(&l.control);
	fd_close(l.signals);
	str_done(&l.output);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
