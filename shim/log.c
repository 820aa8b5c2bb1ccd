// SPDX-License-Identifier: Apache-2.0
/*
 * The log writer: the loop puts bytes into a bounded queue, one worker thread frames and writes
 * them. Rules of the lock: it covers the queue, the counts and the answers, never a system call
 * that can sleep on a disk. What only the worker touches is in struct log_worker.
 */
#include "shim/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "common/fd.h"
#include "common/log.h"
#include "shim/log_file.h"
#include "shim/log_queue.h"

#define QUEUE_DEFAULT ((size_t)1 << 20)
#define BATCH_SIZE ((size_t)288 << 10) /* a busy read, the piece held before it, times */
#define BATCH_MARKS 8192u
#define BATCH_KEEP ((size_t)4096) /* touched of the batch's memory while idle */
#define QUIET_MS 1000u            /* memory is kept that long: not mapped anew for each burst */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKER_STACK ((size_t)1 << 20)
#else
#define WORKER_STACK ((size_t)64 << 10) /* two PATH_MAX buffers deep at most */
#endif

struct log_request {
	struct log_request *next;
	void (*done)(void *user, int result);
	void *user;
	int result;
};

struct log_worker {
	struct log_file file;
	struct log_framer framer;
	struct log_batch batch; /* buf: one mapping, marks at its end; NULL until needed */
	uint64_t untold;        /* bytes lost since the last marker */
	bool large;             /* more of the batch's memory than BATCH_KEEP was touched */
	char reason[96];
	bool markers, no_sync;
	unsigned int partial_ms;
};

struct log_writer {
	struct ev *ev;
	struct ev_source *source;
	int eventfd; /* worker -> loop */
	void (*on_room)(void *user);
	void *user;
	size_t queue_max;

	pthread_mutex_t lock;
	pthread_cond_t wake;  /* loop -> worker */
	pthread_cond_t ended; /* worker -> log_writer_free */
	struct log_queue queue;
	struct log_request *answers, **answers_end;
	struct log_counts counts;
	uint64_t bytes_put;
	bool waiting; /* the worker sleeps on `wake` */
	bool starved; /* a put was refused: tell when there is room */
	bool room;    /* told: the loop has to call on_room */
	bool stop;    /* the worker has to end */
	bool has_ended;
	bool abandoned; /* the loop has gone: the worker frees all */
	bool running;   /* the worker exists (loop only) */
	pthread_t thread;

	struct log_worker worker;
};

static void tell_loop(struct log_writer *w)
{
	if (eventfd_write(w->eventfd, 1) < 0) {
		/* Full: it is readable anyway. */
	}
}

/* Worker: the batch. */

