// SPDX-License-Identifier: Apache-2.0
// A one-job thread and an eventfd.
#include "shim/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "common/fd.h"

#define STACK (64u << 10)

struct job {
	pthread_t thread;
	int fd, result;
	struct ev_source *source;
	int (*fn)(void *arg);
	void *arg;
	void (*done)(void *user, int result);
	void *user;
};

static void *job_main(void *p)
{
	struct job *job = p;
	uint64_t one = 1;

	job->result = job->fn(job->arg);
	if (write(job->fd, &one, sizeof(one)) < 0)
		return p; /* cannot happen: the counter is 0 */
	return NULL;
}

static void job_done(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	struct job *job = user;
	struct job copy;

	pthread_join(job->thread, NULL);
	ev_remove(job->source);
	fd_close(job->fd);
	copy = *job;
	free(job);
	copy.done(copy.user, copy.result);
}

static int start(struct ev *ev, struct job *job)
{
	pthread_attr_t attr;
	int r;

	job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->fd < 0)
		return -1;
	if (ev_add(ev, job->fd, EPOLLIN, job_done, job, &job->source) < 0)
		return -1;
	if (pthread_attr_init(&attr))
		return -1;
	pthread_attr_setstacksize(&attr, STACK);
	r = pthread_create(&job->thread, &attr, job_main, job);
	pthread_attr_destroy(&attr);
	return r ? -1 : 0;
}

void worker_run(struct ev *ev, int (*fn)(void *arg), void *arg,
		void (*done)(void *user, int result), void *user)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job) {
		*job = (struct job){
			.fd = -EBADF, .fn = fn, .arg = arg, .done = done, .user = user
		};
		if (start(ev, job) == 0)
			return;
		ev_remove(job->source);
		fd_close(job->fd);
		free(job);
	}
	done(user, fn(arg));
}
