/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See criu_plan.h.
 */
#include "runtime/criu_plan.h"

#include <errno.h>
#include <sched.h>

struct word {
	const char *name;
	int number;
};

static int find_word(const struct word *words, const char *text, const char *option, int *ret,
		     struct err *err)
{
	char known[128];
	struct str list = STR_FIXED(known);

	for (const struct word *w = words; w->name; w++) {
		if (str_eq(w->name, text)) {
			*ret = w->number;
			return 0;
		}
		str_addf(&list, "%s%s", w == words ? "" : ", ", w->name);
	}
	return err_set(err, EINVAL, "invalid %s: \"%s\" is none of %s", option, text, known);
}

int criu_parse_cgroups_mode(const char *text, int *ret, struct err *err)
{
	static const struct word words[] = {
		{ "soft", 3 }, { "full", 4 }, { "strict", 5 }, { "ignore", 0 }, { NULL, 0 }
	};

	return find_word(words, text, "manage-cgroups-mode", ret, err);
}

int criu_parse_network_lock(const char *text, int *ret, struct err *err)
{
	static const struct word words[] = {
		{ "iptables", 1 }, { "nftables", 2 }, { "skip", 3 }, { NULL, 0 }
	};

	return find_word(words, text, "network-lock", ret, err);
}

int criu_parse_page_server(struct arena *arena, const char *text, struct criu_options *options,
			   struct err *err)
{
	const char *colon = strrchr(text, ':');
	uint32_t port;
	size_t n;

	if (!colon || colon == text || parse_u32(colon + 1, 10, &port) < 0 || port > 65535)
		return err_set(err, EINVAL,
			       "invalid page-server: \"%s\" is not of the form ADDRESS:PORT", text);
	n = (size_t)(colon - text);
	if (text[0] == '[' && text[n - 1] == ']' && n > 2) {
		text++;
		n -= 2;
	}
	options->page_server_address = arena_strndup(arena, text, n);
	options->page_server_port = (int)port;
	return 0;
}

int criu_check_options(const struct criu_options *options, enum criu_type type, struct err *err)
{
	if (options->parent_path && options->parent_path[0] == '/')
		return err_set(err, EINVAL,
			       "--parent-path \"%s\" must be relative to the image path",
			       options->parent_path);
	if (type == CRIU_RESTORE)
		return 0;
	if (options->lazy_pages && options->pre_dump)
		return err_set(err, EINVAL, "--lazy-pages and --pre-dump exclude each other");
	if (options->lazy_pages && !options->page_server_address)
		return err_set(err, EINVAL,
			       "--lazy-pages needs --page-server: the address that the pages are "
			       "asked for at");
	return 0;
}

/* ---- namespaces ---- */

static const struct {
	uint64_t flag;
	const char *name;
	enum criu_ns by_path;
	const char *external;
} kinds[] = {
	{ CLONE_NEWNET, "network", CRIU_NS_EXTERNAL, "extRootNetNS" },
	{ CLONE_NEWPID, "pid", CRIU_NS_EXTERNAL, "extRootPidNS" },
	{ CLONE_NEWIPC, "ipc", CRIU_NS_JOIN, NULL },
	{ CLONE_NEWUTS, "uts", CRIU_NS_JOIN, NULL },
	{ CLONE_NEWNS, "mount", CRIU_NS_REFUSED, NULL },
	{ CLONE_NEWUSER, "user", CRIU_NS_REFUSED, NULL },
	{ CLONE_NEWCGROUP, "cgroup", CRIU_NS_REFUSED, NULL },
	{ 0x80 /* CLONE_NEWTIME */, "time", CRIU_NS_REFUSED, NULL },
};

enum criu_ns criu_ns_of(const struct spec *spec, uint64_t flag)
{
	const struct spec_namespace *ns = spec_namespace(spec, flag);

	if (!ns || !ns->path || !*ns->path)
		return CRIU_NS_OWN;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (kinds[i].flag == flag)
			return kinds[i].by_path;
	return CRIU_NS_REFUSED;
}