static bool batch_ready(struct log_batch *batch)
{
	void *map;

	if (batch->buf)
		return true;
	map = mmap(NULL, BATCH_SIZE + BATCH_MARKS * sizeof(struct log_mark), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return false;
	*batch = (struct log_batch){
		.buf = map,
		.cap = BATCH_SIZE,
		.marks = (struct log_mark *)(void *)((char *)map + BATCH_SIZE),
		.max_marks = BATCH_MARKS,
	};
	return true;
}

static void batch_done(struct log_batch *batch)
{
	if (batch->buf)
		munmap(batch->buf, BATCH_SIZE + BATCH_MARKS * sizeof(struct log_mark));
	*batch = (struct log_batch){ 0 };
}

static void count_lost(struct log_writer *w, uint64_t n, int code)
{
	struct log_worker *k = &w->worker;

	if (n == 0)
		return;
	snprintf(k->reason, sizeof(k->reason), "%s", err_strerror(code));
	k->untold += n;
	pthread_mutex_lock(&w->lock);
	w->counts.bytes_dropped += n;
	if (w->counts.drop_reason[0] == '\0')
		memcpy(w->counts.drop_reason, k->reason, sizeof(k->reason));
	pthread_mutex_unlock(&w->lock);
}

/* The first record of a batch tells what was lost before it. */
static void batch_begin(struct log_worker *k)
{
	if (k->markers && k->untold > 0 && k->batch.n_marks == 0)
		log_frame_marker(&k->framer, &k->batch, k->untold, k->reason);
}

static void batch_write(struct log_writer *w)
{
	struct log_worker *k = &w->worker;
	struct log_batch *batch = &k->batch;
	uint64_t logged = 0, lost = 0;
	size_t written;
	int code;

	if (batch->n_marks == 0)
		return;
	k->large |= batch->len > BATCH_KEEP;
	written = log_file_write(&k->file, batch, &code);
	for (size_t i = 0; i < batch->n_marks; i++)
		*(i < written ? &logged : &lost) += batch->marks[i].bytes;
	if (batch->marker && written > 0)
		k->untold = 0;
	batch->len = batch->n_marks = 0;
	batch->marker = false;
	pthread_mutex_lock(&w->lock);
	w->counts.bytes_logged += logged;
	pthread_mutex_unlock(&w->lock);
	count_lost(w, lost, code);
}

/* Worker: entries. */

static void do_data(struct log_writer *w, const struct log_entry *entry)
{
	struct log_worker *k = &w->worker;
	size_t off = 0;

	while (off < entry->len) {
		if (!batch_ready(&k->batch)) {
			count_lost(w, entry->len - off, ENOMEM);
			return;
		}
		batch_begin(k);
		off += log_frame_put(&k->framer, &k->batch, entry->stream, entry->data + off,
				     entry->len - off, &entry->when);
		if (off < entry->len)
			batch_write(w);
	}
}

static void do_eof(struct log_writer *w, enum log_stream stream)
{
	struct log_worker *k = &w->worker;

	if (!batch_ready(&k->batch)) {
		count_lost(w, k->framer.pending[stream].len, ENOMEM);
		k->framer.pending[stream].len = 0;
		return;
	}
	if (k->framer.pending[stream].len > 0)
		batch_begin(k);
	if (!log_frame_eof(&k->framer, &k->batch, stream)) {
		batch_write(w);
		batch_begin(k);
		(void)!log_frame_eof(&k->framer, &k->batch, stream);
	}
}

static void answer(struct log_writer *w, struct log_request *request, int result)
{
	request->result = result;
	request->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->answers_end = request;
	w->answers_end = &request->next;
	pthread_mutex_unlock(&w->lock);
	tell_loop(w);
}

static void do_entry(struct log_writer *w, struct log_entry *entry)
{
	struct log_worker *k = &w->worker;

	switch ((enum log_entry_kind)entry->kind) {
	case LOG_ENTRY_DATA:
		do_data(w, entry);
		break;
	case LOG_ENTRY_EOF:
		do_eof(w, entry->stream);
		break;
	case LOG_ENTRY_FLUSH:
		/* A loss at the very end is told too, if writing works again. */
		if (batch_ready(&k->batch))
			batch_begin(k);
		batch_write(w);
		answer(w, entry->request, k->no_sync ? 0 : log_file_flush(&k->file));
		break;
	case LOG_ENTRY_REOPEN:
		batch_write(w);
		answer(w, entry->request, log_file_reopen(&k->file));
		break;
	}
}

static void free_block(struct log_writer *w, struct log_block *block)
{
	bool tell = false;

	pthread_mutex_lock(&w->lock);
	log_queue_free_block(&w->queue, block);
	if (w->starved && w->queue.payload <= w->queue_max / 2) {
		w->starved = false;
		w->room = tell = true;
	}
	pthread_mutex_unlock(&w->lock);
	if (tell)
		tell_loop(w);
}

static void do_chain(struct log_writer *w, struct log_block *block)
{
	struct log_block *next;

	for (; block; block = next) {
		struct log_entry *entry;
		size_t pos = 0;

		next = block->next;
		while ((entry = log_block_next(block, &pos)))
			do_entry(w, entry);
		free_block(w, block);
	}
	batch_write(w);
}

static bool holds_line(const struct log_worker *k)
{
	return k->partial_ms &&
	       (k->framer.pending[LOG_STDOUT].len || k->framer.pending[LOG_STDERR].len);
}

/* Nothing has come for a while: what is held goes out without its end. */
static void flush_lines(struct log_writer *w)
{
	struct log_worker *k = &w->worker;

	if (!batch_ready(&k->batch))
		return;
	for (int stream = 0; stream < LOG_STREAM_N; stream++) {
		batch_begin(k);
		(void)!log_frame_flush(&k->framer, &k->batch, (enum log_stream)stream);
	}
	batch_write(w);
}

/* Gives back what an idle shim does not need. Called with the lock held. */
static void trim(struct log_writer *w)
{
	struct log_worker *k = &w->worker;

	log_queue_trim(&w->queue);
	log_framer_trim(&k->framer);
	if (k->large)
		batch_done(&k->batch);
	k->large = false;
}

/* Waits for work, at most ms (0: for ever). False: it was in vain. Called with the lock held. */
static bool wait_for_work(struct log_writer *w, unsigned int ms)
{
	struct timespec until;
	int r = 0;

	w->waiting = true;
	if (ms) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += ms / 1000;
		until.tv_nsec += (long)(ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		r = pthread_cond_timedwait(&w->wake, &w->lock, &until);
	} else {
		pthread_cond_wait(&w->wake, &w->lock);
	}
	w->waiting = false;
	return r != ETIMEDOUT || w->queue.head || w->stop;
}

/* Called with the lock held. */
static void rest(struct log_writer *w)
{
	struct log_worker *k = &w->worker;

	if (holds_line(k)) {
		if (wait_for_work(w, k->partial_ms))
			return;
		pthread_mutex_unlock(&w->lock);
		flush_lines(w);
		pthread_mutex_lock(&w->lock);
	} else if (!k->large && !w->queue.spare) {
		log_framer_trim(&k->framer);
		(void)wait_for_work(w, 0);
	} else if (!wait_for_work(w, QUIET_MS)) {
		trim(w);
	}
}

static void writer_destroy(struct log_writer *w)
{
	log_queue_done(&w->queue);
	log_framer_done(&w->worker.framer);
	batch_done(&w->worker.batch);
	log_file_close(&w->worker.file);
	while (w->answers) {
		struct log_request *next = w->answers->next;

		free(w->answers);
		w->answers = next;
	}
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->ended);
	fd_close(w->eventfd);
	free(w);
}

