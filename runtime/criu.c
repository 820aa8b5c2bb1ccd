/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See criu.h.
 */
#include "runtime/criu.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/sock.h"
#include "runtime/criu_rpc.pb-c.h"

#define LOG_TAIL_MAX 65536
#define LOG_LINES_MAX 3

/* ---- requests ---- */

/* The messages of one request; they point at each other until they are packed. */
struct draft {
	Thole__Criu__Options options;
	Thole__Criu__PageServer server;
	Thole__Criu__Pair *mounts;
	Thole__Criu__CgroupRoot *cgroups;
	Thole__Criu__InheritedFd fds[CRIU_FDS_MAX];
	Thole__Criu__InheritedFd *fd_list[CRIU_FDS_MAX];
};

#define SET(field_, value_)                                                                        \
	do {                                                                                       \
		o->has_##field_ = 1;                                                               \
		o->field_ = (value_);                                                              \
	} while (0)

static void set_flags(Thole__Criu__Options *o, const struct criu_options *options)
{
	SET(ext_unix_sk, options->ext_unix_sk);
	SET(tcp_established, options->tcp_established);
	SET(tcp_skip_in_flight, options->tcp_skip_in_flight);
	SET(tcp_close, options->tcp_close);
	SET(shell_job, options->shell_job);
	SET(file_locks, options->file_locks);
	SET(link_remap, options->link_remap);
	SET(auto_dedup, options->auto_dedup);
	SET(lazy_pages, options->lazy_pages);
	SET(manage_cgroups, 1); /* for releases that do not know the mode */
	SET(manage_cgroups_mode, options->cgroups_mode);
	if (options->empty_ns)
		SET(empty_ns, options->empty_ns);
	if (options->network_lock)
		SET(network_lock, options->network_lock);
}

static void set_texts(struct draft *d, const struct criu_request *request)
{
	const struct criu_options *options = request->options;
	Thole__Criu__Options *o = &d->options;

	o->log_file = (char *)request->log_file;
	o->root = (char *)request->root;
	o->freeze_cgroup = (char *)request->freeze_cgroup;
	o->config_file = (char *)request->config_file;
	o->parent_image = (char *)options->parent_path;
	o->lsm_profile = (char *)options->lsm_profile;
	o->lsm_mount_context = (char *)options->lsm_mount_context;
	if (options->page_server_address) {
		d->server = (Thole__Criu__PageServer)THOLE__CRIU__PAGE_SERVER__INIT;
		d->server.address = (char *)options->page_server_address;
		d->server.has_port = 1;
		d->server.port = options->page_server_port;
		o->page_server = &d->server;
	}
}

static void set_lists(struct arena *arena, struct draft *d, const struct criu_request *request)
{
	Thole__Criu__Options *o = &d->options;
	size_t n = request->mounts.n, m = request->cgroups.n;

	o->n_external_mounts = n;
	o->external_mounts = ARENA_ARRAY(arena, n, Thole__Criu__Pair *);
	d->mounts = ARENA_ARRAY(arena, n, Thole__Criu__Pair);
	for (size_t i = 0; i < n; i++) {
		d->mounts[i] = (Thole__Criu__Pair)THOLE__CRIU__PAIR__INIT;
		d->mounts[i].key = (char *)request->mounts.v[i].key;
		d->mounts[i].value = (char *)request->mounts.v[i].value;
		o->external_mounts[i] = &d->mounts[i];
	}
	o->n_cgroup_roots = m;
	o->cgroup_roots = ARENA_ARRAY(arena, m, Thole__Criu__CgroupRoot *);
	d->cgroups = ARENA_ARRAY(arena, m, Thole__Criu__CgroupRoot);
	for (size_t i = 0; i < m; i++) {
		d->cgroups[i] = (Thole__Criu__CgroupRoot)THOLE__CRIU__CGROUP_ROOT__INIT;
		d->cgroups[i].controller = (char *)request->cgroups.v[i].key;
		d->cgroups[i].path = (char *)request->cgroups.v[i].value;
		o->cgroup_roots[i] = &d->cgroups[i];
	}
	o->n_inherited_fds = request->n_fds;
	o->inherited_fds = d->fd_list;
	for (size_t i = 0; i < request->n_fds; i++) {
		d->fds[i] = (Thole__Criu__InheritedFd)THOLE__CRIU__INHERITED_FD__INIT;
		d->fds[i].key = (char *)request->fds[i].key;
		d->fds[i].fd = request->fds[i].fd;
		d->fd_list[i] = &d->fds[i];
	}
	o->n_external = request->n_external;
	o->external = (char **)request->external;
}