const char *criu_ns_name(uint64_t flag)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (kinds[i].flag == flag)
			return kinds[i].external;
	return NULL;
}

int criu_check_namespaces(const struct spec *spec, const char *what, struct err *err)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (criu_ns_of(spec, kinds[i].flag) == CRIU_NS_REFUSED)
			return err_set(err, ENOTSUP,
				       "cannot %s a container in an existing %s namespace", what,
				       kinds[i].name);
	return 0;
}

/* ---- the request ---- */

void criu_pairs_add(struct arena *arena, struct criu_pairs *pairs, const char *key,
		    const char *value)
{
	if (pairs->n == pairs->cap) {
		size_t cap = pairs->cap ? pairs->cap * 2 : 16;
		struct criu_pair *v = ARENA_ARRAY(arena, cap, struct criu_pair);

		if (pairs->n)
			memcpy(v, pairs->v, pairs->n * sizeof(*v));
		pairs->v = v;
		pairs->cap = cap;
	}
	pairs->v[pairs->n++] = (struct criu_pair){ key, value };
}

void criu_plan_common(const struct criu_options *options, const struct spec *spec,
		      enum criu_type type, struct criu_request *ret)
{
	*ret = (struct criu_request){
		.type = type,
		.options = options,
		.images_fd = -EBADF,
		.work_fd = -EBADF,
		.log_file = type == CRIU_RESTORE ? "restore.log" : "dump.log",
		.config_file = spec_annotation(spec, "org.criu.config"),
	};
}

bool criu_mount_is_external(const struct plan_mount *m)
{
	return m->kind == PLAN_MOUNT_BIND || m->kind == PLAN_MOUNT_HOST_FS;
}

static void print_pairs(const char *name, const struct criu_pairs *pairs, struct str *out)
{
	for (size_t i = 0; i < pairs->n; i++)
		str_addf(out, "%s %s = %s\n", name, pairs->v[i].key, pairs->v[i].value);
}

static void print_flags(const struct criu_options *o, struct str *out)
{
	const struct {
		const char *name;
		bool on;
	} flags[] = {
		{ "leave-running", o->leave_running },
		{ "tcp-established", o->tcp_established },
		{ "tcp-skip-in-flight", o->tcp_skip_in_flight },
		{ "tcp-close", o->tcp_close },
		{ "link-remap", o->link_remap },
		{ "ext-unix-sk", o->ext_unix_sk },
		{ "shell-job", o->shell_job },
		{ "lazy-pages", o->lazy_pages },
		{ "file-locks", o->file_locks },
		{ "auto-dedup", o->auto_dedup },
	};

	str_add(out, "flags");
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		if (flags[i].on)
			str_addf(out, " %s", flags[i].name);
	str_add(out, "\n");
}

void criu_request_print(const struct criu_request *request, struct str *out)
{
	const struct criu_options *o = request->options;

	str_addf(out, "criu %s log=%s\n",
		 request->type == CRIU_DUMP      ? "dump"
		 : request->type == CRIU_RESTORE ? "restore"
						 : "pre-dump",
		 request->log_file);
	print_flags(o, out);
	str_addf(out, "cgroups-mode %d\n", o->cgroups_mode);
	if (request->root)
		str_addf(out, "root %s\n", request->root);
	if (request->freeze_cgroup)
		str_addf(out, "freeze-cgroup %s\n", request->freeze_cgroup);
	if (request->config_file)
		str_addf(out, "config-file %s\n", request->config_file);
	if (o->parent_path)
		str_addf(out, "parent %s\n", o->parent_path);
	if (o->page_server_address)
		str_addf(out, "page-server %s %d\n", o->page_server_address, o->page_server_port);
	print_pairs("mount", &request->mounts, out);
	print_pairs("cgroup", &request->cgroups, out);
	for (size_t i = 0; i < request->n_external; i++)
		str_addf(out, "external %s\n", request->external[i]);
	for (size_t i = 0; i < request->n_fds; i++)
		str_addf(out, "inherit %s\n", request->fds[i].key);
}
