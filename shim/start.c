// SPDX-License-Identifier: Apache-2.0
// Launcher: fork, wait for the report, print it.
#include "shim/start.h"

#include <errno.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/sock.h"
#include "shim/daemon.h"

static int launcher(int fd)
{
	char text[START_TEXT_MAX + 2], ack = START_ACK;
	size_t no_fds = 0;
	ssize_t n;

	n = sock_recv(fd, text, sizeof(text) - 2, NULL, &no_fds);
	if (n <= 0) {
		fputs("thole-shim: the shim died before the container ran\n", stderr);
		return 1;
	}
	text[n] = '\n';
	if (text[0] != START_OK) {
		text[n + 1] = '\0';
		fprintf(stderr, "thole-shim: %s", text + 1);
		return 1;
	}
	/* Nobody has heard of the container unless this line gets out: no ack, roll-back. */
	if (io_write_all(STDOUT_FILENO, text + 1, (size_t)n) < 0) {
		perror("thole-shim: print the report");
		return 1;
	}
	if (sock_send(fd, &ack, 1, NULL, 0) < 0) {
		fputs("thole-shim: the shim died\n", stderr);
		return 1;
	}
	return 0;
}

int start_main(const struct front_options *options)
{
	CLEANUP_FD int ours = -EBADF;
	CLEANUP_FD int theirs = -EBADF;
	int pair[2], r;
	pid_t pid;

	r = sock_pair(pair);
	if (r < 0) {
		fprintf(stderr, "thole-shim: socket pair: %s\n", err_strerror(-r));
		return 1;
	}
	ours = pair[0];
	theirs = pair[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "thole-shim: fork: %s\n", err_strerror(errno));
		return 1;
	}
	if (pid == 0) {
		(void)fd_close(fd_take(&ours));
		_exit(daemon_run(options, fd_take(&theirs)));
	}
	theirs = fd_close(theirs);
	return launcher(ours);
}