static void *worker_main(void *arg)
{
	struct log_writer *w = arg;
	bool abandoned;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct log_block *chain = log_queue_take(&w->queue);

		if (chain) {
			pthread_mutex_unlock(&w->lock);
			do_chain(w, chain);
			pthread_mutex_lock(&w->lock);
			continue;
		}
		if (w->stop)
			break;
		rest(w);
	}
	w->has_ended = true;
	abandoned = w->abandoned;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	if (abandoned)
		writer_destroy(w);
	return NULL;
}

/* Loop side. */

static void worker_start(struct log_writer *w)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int r;

	if (pthread_attr_init(&attr) != 0)
		return;
	(void)!pthread_attr_setstacksize(&attr, WORKER_STACK);
	/* The loop owns every signal; SIGXFSZ of a write above RLIMIT_FSIZE stays blocked too. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		w->running = true;
	else
		log_warning("no thread for the container's log, writing in the loop: %s",
			    err_strerror(r));
}

/* Called with the lock held after something was queued; releases it. */
static void worker_wake_unlock(struct log_writer *w)
{
	struct log_block *chain;
	bool wake;

	if (!w->running)
		worker_start(w);
	if (w->running) {
		wake = w->waiting;
		w->waiting = false;
		pthread_mutex_unlock(&w->lock);
		/* Held, it would have to be waited for by who is woken. */
		if (wake)
			pthread_cond_signal(&w->wake);
		return;
	}
	/* No thread to be had: late is better than lost. */
	chain = log_queue_take(&w->queue);
	pthread_mutex_unlock(&w->lock);
	do_chain(w, chain);
}

size_t log_writer_put(struct log_writer *w, enum log_stream stream, const char *data, size_t n,
		      const struct timespec *when)
{
	struct log_entry head = { .kind = LOG_ENTRY_DATA, .stream = stream, .when = *when };
	size_t room, taken = 0;

	pthread_mutex_lock(&w->lock);
	room = w->queue_max - MIN(w->queue_max, w->queue.payload);
	if (n > 0 && room > 0)
		taken = log_queue_put(&w->queue, &head, data, MIN(n, room));
	if (taken < n && !w->queue.head && w->queue.payload == 0) {
		/* No memory, and no worker whose progress would call for another try. */
		w->counts.bytes_dropped += n;
		if (w->counts.drop_reason[0] == '\0')
			snprintf(w->counts.drop_reason, sizeof(w->counts.drop_reason), "%s",
				 err_strerror(ENOMEM));
		w->bytes_put += n;
		pthread_mutex_unlock(&w->lock);
		return n;
	}
	w->bytes_put += taken;
	if (taken < n)
		w->starved = true;
	worker_wake_unlock(w);
	return taken;
}

void log_writer_eof(struct log_writer *w, enum log_stream stream)
{
	struct log_entry head = { .kind = LOG_ENTRY_EOF, .stream = stream };

	pthread_mutex_lock(&w->lock);
	if (log_queue_put(&w->queue, &head, NULL, 0) == 0) {
		/* The unfinished line then goes out when the writer is freed. */
		pthread_mutex_unlock(&w->lock);
		return;
	}
	worker_wake_unlock(w);
}