static void set_type(Thole__Criu__Options *o, const struct criu_request *request)
{
	const struct criu_options *options = request->options;

	o->images_dir_fd = request->images_fd;
	SET(work_dir_fd, request->work_fd);
	SET(log_level, 4);
	SET(notify_scripts, 1);
	SET(orphan_pts_master, 1);
	/* Slaves of the host's mounts, where that shares them. */
	SET(external_sharing, 1);
	SET(external_masters, 1);
	if (request->type == CRIU_RESTORE) {
		/* Init becomes the runtime's child, not criu's. */
		SET(restore_sibling, 1);
		SET(evasive_devices, 1);
		return;
	}
	SET(pid, request->pid);
	SET(leave_running, options->leave_running || request->type == CRIU_PRE_DUMP);
	if (request->type == CRIU_PRE_DUMP)
		SET(track_memory, 1);
}

static void pack(struct arena *arena, const Thole__Criu__Request *message, void **ret,
		 size_t *ret_n)
{
	*ret_n = thole__criu__request__get_packed_size(message);
	*ret = arena_alloc(arena, *ret_n + 1);
	(void)thole__criu__request__pack(message, *ret);
}

void criu_encode(struct arena *arena, const struct criu_request *request, void **ret, size_t *ret_n)
{
	Thole__Criu__Request message = THOLE__CRIU__REQUEST__INIT;
	struct draft draft = { .options = THOLE__CRIU__OPTIONS__INIT };

	set_type(&draft.options, request);
	set_flags(&draft.options, request->options);
	set_texts(&draft, request);
	set_lists(arena, &draft, request);
	message.type = (int32_t)request->type;
	message.options = &draft.options;
	pack(arena, &message, ret, ret_n);
}

void criu_encode_features(struct arena *arena, void **ret, size_t *ret_n)
{
	Thole__Criu__Request message = THOLE__CRIU__REQUEST__INIT;
	Thole__Criu__Features features = THOLE__CRIU__FEATURES__INIT;

	features.has_mem_track = features.has_lazy_pages = 1;
	features.mem_track = features.lazy_pages = 1;
	message.type = CRIU_FEATURE_CHECK;
	message.features = &features;
	pack(arena, &message, ret, ret_n);
}

void criu_encode_reply(struct arena *arena, bool success, void **ret, size_t *ret_n)
{
	Thole__Criu__Request message = THOLE__CRIU__REQUEST__INIT;

	message.type = CRIU_NOTIFY;
	message.has_notify_success = 1;
	message.notify_success = success;
	pack(arena, &message, ret, ret_n);
}

/* ---- answers ---- */

static void read_end(const Thole__Criu__Response *message, struct criu_event *ret)
{
	ret->kind = CRIU_EVENT_END;
	ret->success = message->success;
	ret->error_number = message->has_error_number ? message->error_number : 0;
	if (message->restored)
		ret->pid = message->restored->pid;
	if (message->error_message)
		snprintf(ret->error, sizeof(ret->error), "%s", message->error_message);
	if (message->features) {
		ret->features.mem_track = message->features->mem_track;
		ret->features.lazy_pages = message->features->lazy_pages;
	}
}

int criu_decode(const void *data, size_t n, struct criu_event *ret)
{
	Thole__Criu__Response *message = thole__criu__response__unpack(NULL, n, data);
	int r = 0;

	if (!message)
		return -EBADMSG;
	*ret = (struct criu_event){ .fd = -EBADF };
	if (message->type != CRIU_NOTIFY) {
		read_end(message, ret);
	} else if (!message->notification || !message->notification->script) {
		r = -EBADMSG;
	} else {
		ret->kind = CRIU_EVENT_NOTIFY;
		snprintf(ret->script, sizeof(ret->script), "%s", message->notification->script);
		ret->pid = message->notification->has_pid ? message->notification->pid : 0;
	}
	thole__criu__response__free_unpacked(message, NULL);
	return r;
}

int criu_send(int sock, const void *data, size_t n, struct err *err)
{
	ssize_t r = sock_send(sock, data, n, NULL, 0);

	return r < 0 ? err_sysn(err, (int)r, "criu: send the request") : 0;
}

int criu_recv(int sock, struct criu_event *ret, struct err *err)
{
	unsigned char buf[CRIU_ANSWER_MAX];
	size_t n_fds = 1;
	int fd = -EBADF, r;
	ssize_t n = sock_recv(sock, buf, sizeof(buf), &fd, &n_fds);

	/* It may have died with something unread. */
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return err_sysn(err, (int)n, "criu: receive its answer");
	r = criu_decode(buf, (size_t)n, ret);
	if (r < 0) {
		if (n_fds)
			fd_close(fd);
		return err_sysn(err, r, "criu: its answer");
	}
	if (n_fds)
		ret->fd = fd;
	return 1;
}

/* ---- the log ---- */

struct line {
	const char *text;
	size_t n;
};

static bool ends_with(const struct line *line, const char *end)
{
	size_t n = strlen(end);

	return line->n >= n && memcmp(line->text + line->n - n, end, n) == 0;
}

/* "(00.12) Error (criu/x.c:12): what": the rest after it. False if it is no error. */
static bool strip(struct line *line)
{
	const char *at = memmem(line->text, line->n, "Error (", 7);
	const char *colon;

	/* Only at the beginning, behind the time and a pid: "(00.5)   8: Error (". */
	if (!at || at - line->text > 40)
		return false;
	for (const char *c = line->text; c < at; c++)
		if (!strchr("().: 0123456789", *c))
			return false;
	colon = memmem(at, line->n - (size_t)(at - line->text), "): ", 3);
	if (!colon)
		return false;
	line->n -= (size_t)(colon + 3 - line->text);
	line->text = colon + 3;
	while (line->n && line->text[0] == ' ') {
		line->text++;
		line->n--;
	}
	return line->n > 0 && !ends_with(line, "FAILED.");
}

/* What criu says on its way is no reason: it goes on without these rights. */
static bool is_chatter(const struct line *line)
{
	static const char limit[] = "rlimit: Can't setup RLIMIT_NOFILE";

	return line->n >= sizeof(limit) - 1 && memcmp(line->text, limit, sizeof(limit) - 1) == 0;
}

void criu_log_errors(const char *text, size_t n, struct str *out)
{
	struct line last[LOG_LINES_MAX];
	size_t count = 0, start;

	while (n) {
		const char *end = memchr(text, '\n', n);
		struct line line = { text, end ? (size_t)(end - text) : n };

		n -= line.n + (end != NULL);
		text += line.n + (end != NULL);
		if (strip(&line) && !is_chatter(&line))
			last[count++ % LOG_LINES_MAX] = line;
	}
	start = count > LOG_LINES_MAX ? count - LOG_LINES_MAX : 0;
	for (size_t i = start; i < count; i++) {
		const struct line *line = &last[i % LOG_LINES_MAX];

		if (i > start)
			str_add(out, "; ");
		/* The log names the container's files: no control character reaches a terminal. */
		for (size_t j = 0; j < line->n; j++)
			str_add_char(out, (unsigned char)line->text[j] < ' ' ? ' ' : line->text[j]);
	}
}

void criu_log_errors_of(int fd, struct str *out)
{
	char buf[LOG_TAIL_MAX];
	struct stat st;
	off_t from;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	from = st.st_size > (off_t)sizeof(buf) ? st.st_size - (off_t)sizeof(buf) : 0;
	n = pread(fd, buf, sizeof(buf), from);
	if (n > 0)
		criu_log_errors(buf, (size_t)n, out);
}