static void request(struct log_writer *w, enum log_entry_kind kind,
		    void (*done)(void *user, int result), void *user)
{
	struct log_entry head = { .kind = kind };
	size_t taken = 0;

	head.request = calloc(1, sizeof(*head.request));
	if (!head.request) {
		done(user, -ENOMEM);
		return;
	}
	head.request->done = done;
	head.request->user = user;
	pthread_mutex_lock(&w->lock);
	taken = log_queue_put(&w->queue, &head, NULL, 0);
	if (taken == 0) {
		pthread_mutex_unlock(&w->lock);
		free(head.request);
		done(user, -ENOMEM);
		return;
	}
	worker_wake_unlock(w);
}

void log_writer_flush(struct log_writer *w, void (*done)(void *user, int result), void *user)
{
	request(w, LOG_ENTRY_FLUSH, done, user);
}

void log_writer_reopen(struct log_writer *w, void (*done)(void *user, int result), void *user)
{
	request(w, LOG_ENTRY_REOPEN, done, user);
}

static void on_event(void *user, int fd, uint32_t events)
{
	struct log_writer *w = user;
	struct log_request *answers;
	void (*on_room)(void *) = w->on_room;
	void *room_user = w->user;
	eventfd_t n;
	bool room;

	(void)events;
	(void)!eventfd_read(fd, &n);
	pthread_mutex_lock(&w->lock);
	answers = w->answers;
	w->answers = NULL;
	w->answers_end = &w->answers;
	room = w->room;
	w->room = false;
	pthread_mutex_unlock(&w->lock);
	/* A callback may free the writer: nothing of it is touched from here on. */
	if (room && on_room)
		on_room(room_user);
	while (answers) {
		struct log_request *next = answers->next;

		answers->done(answers->user, answers->result);
		free(answers);
		answers = next;
	}
}

struct log_counts log_writer_counts(const struct log_writer *w)
{
	struct log_writer *mutable = (struct log_writer *)w;
	struct log_counts counts;

	pthread_mutex_lock(&mutable->lock);
	counts = mutable->counts;
	counts.bytes_pending = w->bytes_put - counts.bytes_logged - counts.bytes_dropped;
	pthread_mutex_unlock(&mutable->lock);
	return counts;
}

static int writer_init(struct log_writer *w, const struct log_writer_config *config)
{
	pthread_condattr_t attr;

	w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->eventfd < 0)
		return -errno;
	w->queue_max = config->queue_max > 0 ? config->queue_max : QUEUE_DEFAULT;
	w->answers_end = &w->answers;
	w->worker.markers = config->markers;
	log_framer_init(&w->worker.framer, config->format);
	w->worker.framer.local_time = config->local_time;
	w->worker.no_sync = config->no_sync;
	w->worker.partial_ms = config->partial_ms;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_cond_init(&w->ended, &attr);
	pthread_condattr_destroy(&attr);
	return ev_add(w->ev, w->eventfd, EPOLLIN, on_event, w, &w->source);
}

int log_writer_new(struct ev *ev, const struct log_writer_config *config,
		   void (*on_room)(void *user), void *user, struct log_writer **ret,
		   struct err *err)
{
	struct log_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_sysn(err, ENOMEM, "log file \"%s\"", config->path);
	w->ev = ev;
	w->on_room = on_room;
	w->user = user;
	r = log_file_open(&w->worker.file, config, err);
	if (r < 0) {
		free(w);
		return r;
	}
	r = writer_init(w, config);
	if (r < 0) {
		log_file_close(&w->worker.file);
		fd_close(w->eventfd);
		free(w);
		return err_sysn(err, r, "log file \"%s\"", config->path);
	}
	*ret = w;
	return 0;
}

void log_writer_free(struct log_writer *w, unsigned int timeout_ms)
{
	struct timespec until;
	bool ended;

	if (!w)
		return;
	ev_remove(w->source);
	for (int stream = 0; stream < LOG_STREAM_N; stream++)
		log_writer_eof(w, (enum log_stream)stream);
	if (!w->running) {
		writer_destroy(w);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	while (!w->has_ended && pthread_cond_timedwait(&w->ended, &w->lock, &until) == 0)
		;
	ended = w->has_ended;
	/* A worker that hangs in the kernel keeps the writer, and frees it if it ever returns. */
	w->abandoned = !ended;
	if (!ended)
		pthread_detach(w->thread);
	pthread_mutex_unlock(&w->lock);
	if (!ended)
		return;
	pthread_join(w->thread, NULL);
	writer_destroy(w);
}
